"""How much of a Secret the Helm release takes: Helm keeps it in one, and a Secret's limit is 1 MiB."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import tempfile
from pathlib import Path

from tests.bench import lab
from tests.bench.errors import BenchError
from tests.bench.machine import program
from tests.bench.results import Result, loaded
from tests.bench.template import platform_chart
from tests.lab.cluster import CommandFailed

LIMIT = 2**20  # bytes of all of a Secret's data together (Kubernetes: MaxSecretSize)
SIZES = (24, 100)


def measure(_times: int) -> Result:
    """KiB of the release of 24 and 100 services, and of the lab's where there is one, beside the limit."""
    result = Result(
        "release",
        "Size of the Helm release",
        "Size of the Secret `sh.helm.release.v1.…`: the release as JSON, packed by gzip, in base64. Computed "
        "from `helm install --dry-run=client -o json` of production's chart; read from the cluster where it "
        "says `installed`. The ratio is the share of the limit.",
    )
    with tempfile.TemporaryDirectory() as folder, loaded(result):
        sizes = {services: computed(Path(folder) / str(services), services) for services in SIZES}
        for services, size in sizes.items():
            _add(result, f"{services} services, computed", size)
        few, many = SIZES
        result.add("each further service", "KiB", (sizes[many] - sizes[few]) / (many - few) / 2**10)
        try:
            _add(result, "lab, installed", installed())
        except BenchError as lack:
            result.left_out.append(str(lack))
    return result


def computed(folder: Path, services: int) -> int:
    """Bytes of the release's Secret as Helm would write it (Helm: pkg/storage/driver, encodeRelease)."""
    chart = platform_chart(folder, services)
    command = [program("helm"), "install", "custos", str(chart), "--namespace", "custos"]
    command += ["--dry-run=client", "--output", "json"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise BenchError(f"helm refuses the chart: {words}", "mend the chart")
    release = json.dumps(json.loads(done.stdout), separators=(",", ":"), ensure_ascii=False)
    return len(base64.b64encode(gzip.compress(release.encode(), 9)))


def installed() -> int:
    """Bytes of the Secret of the lab's newest revision. Raises BenchError where nothing is installed."""
    cluster = lab.cluster()
    if cluster is None:
        raise BenchError("the installed release was not measured", lab.ABSENT)
    platform = lab.described().platform
    selector = f"owner=helm,name={platform.release}"
    try:
        found = cluster.get("secrets", "-n", platform.namespace, "-l", selector)["items"]
    except CommandFailed as failure:
        raise BenchError(f"the lab does not answer: {failure}", "`make up`, or `make down`") from None
    if not found:
        raise BenchError(f"the lab has no release {platform.release}", "`make up` installs it")
    newest = max(found, key=lambda secret: int(secret["metadata"]["labels"]["version"]))
    return sum(len(base64.b64decode(value)) for value in newest["data"].values())


def _add(result: Result, what: str, size: int) -> None:
    result.add(what, "KiB", size / 2**10, "limit of a Secret", LIMIT / 2**10)
