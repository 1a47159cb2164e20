"""`check_settings`: what no affinity could satisfy is refused before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mishran.config import MixtureConfig
from mishran.energy import Energy, constraints
from mishran.energy.names import positions
from mishran.errors import InfeasibleError
from mishran.pipeline.answer import paper_projection
from mishran.pipeline.budget import bound_rows, epoch_limit
from mishran.pipeline.facts import TaskFacts, groups_of
from mishran.types import Affinity


def check_settings(settings: MixtureConfig, facts: Sequence[TaskFacts]) -> None:
    """Refuse what no affinity could satisfy, before anything is measured.

    Bounds on tasks and groups, epoch caps, targets and given values, the paper's closed form beside
    bounds. What depends on the affinity (the effective tasks that t reaches) is found when solving.

    Args:
        facts: of all tasks, those that are only evaluated too.

    Raises:
        ConfigError, InfeasibleError: what is impossible, and what would do.
    """
    names = tuple(f.name for f in facts if not f.eval_only)
    by_name = {f.name: f for f in facts}
    n, budget = len(names), settings.budget
    limits = epoch_limit(settings, budget.rows if budget else None, names, by_name)
    groups = groups_of(facts)
    rows = bound_rows(settings, names, groups, by_name)
    constraints(names, groups, settings.floors, settings.caps, limits, rows)
    if settings.solution != "exact":
        paper_projection(settings)
    wanted = settings.effective_tasks
    if wanted is not None and not 1.0 <= wanted <= n:
        raise InfeasibleError(
            expected=f"between 1 and {n} effective tasks, as there are {n} tasks",
            found=f"{wanted:g}",
            where="mixture.effective_tasks",
            fix=f"ask for {min(max(wanted, 1.0), float(n)):g}",
        )
    unary = settings.unary
    known = [f.name for f in facts] if unary.kind == "utility" else names
    positions(unary.targets, known, "mixture.unary.targets")
    if unary.kind == "given":
        nothing = Affinity(names, np.eye(n), "matrix", np.empty((0, n, n)))
        Energy.given(nothing, unary.values or {}, unary.strength)
