"""Affinity -> mixture: pure, in milliseconds, without files.

`mishran fit`, `mishran solve` on a run or on a bare matrix, and `mishran.solve` in Python all come
through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mishran.config import MixtureConfig
from mishran.energy import (
    Constraints,
    Energy,
    Path,
    RepairMode,
    Row,
    WeightIntervals,
    carried,
    constraints,
    effective_tasks,
    follow,
    weight_intervals,
)
from mishran.energy import solve as minimise
from mishran.errors import ConfigError, EnergyError
from mishran.explanation import Explanation
from mishran.mixture import Budget, Mixture
from mishran.pipeline.answer import Answer, answer
from mishran.pipeline.budget import bound_rows, epoch_limit, rows_for_tokens
from mishran.pipeline.explaining import explained
from mishran.pipeline.facts import TaskFacts, groups_of
from mishran.pipeline.mixture_file import mixture_of, parameters_of
from mishran.types import Affinity, Array

SLIDER_ENDS = (2, 4, 5, 10, 20, 50, 100)  # the first that t fits under; 1 is always on the slider


@dataclass(frozen=True)
class Gains:
    """What each specialist gains over the base on the tasks that count, in nats per answer token.

    values: (n,). replicas: (B, n), from the same resampling of the probes as the affinity's.
    """

    values: Array
    replicas: Array


@dataclass(frozen=True)
class Mixed:
    """A mixture and the answer behind it; where it was asked for why it is so, and what it is along t
    (if there is a t). No answer where another method than the energy made it."""

    mixture: Mixture
    answer: Answer | None
    explanation: Explanation | None = None
    t_values: Array | None = None
    t_weights: Array | None = None


def mix(
    affinity: Affinity,
    settings: MixtureConfig,
    facts: Sequence[TaskFacts] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    gains: Gains | None = None,
    inputs: Mapping[str, str] | None = None,
    explain: bool = True,
    start: Mapping[str, float] | None = None,
) -> Mixed:
    """Solve for a mixture.

    Args:
        facts: sizes and groups of the tasks, in any order; empty when only a matrix is known.
        groups: groups of a bare matrix; with facts theirs are used.
        gains: for the utility unary.
        inputs: sha256 of the files behind the affinity, for the record.
        start: weights of a similar mixture to start from; saves time, changes nothing.
        explain: say why it is so, and follow t, for a report; some ten times the work.

    Raises:
        ConfigError, InfeasibleError, EnergyError: what is impossible, and what would do.
    """
    by_name = {f.name: f for f in facts}
    members = dict(groups_of(facts) if facts else groups or {})
    found, bounds, budget = _with_budget(affinity, settings, members, by_name, gains, start)
    # The noise of a robust mixture or of the paper's is not that of the optimum.
    intervals = _intervals(found.energy, found.bounds, settings.repair) if found.optimal else None
    mixture = mixture_of(
        found,
        intervals,
        parameters=parameters_of(found.energy, settings, members),
        groups=members,
        facts=by_name,
        budget=budget,
        repairs=affinity.repairs,
        inputs=inputs or {},
    )
    if not explain:
        return Mixed(mixture, found)
    path = None
    if settings.unary.kind == "coverage":
        try:
            path = follow(affinity, bounds, settings.ridge, settings.repair)
        except EnergyError as error:  # the mixture is proven without it
            lost = (*mixture.warnings, f"No path along t. {error}")
            mixture = mixture.model_copy(update={"warnings": lost})
    why = explained(found, affinity, settings.repair, intervals, path)
    if path is None:
        return Mixed(mixture, found, why)
    return Mixed(mixture, found, why, *along_t(path, slider(float(found.energy.parameters["t"]))))


def along_t(path: Path, grid: Array) -> tuple[Array, Array]:
    """t and weights at the grid's values and at all breakpoints up to its end, a jump's both sides
    included, so that straight lines between them are the path."""
    inside = path.ts <= grid[-1]
    others = grid[~np.isin(grid, path.ts)]
    ts = np.concatenate([path.ts[inside], others])
    weights = np.concatenate([path.weights[inside], path.at(others)])
    order = np.argsort(ts, kind="stable")
    return ts[order], weights[order]


def slider(t: float) -> Array:
    """101 values of t from 0 on, 1 among them, to 2 or to where the chosen t fits in (at most 100)."""
    end = next((end for end in SLIDER_ENDS if t <= end), SLIDER_ENDS[-1])
    return np.round(np.linspace(0.0, end, 101), 2)


def solve(
    energy: Energy,
    *,
    floors: Mapping[str, float] | None = None,
    caps: Mapping[str, float] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    rows: Mapping[str, Row] | None = None,
    repair: RepairMode = "shift",
    start: Mixture | None = None,
) -> Mixture:
    """The mixture that minimises an energy, with intervals when the energy has replicas.

    Args:
        floors, caps: smallest and largest share of a group or task.
        groups: group -> its tasks.
        rows: name -> general row, low <= values'p <= high.
        repair: what to do with an energy that is not convex: shift, nearest or refuse.
        start: a mixture to start from, of a few tasks more or fewer say. It saves time where there
            are hundreds of tasks and changes nothing else.

    Raises:
        ConfigError, InfeasibleError, EnergyError: what is impossible, and what would do.
    """
    bounds = constraints(energy.names, groups, floors, caps, rows=rows)
    warm = None if start is None else carried(start.weights, energy.names)
    return mixture_of(
        Answer(energy, minimise(energy, bounds, repair, warm), bounds, "taskpgm"),
        _intervals(energy, bounds, repair),
        parameters={
            **energy.parameters,
            "floors": dict(floors or {}),
            "caps": dict(caps or {}),
            **({"rows": {name: row.as_dict() for name, row in rows.items()}} if rows else {}),
            "repair": repair,
        },
        groups=groups or {},
    )


def _intervals(energy: Energy, bounds: Constraints, repair: RepairMode) -> WeightIntervals | None:
    return weight_intervals(energy, bounds, repair) if len(energy.replica_unaries) else None


def _energy(
    affinity: Affinity, settings: MixtureConfig, bounds: Constraints, gains: Gains | None
) -> Energy:
    """The energy that the settings describe, ridge included; bounds decide which t gives a wished
    number of effective tasks."""
    unary = settings.unary
    if unary.kind == "coverage":
        t = settings.resolved_t
        if settings.effective_tasks is not None:
            t = effective_tasks(
                affinity,
                settings.effective_tasks,
                settings.side,
                bounds,
                settings.ridge,
                settings.repair,
            )
        energy = Energy.coverage(affinity, t)
    elif unary.kind == "target":
        energy = Energy.target(affinity, unary.targets, unary.strength)
    elif unary.kind == "given":
        energy = Energy.given(affinity, unary.values or {}, unary.strength)
    elif gains is None:
        raise ConfigError(
            expected="measured scores for the utility unary",
            found="a bare matrix",
            where="mixture.unary",
            fix="solve a run that `mishran fit` made, or use unary given with your own values",
        )
    else:
        energy = Energy.utility(affinity, gains.values, gains.replicas, unary.strength)
    return energy.with_ridge(settings.ridge)


def _with_budget(
    affinity: Affinity,
    settings: MixtureConfig,
    groups: Mapping[str, Sequence[str]],
    facts: Mapping[str, TaskFacts],
    gains: Gains | None,
    start: Mapping[str, float] | None,
) -> tuple[Answer, Constraints, Budget | None]:
    """Solve under the epoch caps of a budget, if there are any; the bounds before any choice too."""
    extra = bound_rows(settings, affinity.names, groups, facts)

    def solved(rows: int | None, explain: bool = True) -> tuple[Answer, Constraints]:
        limits = epoch_limit(settings, rows, affinity.names, facts)
        bounds = constraints(
            affinity.names, groups, settings.floors, settings.caps, limits, extra, explain
        )
        energy = _energy(affinity, settings, bounds, gains)
        warm = None if start is None else carried(start, affinity.names)
        return answer(energy, bounds, settings, groups, warm), bounds

    wanted = settings.budget
    if wanted is None:
        return *solved(None), None
    missing = [n for n in affinity.names if n not in facts]
    if missing:
        raise ConfigError(
            expected="the sizes of the tasks, to turn a budget into rows",
            found="a bare matrix",
            where="mixture.budget",
            fix="solve a run that `mishran fit` made, or leave the budget out",
        )
    if wanted.rows is not None:
        return *solved(wanted.rows), Budget(rows=wanted.rows, max_epochs=settings.max_epochs)
    tokens = np.array([facts[n].mean_tokens for n in affinity.names])
    free = solved(None)
    rows = max(1, round((wanted.tokens or 0) / float(free[0].solution.weights @ tokens)))
    if settings.max_epochs is not None:
        rows = rows_for_tokens(
            wanted.tokens or 0, rows, tokens, lambda r: solved(r, explain=False)[0].solution.weights
        )
        free = solved(rows)
    return *free, Budget(rows=rows, tokens=wanted.tokens, max_epochs=settings.max_epochs)
