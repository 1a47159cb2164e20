"""Which mixtures are allowed: bounds per task, sums over named groups, general rows low <= a'p <= high.

Every task has 0 <= lower <= p <= upper <= 1; a group bounds the sum of its tasks (a language quota:
"Hindi at least 25 %") and may overlap others. A general row bounds any weighted sum: tokens per
drawn row, or a ratio such as a group's share of the tokens, which is the row
(values - bound * per)'p >= 0. `constraints` refuses what no mixture satisfies; `infeasible` says
which bounds conflict and what would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from mishran.energy.names import positions, unknown
from mishran.errors import ConfigError, InfeasibleError
from mishran.types import Array

SLACK = 1e-12  # of a sum of shares: rounding


@final
@dataclass(frozen=True, eq=False)
class Row:
    """low <= sum_i values_i p_i <= high; a task that is not named has the value 0.

    per: with these, one positive value for every task, the ratio values'p / per'p is bounded.
    field: how a person wrote the row, `limits.cost`, for messages.
    """

    values: Mapping[str, float]
    low: float = -np.inf
    high: float = np.inf
    per: Mapping[str, float] | None = None
    field: str = ""

    def as_dict(self) -> dict[str, object]:
        """What a record of it holds; bounds that there are."""
        ends = {"min": self.low, "max": self.high}
        return {
            "values": dict(self.values),
            **({} if self.per is None else {"per": dict(self.per)}),
            **{end: float(bound) for end, bound in ends.items() if np.isfinite(bound)},
        }


@final
@dataclass(frozen=True, eq=False)
class EpochLimit:
    """No task is repeated more than max_epochs times: p_i budget <= floor(max_epochs rows_i).

    rows: (n,) rows that each task has. budget: rows of the mixture.
    """

    max_epochs: float
    rows: Array
    budget: int

    def shares(self, max_epochs: float | None = None) -> Array:
        """(n,) largest share per task, for this or another number of epochs; may exceed 1."""
        epochs = self.max_epochs if max_epochs is None else max_epochs
        return np.floor(np.minimum(epochs * self.rows, 2.0**53)) / self.budget


@final
@dataclass(frozen=True, eq=False)
class Ratio:
    """values'p / per'p against a bound; both (n,), per > 0."""

    values: Array
    per: Array
    bound: float


@final
@dataclass(frozen=True, eq=False)
class Written:
    """How people wrote the bounds, so that a message can say what to type.

    fields: row name -> its field. ratios: row name -> the ratio behind a row. epochs: what limits
    the tasks in `Constraints.limited`. caps: those of them that have a cap too -> that cap.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    ratios: Mapping[str, Ratio] = field(default_factory=dict)
    epochs: EpochLimit | None = None
    caps: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class Constraints:
    """Bounds on tasks and sums over groups; weights sum to 1 besides.

    lower, upper: (n,) in [0, 1].
    rows: name -> (n,) coefficients a; 0 and 1 for a group. Only rows that have a floor or cap.
    floors, caps: row name -> smallest and largest a'p.
    limited: tasks whose upper bound is how many rows they have, not a cap that somebody chose.
    written: the same in the words of whoever wrote it.
    """

    names: tuple[str, ...]
    lower: Array
    upper: Array
    rows: dict[str, Array]
    floors: dict[str, float]
    caps: dict[str, float]
    limited: tuple[str, ...] = ()
    written: Written = Written()

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
        """Largest violation of the sum, a bound or a row, in weight: a row's by its largest entry."""
        out = abs(float(np.add.reduce(p)) - 1.0)
        for over in (self.lower - p, p - self.upper):
            out = max(out, float(np.maximum.reduce(over)))
        if self.rows:
            (low, high), matrix = self.row_bounds, self.row_matrix
            sums, sizes = matrix @ p, np.abs(matrix).max(axis=1)
            sizes[sizes == 0.0] = 1.0
            out = max(out, *((low - sums) / sizes), *((sums - high) / sizes))
        return float(out)


def simplex(names: Sequence[str]) -> Constraints:
    """No bounds beside p >= 0 and sum 1."""
    n = len(names)
    return Constraints(tuple(names), np.zeros(n), np.ones(n), {}, {}, {})


def constraints(
    names: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
    floors: Mapping[str, float] | None = None,
    caps: Mapping[str, float] | None = None,
    epochs: EpochLimit | None = None,
    rows: Mapping[str, Row] | None = None,
    explain: bool = True,
) -> Constraints:
    """Bounds from what a person writes, checked to be possible.

    Args:
        names: all tasks.
        groups: group name -> names of its tasks.
        floors, caps: group or task name -> smallest or largest share, in [0, 1].
        epochs: how often the rows of a task may be repeated within a budget.
        rows: name -> general row, in any units. The row of an upper bound on a ratio is called
            "NAME (max)", as its coefficients are others than those of the lower one.
        explain: whether an InfeasibleError says which bounds conflict; for trials it need not.

    Raises:
        ConfigError: a name that is no group and no task (the nearest is named), a share outside
            [0, 1], a group that is also a task, an empty group, a row whose name is taken, with a
            number that is not finite, with a bound below the other or with none, or a ratio per
            something that is not positive.
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
    chosen: dict[str, float] = {}
    if epochs is not None:
        shares = epochs.shares()
        limited = tuple(names[i] for i in np.flatnonzero(shares < upper))
        chosen = {t: float(upper[names.index(t)]) for t in limited if t in (caps or {})}
        upper = np.minimum(upper, shares)
    used = {g: index for g, index in members.items() if any(g in b for b in bounds.values())}
    sums = {g: np.bincount(index, minlength=n).astype(float) for g, index in used.items()}
    fields: dict[str, str] = {}
    ratios: dict[str, Ratio] = {}
    for name, row in (rows or {}).items():
        values, per = _coefficients(name, row, names, [*members, *names, *sums])
        for kind, bound in (("floors", float(row.low)), ("caps", float(row.high))):
            if not np.isfinite(bound):
                continue
            key = f"{name} (max)" if per is not None and kind == "caps" else name
            fields[key] = row.field or f"rows.{name}"
            if per is None:
                sums[key], bounds[kind][key] = values, bound
            else:
                sums[key], bounds[kind][key] = values - bound * per, 0.0
                ratios[key] = Ratio(values, per, bound)
    written = Written(fields, ratios, epochs, chosen)
    out = Constraints(names, lower, upper, sums, bounds["floors"], bounds["caps"], limited, written)
    check_feasible(out, explain)
    return out


def _coefficients(
    name: str, row: Row, names: tuple[str, ...], taken: Sequence[str]
) -> tuple[Array, Array | None]:
    """(n,) values of a general row, and what they are divided by, checked."""
    where = f"mixture.{row.field}" if row.field else f"rows.{name}"
    if name in taken:
        raise ConfigError(
            expected="a name of its own for the row",
            found=f"{name!r}, which is a group, a task or another row",
            where=where,
            fix="rename the row",
        )
    values = np.zeros(len(names))
    values[positions(row.values, names, where)] = list(row.values.values())
    ends = np.array([row.low, row.high])
    if not np.isfinite(values).all() or np.isnan(ends).any() or not np.isfinite(ends).any():
        raise ConfigError(
            expected="finite values and at least one finite bound",
            found=f"bounds {row.low:g} and {row.high:g}"
            if np.isfinite(values).all()
            else f"{values[~np.isfinite(values)][0]:g}",
            where=where,
            fix="write numbers",
        )
    if row.low > row.high:
        raise ConfigError(
            expected="a lower bound that is at most the upper one",
            found=f"{row.low:g} and {row.high:g}",
            where=where,
            fix="write the smaller one as the lower bound",
        )
    if row.per is None:
        return values, None
    per = np.zeros(len(names))
    per[positions(row.per, names, where)] = list(row.per.values())
    if not (np.isfinite(per) & (per > 0)).all():
        wrong = int(np.argmin(np.isfinite(per) & (per > 0)))
        raise ConfigError(
            expected="a positive number per row of every task",
            found=f"{per[wrong]:g} for {names[wrong]}",
            where=where,
            fix=f"give {names[wrong]} a positive number, or leave the task out",
        )
    return values, per


def check_feasible(constraints: Constraints, explain: bool = True) -> None:
    """Nothing if some mixture satisfies all bounds.

    Raises:
        InfeasibleError: it names a smallest set of bounds that exclude each other, and for each
            how far it alone would have to move; without `explain` it says nothing of that.
    """
    lower, upper = constraints.lower, constraints.upper
    fits = (lower <= upper).all() and lower.sum() <= 1 + SLACK and upper.sum() >= 1 - SLACK
    if fits and not constraints.rows:
        return
    from mishran.energy.infeasible import diagnose, feasible, refusal  # a conflict needs them

    if explain and (conflict := diagnose(constraints)) is not None:
        raise refusal(conflict)
    if not explain and not feasible(constraints):
        raise InfeasibleError(
            expected="bounds that some mixture satisfies",
            found="bounds that exclude each other",
            where="mixture",
            fix="change one of them",
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
