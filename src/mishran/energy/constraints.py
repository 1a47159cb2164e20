"""Which mixtures are allowed: bounds per task, sums over named groups, general rows low <= a'p <= high.

Every task has 0 <= lower <= p <= upper <= 1; a group bounds the sum of its tasks (a language quota:
"Hindi at least 25 %") and may overlap others. A general row bounds any weighted sum: tokens per
drawn row, or a group's share of the tokens, (1_group - share) tokens'p >= 0. `constraints` refuses
what no mixture satisfies and says which bounds conflict and what would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mishran.energy.names import positions, unknown
from mishran.errors import ConfigError, InfeasibleError
from mishran.types import Array


@final
@dataclass(frozen=True, eq=False)
class Constraints:
    """Bounds on tasks and sums over groups; weights sum to 1 besides.

    lower, upper: (n,) in [0, 1].
    rows: name -> (n,) coefficients a; 0 and 1 for a group. Only rows that have a floor or cap.
    floors, caps: row name -> smallest and largest a'p.
    limited: tasks whose upper bound is how many rows they have, not a cap that somebody chose.
    """

    names: tuple[str, ...]
    lower: Array
    upper: Array
    rows: dict[str, Array]
    floors: dict[str, float]
    caps: dict[str, float]
    limited: tuple[str, ...] = ()

    @property
    def row_matrix(self) -> Array:
        """(number of rows, n) coefficients, in the order of `rows`."""
        return np.array(list(self.rows.values())).reshape(len(self.rows), len(self.names))

    @property
    def row_bounds(self) -> tuple[Array, Array]:
        """Smallest and largest a'p per row; -inf and inf where there is none."""
        low = np.array([self.floors.get(name, -np.inf) for name in self.rows])
        high = np.array([self.caps.get(name, np.inf) for name in self.rows])
        return low, high

    def violation(self, p: Array) -> float:
        """Largest violation of the sum, a bound or a group sum, in weight."""
        low, high = self.row_bounds
        sums = self.row_matrix @ p
        over = np.concatenate([self.lower - p, p - self.upper, low - sums, sums - high])
        return float(max(np.max(over, initial=0.0), abs(p.sum() - 1.0)))


@final
@dataclass(frozen=True, eq=False)
class Row:
    """low <= sum_i values_i p_i <= high; a task that is not named has the value 0."""

    values: Mapping[str, float]
    low: float = -np.inf
    high: float = np.inf


def simplex(names: Sequence[str]) -> Constraints:
    """No bounds beside p >= 0 and sum 1."""
    n = len(names)
    return Constraints(tuple(names), np.zeros(n), np.ones(n), {}, {}, {})


def constraints(
    names: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
    floors: Mapping[str, float] | None = None,
    caps: Mapping[str, float] | None = None,
    row_limits: Array | None = None,
    rows: Mapping[str, Row] | None = None,
) -> Constraints:
    """Bounds from what a person writes, checked to be possible.

    Args:
        names: all tasks.
        groups: group name -> names of its tasks.
        floors, caps: group or task name -> smallest or largest share, in [0, 1].
        row_limits: (n,) largest share that the rows of each task allow
            (epochs x rows / rows of the budget); more than 1 means no limit.
        rows: name -> general row, in any units.

    Raises:
        ConfigError: a name that is no group and no task (the nearest is named), a share outside
            [0, 1], a group that is also a task, an empty group, a row whose name is taken, with a
            number that is not finite or with a bound below the other.
        InfeasibleError: no mixture satisfies all bounds.
    """
    names, groups = tuple(names), dict(groups or {})
    n = len(names)
    lower, upper = np.zeros(n), np.ones(n)
    bounds: dict[str, dict[str, float]] = {"floors": {}, "caps": {}}
    members = {}
    for group, tasks in groups.items():
        where = f"group {group}"
        if group in names:
            raise ConfigError(
                expected="names of groups and tasks that differ",
                found=f"{group!r} as both",
                where=where,
                fix="rename the group",
            )
        members[group] = np.array(sorted(set(positions(tasks, names, where))), dtype=np.int64)
    for kind, given in (("floors", floors or {}), ("caps", caps or {})):
        for key, share in given.items():
            where = f"mixture.{kind}.{key}"
            if not 0.0 <= share <= 1.0:
                raise ConfigError(
                    expected="a share between 0 and 1",
                    found=str(share),
                    where=where,
                    fix="write 0.25 for 25 %",
                )
            if key in names:
                (lower if kind == "floors" else upper)[names.index(key)] = share
            elif key not in members:
                raise unknown(key, [*members, *names], where, kind="group or task")
            elif len(members[key]) == 0:
                raise ConfigError(
                    expected="a group with at least one task in the mixture",
                    found="none",
                    where=where,
                    fix=f"give a task the group {key}, or remove the bound",
                )
            else:
                bounds[kind][key] = float(share)
    limited: tuple[str, ...] = ()
    if row_limits is not None:
        limited = tuple(names[i] for i in np.flatnonzero(row_limits < upper))
        upper = np.minimum(upper, row_limits)
    used = {g: index for g, index in members.items() if any(g in b for b in bounds.values())}
    sums = {g: np.bincount(index, minlength=n).astype(float) for g, index in used.items()}
    for name, row in (rows or {}).items():
        sums[name] = _coefficients(name, row, names, [*members, *names])
        bounds["floors"] |= {name: float(row.low)} if row.low > -np.inf else {}
        bounds["caps"] |= {name: float(row.high)} if row.high < np.inf else {}
    out = Constraints(names, lower, upper, sums, bounds["floors"], bounds["caps"], limited)
    check_feasible(out)
    return out


def _coefficients(name: str, row: Row, names: tuple[str, ...], taken: Sequence[str]) -> Array:
    """(n,) values of a general row, checked."""
    where = f"row {name}"
    if name in taken:
        raise ConfigError(
            expected="a name of its own for the row",
            found=f"{name!r}, which is a group or task",
            where=where,
            fix="rename the row",
        )
    out = np.zeros(len(names))
    out[positions(row.values, names, where)] = list(row.values.values())
    if not np.isfinite(out).all() or np.isnan([row.low, row.high]).any() or row.low > row.high:
        raise ConfigError(
            expected="finite values and a lower bound that is at most the upper one",
            found=f"{row.low:g} <= {row.high:g}" if np.isfinite(out).all() else "a value that is not",
            where=where,
            fix="write numbers, the smaller bound as the lower one",
        )
    return out


def check_feasible(constraints: Constraints) -> None:
    """Nothing if some mixture satisfies all bounds.

    Raises:
        InfeasibleError: it names every bound that, changed alone, would make the others possible,
            and its largest (or smallest) feasible value; when no single one would, the factor by
            which all floors must shrink, or what the caps add up to.
    """
    lower, upper = constraints.lower, constraints.upper
    fits = (lower <= upper).all() and lower.sum() <= 1 + 1e-12 and upper.sum() >= 1 - 1e-12
    if fits and not constraints.rows:
        return
    if _lowest(constraints, np.zeros(len(lower))) is not None:
        return
    remedies, culprits = [], []
    for kind, sign in (("floor", -1.0), ("cap", 1.0)):
        for name, share in _chosen(constraints, kind).items():
            without, row = _without(constraints, kind, name)
            reach = _lowest(without, sign * row)
            if reach is not None:
                word = "largest" if kind == "floor" else "smallest"
                culprits.append(f"{kind}s.{name} = {share:g}")
                remedies.append(
                    f"the {word} feasible {kind} for {name} is {_four_digits(sign * reach, kind):g}"
                )
    if not remedies:
        raise _joint(constraints)
    raise InfeasibleError(
        expected="bounds that some mixture satisfies",
        found=", ".join(culprits[:6]) + _rows(constraints, "beside the rows of"),
        where="mixture",
        fix=", or ".join(remedies[:3]) + _rows(constraints, "(or raise max_epochs for", ")"),
    )


def allowed(constraints: Constraints | None, names: tuple[str, ...]) -> Constraints:
    """The constraints, checked to be about the same tasks in the same order; the simplex for None.

    Raises:
        ConfigError: they are about other tasks.
    """
    if constraints is None:
        return simplex(names)
    if constraints.names != names:
        raise ConfigError(
            expected=f"constraints on the {len(names)} tasks of the energy, in their order",
            found=f"constraints on {len(constraints.names)} tasks",
            where="constraints",
            fix="make them with the names of the affinity",
        )
    return constraints


def _joint(constraints: Constraints) -> InfeasibleError:
    """The error when no single bound is to blame."""

    def scaled(factor: float) -> Constraints:
        floors = {name: factor * share for name, share in constraints.floors.items()}
        return replace(constraints, lower=factor * constraints.lower, floors=floors)

    nothing = np.zeros(len(constraints.names))
    if _lowest(scaled(0.0), nothing) is None:
        reach = _lowest(scaled(0.0), nothing - 1.0, total=False)
        return InfeasibleError(
            expected="caps that leave room for a whole mixture",
            found=f"caps that allow {-(reach or 0.0):.4g} in all"
            + _rows(constraints, "with the rows of"),
            where="mixture.caps",
            fix="raise caps until they allow 1"
            + _rows(constraints, "(or raise max_epochs or lower the budget for", ")"),
        )
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if _lowest(scaled(middle), nothing) is None else (middle, high)
    return InfeasibleError(
        expected="floors that fit together",
        found=", ".join(f"{n} = {s:g}" for n, s in _chosen(constraints, "floor").items()),
        where="mixture.floors",
        fix=f"multiply every floor by {_four_digits(low, 'floor'):g} or raise the caps",
    )


def _four_digits(value: float, kind: str) -> float:
    """Rounded to the side that stays feasible: floors down, caps up."""
    scaled = value * 1e4
    return float(np.floor(scaled + 1e-9) if kind == "floor" else np.ceil(scaled - 1e-9)) / 1e4


def _rows(constraints: Constraints, words: str, end: str = "") -> str:
    shown = ", ".join(constraints.limited[:3]) + (", ..." if len(constraints.limited) > 3 else "")
    return f" {words} {shown}{end}" if constraints.limited else ""


def _chosen(constraints: Constraints, kind: str) -> dict[str, float]:
    """Floors or caps that somebody wrote, by name of group or task."""
    floor = kind == "floor"
    bound, rest = (constraints.lower, 0.0) if floor else (constraints.upper, 1.0)
    tasks = {
        name: float(bound[i])
        for i, name in enumerate(constraints.names)
        if bound[i] != rest and (floor or name not in constraints.limited)
    }
    return {**(constraints.floors if floor else constraints.caps), **tasks}


def _without(constraints: Constraints, kind: str, name: str) -> tuple[Constraints, Array]:
    """The constraints without one bound, and the (n,) indicator of what it bounded."""
    row = np.zeros(len(constraints.names))
    if name in constraints.rows:
        row = constraints.rows[name]
        bounds = constraints.floors if kind == "floor" else constraints.caps
        kept = {key: share for key, share in bounds.items() if key != name}
        if kind == "floor":
            return replace(constraints, floors=kept), row
        return replace(constraints, caps=kept), row
    row[constraints.names.index(name)] = 1.0
    if kind == "floor":
        return replace(constraints, lower=np.where(row > 0, 0.0, constraints.lower)), row
    return replace(constraints, upper=np.where(row > 0, 1.0, constraints.upper)), row


def _lowest(constraints: Constraints, cost: Array, total: bool = True) -> float | None:
    """Smallest cost'p over the allowed p, None when there is none; sum p <= 1 without `total`."""
    from scipy.optimize import linprog  # 0.3 s to import, and most solutions need none

    matrix = constraints.row_matrix
    low, high = constraints.row_bounds
    ones = np.ones((1, len(constraints.names)))
    sides = np.concatenate([-low, high, [] if total else [1.0]])
    finite = np.isfinite(sides)
    result = linprog(
        cost,
        A_ub=np.vstack([-matrix, matrix, *([] if total else [ones])])[finite],
        b_ub=sides[finite],
        A_eq=ones if total else None,
        b_eq=[1.0] if total else None,
        bounds=np.column_stack([constraints.lower, constraints.upper]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    return float(result.fun) if result.status == 0 else None
