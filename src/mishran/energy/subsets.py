"""Mixtures of a chosen set of tasks: e(A) = min over allowed p supported in A of the energy.

The problem of choosing A is kept in the units of the solver (S centred, all divided by one number),
where curvature and slope are about 1. `Evaluator` solves the small problem of one set in some 40
microseconds, with a duality gap and, from the same multipliers, a bound on what any further task
could add: no task has to be tried whose bound says that it is in vain.

Source: DAQP: Arnstroem, Bemporad, Axehill, IEEE TAC 67 (2022); bounds by weak duality, derived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

import daqp
import numpy as np
from numpy.typing import NDArray

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.tangent import centred
from mishran.errors import InfeasibleError
from mishran.types import Array

Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

TOLERANCE = 1e-9
FAR = 1e30  # no bound, in DAQP
EQUALITY = 5  # DAQP's code for a row that holds with equality
RIDGES = ((1e-11, 1e-13), (1e-10, 1e-12), (1e-9, 1e-9))


@final
@dataclass(frozen=True, eq=False)
class Group:
    """At least `minimum` of these tasks are chosen."""

    name: str
    members: Index
    minimum: int


@final
@dataclass(frozen=True, eq=False)
class Subsets:
    """Choose A, at most `max_tasks` tasks, and p on A: min 1/2 p'Hp + c'p, 1'p = 1.

    hessian, linear: (n, n) and (n,), S centred and its slope, divided by `unit`.
    lower, upper: (n,) share of a task once it is chosen. forced: tasks with a floor, always chosen.
    usable: tasks that may get a share. rows, low, high: low <= rows p <= high, the largest entry of
    a row 1.
    least_share: what was asked for; `lower` holds it. groups: those with a minimum.
    tolerance: energy below which sets count as equal.
    """

    names: tuple[str, ...]
    hessian: Array
    linear: Array
    unit: float
    lower: Array
    upper: Array
    rows: Array
    low: Array
    high: Array
    forced: Mask
    usable: Mask
    max_tasks: int
    least_share: float
    groups: tuple[Group, ...]
    tolerance: float

    @property
    def plain(self) -> bool:
        """Neither bounds nor rows: every set is possible, and so is every single task."""
        return bool(not len(self.rows) and not self.lower.any() and (self.upper >= 1.0).all())

    @property
    def monotone(self) -> bool:
        """A further task never costs anything, since its share may be 0."""
        return bool(not self.lower[~self.forced].any())

    def energy(self, p: Array) -> float:
        """1/2 p'Hp + c'p."""
        return float(0.5 * p @ (self.hessian @ p) + self.linear @ p)

    def missing(self, chosen: Mask) -> Index:
        """How many members every group still lacks."""
        return np.array([max(0, g.minimum - chosen[g.members].sum()) for g in self.groups], np.intp)

    def complete(self, chosen: Mask) -> bool:
        """Size, floors and minimums allow this set."""
        return bool(
            chosen.sum() <= self.max_tasks
            and chosen[self.forced].all()
            and not (chosen & ~self.usable).any()
            and not self.missing(chosen).any()
        )


def subsets(
    convex: Energy,
    box: Constraints,
    max_tasks: int,
    groups: Iterable[Group],
    least_share: float,
) -> Subsets:
    """The problem of choosing from an energy that is convex on the tangent."""
    n = len(convex.names)
    hessian = centred(convex.matrix)
    linear = convex.relative_gradient(np.full(n, 1.0 / n))[0]
    unit = max(convex.scale, float(np.ptp(linear))) or 1.0
    rows, (low, high) = box.row_matrix, box.row_bounds
    size = np.abs(rows).max(axis=1, initial=0.0)
    size[size == 0.0] = 1.0
    lower = np.maximum(box.lower, least_share)
    usable = (box.upper > 0.0) & (lower <= box.upper)
    return Subsets(
        names=convex.names,
        hessian=hessian / unit,
        linear=linear / unit,
        unit=unit,
        lower=np.where(usable, lower, 0.0),
        upper=np.where(usable, box.upper, 0.0),
        rows=rows / size[:, None],
        low=low / size,
        high=high / size,
        forced=box.lower > 0.0,
        usable=usable,
        max_tasks=min(max_tasks, n),
        least_share=least_share,
        groups=tuple(g for g in groups if g.minimum > 0),
        tolerance=max(TOLERANCE * convex.scale / unit, 64 * float(np.finfo(float).eps)),
    )


@dataclass(frozen=True, eq=False)
class Region:
    """Mixtures of some tasks: lower <= p <= upper, low <= rows p <= high, 1'p = 1."""

    lower: Array
    upper: Array
    rows: Array
    low: Array
    high: Array

    @property
    def empty_by_bounds(self) -> bool:
        """The bounds alone leave no mixture."""
        return bool(
            self.lower.sum() > 1.0 + 1e-12
            or self.upper.sum() < 1.0 - 1e-12
            or (self.lower > self.upper).any()
        )

    def part(self, tasks: Index) -> Region:
        """The same for some of the tasks, the others at 0."""
        if len(tasks) == len(self.lower):
            return self
        rows = self.rows[:, tasks]
        return Region(self.lower[tasks], self.upper[tasks], rows, self.low, self.high)

    def least(self, cost: Array, prices: Array) -> tuple[float, float, Array]:
        """A lower bound on cost'q over the region from prices of its rows (positive for `low`).

        Returns the bound, the price of the sum, and (m,) the cost less what the rows pay.
        Exact when there are no rows; with rows it is exact at the best prices, valid at any.
        """
        value, reduced = 0.0, cost
        if len(self.rows):
            bounds = np.where(prices > 0, self.low, self.high)
            priced = np.isfinite(bounds) & (prices != 0.0)
            prices = np.where(priced, prices, 0.0)
            value = float(prices[priced] @ bounds[priced])
            reduced = cost - prices @ self.rows
        if not self.lower.any() and self.upper.min() >= 1.0:
            price = float(reduced.min())
            return value + price, price, reduced
        order = np.argsort(reduced, kind="stable")
        room = (self.upper - self.lower)[order]
        left = max(0.0, 1.0 - float(self.lower.sum()))
        filled = np.minimum(np.cumsum(room), left)
        marginal = order[min(int(np.searchsorted(filled, left * (1 - 1e-15))), len(order) - 1)]
        value += float(reduced @ self.lower) + float(np.diff(filled, prepend=0.0) @ reduced[order])
        return value, float(reduced[marginal]), reduced


def quadratic(
    hessian: Array, linear: Array, region: Region, tolerance: float
) -> tuple[Array, Array] | int:
    """DAQP's weights and prices of the rows for a definite Hessian; its exit flag when it has none."""
    m = len(linear)
    rows = np.vstack([np.ones((1, m)), region.rows])
    high = np.concatenate([region.upper, [1.0], np.minimum(region.high, FAR)])
    low = np.concatenate([region.lower, [1.0], np.maximum(region.low, -FAR)])
    sense = np.where(low == high, EQUALITY, 0).astype(np.int32)
    p, _, flag, info = daqp.solve(
        hessian,
        linear.copy(),
        rows,
        high,
        low,
        sense,
        primal_tol=tolerance,
        dual_tol=tolerance,
        iter_limit=100 * (len(low) + 10),
    )
    if flag != 1 or not np.isfinite(p).all():
        return int(flag)
    p = np.clip(p, region.lower, region.upper)
    return p, -np.asarray(info["lam"])[m + 1 :]


@final
@dataclass(frozen=True, eq=False)
class Best:
    """The best mixture of one set.

    tasks: (m,) ascending. weights: (m,). value: its energy. gap: value less a lower bound on e(A).
    price: of the sum. reduced: (n,) gradient less what the rows pay, for all tasks.
    """

    tasks: Index
    weights: Array
    value: float
    gap: float
    price: float
    reduced: Array

    def spread(self, n: int) -> Array:
        """(n,) weights, 0 outside of the set."""
        p = np.zeros(n)
        p[self.tasks] = self.weights
        return p


INFEASIBLE = -1  # DAQP's flag


@final
@dataclass(eq=False)
class Evaluator:
    """e(A) for one set after the other; every set is solved once. `solves` counts."""

    problem: Subsets
    curvature: Array
    solves: int = 0
    _known: dict[bytes, Best | None] = field(default_factory=dict)

    def __call__(self, chosen: Mask) -> Best | None:
        """The best mixture supported in the set; None when bounds or rows allow none."""
        key = np.packbits(chosen).tobytes()
        if key not in self._known:
            self.solves += 1
            self._known[key] = self._solve(np.flatnonzero(chosen))
        return self._known[key]

    def gains(self, best: Best) -> Array:
        """(n,) what adding a task to the set can lower the energy by at most.

        With S0 = H - diag(d) convex, moving weight w to a task j outside changes the energy by at
        least w (reduced_j - price) + d_j w^2 / 2 - gap, whatever the others do. Source: derived.
        """
        problem = self.problem
        slope = best.price - best.reduced
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.where(self.curvature > 0, slope / self.curvature, np.sign(slope))
        most = np.where((self.curvature <= 0) & (slope > 0), problem.upper, inner)
        move = np.clip(most, problem.lower, problem.upper)
        return np.asarray(best.gap + slope * move - 0.5 * self.curvature * move**2)

    def _solve(self, tasks: Index) -> Best | None:
        problem = self.problem
        if len(tasks) == 0:
            return None
        region = Region(
            problem.lower[tasks],
            problem.upper[tasks],
            problem.rows[:, tasks],
            problem.low,
            problem.high,
        )
        if region.empty_by_bounds:
            return None
        inner = problem.hessian[np.ix_(tasks, tasks)]
        if len(tasks) == 1:
            p = np.ones(1)
            sums = region.rows @ p
            inside = (sums >= region.low - 1e-12).all() and (sums <= region.high + 1e-12).all()
            return self._best(tasks, p, np.zeros(len(sums)), region) if inside else None
        found: Best | None = None
        for ridge, tolerance in RIDGES:
            hessian = inner + 1.0 / len(problem.linear)
            hessian[np.diag_indices(len(tasks))] += ridge
            answer = quadratic(hessian, problem.linear[tasks], region, tolerance)
            if isinstance(answer, int):
                if answer == INFEASIBLE and not possible(region):
                    return None
                continue
            best = self._best(tasks, answer[0], answer[1], region)
            if found is None or best.gap < found.gap:
                found = best
            if found.gap <= 0.1 * problem.tolerance:
                return found
        return (
            self._slowly(tasks, region) if found is None or found.gap > problem.tolerance else found
        )

    def _slowly(self, tasks: Index, region: Region) -> Best | None:
        """By the general solver, for what DAQP alone does not solve well enough."""
        from mishran.energy.solver import minimise

        problem, m = self.problem, len(tasks)
        names = tuple(problem.names[i] for i in tasks)
        labels = [f"row {i}" for i in range(len(region.rows))]
        energy = Energy(
            names,
            problem.hessian[np.ix_(tasks, tasks)],
            -problem.linear[tasks],
            np.empty((0, m, m)),
            np.empty((0, m)),
        )
        box = Constraints(
            names=names,
            lower=region.lower,
            upper=region.upper,
            rows=dict(zip(labels, region.rows, strict=True)),
            floors={k: float(b) for k, b in zip(labels, region.low, strict=True) if np.isfinite(b)},
            caps={k: float(b) for k, b in zip(labels, region.high, strict=True) if np.isfinite(b)},
        )
        try:
            p, proof, _ = minimise(energy, box)
        except InfeasibleError:  # to rounding: the two programmes that were asked before disagree
            return None
        prices = np.array([proof.floors.get(k, 0.0) - proof.caps.get(k, 0.0) for k in labels])
        return self._best(tasks, p, prices, region)

    def _best(self, tasks: Index, weights: Array, prices: Array, region: Region) -> Best:
        problem = self.problem
        weights = weights / weights.sum()
        gradient = problem.hessian[:, tasks] @ weights + problem.linear
        inside = gradient[tasks]
        value = 0.5 * float(weights @ (inside + problem.linear[tasks]))
        bound, price, _ = region.least(inside, prices)
        reduced = gradient - prices @ problem.rows if len(prices) else gradient
        gap = max(0.0, float(inside @ weights) - bound)
        return Best(tasks, weights, value, gap, price, reduced)


def possible(region: Region) -> bool:
    """Some mixture lies in the region, by HiGHS; asked where DAQP says that there is none."""
    if region.empty_by_bounds:
        return False
    if not len(region.rows):
        return True
    from scipy.optimize import linprog

    sides = np.concatenate([-region.low, region.high])
    finite = np.isfinite(sides)
    result = linprog(
        np.zeros(len(region.lower)),
        A_ub=np.vstack([-region.rows, region.rows])[finite],
        b_ub=sides[finite],
        A_eq=np.ones((1, len(region.lower))),
        b_eq=[1.0],
        bounds=np.column_stack([region.lower, region.upper]),
        options={"primal_feasibility_tolerance": 1e-10},
    )
    return bool(result.status == 0)
