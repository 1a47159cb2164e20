"""`paper_solution`: the paper's closed form, and how much energy it loses. For comparison only.

Without p >= 0 the energy has one stationary point, for the coverage unary p = (t/n) 1 + (1 - t) w,
w = S^-1 1 / (1' S^-1 1). It is then made a mixture by clipping and renormalising ("clip") or by
Euclidean projection onto the simplex ("project"). Neither is the optimum once a component is
negative, which is the normal case; the solution's warning says what that costs.

Source: TaskPGM, arXiv 2507.12612 v1, the closed form and its two projections.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from mishran.energy.constraints import simplex
from mishran.energy.energy import Energy
from mishran.energy.projection import onto_simplex
from mishran.energy.solver import judged, solve
from mishran.energy.tangent import (
    RepairMode,
    repair_tangent,
    rounding,
    tangent_basis,
    tangent_matrix,
)
from mishran.errors import ConfigError, EnergyError
from mishran.types import Array, Repair, Solution

Projection = Literal["clip", "project"]


def paper_solution(
    energy: Energy, projection: Projection, repair: RepairMode = "shift"
) -> Solution:
    """The closed form made a mixture. Bounds and groups do not exist here.

    Where S has negative curvature on the tangent, |lambda_min(S)| is added to its diagonal as the
    paper does, and recorded; the energy lost is measured on the energy that `solve` minimises after
    `repair`.

    Raises:
        EnergyError: no curvature in some direction, so that there is no single stationary point; or
            a negative one and repair="refuse".
        ConfigError: another projection was asked for.
    """
    if projection not in get_args(Projection):
        raise ConfigError(
            expected="clip or project", found=repr(projection), where="projection", fix="use clip"
        )
    exact = solve(energy, repair=repair)
    judge, needed = repair_tangent(energy, repair)
    used, shift = (energy, None) if needed is None else _paper_shift(energy)
    signed = closed_form(used)
    p = _clip(signed) if projection == "clip" else project_to_simplex(signed)
    found = judged(energy, simplex(energy.names), p, f"paper, {projection}", repair)
    cost = used.value(p) - found.energy_unrepaired
    return replace(
        found,
        repairs=() if shift is None else (replace(shift, energy_cost=cost),),
        warnings=(_lost(judge, signed, p, exact, projection),),
    )


def closed_form(energy: Energy) -> Array:
    """(n,) stationary point of E on 1'p = 1, sign ignored: 1/n + Z (Z'SZ)^-1 Z'(u - S 1/n).

    For coverage that is (t/n) 1 + (1 - t) w; it needs curvature on the tangent alone, where
    S^-1 would need it everywhere.

    Raises:
        EnergyError: S is singular or indefinite on the tangent.
    """
    n = len(energy.names)
    uniform = np.full(n, 1.0 / n)
    if n == 1:
        return uniform
    curvature = tangent_matrix(energy.matrix)
    lowest = float(np.linalg.eigvalsh(curvature)[0])
    if lowest <= rounding(energy.matrix):
        raise EnergyError(
            expected="an S with curvature in every direction, which the closed form divides by",
            found=f"lowest curvature {lowest:.3g} (two tasks that answer alike do that)",
            where="mixture.solution: paper",
            fix="use solution: exact, which needs none, or add mixture.ridge: 0.01",
        )
    basis = tangent_basis(n)
    slope = basis.T @ energy.relative_gradient(uniform)[0]
    return np.asarray(uniform - basis @ np.linalg.solve(curvature, slope))


def project_to_simplex(v: Array) -> Array:
    """The mixture nearest to v, (n,) finite numbers, in the Euclidean norm.

    Raises:
        EnergyError: no numbers, or one that is not finite.
    """
    v = np.asarray(v, dtype=np.float64)
    if v.ndim != 1 or len(v) == 0 or not np.isfinite(v).all():
        raise EnergyError(
            expected="a vector of finite numbers",
            found=f"shape {v.shape}" if v.ndim != 1 or len(v) == 0 else "one that is not finite",
            where="project_to_simplex",
            fix="project one number per task",
        )
    return onto_simplex(v)


def _clip(v: Array) -> Array:
    positive = np.maximum(v, 0.0)
    return np.asarray(positive / positive.sum())


def _paper_shift(energy: Energy) -> tuple[Energy, Repair]:
    n = len(energy.names)
    measured = energy.matrix - energy.ridge * (np.eye(n) - 1.0 / n)
    amount = -float(np.linalg.eigvalsh(measured)[0])
    detail = f"|lambda_min(S)| = {amount:.6g} added to the diagonal, as in the paper"
    shifted = replace(energy, matrix=energy.matrix + amount * np.eye(n))
    return shifted, Repair(name="paper-shift", amount=amount, detail=detail)


def _percent(share: float) -> str:
    """Never 100.0 % of what is less."""
    return "more than 99.9 %" if 0.9995 <= share < 1 - 1e-9 else f"{100 * share:.1f} %"


def _lost(judge: Energy, signed: Array, p: Array, exact: Solution, projection: str) -> str:
    """The sentence about the energy lost against the exact optimum."""
    negative = int((signed < 0).sum())
    start = judge.value(np.full(len(p), 1.0 / len(p)))
    possible = start - exact.energy
    if possible <= 1e-9 * judge.scale:
        return "The paper's closed form and the exact optimum agree: uniform is already optimal."
    share = (start - judge.value(p)) / possible
    return (
        f"The paper's closed form with {projection} reaches {_percent(share)} of the energy drop "
        f"from uniform to the exact optimum ({negative} of its {len(p)} weights are negative); "
        f"it uses {int((p > 0).sum())} tasks, the optimum {int((exact.weights > 0).sum())}."
    )
