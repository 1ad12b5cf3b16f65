"""The little that the generator wants to know of an inventory: its machines. The rest is bootstrap's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.errors import Finding, FindingsError
from generator.loading import load_mapping


@dataclass(frozen=True)
class Machine:
    """A machine, what it is for, and its address."""

    name: str
    address: str
    roles: tuple[str, ...]

    @property
    def runs_pods(self) -> bool:
        """Whether the platform's pods may run there."""
        return "worker" in self.roles


def read_machines(file: Path | str) -> list[Machine]:
    """The machines of an inventory, none where it uses a cluster that exists. Raises FindingsError."""
    document = load_mapping(file)
    machines = document.data.get("machines", [])
    try:
        return [
            Machine(str(entry["name"]), str(entry.get("address", "")), tuple(map(str, entry["roles"])))
            for entry in machines
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise FindingsError(
            [
                Finding(
                    file=document.file,
                    line=document.line(("machines",)),
                    key=("machines",),
                    message="is not a list of machines",
                    allowed="entries with name, address and roles",
                    mend=f"python -m bootstrap plan {file} says what is wrong with it",
                )
            ]
        ) from error
