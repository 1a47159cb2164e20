"""One linear piece of the solution path: weights and multipliers of an active set, as functions of x.

min over p of 1/2 p'Hp + x s'p, 1'p = 1, low <= (p, rows p) <= high, H positive semi-definite, s the
centred row means of S and x = 1 - t: the coverage energy in units where H and s are about 1. With
the active bounds and rows given, the KKT system is linear, so that weights and multipliers are
linear in x, and so is everything that must stay positive for the active set to be the right one.

Of many optima the one of least norm is the limit of p for H + eps I, eps -> 0. So its multipliers
are those of H plus eps times a second level; where the first level is 0 all along a piece the
second decides. Both levels solve the same system.

Source: KKT conditions; Best, "An algorithm for the solution of the parametric quadratic programming
problem", 1996; least norm as the limit of a ridge: Tikhonov; the second level is derived.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.systems import EPS, System, system_of
from mishran.types import Array

State = NDArray[np.int8]

ZERO = 1e-12  # weights and multipliers below this are rounding


@final
@dataclass(frozen=True, eq=False)
class Parametric:
    """The problem in x. Index k < n is a task, k = n the row 1'p = 1, then come the other rows.

    hessian: (n, n). slope: (n,) s. rows: (1 + r, n), of largest entry 1. low, high: (n + 1 + r,).
    fixed: (n + 1 + r,) whose bounds are equal. flat: curvature at or below this is rounding.
    unit: what H and s were divided by.
    """

    hessian: Array
    slope: Array
    rows: Array
    low: Array
    high: Array
    fixed: NDArray[np.bool_]
    flat: float
    unit: float

    @property
    def n(self) -> int:
        return len(self.slope)

    @cached_property
    def factor(self) -> Array:
        """(k, n) F with F'F = H, k its rank."""
        values, vectors = np.linalg.eigh(self.hessian)
        curved = values > self.flat
        return np.asarray(np.sqrt(values[curved])[:, None] * vectors[:, curved].T)

    def start(self) -> State:
        """Nothing active but what always is."""
        return np.where(self.fixed, -1, 0).astype(np.int8)

    def targets(self, state: State) -> Array:
        """(n + 1 + r,) the bound that an active k sits on, 0 for the others."""
        return np.where(state < 0, self.low, np.where(state > 0, self.high, 0.0))


def parametric(convex: Energy, constraints: Constraints) -> Parametric:
    """The problem of a coverage energy that is convex on the tangent; its own t does not matter."""
    inner = convex.matrix - convex.matrix[0, 0]
    means = inner.mean(axis=1)
    hessian = inner - means[:, None] - means[None, :] + means.mean()
    hessian = (hessian + hessian.T) / 2
    slope = means - means.mean()
    diagonal = np.diag(hessian)
    unit = float((diagonal[:, None] + diagonal[None, :] - 2 * hessian).max() + np.ptp(slope))
    noise = 8 * EPS * (len(means) + 16) * float(np.abs(inner).max())
    if unit <= noise:
        hessian, slope, unit = np.zeros_like(hessian), np.zeros_like(slope), 1.0
    rows = np.vstack([np.ones(len(means)), constraints.row_matrix])
    sizes = np.abs(rows).max(axis=1)
    sizes[sizes == 0] = 1.0
    low, high = constraints.row_bounds
    low = np.concatenate([constraints.lower, np.append(1.0, low) / sizes])
    high = np.concatenate([constraints.upper, np.append(1.0, high) / sizes])
    rows = rows / sizes[:, None]
    fixed = low == high
    n = len(means)
    # Equations that follow from others, as mixtures exist, are no equations.
    kept = independent(rows[:, ~fixed[:n]], np.flatnonzero(fixed[n:]))
    extra = np.setdiff1d(np.flatnonzero(fixed[n:]), kept)
    low[n + extra], high[n + extra], fixed[n + extra] = -np.inf, np.inf, False
    return Parametric(
        hessian / unit, slope / unit, rows, low, high, fixed, max(noise / unit, EPS), unit
    )


def independent(matrix: Array, candidates: NDArray[np.intp]) -> NDArray[np.intp]:
    """The candidate rows that do not follow from those before them."""
    basis: list[Array] = []
    kept = []
    for k in candidates:
        row = matrix[k].copy()
        size = float(np.linalg.norm(row))
        for _ in range(2):
            for direction in basis:
                row -= (direction @ row) * direction
        left = float(np.linalg.norm(row))
        if left > 1e-10 * max(size, 1e-300):
            basis.append(row / left)
            kept.append(k)
    return np.array(kept, dtype=np.intp)


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """Everything about an active set as coefficients [a, b] of a + b x.

    value: (n + 1 + r, 2) weights, then row sums. price: (n + 1 + r, 2) multipliers, 0 unless active:
    >= 0 at a lower bound, <= 0 at an upper one. error: what rounding does to weights, relative.
    """

    problem: Parametric
    state: State
    value: Array
    price: Array
    error: float
    system: System

    def weights(self, x: float) -> Array:
        """(n,) p(x), within its bounds; what that takes from rows the free tasks give back."""
        problem, n = self.problem, self.problem.n
        p = self.value[:n, 0] + x * self.value[:n, 1]
        out = np.clip(p, problem.low[:n], problem.high[:n])
        if (np.abs(out - p) > 1e-14).any():
            for _ in range(3):
                rows = problem.rows[self.system.binding]
                missing = problem.targets(self.state)[n + self.system.binding] - rows @ out
                inside = (out > problem.low[:n]) & (out < problem.high[:n])
                out[inside] += np.linalg.lstsq(rows[:, inside], missing)[0]
                out = np.clip(out, problem.low[:n], problem.high[:n])
        return np.asarray(out)

    def through(self, x: float, p: Array) -> Piece:
        """The same with weights that are p at x."""
        value = self.value.copy()
        value[:, 0] = np.concatenate([p, self.problem.rows @ p]) - x * value[:, 1]
        return replace(self, value=value)

    @cached_property
    def second(self) -> Array:
        """(n + 1 + r, 2) multipliers of the second level."""
        problem, n = self.problem, self.problem.n
        free, binding = self.system.free, self.system.binding
        p = self.value[:n]
        moved, rows = self.system.solve(p[free], np.zeros((len(binding), 2)))
        change = np.zeros((n, 2))
        change[free] = moved
        return _prices(problem, self.system, problem.hessian @ change + p, rows)

    def rooms(self, x: float) -> Rooms:
        """All that must not be negative, at x."""
        problem, state = self.problem, self.state
        size = 1.0 + abs(x)
        tolerance = max(ZERO, 4 * problem.flat) * size
        value = self.value[:, 0] + x * self.value[:, 1]
        below = np.flatnonzero((state == 0) & (problem.low > -np.inf))
        above = np.flatnonzero((state == 0) & (problem.high < np.inf))
        active = np.flatnonzero((state != 0) & ~problem.fixed)
        sign = -state[active].astype(float)
        price, trend = (
            sign * (self.price[active, 0] + x * self.price[active, 1]),
            sign * self.price[active, 1],
        )
        nothing = (np.abs(price) <= tolerance) & (np.abs(trend) * size <= tolerance)
        doubt = np.full(len(active), tolerance)
        if nothing.any():
            second = self.second[active[nothing]] * sign[nothing, None]
            price[nothing], trend[nothing] = second[:, 0] + x * second[:, 1], second[:, 1]
            doubt[nothing] += (ZERO + self.error) * np.abs(self.second).max() * size
        weights = np.full(len(below) + len(above), ZERO + min(self.error, 10 * ZERO))
        return Rooms(
            room=np.concatenate(
                [value[below] - problem.low[below], problem.high[above] - value[above], price]
            ),
            trend=np.concatenate([self.value[below, 1], -self.value[above, 1], trend]),
            index=np.concatenate([below, above, active]),
            becomes=np.concatenate(
                [np.full(len(below), -1), np.full(len(above), 1), np.zeros(len(active))]
            ).astype(np.int8),
            tolerance=np.concatenate([weights, doubt]),
            growth=np.concatenate([0.1 * weights, doubt]) / size,
        )


@final
@dataclass(frozen=True, eq=False)
class Rooms:
    """room + trend (y - x) >= 0 for all: slack of what is not active, sign of multipliers.

    index: which task or row. becomes: its state once its room is used up. tolerance: how negative
    rounding can make it, growth: and by how much more per step of x.
    """

    room: Array
    trend: Array
    index: NDArray[np.intp]
    becomes: State
    tolerance: Array
    growth: Array

    def lacking(self, slack: float = 1.0) -> NDArray[np.intp]:
        """Those that are negative by more than rounding times `slack`, worst first."""
        lack = self.room / self.tolerance
        wrong = np.flatnonzero(lack < -slack)
        return np.asarray(wrong[np.argsort(lack[wrong], kind="stable")])

    def step(self, sign: float) -> tuple[float, NDArray[np.intp]]:
        """How far x can move in the direction of the sign, and what is used up there.

        Harris' ratio test: among all that are used up within rounding the one of the steepest trend
        says where.
        """
        trend = sign * self.trend
        falling = np.flatnonzero(trend < -self.growth)
        if not len(falling):
            return np.inf, falling
        pace, room = -trend[falling], np.maximum(self.room[falling], 0.0)
        latest = ((room + self.tolerance[falling]) / (pace - self.growth[falling])).min()
        exact = room / pace
        near = np.flatnonzero(exact <= latest)
        step = float(exact[near[np.argmax((pace / self.tolerance[falling])[near])]])
        close = np.abs(room[near] - pace[near] * step) <= self.tolerance[falling[near]]
        return step, falling[near[close]]


def piece_of(problem: Parametric, state: State) -> Piece | None:
    """The piece of an active set; None when the active set has none: bounds that contradict or
    follow from each other, or a direction without curvature along which s falls."""
    n = problem.n
    free = np.flatnonzero(state[:n] == 0)
    binding = np.flatnonzero(state[n:])
    system = system_of(
        problem.hessian,
        problem.slope,
        problem.rows,
        lambda: problem.factor,
        problem.flat,
        free,
        binding,
    )
    if system is None:
        return None
    targets = problem.targets(state)
    p = np.zeros((n, 2))
    p[:, 0] = targets[:n]
    top = problem.hessian[free] @ p
    top[:, 1] = problem.slope[free]
    bottom = -(problem.rows[binding] @ p)
    bottom[:, 0] += targets[n + binding]
    p[free], rows = system.solve(top, bottom)
    gradient = problem.hessian @ p
    gradient[:, 1] += problem.slope
    value = np.vstack([p, problem.rows @ p])
    missed = np.abs(value[n + binding, 0] - targets[n + binding])
    if missed.max(initial=0.0) > ZERO + system.error or not np.isfinite(p).all():
        return None
    return Piece(
        problem, state, value, _prices(problem, system, gradient, rows), system.error, system
    )


def _prices(problem: Parametric, system: System, gradient: Array, rows: Array) -> Array:
    n = problem.n
    out = np.zeros((len(problem.low), 2))
    out[:n] = gradient - problem.rows[system.binding].T @ rows
    out[system.free] = 0.0
    out[n + system.binding] = rows
    return out
