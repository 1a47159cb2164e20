"""`guess`: weights near the mixture of least energy, for what is off its bounds there.

A few steps of spectral projected gradient: each costs one product with S, a fraction of a Cholesky
factor, and lands on the bounds exactly, so that block pivoting starts with nearly the right tasks
free instead of all. How near it comes is nobody's proof.

Source: Barzilai and Borwein, "Two-point step size gradient methods", IMA J. Numer. Anal. 8 (1988);
with an exact search along the segment, as the energy is quadratic.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from mishran.energy.energy import Energy
from mishran.energy.projection import onto_box, onto_simplex
from mishran.types import Array

STEPS = 6
FEW = 8  # once an eighth of the tasks is left a round costs no more than a step


def guess(energy: Energy, lower: Array, upper: Array, capped: bool) -> Array | None:
    """(n,) weights in the bounds, whatever the rows say; None where numbers are too large to multiply.

    Args:
        capped: whether some upper bound can bind.
    """
    n, matrix = len(lower), energy.form.relative
    with np.errstate(all="ignore"):
        p = np.full(n, 1.0 / n)
        slope = energy.slope.copy()  # at the uniform mixture, but for a constant
        down = float(np.add.reduce(slope)) / n - slope
        size, curve = float(down.dot(down)), float(down.dot(matrix.dot(down)))
        if not isfinite(curve):
            return None
        step, before = size / curve if curve > 0 else 1.0, n
        for _ in range(STEPS):
            aim = _within(p - step * slope, lower, upper, capped)
            count = int(np.count_nonzero(aim > lower))
            if FEW * count <= n or count == before:
                break
            way, before = aim - p, count
            bent = matrix.dot(way)
            size, curve = float(way.dot(way)), float(bent.dot(way))
            if not isfinite(curve):
                return None
            if size == 0:
                break
            reach = 1.0
            if curve > 0:
                step, reach = size / curve, min(1.0, -float(slope.dot(way)) / curve)
            else:
                step *= 10
            p += reach * way
            slope += reach * bent
    return aim


def _within(v: Array, lower: Array, upper: Array, capped: bool) -> Array:
    """The weights nearest to v in the bounds, with sum 1."""
    if capped:
        return onto_box(v, lower, upper)
    return lower + onto_simplex(v - lower, 1.0 - float(np.add.reduce(lower)))
