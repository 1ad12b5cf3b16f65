"""What a lab takes of this computer, written beforehand, so that `down` finds it whatever happened."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import files
from lab.description import Lab
from lab.errors import LabError

NAME = "lab.json"


@dataclass(frozen=True)
class Record:
    """The lab as it was first started: its name, its bridge and subnet."""

    name: str
    bridge: str
    subnet: str

    @classmethod
    def of(cls, lab: Lab) -> "Record":
        """What is recorded of a description."""
        return cls(lab.name, lab.bridge, str(lab.subnet))


def read(state: Path) -> Record | None:
    """The record in the state folder; None if no lab is there. Raises LabError if it cannot be understood."""
    try:
        return Record(**json.loads((state / NAME).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise LabError(
            f"{state / NAME} is not what this program wrote: {error}",
            "name the lab's own folder in CUSTOS_LAB_STATE, or restore the file",
        ) from None


def write(state: Path, record: Record) -> None:
    """Record the lab before anything of it exists."""
    files.write(state / NAME, json.dumps(asdict(record)) + "\n")


def remove(state: Path) -> None:
    """Forget the lab, after everything of it is gone."""
    (state / NAME).unlink(missing_ok=True)
