"""The mixture nearest to given numbers in the Euclidean norm: on the simplex, or within bounds.

Source: Held, Wolfe, Crowder, Mathematical Programming 6 (1974); by sorting as in Duchi et al.,
ICML 2008, figure 1; within bounds along the sorted breakpoints, derived.
"""

from __future__ import annotations

import numpy as np

from mishran.types import Array


def onto_simplex(v: Array, total: float = 1.0) -> Array:
    """(n,) p >= 0 with sum `total` nearest to v, (n,) finite numbers, n >= 1."""
    falling = np.sort(v)[::-1]
    excess = np.add.accumulate(falling)
    excess -= total
    excess /= np.arange(1.0, len(v) + 1.0)
    level = float(excess[np.count_nonzero(falling > excess) - 1])
    return np.asarray(np.maximum(v - level, 0.0))


def onto_box(v: Array, lower: Array, upper: Array) -> Array:
    """(n,) lower <= p <= upper with sum 1 nearest to v."""
    return np.minimum(np.maximum(v - _level(v, lower, upper), lower), upper)


def _level(v: Array, lower: Array, upper: Array) -> float:
    """t such that v - t, clipped to the bounds, has the sum 1: that sum falls by 1 per unit of t and
    task between v - upper and v - lower."""
    turns = np.concatenate([v - upper, v - lower])
    order = turns.argsort()
    turns = turns[order]
    moving = np.add.accumulate(np.where(order < len(v), 1.0, -1.0))
    sums = float(np.add.reduce(upper)) - np.add.accumulate(moving[:-1] * np.diff(turns))
    last = int(np.count_nonzero(sums > 1.0))
    if last == len(sums) or moving[last] == 0:
        return float(turns[last])
    return float(turns[last + 1] - (1.0 - sums[last]) / moving[last])
