"""What happens when a task leaves: what that costs, who takes its weight, who could stand in for it.

Two meanings of leaving, to be told apart:

- "weight": the task gets no weight, but the mixture still has to stand for it (coverage keeps
  counting it). What a missing data set does to the mixture of an unchanged goal.
- "task": it was never there; coverage is t/(n-1) times the similarity to the others. Other unaries
  do not depend on which tasks there are, so that both meanings agree (a target that leaves the
  mixture is still a target).

Costs are always counted in the energy of all tasks, so that they compare and are never negative.
S is repaired once, for all tasks. A task without weight leaves for nothing in the first meaning;
only those with weight are solved again.

Source: derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, final, get_args

import numpy as np

from mishran.energy.clusters import squared_distances
from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.names import positions
from mishran.energy.optimum import Optimum
from mishran.energy.tangent import RepairMode
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError, InfeasibleError
from mishran.types import Array, Solution

Drop = Literal["weight", "task"]
MOVED = 1e-9


@final
@dataclass(frozen=True, eq=False)
class LeftOut:
    """The mixture without one task.

    before, after: (n,) weights with and without it; after is None where bounds keep it in.
    cost: energy of the mixture without it minus the optimal energy, in the energy of all tasks.
    reason: why it cannot leave; empty when it can.
    """

    name: str
    names: tuple[str, ...]
    before: Array
    after: Array | None
    cost: float | None
    reason: str = ""

    @property
    def weight(self) -> float:
        """What it had."""
        return float(self.before[self.names.index(self.name)])

    @property
    def takers(self) -> tuple[tuple[str, float], ...]:
        """Who gains weight and how much, most first; the gains may add up to more than the weight,
        when others lose as well."""
        if self.after is None:
            return ()
        gain = self.after - self.before
        order = np.argsort(-gain, kind="stable")
        return tuple((self.names[i], float(gain[i])) for i in order if gain[i] > MOVED)


@final
@dataclass(frozen=True)
class Substitutes:
    """Who stands in for a task.

    takers: the tasks that gain most weight when it leaves, and how much.
    nearest: the most similar tasks and their squared distance S_ii + S_jj - 2 S_ij.
    """

    name: str
    takers: tuple[tuple[str, float], ...]
    nearest: tuple[tuple[str, float], ...]


@one_thread
def leave_one_out(
    energy: Energy,
    constraints: Constraints | None,
    solution: Solution,
    repair: RepairMode = "shift",
    drop: Drop = "weight",
    tasks: Sequence[str] | None = None,
) -> tuple[LeftOut, ...]:
    """The mixture without each task in turn, all others staying; where bounds forbid it, why.

    Args:
        drop: "weight" (its weight is 0) or "task" (coverage forgets it too).
        tasks: those to leave out; all when None.

    Raises:
        ConfigError: an unknown task or `drop`, solution or constraints of other tasks.
        EnergyError: weights that are not optimal, or repair="refuse" and negative curvature.
    """
    if drop not in get_args(Drop):
        raise ConfigError(
            expected="weight or task",
            found=repr(drop),
            where="drop",
            fix="weight is the default",
        )
    wanted = energy.names if tasks is None else tasks
    index = positions(wanted, energy.names, "tasks")
    optimum = Optimum.of(energy, constraints, solution, repair)
    return tuple(left_out_at(optimum, i, drop) for i in index)


def substitutes(
    energy: Energy,
    constraints: Constraints | None,
    solution: Solution,
    task: str,
    k: int = 3,
    repair: RepairMode = "shift",
) -> Substitutes:
    """The k tasks that take the weight of a task, and the k nearest to it.

    Raises:
        ConfigError: an unknown task, k below 1, solution or constraints of other tasks.
        EnergyError: as `leave_one_out`.
    """
    if k < 1:
        raise ConfigError(expected="k of at least 1", found=str(k), where="k", fix="3 is usual")
    (left,) = leave_one_out(energy, constraints, solution, repair, tasks=[task])
    return substitutes_at(energy, left, similarity_distances(energy), k)


def left_out_at(optimum: Optimum, i: int, drop: Drop = "weight") -> LeftOut:
    """`leave_one_out` of one task, by its position, at an optimum that is at hand."""
    box, p, names = optimum.box, optimum.p, optimum.given.names
    if drop == "weight" and p[i] == 0.0:
        return LeftOut(names[i], names, p, p, 0.0)
    if len(p) == 1:
        return LeftOut(names[i], names, p, None, None, "there is no other task")
    if box.lower[i] > 0:
        floor = f"its own floor of {100 * box.lower[i]:.3g} % keeps it in"
        return LeftOut(names[i], names, p, None, None, floor)
    # Asked first: the solver's own answer to bounds that conflict looks for the smallest conflict.
    least, q = _least(box, p, i), None
    if least <= MOVED:
        upper = box.upper.copy()
        upper[i] = 0.0
        energy = _forget(optimum, i) if drop == "task" else optimum.energy
        with suppress(InfeasibleError):
            q = optimum.again(replace(box, upper=upper), energy)
    if q is None:
        reason = f"the other bounds leave it at least {100 * least:.3g} %"
        return LeftOut(names[i], names, p, None, None, reason)
    return LeftOut(names[i], names, p, q, max(0.0, -optimum.saved(q)))


def substitutes_at(energy: Energy, left: LeftOut, distances: Array, k: int = 3) -> Substitutes:
    """`substitutes` from a task that has been left out."""
    i = energy.names.index(left.name)
    order = [int(j) for j in np.argsort(distances[i], kind="stable") if j != i]
    return Substitutes(
        name=left.name,
        takers=left.takers[:k],
        nearest=tuple((energy.names[j], float(distances[i, j])) for j in order[:k]),
    )


def similarity_distances(energy: Energy) -> Array:
    """(n, n) squared distances of what was measured, without the ridge."""
    n = len(energy.names)
    return squared_distances(energy.matrix - energy.ridge * (np.eye(n) - 1.0 / n))


def _forget(optimum: Optimum, i: int) -> Energy:
    """The energy with a coverage that does not count task i; a ridge adds a constant to the others."""
    given = optimum.given
    if given.parameters.get("unary") != "coverage":
        return optimum.energy
    others = np.ones(len(given.names))
    others[i] = 0.0
    unary = given.parameters["t"] / (len(others) - 1) * (given.matrix @ others)
    return replace(optimum.energy, unary=unary)


def _least(box: Constraints, p: Array, i: int) -> float:
    """The smallest weight that task i can have; p: allowed weights."""
    matrix = box.row_matrix
    alike = (matrix == matrix[:, [i]]).all(axis=0)  # in the same groups: their weight is as good
    alike[i] = False
    if float((box.upper - p)[alike].sum()) >= p[i]:
        return 0.0
    if not box.rows:
        return float(max(box.lower[i], 1.0 - (box.upper.sum() - box.upper[i])))
    from scipy.optimize import linprog

    low, high = box.row_bounds
    sides = np.concatenate([-low, high])
    finite = np.isfinite(sides)
    result = linprog(
        np.eye(len(box.names))[i],
        A_ub=np.vstack([-matrix, matrix])[finite],
        b_ub=sides[finite],
        A_eq=np.ones((1, len(box.names))),
        b_eq=[1.0],
        bounds=np.column_stack([box.lower, box.upper]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    return float(result.fun)
