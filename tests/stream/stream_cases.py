"""Small tasks as token rows: ids tell whose they are, so that tests can follow every token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mishran.stream.apportion import Wish
from mishran.stream.plan import Plan, make_plan
from mishran.stream.supply import Supply
from mishran.stream.tokens import TokenRows

SIZES = (7, 23, 60, 130)
WEIGHTS = (0.1, 0.2, 0.3, 0.4)


def store(number: int, size: int, longest: int = 12, seed: int = 0) -> TokenRows:
    """Rows of 1 to `longest` tokens; the ids of row r of task i begin at 1000 i + r, and repeat it."""
    rng = np.random.default_rng([seed, number])
    lengths = rng.integers(1, longest + 1, size=size)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.repeat(1000 * number + np.arange(size), lengths).astype(np.uint16)
    return TokenRows(tokens, offsets, (lengths // 2).astype(np.int32))


def stores(sizes: Sequence[int] = SIZES, longest: int = 12) -> tuple[TokenRows, ...]:
    return tuple(store(i, size, longest) for i, size in enumerate(sizes))


def supplies(rows: Sequence[TokenRows]) -> list[Supply]:
    return [Supply(f"t{i}", r.lengths, r.content, r.content) for i, r in enumerate(rows)]


def wish(
    amount: int, unit: str = "rows", shares: str = "rows", weights: Sequence[float] = WEIGHTS
) -> Wish:
    return Wish(np.array(weights), amount, unit, shares)  # type: ignore[arg-type]


def plan_of(rows: Sequence[TokenRows], *wishes: Wish, **more) -> Plan:  # type: ignore[no-untyped-def]
    return make_plan(supplies(rows), wishes or [wish(200)], **{"max_epochs": None, **more})
