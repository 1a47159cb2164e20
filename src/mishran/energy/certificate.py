"""`certify`: residuals and duality gap of a mixture, from nothing but the problem and multipliers.

Convex problems carry their own proof: whoever holds the energy, the bounds, the weights and the
multipliers recomputes every number here without a solver.

The gap is g'p - min over allowed q of g'q, g the gradient at p, and bounds E(p) - E* from above.
Rows are priced with their multipliers, which leaves a minimum over bounds and the sum
alone: cheapest tasks first, exact. For the best multipliers that is the Frank-Wolfe gap of the
linear programme; for any others it is larger, never smaller, so nothing rests on the tolerance of
a programme's solver.

Source: weak duality; Jaggi, "Revisiting Frank-Wolfe", ICML 2013, for the gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.types import Array, Certificate


@final
@dataclass(frozen=True, eq=False)
class Multipliers:
    """Prices in units of the energy per weight. Stationary: Sp - u = simplex + lower - upper
    + sum over rows of (floor - cap) a, all but `simplex` >= 0."""

    lower: Array
    upper: Array
    simplex: float
    floors: dict[str, float] = field(default_factory=dict)
    caps: dict[str, float] = field(default_factory=dict)


def certify(
    energy: Energy, constraints: Constraints, p: Array, multipliers: Multipliers, method: str
) -> Certificate:
    """The proof for p, good or bad. A multiplier of the wrong sign counts as 0 and as residual."""
    prices, slack = _row_prices(constraints, p, multipliers.floors, multipliers.caps)
    bounds = np.maximum(multipliers.lower, 0.0) - np.maximum(multipliers.upper, 0.0)
    residual = energy.gradient(p) - multipliers.simplex - bounds - prices
    wrong = [multipliers.lower, multipliers.upper]
    wrong += [np.array(list(m.values())) for m in (multipliers.floors, multipliers.caps)]
    reduced = relative_gradient(energy, p) - prices
    cheapest = _cheapest(reduced, constraints)
    return Certificate(
        primal_residual=constraints.violation(p),
        dual_residual=float(
            max(np.abs(residual).max(), *(np.max(-sign, initial=0.0) for sign in wrong))
        ),
        gap=max(0.0, float(reduced @ (p - cheapest)) + slack),
        scale=energy.scale,
        lower=np.maximum(multipliers.lower, 0.0),
        upper=np.maximum(multipliers.upper, 0.0),
        simplex=multipliers.simplex,
        floors={name: max(0.0, value) for name, value in multipliers.floors.items()},
        caps={name: max(0.0, value) for name, value in multipliers.caps.items()},
        method=method,
    )


def relative_gradient(energy: Energy, p: Array) -> Array:
    """The gradient up to a constant, which mixtures do not feel: no digits go to a large common
    part of S."""
    out = (energy.matrix - energy.matrix[0, 0]) @ p - (energy.unary - energy.unary[0])
    return np.asarray(out - out.mean())


def _row_prices(
    constraints: Constraints, p: Array, floors: Mapping[str, float], caps: Mapping[str, float]
) -> tuple[Array, float]:
    """(n,) price of every task through the rows, and what slack of priced bounds costs."""
    prices, slack = np.zeros(len(p)), 0.0
    for name, row in constraints.rows.items():
        total = row @ p
        floor, cap = max(0.0, floors.get(name, 0.0)), max(0.0, caps.get(name, 0.0))
        prices += (floor - cap) * row
        slack += floor * max(0.0, total - constraints.floors[name]) if floor else 0.0
        slack += cap * max(0.0, constraints.caps[name] - total) if cap else 0.0
    return prices, float(slack)


def _cheapest(cost: Array, constraints: Constraints) -> Array:
    """argmin of cost'q over lower <= q <= upper, 1'q = 1: lower bounds, then cheapest first."""
    order = np.argsort(cost, kind="stable")
    room = (constraints.upper - constraints.lower)[order]
    left = 1.0 - constraints.lower.sum()
    before = np.concatenate([[0.0], np.cumsum(room)[:-1]])
    q = constraints.lower.copy()
    q[order] += np.clip(left - before, 0.0, room)
    return q
