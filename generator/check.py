"""`check`: are the values right, and is the committed chart what `render` gives?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from generator.catalogue import load_catalogue
from generator.checks import cross_findings
from generator.errors import Finding, FindingsError
from generator.inventory import read_machines
from generator.messages import show
from generator.render import Sources, chart_files, read_chart
from generator.schema import ValuesSchema
from generator.values import read_values


def check_values(files: Sequence[Path], inventory: Path | None = None, sources: Sources | None = None) -> list[Finding]:
    """All that is wrong with any of the values files, and with them on the machines of `inventory`.

    Raises FindingsError where the catalogue or the schema itself is wrong, so that nothing can be judged.
    """
    catalogue = load_catalogue((sources or Sources()).catalogue)
    schema = ValuesSchema(catalogue)
    findings: list[Finding] = []
    nodes: int | None = None
    if inventory:
        try:
            machines = read_machines(inventory)
            nodes = sum(machine.runs_pods for machine in machines) if machines else None
        except FindingsError as error:
            findings += error.findings
    for file in files:
        try:
            values, wrong = read_values(file, schema)
        except FindingsError as error:
            findings += error.findings
            continue
        found = wrong + cross_findings(values, catalogue, nodes, complete=not wrong)
        findings += sorted(found, key=lambda finding: finding.line or 0)
    return findings


def check_chart(chart: Path, values: Path, sources: Sources | None = None) -> list[Finding]:
    """Where `chart` is not, byte by byte, what `render values` gives. Raises FindingsError like `render`."""
    wanted = chart_files(values, sources)
    there = read_chart(chart)
    mend = f"python -m generator render {values}"
    if not there:
        return [Finding(file=str(chart), message="there is no chart", mend=mend)]
    findings = []
    for name in sorted(wanted.keys() | there.keys()):
        place = str(chart / name)
        if name not in there:
            findings.append(Finding(file=place, message="is missing in the chart", mend=mend))
        elif name not in wanted:
            findings.append(Finding(file=place, message="is in the chart, but no render makes it", mend=mend))
        elif wanted[name] != there[name]:
            findings.append(_difference(place, there[name], wanted[name], mend))
    return findings


def _difference(place: str, there: bytes, wanted: bytes, mend: str) -> Finding:
    """The first line that differs."""
    message = "is not what render gives"
    pairs = zip_longest(*(content.decode("utf-8", "replace").splitlines() for content in (there, wanted)))
    for number, (found, allowed) in enumerate(pairs, 1):
        if found != allowed:
            shown = [None if line is None else show(line.strip()) for line in (found, allowed)]
            return Finding(place, message, line=number, found=shown[0], allowed=shown[1], mend=mend)
    return Finding(place, message, mend=mend)
