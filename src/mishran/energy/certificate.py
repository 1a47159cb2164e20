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
    energy: Energy,
    constraints: Constraints,
    p: Array,
    multipliers: Multipliers,
    method: str,
    gradient: tuple[Array, float] | None = None,
) -> Certificate:
    """The proof for p, good or bad. A multiplier of the wrong sign counts as 0 and as residual.

    Args:
        gradient: `energy.relative_gradient(p)` where it is at hand.
    """
    reduced, common = energy.relative_gradient(p) if gradient is None else gradient
    slack, simplex = 0.0, multipliers.simplex
    if constraints.rows:
        prices, slack = _row_prices(constraints, p, multipliers.floors, multipliers.caps)
        reduced = reduced - prices
    lower, upper = np.maximum(multipliers.lower, 0.0), np.maximum(multipliers.upper, 0.0)
    residual = reduced - lower
    residual += upper
    residual -= simplex - common
    wrong = [*multipliers.floors.values(), *multipliers.caps.values()]
    wrong += [np.minimum.reduce(multipliers.lower), np.minimum.reduce(multipliers.upper)]
    return Certificate(
        primal_residual=constraints.violation(p),
        dual_residual=float(max(np.maximum.reduce(np.abs(residual)), -min(wrong))),
        gap=max(0.0, float(reduced @ (p - _cheapest(reduced, constraints))) + slack),
        scale=energy.scale,
        lower=lower,
        upper=upper,
        simplex=simplex,
        floors={name: max(0.0, value) for name, value in multipliers.floors.items()},
        caps={name: max(0.0, value) for name, value in multipliers.caps.items()},
        method=method,
    )


def _row_prices(
    constraints: Constraints, p: Array, floors: Mapping[str, float], caps: Mapping[str, float]
) -> tuple[Array, float]:
    """(n,) price of every task through the rows, and what slack of priced bounds costs.

    A price on a bound that does not exist counts as 0; the residual shows it.
    """
    prices, slack = np.zeros(len(p)), 0.0
    for paid, bounds, sign in ((floors, constraints.floors, 1.0), (caps, constraints.caps, -1.0)):
        for name in (name for name in paid if name in bounds):
            price, row = max(0.0, paid[name]), constraints.rows[name]
            prices += sign * price * row
            slack += price * max(0.0, sign * (float(row @ p) - bounds[name]))
    return prices, slack


def _cheapest(cost: Array, constraints: Constraints) -> Array:
    """argmin of cost'q over lower <= q <= upper, 1'q = 1: lower bounds, then cheapest first."""
    cheapest = cost.argmin()
    left = 1.0 - float(np.add.reduce(constraints.lower))
    if constraints.lower[cheapest] + left <= constraints.upper[cheapest]:
        q = constraints.lower.copy()
        q[cheapest] += left
        return q
    order = np.argsort(cost, kind="stable")
    room = (constraints.upper - constraints.lower)[order]
    before = np.concatenate([[0.0], np.cumsum(room)[:-1]])
    q = constraints.lower.copy()
    q[order] += np.clip(left - before, 0.0, room)
    return q
