"""What depends on the sizes of tasks: epoch caps, quotas and limits as bounds; weights as rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mishran.config import MixtureConfig
from mishran.energy.constraints import EpochLimit, Row
from mishran.energy.names import unknown
from mishran.errors import ConfigError, InfeasibleError
from mishran.mixture import Budget, quotas
from mishran.pipeline.facts import TaskFacts
from mishran.types import Array, Solution


def epoch_limit(
    settings: MixtureConfig,
    rows: int | None,
    names: Sequence[str],
    facts: Mapping[str, TaskFacts],
) -> EpochLimit | None:
    """What max_epochs means for shares in a budget of so many rows, or None."""
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
    available = np.array([facts[n].train_rows for n in names], dtype=np.float64)
    return EpochLimit(settings.max_epochs, available, rows)


def bound_rows(
    settings: MixtureConfig,
    names: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    facts: Mapping[str, TaskFacts],
) -> dict[str, Row]:
    """Quotas and limits as rows; a quota on hindi is the row "hindi tokens".

    Tokens of a quota are divided by their largest number per row, which changes no share and leaves
    coefficients of about 1.

    Raises:
        ConfigError: a group that is unknown or empty, or tokens without the sizes of the tasks.
    """
    out = {}
    for name, quota in settings.quotas.items():
        where = f"mixture.quotas.{name}"
        if name not in groups and name not in names:
            raise unknown(name, [*groups, *names], where, kind="group or task")
        members = [name] if name in names else groups[name]
        if not members:
            raise ConfigError(
                expected="a group with at least one task in the mixture",
                found="none",
                where=where,
                fix=f"give a task the group {name}, or remove the quota",
            )
        tokens = _tokens(names, facts, where)
        largest = max(tokens.values())
        per = {task: count / largest for task, count in tokens.items()}
        out[f"{name} tokens"] = Row(
            {task: per[task] for task in members},
            -np.inf if quota.min is None else quota.min,
            np.inf if quota.max is None else quota.max,
            per,
            f"quotas.{name}",
        )
    for name, limit in settings.limits.items():
        field = f"limits.{name}"
        values = limit.values
        out[name] = Row(
            _tokens(names, facts, f"mixture.{field}") if values == "tokens" else values,
            -np.inf if limit.min is None else limit.min,
            np.inf if limit.max is None else limit.max,
            field=field,
        )
    return out


def _tokens(names: Sequence[str], facts: Mapping[str, TaskFacts], where: str) -> dict[str, float]:
    """Mean tokens per row of every task."""
    if any(name not in facts for name in names):
        raise ConfigError(
            expected="the sizes of the tasks, to count tokens",
            found="a bare matrix",
            where=where,
            fix="solve a run that `mishran fit` made, or give a limit with a number per task",
        )
    return {name: facts[name].mean_tokens for name in names}


def capacity(
    max_epochs: float | None, names: Sequence[str], facts: Mapping[str, TaskFacts]
) -> np.ndarray:
    """(n,) rows of each task under max_epochs."""
    available = np.array([facts[n].train_rows for n in names], dtype=np.float64)
    epochs = math.inf if max_epochs is None else max_epochs
    return np.floor(np.minimum(epochs * available, 2.0**53)).astype(np.int64)


def rows_for_tokens(
    wanted: int, guess: int, tokens: Array, weights_at: Callable[[int], Array]
) -> int:
    """The number of rows that comes nearest to a budget in tokens, when the weights depend on it.

    Epoch caps bound shares by rows, so that weights change with the rows, and past some number
    nothing is allowed at all. Tokens as a function of rows have no jump but need not rise
    everywhere: a crossing is bracketed by doubling or halving the guess, and bisected.

    Args:
        tokens: (n,) mean tokens per row of each task.
        weights_at: mixture for a number of rows.

    Raises:
        InfeasibleError: what all rows that are allowed amount to is less.
    """

    def missing(rows: int) -> float:
        """Tokens short of the budget; negative when over it, or when so many rows are refused."""
        try:
            return wanted - rows * float(weights_at(rows) @ tokens)
        except InfeasibleError:
            return -math.inf

    low = high = guess
    while low > 1 and missing(low) < 0:
        low, high = max(1, low // 2), low
    if low == high:
        while missing(high) > 0:
            low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if missing(middle) >= 0 else (low, middle)
    under, over = missing(low), missing(high)
    if under == -math.inf:
        return low  # so few rows are refused too; solving with them says why
    if over == -math.inf and under > float(tokens.max()):
        most = wanted - under
        raise InfeasibleError(
            expected=f"a budget of at most {int(most):,} tokens, which epochs and bounds allow",
            found=f"{wanted:,} tokens",
            where="mixture.budget",
            fix=f"ask for {int(most):,} tokens or fewer, or raise mixture.max_epochs",
        )
    return low if under <= -over else high


def rows_of(solution: Solution, budget: Budget, facts: Mapping[str, TaskFacts]) -> np.ndarray:
    limits = None
    if budget.max_epochs is not None:
        limits = capacity(budget.max_epochs, solution.names, facts)
    return quotas(solution.weights, budget.rows, limits, solution.names)
