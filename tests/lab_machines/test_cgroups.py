"""The hierarchies of control groups, as proc(5) lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cgroups import hierarchies

V1_CPU = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct"
V1_SYSTEMD = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd"
HYBRID_V2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
PURE_V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
OTHER = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw"


@pytest.mark.parametrize(
    "lines, found",
    [
        ([OTHER], []),
        ([OTHER, PURE_V2], [("/sys/fs/cgroup", True, ())]),
        (
            [OTHER, V1_CPU, V1_SYSTEMD, HYBRID_V2],
            [
                ("/sys/fs/cgroup/cpu,cpuacct", False, ("cpu", "cpuacct")),
                ("/sys/fs/cgroup/systemd", False, ("name=systemd",)),
                ("/sys/fs/cgroup/unified", True, ()),
            ],
        ),
    ],
    ids=["none", "version 2", "hybrid"],
)
def test_hierarchies_are_found(lines: list[str], found: list[tuple[str, bool, tuple[str, ...]]]) -> None:
    result = hierarchies("\n".join(lines))
    assert [(entry.mount, entry.unified) for entry in result] == [(Path(path), v2) for path, v2, _ in found]
    for entry, (_, _, controllers) in zip(result, found, strict=True):
        assert entry.controllers >= set(controllers)
