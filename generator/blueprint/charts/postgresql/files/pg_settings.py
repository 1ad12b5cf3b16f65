"""Where things lie in the pod, and the files that Patroni is given: the chart's configuration, and the pod's own part.

Patroni takes a folder of YAML files and merges them by name. The second one holds what only the pod knows (its
address, the programs of its image) and the passwords, so it lies in memory and is written anew when a Secret changes.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/custos/patroni")
ADMIN = Path("/etc/custos/admin")
USERS = Path("/etc/custos/users")
TLS = Path("/etc/custos/tls")
RUN = Path("/run/custos")
PARTS = RUN / "patroni"
SOCKETS = Path("/run/postgresql")
DATA = Path("/home/postgres/pgdata/pgroot/data")
PROGRAMS = Path("/usr/lib/postgresql")

SUPERUSER = "postgres"
REPLICATOR = "replicator"
REWINDER = "rewinder"
# Role -> key of the Secret with the passwords of our own roles.
ADMIN_KEYS = {
    SUPERUSER: "superuser-password",
    REPLICATOR: "replication-password",
    REWINDER: "rewind-password",
}


class Refusal(Exception):
    """Why the member does not start; the message says what to do."""


def image_major(programs: Path = PROGRAMS) -> int:
    """The major version of PostgreSQL that this image runs: the newest of those that it holds."""
    names = [path.parent.parent.name for path in programs.glob("*/bin/postgres")]
    found = [int(name) for name in names if name.isdigit()]
    if not found:
        raise Refusal(f"there is no PostgreSQL in {programs}. postgresql.image must be one of Spilo's")
    return max(found)


def check_major(data: Path, major: int) -> None:
    """Raises Refusal where the data was written by another major version; reads PG_VERSION and touches nothing."""
    file = data / "PG_VERSION"
    if not file.exists():
        return
    written = file.read_text(encoding="ascii", errors="replace").strip()
    if written != str(major):
        raise Refusal(
            f"the data in {data} is of PostgreSQL {written}, this image runs PostgreSQL {major}. A major version"
            " cannot be changed by changing the image, in either direction. Nothing was touched.\n"
            f"  Put back the image with PostgreSQL {written} (postgresql.image) and upgrade again. To move to another"
            " major version, dump the databases and load them into a new release (docs/operating.md, PostgreSQL)."
        )


def secret(folder: Path, key: str) -> str:
    """The password under one key of a mounted Secret. Raises Refusal where it is missing or unusable."""
    try:
        text = (folder / key).read_text(encoding="utf-8").rstrip("\n")
    except FileNotFoundError:
        raise Refusal(f"the Secret mounted at {folder} lacks the key {key}: add it") from None
    except UnicodeDecodeError:
        text = ""
    if not re.fullmatch(r"[!-~]{1,128}", text):
        raise Refusal(
            f"key {key} of the Secret mounted at {folder} is no usable password;"
            " allowed: 1 to 128 printable ASCII characters without blanks"
        )
    return text


def own_part(name: str, address: str, namespace: str) -> dict[str, Any]:
    """Patroni's settings of this pod: `name` of the pod, its IP `address`, its namespace. Raises Refusal."""
    host = f"[{address}]" if ":" in address else address
    # A certificate of the internal CA is asked for, not a certain name: members know each other by address, because a
    # name would have to be looked up just when a machine, perhaps with the DNS server, is gone.
    trust = {"sslmode": "verify-ca", "sslrootcert": str(TLS / "ca.crt")}
    roles = {
        kind: {"username": role, "password": secret(ADMIN, ADMIN_KEYS[role]), **trust}
        for kind, role in (("superuser", SUPERUSER), ("replication", REPLICATOR), ("rewind", REWINDER))
    }
    return {
        "name": name,
        "restapi": {"connect_address": f"{host}:8008"},
        "kubernetes": {"namespace": namespace, "pod_ip": address},
        "postgresql": {
            "bin_dir": str(PROGRAMS / str(image_major()) / "bin"),
            "connect_address": f"{host}:5432",
            "authentication": roles,
        },
    }


def write_parts() -> bool:
    """Bring Patroni's folder up to what is mounted; returns whether anything changed. Raises Refusal."""
    own = own_part(os.environ["POD_NAME"], os.environ["POD_IP"], os.environ["NAMESPACE"])
    PARTS.mkdir(mode=0o700, parents=True, exist_ok=True)
    common = (CONFIGURATION / "patroni.yaml").read_text(encoding="utf-8")
    # JSON is YAML.
    parts = {"10-chart.yml": common, "20-pod.yml": json.dumps(own, indent=1)}
    changed = [name for name, text in parts.items() if _written(PARTS / name) != text]
    for name in changed:
        fresh = PARTS / f".{name}.new"
        fresh.touch(mode=0o600)
        fresh.write_text(parts[name], encoding="utf-8")
        fresh.replace(PARTS / name)
    return bool(changed)


def _written(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
