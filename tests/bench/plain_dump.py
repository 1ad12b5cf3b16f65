"""The least that one YAML document a service can cost: imports, the catalogue read, a plain dump.

Run as `plain_dump.py CATALOGUE OUTPUT` with the generator on the PYTHONPATH.
"""

import sys
from pathlib import Path

import yaml

import generator.cli  # noqa: F401  (its time is part of the baseline)


def main() -> None:
    """Reads argv[1], writes argv[2]."""
    catalogue, output = map(Path, sys.argv[1:])
    services = yaml.load(catalogue.read_text(encoding="utf-8"), yaml.CSafeLoader)["services"]
    with output.open("w", encoding="utf-8") as stream:
        yaml.dump_all(services.values(), stream, yaml.CSafeDumper, sort_keys=False)


if __name__ == "__main__":
    main()
