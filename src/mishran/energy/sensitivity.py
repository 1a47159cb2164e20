"""How the mixture answers small changes: dp/du, and the influence of one pair's affinity.

On the active set the optimality conditions are linear. With F the tasks off their bounds, A the rows
that hold and Z an orthonormal basis of {v on F : Av = 0},

    S_FF dp + A_F' dnu = du_F,  A_F dp = 0   =>   dp = K du,  K = Z (Z' S_FF Z)^-1 Z',

zero elsewhere. A change of one pair, dS = e_i e_j' + e_j e_i', also changes the unary of the
coverage and target energies, which are u = Sc (c = t/n for coverage, strength / number of targets on
the targets):

    dp = K (du - dS p) = K_i (c_j - p_j) + K_j (c_i - p_i),  K_i the i-th column.

The repair and the ridge of the energy are kept as they are. Where a direction has no curvature the
pseudo-inverse stands: K is then right for changes that keep the choice among equal mixtures.

Source: derived; parametric quadratic programming, e.g. Best, "An algorithm for the solution of the
parametric quadratic programming problem", 1996.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.names import positions
from mishran.energy.optimum import Optimum
from mishran.energy.tangent import RepairMode, centred, rounding
from mishran.errors import ConfigError
from mishran.types import Array, Solution

STEP = 0.01


def sensitivity(
    energy: Energy,
    constraints: Constraints | None,
    solution: Solution,
    repair: RepairMode = "shift",
) -> Array:
    """(n, n) dp/du: what weight a task gains per unit of u, K[i, j] = dp_i / du_j.

    Symmetric, positive semi-definite, rows sum to 0. A task at a bound has a zero row, and a row at
    its bound keeps its sum, with or without a price: at a bound without one (the mixture only just
    touches it) this is the one-sided derivative for changes that push against the bound.

    Raises:
        ConfigError: solution or constraints of other tasks.
        EnergyError: weights that are not optimal, or repair="refuse" and negative curvature.
    """
    return _response(Optimum.of(energy, constraints, solution, repair))


@final
@dataclass(frozen=True, eq=False)
class PairInfluence:
    """How much of the mixture each pair's affinity moves.

    response: (n, n) dp/du. pull: (n,) c - p, with u = Sc + anything that does not depend on S.
    """

    names: tuple[str, ...]
    response: Array
    pull: Array

    def derivative(self, first: str, second: str) -> Array:
        """(n,) dp/dS_ij with S_ij = S_ji: change of every weight per unit of the pair's affinity.

        Raises:
            ConfigError: an unknown task, or a task with itself.
        """
        i, j = positions((first, second), self.names, "pair")
        if i == j:
            raise ConfigError(
                expected="two different tasks",
                found=f"{first!r} twice",
                where="pair",
                fix="name another task as the second",
            )
        return np.asarray(self.response[:, i] * self.pull[j] + self.response[:, j] * self.pull[i])

    @cached_property
    def movement(self) -> Array:
        """(n, n) share of the mixture that moves, sum |dp| / 2, per +0.01 of affinity; diagonal 0.

        Cost: the square of the number of tasks off their bounds, times n.
        """
        out = np.zeros_like(self.response)
        free = np.flatnonzero(np.diag(self.response) > 0)
        moving = self.response[free]
        for i in free:
            change = moving[:, i, None] * self.pull
            change += moving * self.pull[i]
            np.abs(change, out=change)
            out[i] = out[:, i] = change.sum(axis=0)
        np.fill_diagonal(out, 0.0)
        out = np.asarray(STEP / 2 * out)
        out.setflags(write=False)
        return out

    def strongest(self, k: int = 5) -> tuple[tuple[str, str, float], ...]:
        """The k pairs that move most per +0.01 of affinity, and how much; those that move nothing
        are left out."""
        rows, columns = np.triu_indices(len(self.names), 1)
        moved = self.movement[rows, columns]
        order = [at for at in np.argsort(-moved, kind="stable")[:k] if moved[at] > 0]
        return tuple((self.names[rows[a]], self.names[columns[a]], float(moved[a])) for a in order)


def pair_influence(
    energy: Energy,
    constraints: Constraints | None,
    solution: Solution,
    repair: RepairMode = "shift",
) -> PairInfluence:
    """The derivative of the mixture with respect to every S_ij = S_ji, the unary's change included.

    Raises:
        ConfigError, EnergyError: as `sensitivity`.
    """
    return influence_at(Optimum.of(energy, constraints, solution, repair))


def influence_at(optimum: Optimum) -> PairInfluence:
    """`pair_influence` of an optimum that is at hand."""
    pull = _coefficients(optimum.given) - optimum.p
    return PairInfluence(optimum.given.names, _response(optimum), pull)


def _coefficients(energy: Energy) -> Array:
    """(n,) c of u = Sc; 0 for a unary that does not come from S."""
    n = len(energy.names)
    made = energy.parameters
    if made.get("unary") == "coverage":
        return np.full(n, made["t"] / n)
    if made.get("unary") == "target":
        index = positions(made["targets"], energy.names, "mixture.unary.targets")
        return np.asarray(np.bincount(index, minlength=n) * (made["strength"] / len(index)))
    return np.zeros(n)


def _response(optimum: Optimum) -> Array:
    matrix = optimum.energy.matrix
    n = len(matrix)
    out = np.zeros((n, n))
    free = np.flatnonzero(optimum.free)
    if len(free):
        basis = _null_space(optimum.rows[:, free])
        values, vectors = np.linalg.eigh(basis.T @ centred(matrix)[np.ix_(free, free)] @ basis)
        flat = max(rounding(matrix), np.finfo(float).eps * optimum.energy.scale)
        curved = values > flat
        half = basis @ (vectors[:, curved] / np.sqrt(values[curved]))
        out[np.ix_(free, free)] = half @ half.T
    out.setflags(write=False)
    return out


def _null_space(rows: Array) -> Array:
    """(n, n - rank) orthonormal columns that the rows do not feel."""
    _, sizes, right = np.linalg.svd(rows, full_matrices=True)
    rank = int((sizes > 1e-10 * sizes.max(initial=0.0)).sum())
    return np.asarray(right[rank:].T)
