"""A budget in rows or tokens: epoch caps as bounds on shares, and weights as integer rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mishran.config import MixtureConfig
from mishran.errors import ConfigError, InfeasibleError
from mishran.mixture import Budget, quotas
from mishran.pipeline.facts import TaskFacts
from mishran.types import Array, Solution


def share_limits(
    settings: MixtureConfig,
    rows: int | None,
    names: Sequence[str],
    facts: Mapping[str, TaskFacts],
) -> Array | None:
    """Largest share per task under max_epochs, or None."""
    if settings.max_epochs is None:
        return None
    if settings.budget is None:
        raise ConfigError(
            expected="a budget beside max_epochs",
            found="none",
            where="mixture.max_epochs",
            fix="add budget: {rows: ...}",
        )
    most = capacity(settings.max_epochs, names, facts)
    if rows is None:
        tokens = float(most @ np.array([facts[n].mean_tokens for n in names]))
        wanted = settings.budget.tokens or 0
        if tokens < wanted:
            raise InfeasibleError(
                expected=f"a budget of at most {int(tokens):,} tokens "
                f"({settings.max_epochs:g} epochs of every task)",
                found=f"{wanted:,} tokens",
                where="mixture.budget",
                fix=f"ask for {int(tokens):,} tokens or fewer, or raise mixture.max_epochs",
            )
        return None
    if most.sum() < rows:
        raise InfeasibleError(
            expected=f"a budget of at most {int(most.sum()):,} rows "
            f"({settings.max_epochs:g} epochs of every task)",
            found=f"{rows:,} rows",
            where="mixture.budget",
            fix=f"ask for {int(most.sum()):,} rows or fewer, or raise mixture.max_epochs",
        )
    return most / rows


def capacity(
    max_epochs: float | None, names: Sequence[str], facts: Mapping[str, TaskFacts]
) -> np.ndarray:
    """(n,) rows of each task under max_epochs."""
    available = np.array([facts[n].train_rows for n in names], dtype=np.float64)
    epochs = math.inf if max_epochs is None else max_epochs
    return np.floor(np.minimum(epochs * available, 2.0**53)).astype(np.int64)


def rows_of(solution: Solution, budget: Budget, facts: Mapping[str, TaskFacts]) -> np.ndarray:
    limits = None
    if budget.max_epochs is not None:
        limits = capacity(budget.max_epochs, solution.names, facts)
    return quotas(solution.weights, budget.rows, limits, solution.names)
