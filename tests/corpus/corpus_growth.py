"""How time grows with the text, for tests that a rule is not quadratic on hostile input."""

from __future__ import annotations

import time
from collections.abc import Callable

SIZES = (20_000, 160_000)
LIMIT = 22.0  # linear is 8, quadratic 64: busy machines stay far from either


def growth(run: Callable[[str], object], piece: str) -> float:
    """Time for eight times the text, the best of three, beside a constant of a millisecond."""
    times = []
    for size in SIZES:
        text = piece * (size // len(piece))
        times.append(min(_seconds(run, text) for _ in range(3)) + 1e-3)
    return times[1] / times[0]


def _seconds(run: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    run(text)
    return time.process_time() - start
