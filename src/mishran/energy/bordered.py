"""`Bordered`: bounds and rows as block pivoting asks for them, worked out once per constraints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from mishran.energy.constraints import Constraints
from mishran.types import Array

NEAR = 1e-12  # weights this close are equal


@final
@dataclass(frozen=True, eq=False)
class Bordered:
    """lower, upper: (n,) bounds. least, most: (n,) the same with slack for rounding, infinite where
    the others leave a task less than its upper bound. capped: (n,) bool, where they do not. room:
    (n,) bool, lower < upper.

    rows: (1 + k, n) with 1'p = 1 first, low and high their bounds, equal: (1 + k,) bool, whether
    these are one; sizes: (1 + k,) largest entry of a row, slack: of its sums, for rounding.
    caps: some task is capped. many: there are rows beside the sum. moved: a bound is not 0.
    """

    lower: Array
    upper: Array
    least: Array
    most: Array
    capped: np.ndarray
    room: np.ndarray
    rows: Array
    low: Array
    high: Array
    equal: np.ndarray
    sizes: Array
    slack: Array
    caps: bool
    many: bool
    moved: bool


@lru_cache(maxsize=16)
def bordered(constraints: Constraints) -> Bordered:
    """What pivoting asks for, of constraints that do not change."""
    lower, upper = constraints.lower, constraints.upper
    low, high = constraints.row_bounds
    low, high = np.concatenate([[1.0], low]), np.concatenate([[1.0], high])
    rows = np.concatenate([np.ones((1, len(lower))), constraints.row_matrix])
    capped = upper < lower + (1.0 - NEAR - float(lower.sum()))
    sizes = np.abs(rows).max(axis=1)
    many, caps = len(rows) > 1, bool(capped.any())
    return Bordered(
        lower=lower,
        upper=upper,
        least=lower - NEAR,
        most=np.where(capped, upper + NEAR, np.inf),
        capped=capped,
        room=lower < upper,
        rows=rows,
        low=low,
        high=high,
        equal=low == high,
        sizes=sizes,
        slack=NEAR * sizes,
        caps=caps,
        many=many,
        moved=many or caps or bool(lower.any()),
    )
