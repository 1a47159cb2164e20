"""What the terminal shows: progress bars with time left on stderr, results on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


EVERY_S = 60.0  # between two lines about a long stage where there is no terminal


class _Rate(ProgressColumn):
    """Amount per second, with its unit."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "")


class _Lines:
    """What a log shows of a long stage: how far, how fast and how long still, once a minute."""

    def __init__(self, title: str, total: float, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done = 0.0
        self._start = self._last = time.monotonic()

    def advance(self, amount: float) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last < EVERY_S or not self._done:
            return
        self._last = now
        rate = self._done / (now - self._start)
        left = max(0.0, self._total - self._done) / rate
        speed = f", {rate:,.0f} {self._unit}/s" if self._unit else ""
        share = min(1.0, self._done / self._total)
        err.print(
            f"{self._title}: {share:.0%}{speed}, about {left / 60:.0f} min left", markup=False
        )


class Bars:
    """Progress on stderr: live bars on a terminal, lines elsewhere, nothing when quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet

    @contextmanager
    def bar(self, title: str, total: float, unit: str = "") -> Iterator[Callable[[float], None]]:
        if self._quiet or total <= 0:
            yield lambda amount: None
        elif not sys.stderr.isatty():
            err.print(f"{title} ({int(total):,}{f' {unit}' if unit else ''})", markup=False)
            yield _Lines(title, total, unit).advance
        else:
            with Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                *([_Rate(unit)] if unit else []),
                console=err,
            ) as live:
                task = live.add_task(title, total=int(total))
                yield lambda amount: live.advance(task, int(amount))
                live.update(task, completed=int(total))

    def say(self, text: str) -> None:
        if not self._quiet:
            err.print(text, markup=False, soft_wrap=True)
