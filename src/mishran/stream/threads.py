"""Parts of an array's work side by side: NumPy gives up the interpreter's lock inside its loops."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
MOST = 8  # threads; beyond, memory is what is waited for (assumption)


def cores() -> int:
    """How many threads are worth having: cores that this process may use, up to MOST."""
    if sys.platform == "linux":
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)


def in_threads(work: Callable[[In], Out], parts: Iterable[In]) -> list[Out]:
    """`work` of every part, in order; with several parts, on the cores that this process may use."""
    todo = list(parts)
    workers = min(len(todo), cores())
    if workers < 2:
        return [work(part) for part in todo]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, todo))
