"""Where Debian's packages come from: the mirror that this computer itself uses."""

from __future__ import annotations

import os
import subprocess

from lab.errors import LabError

REMEDY = "name a mirror of Debian: CUSTOS_DEBIAN_MIRROR=URL"


def debian_mirror() -> str:
    """CUSTOS_DEBIAN_MIRROR, else the first archive `…/debian` of apt's sources. Raises LabError where there is none."""
    named = os.environ.get("CUSTOS_DEBIAN_MIRROR")
    if named:
        return named
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"apt does not say where its packages come from: {error}", REMEDY) from error
    for line in listed.splitlines():
        if line.rstrip("/").endswith("/debian"):
            return line.rstrip("/")
    raise LabError("no archive of Debian is among apt's sources", REMEDY)
