"""Telling a person what happens: a live display on a terminal, lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Progress:
    """The current step with its seconds and details; machines one below the other."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""
        self._detail = ""
        self._since = time.monotonic()
        self._machines: dict[str, str] = {}
        self._live = Live(get_renderable=self._draw, console=console, transient=True, refresh_per_second=5)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def step(self, title: str) -> None:
        """A step begins."""
        self._title, self._detail, self._since = title, "", time.monotonic()
        self._machines.clear()
        self._line(title)

    def detail(self, text: str) -> None:
        """What the step does now."""
        self._detail = text
        self._line(f"  {text}")

    def machine(self, name: str, text: str) -> None:
        """What a machine does now."""
        self._machines[name] = text
        self._line(f"  {name}: {text}")

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _draw(self) -> Text:
        if not self._title:
            return Text("")
        lines = [f"{self._title} ({time.monotonic() - self._since:.0f} s)"]
        lines += [f"  {self._detail}"] if self._detail else []
        lines += [f"  {name}: {text}" for name, text in self._machines.items()]
        return Text("\n".join(lines))
