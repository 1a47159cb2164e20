"""Affinity -> mixture: pure, in milliseconds, without files.

`mishran fit`, `mishran solve` on a run or on a bare matrix, and `mishran.solve` in Python all come
through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np

from mishran.config import MixtureConfig
from mishran.energy import (
    Constraints,
    Energy,
    RepairMode,
    WeightIntervals,
    constraints,
    effective_tasks,
    paper_solution,
    t_grid,
    weight_intervals,
)
from mishran.energy import solve as minimise
from mishran.energy.constraints import Row
from mishran.energy.names import positions
from mishran.errors import ConfigError, InfeasibleError
from mishran.mixture import Budget, Mixture, RepairFile, TaskShare, certificate_file
from mishran.pipeline.budget import bound_rows, epoch_limit, rows_for_tokens, rows_of
from mishran.pipeline.facts import TaskFacts, groups_of
from mishran.types import Affinity, Array, Repair, Solution

SOURCE = "arXiv 2507.12612"
SLIDER_ENDS = (2, 4, 5, 10, 20, 50, 100)  # the first that t fits under; 1 is always on the slider
_PACKAGES = ("mishran", "numpy", "scipy", "daqp", "torch", "transformers", "peft")


@dataclass(frozen=True)
class Gains:
    """What each specialist gains over the base on the tasks that count, in nats per answer token.

    values: (n,). replicas: (B, n), from the same resampling of the probes as the affinity's.
    """

    values: Array
    replicas: Array


@dataclass(frozen=True)
class Mixed:
    """A mixture, and the solutions along t where they were asked for and there is a t (else None)."""

    mixture: Mixture
    t_values: Array | None = None
    t_weights: Array | None = None


def mix(
    affinity: Affinity,
    settings: MixtureConfig,
    facts: Sequence[TaskFacts] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    gains: Gains | None = None,
    inputs: Mapping[str, str] | None = None,
    path: bool = False,
) -> Mixed:
    """Solve for a mixture.

    Args:
        facts: sizes and groups of the tasks, in any order; empty when only a matrix is known.
        groups: groups of a bare matrix; with facts theirs are used.
        gains: for the utility unary.
        inputs: sha256 of the files behind the affinity, for the record.
        path: solve along t too, for a page with a slider; a hundred times the work.

    Raises:
        ConfigError, InfeasibleError, EnergyError: what is impossible, and what would do.
    """
    by_name = {f.name: f for f in facts}
    members = dict(groups_of(facts) if facts else groups or {})
    energy, solution, bounds, budget = _with_budget(affinity, settings, members, by_name, gains)
    exact = settings.solution == "exact"
    mixture = _mixture(
        energy,
        solution,
        _intervals(energy, bounds, settings.repair) if exact else None,
        method="taskpgm" if exact else f"taskpgm-{settings.solution}",
        parameters=_parameters(energy, settings, members),
        groups=members,
        facts=by_name,
        budget=budget,
        repairs=affinity.repairs,
        inputs=inputs or {},
    )
    if settings.unary.kind != "coverage" or not path:
        return Mixed(mixture)
    ts = slider(float(energy.parameters["t"]))
    return Mixed(mixture, ts, t_grid(affinity, ts, bounds, settings.ridge, settings.repair))


def slider(t: float) -> Array:
    """101 values of t from 0 on, 1 among them, to 2 or to where the chosen t fits in (at most 100)."""
    end = next((end for end in SLIDER_ENDS if t <= end), SLIDER_ENDS[-1])
    return np.round(np.linspace(0.0, end, 101), 2)


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
        _projection(settings)
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


def solve(
    energy: Energy,
    *,
    floors: Mapping[str, float] | None = None,
    caps: Mapping[str, float] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    rows: Mapping[str, Row] | None = None,
    repair: RepairMode = "shift",
) -> Mixture:
    """The mixture that minimises an energy, with intervals when the energy has replicas.

    Args:
        floors, caps: smallest and largest share of a group or task.
        groups: group -> its tasks.
        rows: name -> general row, low <= values'p <= high.
        repair: what to do with an energy that is not convex: shift, nearest or refuse.

    Raises:
        ConfigError, InfeasibleError, EnergyError: what is impossible, and what would do.
    """
    bounds = constraints(energy.names, groups, floors, caps, rows=rows)
    return _mixture(
        energy,
        minimise(energy, bounds, repair),
        _intervals(energy, bounds, repair),
        method="taskpgm",
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


def _mixture(
    energy: Energy,
    solution: Solution,
    intervals: WeightIntervals | None,
    *,
    method: str,
    parameters: dict[str, Any],
    groups: Mapping[str, Sequence[str]],
    facts: Mapping[str, TaskFacts] | None = None,
    budget: Budget | None = None,
    repairs: Sequence[Repair] = (),
    inputs: Mapping[str, str] | None = None,
) -> Mixture:
    facts = facts or {}
    counts = None if budget is None else rows_of(solution, budget, facts)
    return Mixture(
        method=method,
        source=SOURCE,
        affinity=str(energy.parameters.get("affinity", "matrix")),
        parameters=parameters,
        tasks=tuple(
            _share(i, name, solution, intervals, counts, facts, groups)
            for i, name in enumerate(energy.names)
        ),
        effective_tasks=solution.effective_tasks,
        energy=solution.energy,
        representativeness=solution.representativeness,
        diversity=solution.diversity,
        unique=solution.unique,
        replicas=0 if intervals is None else len(intervals.weights),
        certificate=certificate_file(solution),
        repairs=tuple(
            RepairFile(**asdict(r))
            for r in (*repairs, *solution.repairs, *_replica_repairs(intervals))
        ),
        warnings=solution.warnings,
        budget=budget,
        inputs=dict(inputs or {}),
        versions=versions(),
    )


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
) -> tuple[Energy, Solution, Constraints, Budget | None]:
    """Solve under the epoch caps of a budget, if there are any."""
    extra = bound_rows(settings, affinity.names, groups, facts)

    def solved(rows: int | None, explain: bool = True) -> tuple[Energy, Solution, Constraints]:
        limits = epoch_limit(settings, rows, affinity.names, facts)
        bounds = constraints(
            affinity.names, groups, settings.floors, settings.caps, limits, extra, explain
        )
        energy = _energy(affinity, settings, bounds, gains)
        if settings.solution == "exact":
            return energy, minimise(energy, bounds, settings.repair), bounds
        paper = paper_solution(energy, _projection(settings), settings.repair)
        return energy, paper, bounds

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
    rows = max(1, round((wanted.tokens or 0) / float(free[1].weights @ tokens)))
    if settings.max_epochs is not None:
        rows = rows_for_tokens(
            wanted.tokens or 0, rows, tokens, lambda r: solved(r, explain=False)[1].weights
        )
        free = solved(rows)
    return *free, Budget(rows=rows, tokens=wanted.tokens, max_epochs=settings.max_epochs)


def _projection(settings: MixtureConfig) -> Literal["clip", "project"]:
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


def _replica_repairs(intervals: WeightIntervals | None) -> list[Repair]:
    """What had to be repaired before the replicas behind the intervals could be solved."""
    if intervals is None or intervals.repaired == 0:
        return []
    detail = f"{intervals.repaired} of {len(intervals.weights)} replicas needed the same repair"
    return [Repair("replicas", intervals.largest_repair, f"{detail}; the largest is given")]


def _share(
    i: int,
    name: str,
    solution: Solution,
    intervals: WeightIntervals | None,
    counts: np.ndarray | None,
    facts: Mapping[str, TaskFacts],
    groups: Mapping[str, Sequence[str]],
) -> TaskShare:
    fact = facts.get(name)
    share = TaskShare(
        name=name,
        weight=float(solution.weights[i]),
        low=None if intervals is None else float(intervals.low[i]),
        high=None if intervals is None else float(intervals.high[i]),
        groups=fact.groups if fact else tuple(g for g, tasks in groups.items() if name in tasks),
        available_rows=fact.train_rows if fact else None,
    )
    if counts is None or fact is None:
        return share
    return share.model_copy(
        update={
            "rows": int(counts[i]),
            "epochs": float(counts[i] / fact.train_rows),
            "tokens": round(counts[i] * fact.mean_tokens),
        }
    )


def _parameters(
    energy: Energy, settings: MixtureConfig, groups: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    return {
        **energy.parameters,
        "floors": dict(settings.floors),
        "caps": dict(settings.caps),
        "repair": settings.repair,
        "groups": {g: list(tasks) for g, tasks in groups.items()},
        **{
            kind: {name: bound.model_dump(exclude_none=True) for name, bound in bounds.items()}
            for kind, bounds in (("quotas", settings.quotas), ("limits", settings.limits))
            if bounds
        },
        **(
            {"effective_tasks_wanted": settings.effective_tasks, "side": settings.side}
            if settings.effective_tasks is not None
            else {}
        ),
        **({"targets": list(settings.unary.targets)} if settings.unary.kind == "utility" else {}),
        **({"max_epochs": settings.max_epochs} if settings.max_epochs is not None else {}),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on, where installed."""
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
