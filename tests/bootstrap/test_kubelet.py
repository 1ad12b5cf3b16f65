"""Which lines of a kubelet's configuration are other than they should be."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.engines.kubelet import differences


@pytest.mark.parametrize(
    ("wanted", "found", "different"),
    [
        ({"failSwapOn": False}, {"failSwapOn": False, "other": 1}, []),
        ({"failSwapOn": False}, {"failSwapOn": True}, [("failSwapOn", False, True)]),
        ({"failSwapOn": False}, {}, []),
        ({"maxPods": 50}, {}, [("maxPods", 50, None)]),
        ({"shutdownGracePeriod": "60s"}, {"shutdownGracePeriod": "1m0s"}, []),
        ({"shutdownGracePeriod": "1h30m"}, {"shutdownGracePeriod": "90m"}, []),
        ({"shutdownGracePeriod": "60s"}, {"shutdownGracePeriod": "0s"}, [("shutdownGracePeriod", "60s", "0s")]),
        ({"staticPodPath": "/a"}, {"staticPodPath": "/b"}, [("staticPodPath", "/a", "/b")]),
        (
            {"systemReserved": {"memory": "2Gi", "cpu": "1"}},
            {"systemReserved": {"memory": "1Gi", "cpu": "1"}},
            [("systemReserved.memory", "2Gi", "1Gi")],
        ),
        ({"systemReserved": {"memory": "2Gi"}}, {}, [("systemReserved", {"memory": "2Gi"}, None)]),
    ],
)
def test_lines_are_compared_as_the_kubelet_understands_them(
    wanted: dict[str, Any], found: dict[str, Any], different: list[tuple[str, Any, Any]]
) -> None:
    assert list(differences(wanted, found)) == different
