"""A lower bound on the energy of every set of at most k tasks: the perspective relaxation.

With S = S0 + diag(d), S0 convex on mixtures and d >= 0, a task that is chosen only by a fraction z
pays d p^2 / z instead of d p^2. Any numbers x >= 0 give a bound that holds for every choice z and
every mixture q, since 1/2 d q^2 / z >= sqrt(d) x q - 1/2 x^2 z:

    energy >= min_q [1/2 q'S0 q + c'q + sum sqrt(d) x q] - max_z 1/2 sum x^2 z ,

the first part from below by its tangent at any p, the second exact by sorting. So the bound is
valid whatever p and x are; how good it is depends on how near they are to the optimum of the
relaxation. That is approached by quadratic programmes whose Hessian is right for a guess of which
tasks have z = 1. Tasks with z < 1 share one level s: x = s, z = sqrt(d) p / s.

Source: Frangioni and Gentile, Math. Program. 106 (2006), perspective cuts; Guenluek and Linderoth,
Math. Program. 124 (2010); the bound from any x and the order of the programmes are derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.energy.diagonal import Split, even_split
from mishran.energy.subsets import INFEASIBLE, Index, Mask, Region, Subsets, possible, quadratic
from mishran.types import Array

ROUNDS = 10  # guesses of the tasks with z = 1, at most
DENSE = 40  # up to so many tasks one programme holds them all
ZERO = 1e-12
WAY = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)


@final
@dataclass(frozen=True, eq=False)
class Node:
    """Sets that contain all of `chosen`, some of `free`, and nothing else."""

    chosen: Mask
    free: Mask


@final
@dataclass(frozen=True, eq=False)
class Relaxed:
    """What the relaxation of a node says.

    bound: below the energy of every set of the node; inf when it has none.
    p, z: (n,) the mixture where it was taken, and how far every task is chosen.
    chosen_bound, dropped_bound: (n,) bounds for the sets of the node with, and without, a free task.
    """

    bound: float
    p: Array
    z: Array
    chosen_bound: Array
    dropped_bound: Array


def relax(problem: Subsets, split: Split, node: Node, start: Array, enough: float) -> Relaxed:
    """The bound of a node. start: (n,) weights to guess from. Stops once the bound exceeds `enough`."""
    local = _local(problem, split, node)
    nothing = np.full(len(start), np.inf)
    empty = Relaxed(np.inf, start, start, nothing, nothing)
    if local is None:
        return empty
    p = start[local.tasks]
    best: tuple[float, Array, Array, Levels] | None = None
    least, least_p = np.inf, p
    at = local.levels(p)
    for _ in range(ROUNDS):
        answer = local.programme(at, p)
        if isinstance(answer, int):
            if answer == INFEASIBLE and not possible(local.region):
                return empty
            break
        p, prices = answer
        at = local.levels(p)
        value = local.value(p, at)
        if value > least:  # the guess was wrong: the best point on the way there
            way = [least_p, *(least_p + step * (p - least_p) for step in WAY)]
            steps = [(local.value(q, local.levels(q)), i) for i, q in enumerate(way)]
            value, i = min(steps)
            p, at = way[i], local.levels(way[i])
        stuck = value >= least - 1e-3 * problem.tolerance
        bound, x = local.bound(p, prices, at)
        if best is None or bound > best[0]:
            best = bound, p, x, at
        if best[0] >= enough or value - best[0] <= 0.01 * problem.tolerance or stuck:
            break
        least, least_p = value, p
    if best is None:
        p = np.full(len(p), 1.0 / len(p))
        at = local.levels(p)
        bound, x = local.bound(p, np.zeros(len(local.region.rows)), at)
        best = bound, p, x, at
    return local.relaxed(*best, len(start))


@dataclass(frozen=True, eq=False)
class Levels:
    """full: (m,) tasks with z = 1. level: (m,) s of every task. blocks: tasks that share a level,
    with their budget."""

    full: Mask
    level: Array
    blocks: list[tuple[Index, int]]


@dataclass(frozen=True, eq=False)
class _Family:
    """Disjoint groups among the free tasks that still lack `needed` members."""

    members: Index
    needed: int


@dataclass(frozen=True, eq=False)
class _Local:
    """The relaxation over the m tasks of a node. root: (m,) sqrt(d), 0 for chosen tasks."""

    tasks: Index
    hessian: Array
    linear: Array
    root: Array
    free: Mask
    region: Region
    budget: int
    families: tuple[_Family, ...]
    lift: float

    def levels(self, p: Array) -> Levels:
        """Which tasks have z = 1 at p, and at which level the others are."""
        full, level = ~self.free, np.zeros(len(p))
        blocks = self.blocks(p)
        for block, budget in blocks:
            x = self.root[block] * p[block]
            s, edge = _level(x, budget)
            level[block] = s
            full[block[x >= edge]] = True
        return Levels(full, level, blocks)

    def blocks(self, p: Array) -> list[tuple[Index, int]]:
        """Free tasks that share a level, with their budget: a group has its own where it binds."""
        rest, budget = np.flatnonzero(self.free), self.budget
        waiting, out = list(self.families), []
        while waiting:
            x = self.root[rest] * p[rest]
            s, _ = _level(x, budget)
            z = np.zeros(len(p))
            z[rest] = np.minimum(1.0, x / s) if s > 0 else (x > 0) * 1.0
            short = [f for f in waiting if z[f.members].sum() < f.needed - 1e-9]
            if not short:
                break
            for family in short:
                out.append((family.members, family.needed))
                rest = np.setdiff1d(rest, family.members)
                budget -= family.needed
                waiting.remove(family)
        return [*out, (rest, budget)]

    def programme(self, at: Levels, p: Array) -> tuple[Array, Array] | int:
        """Weights and prices of the rows when exactly these tasks have z = 1.

        Over few tasks at a time, adding those whose gradient says that they belong.
        """
        m, full = len(p), at.full
        shared = np.zeros((0, m))
        for block, budget in at.blocks:
            part = block[~full[block]]
            left = budget - (len(block) - len(part))
            if len(part) and left > 0:
                row = np.zeros(m)
                row[part] = self.root[part] / np.sqrt(left)
                shared = np.vstack([shared, row])
        curvature = np.where(full, 0.0, self.root**2)
        use = (p > ZERO) | ~self.free | (m <= DENSE)
        for _ in range(m):
            w = np.flatnonzero(use)
            if len(w) < min(m, DENSE // 2):
                use[np.argsort(self.linear, kind="stable")[: DENSE // 2]] = True
                w = np.flatnonzero(use)
            inner = self.hessian[np.ix_(w, w)] + shared[:, w].T @ shared[:, w] + self.lift
            inner[np.diag_indices(len(w))] += 1e-11 - curvature[w]
            answer = quadratic(inner, self.linear[w], self.region.part(w), 1e-11)
            if isinstance(answer, int):
                if len(w) == m:
                    return answer
                use[:] = True
                continue
            out = np.zeros(m)
            out[w] = np.where(answer[0] > ZERO, answer[0], 0.0)
            out /= out.sum()
            if len(w) == m:
                return out, answer[1]
            gradient = self.hessian[:, w] @ out[w] + self.linear + (shared @ out) @ shared
            gradient[w] -= curvature[w] * out[w]
            _, price, _ = self.region.part(w).least(gradient[w], answer[1])
            gain = price - gradient + answer[1] @ self.region.rows
            gain[w] = 0.0
            if gain.max() <= 1e-10:
                return out, answer[1]
            worst = np.argsort(-gain, kind="stable")[: DENSE // 2]
            use = out > ZERO
            use |= ~self.free
            use[w] = True
            use[worst[gain[worst] > 1e-11]] = True
        return 0

    def value(self, p: Array, at: Levels) -> float:
        """The relaxation at p, an upper bound on its optimum."""
        x = np.where(at.full, 0.0, self.root * p)
        return float(0.5 * p @ self.hessian @ p + self.linear @ p + 0.5 * (x @ at.level - x @ x))

    def bound(self, p: Array, prices: Array, at: Levels) -> tuple[float, Array]:
        """A lower bound on the node, from p and prices of the rows, and the (m,) x behind it.

        A task without weight needs no more x than makes it unattractive; that leaves the bound as
        it is and says how much worse sets with this task are.
        """
        own = self.root * p
        x = np.where(self.free, np.maximum(own, at.level), 0.0)
        curved = self.hessian @ p
        slope = curved + self.linear - self.root * own
        _, price, reduced = self.region.least(slope + self.root * x, prices)
        idle = self.free & (p <= 0.0) & (self.root > 0)
        spare = (reduced - price)[idle] / self.root[idle]
        x[idle] = np.clip(x[idle] - np.maximum(spare, 0.0), 0.0, None)
        lowest, _, _ = self.region.least(slope + self.root * x, prices)
        fixed = lowest - 0.5 * float(p @ curved) + 0.5 * float(own @ own)
        return fixed - 0.5 * float(self._top(x**2)[0]), x

    def _top(self, squares: Array) -> tuple[float, Mask]:
        """The largest sum of squares that a set of the node can have, and that set."""
        taken = np.zeros(len(squares), dtype=bool)
        left = self.budget
        for family in self.families:
            order = np.argsort(-squares[family.members], kind="stable")[: family.needed]
            taken[family.members[order]] = True
            left -= family.needed
        rest = np.flatnonzero(self.free & ~taken)
        taken[rest[np.argsort(-squares[rest], kind="stable")[:left]]] = True
        return float(squares[taken].sum()), taken

    def relaxed(self, bound: float, p: Array, x: Array, at: Levels, n: int) -> Relaxed:
        """The result over all n tasks. A set with a task outside of the largest x must give one of
        those up; a set without one of those has the next largest instead."""
        squares = x**2
        _, taken = self._top(squares)
        outside = self.free & ~taken
        chosen = np.full(len(p), bound)
        if taken.sum() >= self.budget:  # a further task must displace one
            chosen[outside] += 0.5 * (np.min(squares[taken], initial=np.inf) - squares[outside])
        dropped = np.full(len(p), bound)
        dropped[taken] += 0.5 * np.maximum(
            0.0, squares[taken] - np.max(squares[outside], initial=0.0)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(at.level > 0, self.root * p / at.level, 0.0)
        share = np.where(self.root > 0, share, np.minimum(1.0, p))
        z = np.where(at.full, 1.0, np.clip(share, 0.0, 1.0)) * ((p > 0) | ~self.free)
        out = np.zeros((4, n))
        out[:, self.tasks] = p, z, np.maximum(chosen, bound), dropped
        return Relaxed(bound, out[0], out[1], out[2], out[3])


def _local(problem: Subsets, split: Split, node: Node) -> _Local | None:
    """The relaxation's data; None where counting shows that the node holds no set."""
    chosen, free = node.chosen, node.free
    budget = problem.max_tasks - int(chosen.sum())
    missing = problem.missing(chosen)
    candidates = [
        (g.members[free[g.members]], m) for g, m in zip(problem.groups, missing, strict=True)
    ]
    if budget < 0 or any(m > min(len(c), budget) for c, m in candidates):
        return None
    tasks = np.flatnonzero(chosen | free)
    if len(tasks) == 0:
        return None
    place = np.zeros(len(chosen), dtype=np.intp)
    place[tasks] = np.arange(len(tasks))
    families, taken = [], np.zeros(len(chosen), dtype=bool)
    for members, needed in sorted(candidates, key=lambda c: -c[1]):
        if needed and not taken[members].any():
            taken[members] = True
            families.append(_Family(place[members], int(needed)))
    if sum(f.needed for f in families) > budget:
        return None
    is_free = free[tasks]
    lower = np.where(is_free, 0.0, problem.lower[tasks])
    upper = np.where(is_free & (budget == 0), 0.0, problem.upper[tasks])
    rows, low, high = problem.rows[:, tasks], problem.low, problem.high
    own = upper[is_free]
    if budget and len(own) and np.sort(own)[-budget:].sum() + upper[~is_free].sum() < 1.0 - 1e-12:
        return None
    if budget and len(own) and own.min() < 1.0:  # p / upper <= z, summed
        rows = np.vstack([rows, np.where(is_free, 1.0 / upper, 0.0)])
        low, high = np.append(low, -np.inf), np.append(high, float(budget))
    for family in families:  # p >= lower z, summed over the group
        least = float(np.sort(problem.lower[tasks][family.members])[: family.needed].sum())
        if least > 0.0:
            row = np.zeros(len(tasks))
            row[family.members] = 1.0
            rows, low, high = np.vstack([rows, row]), np.append(low, least), np.append(high, np.inf)
    region = Region(lower, upper, rows, low, high)
    if region.empty_by_bounds:
        return None
    hessian = problem.hessian[np.ix_(tasks, tasks)]
    diagonal, lift = split.diagonal[tasks], split.lift
    if not diagonal[is_free].any() and 2 < len(tasks) <= DENSE:
        own_split = even_split(hessian)
        diagonal, lift = own_split.diagonal, own_split.lift
    return _Local(
        tasks=tasks,
        hessian=hessian,
        linear=problem.linear[tasks],
        root=np.where(is_free, np.sqrt(diagonal), 0.0),
        free=is_free,
        region=region,
        budget=budget,
        families=tuple(families),
        lift=lift,
    )


def _level(x: Array, budget: int) -> tuple[float, float]:
    """s with sum min(1, x / s) = budget, and from which x on min(1, x / s) is 1.

    s = 0 where there are no more positive x than the budget allows.
    """
    if budget <= 0:
        return 0.0, np.inf
    order = np.sort(x)[::-1]
    if len(order) <= budget or order[budget] <= 0.0:
        return 0.0, np.nextafter(0.0, 1.0)
    top = order[:budget]
    after = order.sum() - np.concatenate(([0.0], np.cumsum(top[:-1])))
    levels = after / np.arange(budget, 0, -1)
    count = int(np.argmax(levels >= top * (1 - 1e-12)))
    return float(levels[count]), float(top[count - 1]) if count else np.inf
