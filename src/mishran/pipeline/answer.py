"""Energy and bounds -> solution, in the way that the settings ask for.

Exactly; over at most so many tasks; robust against the noise of the probes; or by the paper's closed
form, for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mishran.config import MixtureConfig
from mishran.energy import (
    Constraints,
    Energy,
    judged,
    paper_solution,
    robust,
    select,
    solve,
)
from mishran.errors import ConfigError
from mishran.mixture import RobustFile, SelectionFile
from mishran.types import Array, Solution


@dataclass(frozen=True, eq=False)
class Answer:
    """A solution, the bounds that it is the solution under, and how it was found.

    bounds: those of the settings, and 0 for tasks that were not chosen. optimal: it minimises the
    energy under them, which the paper's closed form and a robust mixture do not.
    """

    energy: Energy
    solution: Solution
    bounds: Constraints
    method: str
    selection: SelectionFile | None = None
    robust: RobustFile | None = None

    @property
    def optimal(self) -> bool:
        return self.method == "taskpgm"


def answer(
    energy: Energy,
    bounds: Constraints,
    settings: MixtureConfig,
    groups: Mapping[str, Sequence[str]],
    warm: Array | None = None,
) -> Answer:
    """Solve as the settings say.

    Args:
        warm: (n,) weights to start from.

    Raises:
        ConfigError, InfeasibleError, EnergyError: what is impossible, and what would do.
    """
    if settings.solution != "exact":
        projection = paper_projection(settings)
        paper = paper_solution(energy, projection, settings.repair)
        return Answer(energy, paper, bounds, f"taskpgm-{settings.solution}")
    chosen = None
    if settings.max_tasks is None:
        solution = solve(energy, bounds, settings.repair, warm)
    else:
        solution, bounds, chosen = _selected(energy, bounds, settings, groups)
    if settings.robust is None:
        return Answer(energy, solution, bounds, "taskpgm", chosen)
    solution, guarded = _robust(energy, bounds, settings)
    return Answer(energy, solution, bounds, f"taskpgm-robust-{settings.robust}", chosen, guarded)


def paper_projection(settings: MixtureConfig) -> Literal["clip", "project"]:
    """How the paper's closed form becomes a mixture.

    Raises:
        ConfigError: bounds beside it.
    """
    bounds = [*settings.floors, *settings.caps, *settings.quotas, *settings.limits]
    if bounds or settings.max_epochs is not None:
        raise ConfigError(
            expected="no floors, caps, quotas, limits or max_epochs beside the paper's closed form, "
            "which knows the simplex only",
            found=", ".join(bounds or ["max_epochs"]),
            where="mixture.solution",
            fix="use solution: exact, or remove them",
        )
    return "clip" if settings.solution == "paper-clip" else "project"


def _selected(
    energy: Energy,
    bounds: Constraints,
    settings: MixtureConfig,
    groups: Mapping[str, Sequence[str]],
) -> tuple[Solution, Constraints, SelectionFile]:
    assert settings.max_tasks is not None
    found = select(
        energy,
        settings.max_tasks,
        bounds,
        groups=groups,
        minimums=settings.min_tasks,
        least_share=settings.least_share,
        repair=settings.repair,
    )
    chosen = np.isin(energy.names, found.chosen)
    least = np.maximum(bounds.lower, settings.least_share)
    bounds = replace(
        bounds,
        lower=np.where(chosen, least, bounds.lower),
        upper=np.where(chosen, bounds.upper, 0.0),
    )
    fields = SelectionFile.model_fields
    record = {key: getattr(found, key) for key in fields if key != "max_tasks"}
    return found.solution, bounds, SelectionFile(max_tasks=settings.max_tasks, **record)


def _robust(
    energy: Energy, bounds: Constraints, settings: MixtureConfig
) -> tuple[Solution, RobustFile]:
    """The robust mixture, judged by the energy itself, whose optimum it is not."""
    assert settings.robust is not None
    found = robust(energy, bounds, settings.robust, settings.kappa, settings.repair)
    record = RobustFile(
        mode=found.mode,
        kappa=found.kappa,
        objective=found.objective,
        plain_objective=found.plain_objective,
        relative_gap=found.relative_gap,
        carrying=int((found.replica_weights > 1e-9).sum()),
    )
    method = f"robust, {found.mode}"
    return judged(energy, bounds, found.weights, method, settings.repair), record
