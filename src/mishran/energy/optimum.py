"""An optimum taken apart: which tasks can move, which rows hold them, and what a change of bounds does.

Sensitivity, prices and explanations all start from here. Everything within rounding of a bound is
held by it, whether the bound has a price or not: at a bound without a price the mixture has only
one-sided derivatives, and the one that is meant is the one along the bound.

Source: derived from the optimality conditions of the energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.energy.constraints import Constraints, allowed
from mishran.energy.energy import Energy
from mishran.energy.solver import minimise
from mishran.energy.tangent import RepairMode, repair_tangent
from mishran.errors import ConfigError, EnergyError
from mishran.types import Array, Certificate, Solution

TIGHT = 1e-10  # of the largest coefficient of a row; the solver's bar is 1e-12
OPTIMAL = 1e-6  # relative gap beyond which weights are no optimum at all


@final
@dataclass(frozen=True, eq=False)
class Optimum:
    """Weights that minimise a convex energy over a box and rows, and what is tight there.

    given, energy: before and after the repair. p: (n,) weights.
    free: (n,) tasks off both bounds.
    at_floor, at_cap: names of the rows that hold the mixture from below and from above. A bound that
    no mixture breaks (a group's cap of 100 %) holds nothing.
    rows: (1 + number of rows that hold, n) coefficients, the sum of all weights first, then in the
    order of the constraints, each divided by its largest entry.
    """

    given: Energy
    energy: Energy
    box: Constraints
    p: Array
    certificate: Certificate
    free: NDArray[np.bool_]
    at_floor: frozenset[str]
    at_cap: frozenset[str]
    rows: Array

    @classmethod
    def of(
        cls,
        energy: Energy,
        constraints: Constraints | None,
        solution: Solution,
        repair: RepairMode = "shift",
    ) -> Optimum:
        """Take a solution apart.

        Raises:
            ConfigError: the solution or the constraints are about other tasks.
            EnergyError: the weights are not optimal (the gap is above 1e-6 of the scale), or, with
                repair="refuse", the energy is not convex.
        """
        box = allowed(constraints, energy.names)
        if solution.names != energy.names:
            raise ConfigError(
                expected=f"a solution for the {len(energy.names)} tasks of the energy, in their order",
                found=f"a solution for {len(solution.names)} tasks",
                where="solution",
                fix="solve this energy first",
            )
        convex, _ = repair_tangent(energy, repair)
        certificate, p = solution.certificate, solution.weights
        if certificate.relative_gap > OPTIMAL:
            raise EnergyError(
                expected=f"optimal weights, with a gap of at most {OPTIMAL:g} of the scale",
                found=f"a gap of {certificate.relative_gap:.3g} of it",
                where="solution",
                fix="use the exact solution (mixture.solution: exact)",
            )
        at_floor, at_cap, held = set(), set(), [np.ones(len(p))]
        for name, row in box.rows.items():
            size, total = float(np.abs(row).max()), float(row @ p)
            floor, cap = box.floors.get(name, -np.inf), box.caps.get(name, np.inf)
            if floor > row.min() and (total - floor <= TIGHT * size or name in certificate.floors):
                at_floor.add(name)
            if cap < row.max() and (cap - total <= TIGHT * size or name in certificate.caps):
                at_cap.add(name)
            if name in at_floor or name in at_cap:
                held.append(row / size)
        return cls(
            given=energy,
            energy=convex,
            box=box,
            p=p,
            certificate=certificate,
            free=(p - box.lower > TIGHT) & (box.upper - p > TIGHT),
            at_floor=frozenset(at_floor),
            at_cap=frozenset(at_cap),
            rows=np.vstack(held),
        )

    @cached_property
    def gradient(self) -> Array:
        """(n,) slope of the energy, up to a constant that mixtures do not feel."""
        return self.energy.relative_gradient(self.p)[0]

    @cached_property
    def multipliers(self) -> tuple[Array, dict[str, float]] | None:
        """(n,) prices of the tasks' bounds and one per row that holds, negative where the upper side
        holds; None where several sets of them exist, as the rows depend on each other on the free
        tasks."""
        rows = self.rows[:, self.free]
        if rows.shape[1] == 0 or int(np.linalg.matrix_rank(rows, tol=1e-10)) < len(rows):
            return None
        prices = np.linalg.lstsq(rows.T, self.gradient[self.free])[0]
        tasks = np.where(self.free, 0.0, self.gradient - self.rows.T @ prices)
        held = [name for name in self.box.rows if name in self.at_floor or name in self.at_cap]
        sizes = [float(np.abs(self.box.rows[name]).max()) for name in held]
        return tasks, {n: float(v) / s for n, v, s in zip(held, prices[1:], sizes, strict=True)}

    def saved(self, q: Array) -> float:
        """E(p) - E(q), exact to the rounding of the difference and not of E."""
        return float(self.energy.relative_gradient((self.p + q) / 2)[0] @ (self.p - q))

    def again(self, box: Constraints, energy: Energy | None = None) -> Array:
        """(n,) optimal weights within other bounds, or of another energy; the search starts from p.

        Raises:
            EnergyError, InfeasibleError: as `solve`.
        """
        return minimise(energy or self.energy, box, self.p)[0]
