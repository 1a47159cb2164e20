"""What a choice of tasks must satisfy, where the search starts, and why there may be no such choice.

A smallest possible set is found by an integer programme (HiGHS) where bounds, rows, minimums or a
least share are given; without them it is the best single task. The same programme, with one rule
relaxed at a time, tells what is to blame when there is no set and which value would do.

Source: derived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mishran.energy.constraints import Constraints, check_feasible
from mishran.energy.greedy import single_energies
from mishran.energy.names import positions, unknown
from mishran.energy.subsets import Evaluator, Group, Mask, Subsets
from mishran.errors import ConfigError, InfeasibleError
from mishran.types import Array

MAX_TASKS, MINIMUMS, SHARE = "mixture.max_tasks", "mixture.min_tasks", "mixture.least_share"


def group_minimums(
    names: tuple[str, ...],
    groups: Mapping[str, Sequence[str]] | None,
    minimums: Mapping[str, int] | None,
) -> tuple[Group, ...]:
    """The groups with their minimums, checked.

    Raises:
        ConfigError: a group or task that does not exist, or a minimum that is no count.
        InfeasibleError: a minimum above the size of its group.
    """
    groups, out = dict(groups or {}), []
    for name, minimum in (minimums or {}).items():
        where = f"{MINIMUMS}.{name}"
        if name not in groups:
            raise unknown(name, groups, where, kind="group")
        _count(minimum, 0, "a whole number of tasks, 0 or more", where, "write 2 for two tasks")
        members = np.unique(positions(groups[name], names, f"group {name}")).astype(np.intp)
        if minimum > len(members):
            raise InfeasibleError(
                expected=f"at most the {len(members)} tasks that group {name} has",
                found=f"a minimum of {minimum}",
                where=where,
                fix=f"the largest feasible minimum for {name} is {len(members)}",
            )
        out.append(Group(name, members, int(minimum)))
    return tuple(out)


def check_choice(
    max_tasks: int, least_share: float, node_limit: int | None, time_limit: float
) -> None:
    """Raises ConfigError for a number that means nothing."""
    _count(
        max_tasks, 1, "a whole number of tasks, 1 or more", MAX_TASKS, "write 12 for twelve tasks"
    )
    if not 0.0 <= least_share <= 1.0:
        raise ConfigError(
            expected="a share between 0 and 1",
            found=str(least_share),
            where=SHARE,
            fix="write 0.05 for 5 %",
        )
    if not time_limit >= 0.0:
        raise ConfigError(
            expected="a time limit in seconds, 0 or more",
            found=str(time_limit),
            where="mixture.time_limit",
            fix="10 is the default",
        )
    if node_limit is not None:
        _count(
            node_limit,
            0,
            "a whole number of nodes, 0 or more",
            "mixture.node_limit",
            "leave it out",
        )


def start(evaluate: Evaluator, box: Constraints) -> Mask:
    """The best task alone if one may be alone, else a smallest possible set.

    Raises:
        InfeasibleError: there is no set; it names what is to blame and what would do.
    """
    problem = evaluate.problem
    if not problem.groups and not problem.forced.any():
        alone = single_energies(evaluate)
        if np.isfinite(alone).any():
            return single(len(alone), int(np.argmin(alone)))
    count: int | None = 1
    while count is not None and count <= problem.max_tasks:
        chosen = _smallest(problem, count)
        count = None if chosen is None else int(chosen.sum())
        if count is not None and count <= problem.max_tasks:
            assert chosen is not None
            if evaluate(chosen) is not None:
                return chosen
            count += 1  # HiGHS takes 1e-6 too little for enough
    check_feasible(box)
    raise _conflict(problem, box, count)


def single(n: int, task: int) -> Mask:
    """(n,) the set of this task alone."""
    out = np.zeros(n, dtype=bool)
    out[task] = True
    return out


def _conflict(problem: Subsets, box: Constraints, needed: int | None) -> InfeasibleError:
    """The error when no set is possible: every rule that alone would make room, and how far."""
    found, fixes = [f"max_tasks = {problem.max_tasks}"], []
    if needed is not None and needed > problem.max_tasks:
        fixes.append(f"the smallest feasible max_tasks is {needed}")
    for group in problem.groups:
        rest = tuple(g for g in problem.groups if g is not group)
        most = _most_members(replace(problem, groups=rest), group)
        if most is not None and most < group.minimum:
            found.append(f"min_tasks.{group.name} = {group.minimum}")
            fixes.append(f"the largest feasible minimum for {group.name} is {most}")
    share = _largest_share(problem, box)
    if share is not None:
        found.append("the least share")
        fixes.append(f"the largest feasible least_share is {share:g}")
    if not fixes:
        fixes.append("raise max_tasks or caps, or lower min_tasks and least_share, several at once")
    return InfeasibleError(
        expected="rules that some set of tasks satisfies",
        found=", ".join(found),
        where=MAX_TASKS,
        fix=", or ".join(fixes[:4]),
    )


@dataclass(frozen=True, eq=False)
class _Programme:
    """The integer programme over (p, z): 0/1 z, lower z <= p <= upper z, rows, counts."""

    matrix: Array
    low: Array
    high: Array
    fixed: Array
    most: Array


def _programme(problem: Subsets, at_least: int) -> _Programme:
    n = len(problem.names)
    eye, none = np.eye(n), np.zeros((1, n))
    ones = np.ones((1, n))
    blocks = [
        (np.hstack([eye, -np.diag(problem.upper)]), np.full(n, -np.inf), np.zeros(n)),
        (np.hstack([eye, -np.diag(problem.lower)]), np.zeros(n), np.full(n, np.inf)),
        (np.hstack([ones, none]), np.ones(1), np.ones(1)),
        (np.hstack([none, ones]), np.full(1, 1.0 * at_least), np.full(1, 1.0 * problem.max_tasks)),
    ]
    if len(problem.rows):
        rows = np.hstack([problem.rows, np.zeros_like(problem.rows)])
        blocks.append((rows, problem.low, problem.high))
    for group in problem.groups:
        row = np.zeros((1, 2 * n))
        row[0, n + group.members] = 1.0
        blocks.append((row, np.array([float(group.minimum)]), np.array([np.inf])))
    matrix, low, high = (np.concatenate([b[i] for b in blocks]) for i in range(3))
    return _Programme(
        matrix,
        low,
        high,
        np.concatenate([np.zeros(n), problem.forced * 1.0]),
        np.concatenate([problem.upper, problem.usable * 1.0]),
    )


def _solve(problem: Subsets, cost: Array, at_least: int = 0) -> Array | None:
    """(2n,) p and z of least cost with so many tasks at least; None when there is none."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    n, parts = len(problem.names), _programme(problem, at_least)
    if (parts.fixed > parts.most).any():
        return None
    result = milp(
        cost,
        constraints=LinearConstraint(parts.matrix, parts.low, parts.high),
        bounds=Bounds(parts.fixed, parts.most),
        integrality=np.repeat([0, 1], n),
        options={"presolve": False},  # HiGHS's presolve prints to the terminal on some of these
    )
    return np.asarray(result.x) if result.status == 0 else None


def _smallest(problem: Subsets, at_least: int) -> Mask | None:
    """A set of the fewest tasks, of those one that looks cheap; None when no number would do."""
    n = len(problem.names)
    slope = problem.linear + 0.5 * np.diag(problem.hessian)
    tilt = (slope - slope.min()) / max(float(np.ptp(slope)), 1e-300) * 0.1
    answer = _solve(replace(problem, max_tasks=n), np.concatenate([tilt, np.ones(n)]), at_least)
    return None if answer is None else np.asarray(answer[n:] > 0.5)


def _most_members(problem: Subsets, group: Group) -> int | None:
    """The most members of the group that the other rules allow."""
    n = len(problem.names)
    cost = np.zeros(2 * n)
    cost[n + group.members] = -1.0
    answer = _solve(problem, cost)
    return None if answer is None else round(float(answer[n + group.members].sum()))


def _largest_share(problem: Subsets, box: Constraints) -> float | None:
    """The largest least share, to four digits, when a smaller one would make room."""
    if not problem.least_share:
        return None

    def fits(share: float) -> bool:
        lower = np.maximum(box.lower, share)
        usable = (box.upper > 0.0) & (lower <= box.upper)
        trial = replace(problem, lower=np.where(usable, lower, 0.0), usable=usable)
        trial = replace(trial, upper=np.where(usable, box.upper, 0.0))
        return _solve(trial, np.zeros(2 * len(lower))) is not None

    low, high = 0.0, problem.least_share
    if not fits(0.0):
        return None
    while high - low > 1e-5:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return float(np.floor(low * 1e4 + 0.2) / 1e4)


def _count(value: int, least: int, expected: str, where: str, fix: str) -> None:
    if isinstance(value, bool | str) or not value >= least or value % 1:  # NaN, infinity
        raise ConfigError(expected=expected, found=str(value), where=where, fix=fix)
