"""How long work says how far it is: a protocol, and the silent default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told about stages; the command line draws bars from it."""

    def bar(self, title: str, total: float, unit: str = "") -> _Bar:
        """A context that yields `advance(amount)`; with a unit, its rate is shown too."""
        ...

    def say(self, text: str) -> None:
        """One line of news."""
        ...


class _Bar(Protocol):
    def __enter__(self) -> Callable[[float], None]: ...
    def __exit__(self, *exc: object) -> bool | None: ...


class Silent:
    """Nothing is shown."""

    @contextmanager
    def bar(self, title: str, total: float, unit: str = "") -> Iterator[Callable[[float], None]]:
        yield lambda amount: None

    def say(self, text: str) -> None:
        return None
