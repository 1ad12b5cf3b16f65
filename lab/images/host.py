"""What this computer must have to make images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from tools.cache import step

# The program (or file) that proves a package, and the package, in Debian's and Ubuntu's names.
PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "unshare": "util-linux",
    "mount": "mount",
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
    "mvn": "maven",
}


def missing_packages() -> list[str]:
    """The packages that this computer lacks."""
    return sorted({package for proof, package in PACKAGES.items() if not _there(proof)})


def prepare() -> None:
    """Installs what is missing. Raises LabError without root, or without apt-get if need be."""
    missing = missing_packages()
    if os.geteuid() != 0:
        first = f"sudo apt-get install {' '.join(missing)}; then " if missing else ""
        raise LabError("only root can make images: it takes mounts and file owners", f"{first}run it as root")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        what = f"these packages are missing and there is no apt-get: {', '.join(missing)}"
        raise LabError(what, "install what corresponds to them, then run again")
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    with step(f"installing {', '.join(missing)}"):
        run(["apt-get", "update"])
        run(install, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _there(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None
