"""What the terminal shows: progress bars with time left on stderr, results on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Bars:
    """Progress on stderr: live bars on a terminal, one line per stage elsewhere, nothing when quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet

    @contextmanager
    def bar(self, title: str, total: float) -> Iterator[Callable[[float], None]]:
        if self._quiet or total <= 0:
            yield lambda amount: None
        elif not sys.stderr.isatty():
            err.print(f"{title} ({int(total):,})", markup=False)
            yield lambda amount: None
        else:
            with Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=err,
            ) as live:
                task = live.add_task(title, total=int(total))
                yield lambda amount: live.advance(task, int(amount))
                live.update(task, completed=int(total))

    def say(self, text: str) -> None:
        if not self._quiet:
            err.print(text, markup=False, soft_wrap=True)
