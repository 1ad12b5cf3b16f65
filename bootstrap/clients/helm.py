"""Releases, through pyhelm3, in the few of its ways that have been seen to do what they say.

Not used: `ensure_release` (it uninstalls a release whose install was cut off, and passes over a chart that was edited),
several values (it joins their lists, Helm replaces them), its `atomic` and `disable_validation`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyhelm3

from bootstrap.errors import Problem

Manifest = dict[str, Any]
# It warns of every question that Helm answers with no, such as whether a release is there.
logging.getLogger("pyhelm3").addHandler(logging.NullHandler())
logging.getLogger("pyhelm3").propagate = False
POLL = 2.0  # seconds between two looks while Helm works


@dataclass(frozen=True)
class Release:
    """A release's newest revision; `status` as Helm names it, `objects` without hooks."""

    revision: int
    status: str
    description: str
    updated: datetime
    objects: list[Manifest]

    @property
    def pending(self) -> bool:
        """Whether Helm takes an operation to be under way; also after one that was cut off."""
        return self.status.startswith("pending-")

    @property
    def age(self) -> float:
        """Seconds since it was updated."""
        return (datetime.now(UTC) - self.updated).total_seconds()


class Helm:
    """Helm on one cluster. Methods raise Problem with what Helm says."""

    def __init__(self, executable: Path, kubeconfig: Path, context: str) -> None:
        self._command = pyhelm3.Command(
            executable=str(executable), kubeconfig=kubeconfig, kubecontext=context or None, history_max_revisions=5
        )
        self._client = pyhelm3.Client(self._command, executable=str(executable))

    def release(self, name: str, namespace: str) -> Release | None:
        """The newest revision, None where there is no such release."""
        try:
            found = asyncio.run(self._client.get_current_revision(name, namespace=namespace))
            objects = asyncio.run(found.resources())
        except pyhelm3.ReleaseNotFoundError:
            return None
        except pyhelm3.Error as error:
            raise _problem(f"read the release {name}", error) from error
        status = getattr(found.status, "value", found.status)
        updated = found.updated if found.updated.tzinfo else found.updated.replace(tzinfo=UTC)
        return Release(int(found.revision), str(status), found.description or "", updated, [o for o in objects if o])

    def template(self, name: str, namespace: str, chart: Path) -> list[Manifest]:
        """The objects that the chart gives, without hooks."""

        async def rendered() -> Any:
            opened = await self._client.get_chart(chart)
            return await self._client.template_resources(opened, name, namespace=namespace, no_hooks=True)

        try:
            return [found for found in asyncio.run(rendered()) if found]
        except pyhelm3.Error as error:
            raise _problem(f"render the chart {chart}", error) from error

    def upgrade(
        self, name: str, namespace: str, chart: Path, description: str, timeout: int, working: Callable[[], None]
    ) -> None:
        """`helm upgrade --install` with the chart's own values; hooks get `timeout` seconds.

        `working` is called every other second meanwhile.
        """

        async def run() -> None:
            opened = await self._client.get_chart(chart)
            task = asyncio.ensure_future(
                self._client.install_or_upgrade_release(
                    name,
                    opened,
                    namespace=namespace,
                    description=description,
                    create_namespace=False,
                    # Without this Helm keeps the values of the revision before when it is given none.
                    reset_values=True,
                    timeout=f"{timeout}s",
                )
            )
            await _watched(task, working)

        try:
            asyncio.run(run())
        except pyhelm3.Error as error:
            raise _problem(f"install the release {name}", error) from error

    def test(self, name: str, namespace: str, timeout: int, working: Callable[[], None]) -> None:
        """`helm test`; raises Problem where a test fails."""

        async def run() -> None:
            command = ["test", name, "--namespace", namespace, "--timeout", f"{timeout}s"]
            await _watched(asyncio.ensure_future(self._command.run(command)), working)

        try:
            asyncio.run(run())
        except pyhelm3.Error as error:
            raise _problem(f"test the release {name}", error) from error


async def _watched(task: asyncio.Future[Any], working: Callable[[], None]) -> None:
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=POLL)
            if not task.done():
                working()
    finally:
        # After Ctrl-C Helm is told to stop and writes down that it did.
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    task.result()


def _problem(action: str, error: pyhelm3.Error) -> Problem:
    said = error.stderr.decode(errors="replace").strip() or error.stdout.decode(errors="replace").strip()
    lines = [line for line in said.splitlines() if not line.startswith(("WARNING", "level=WARN"))]
    return Problem(f"helm could not {action}: " + "\n".join(lines[-12:]), "mend what it names and run again")
