"""The bounds that somebody wrote, one by one, and whether some of them can be met together.

Every bound is s'p >= 0 on the simplex, with s = values - bound * per for a floor: since the weights
sum to 1, a plain row is a ratio per 1. Bounds on tasks alone are decided by two sums, others by a
linear programme.

Source: derived.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mishran.energy.constraints import SLACK, Constraints, Ratio
from mishran.types import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # 0.2 s to import, and most solutions need none

Kind = Literal["floor", "cap", "epochs"]


@dataclass(frozen=True, eq=False)
class Bound:
    """values'p / per'p >= or <= bound. task: its position when it bounds one task alone."""

    name: str
    kind: Kind
    bound: float
    field: str
    task: int | None = None
    ratio: Ratio | None = None
    share: bool = True

    @property
    def sign(self) -> float:
        return 1.0 if self.kind == "floor" else -1.0

    def row(self, bound: float) -> Array:
        """(n,) s with s'p >= 0 on the simplex when p satisfies the bound, scaled to about 1."""
        assert self.ratio is not None
        values, per = self.ratio.values, self.ratio.per
        size = max(np.abs(values).max(), np.abs(bound * per).max())
        out: Array = self.sign * (values - bound * per) / (size or 1.0)
        return out


@dataclass(frozen=True, eq=False)
class System:
    """The bounds of constraints, any subset of which can be asked about."""

    constraints: Constraints
    bounds: tuple[Bound, ...]

    @property
    def everything(self) -> frozenset[int]:
        return frozenset(range(len(self.bounds)))

    def chosen(self, *kinds: Kind, tasks: bool = False) -> list[int]:
        """Positions of the bounds of some kinds; with tasks only of those on one task."""
        return [
            k
            for k, b in enumerate(self.bounds)
            if b.kind in kinds and (b.task is not None or not tasks)
        ]

    def box(
        self, kept: Iterable[int], changed: tuple[int, float] | None = None
    ) -> tuple[Array, Array, Array]:
        """lower, upper (n,) and rows (r, n), rows @ p >= 0, of some of the bounds."""
        n = len(self.constraints.names)
        lower, upper, rows = np.zeros(n), np.ones(n), []
        for k in sorted(kept):
            one = self.bounds[k]
            bound = changed[1] if changed and changed[0] == k else one.bound
            if one.kind == "epochs":
                assert self.constraints.written.epochs is not None
                upper = np.minimum(upper, self.constraints.written.epochs.shares(bound))
            elif one.task is None:
                rows.append(one.row(bound))
            elif one.kind == "floor":
                lower[one.task] = bound
            else:
                upper[one.task] = min(upper[one.task], bound)
        return lower, upper, np.array(rows).reshape(len(rows), n)

    def feasible(self, kept: Iterable[int], changed: tuple[int, float] | None = None) -> bool:
        """Whether a mixture satisfies these bounds, one of them perhaps changed."""
        return possible(*self.box(kept, changed))

    def elastic(self, hard: Collection[int]) -> tuple[Array, Array] | None:
        """The mixture that breaks bounds least, those in `hard` not at all.

        Returns:
            (number of bounds,) by how much each is broken; and prices, >= 0: where nothing is hard,
            the bounds with a price exclude each other (Farkas). None when the hard ones do.
        """
        from scipy import sparse
        from scipy.optimize import linprog

        n, m = len(self.constraints.names), len(self.bounds)
        parts = [self._rows(one) for one in self.bounds]
        owner = np.repeat(np.arange(m), [rows.shape[0] for rows, _ in parts])
        size = len(owner)
        soften = sparse.csr_array((np.ones(size), (np.arange(size), owner)), shape=(size, m))
        most = [1.0] * n + [0.0 if k in hard else np.inf for k in range(m)]
        found = linprog(
            np.repeat([0.0, 1.0], [n, m]),
            A_ub=sparse.hstack([-sparse.vstack([rows for rows, _ in parts]), -soften], "csr"),
            b_ub=-np.concatenate([right for _, right in parts]),
            A_eq=sparse.csr_array(np.repeat([1.0, 0.0], [n, m])[None]),
            b_eq=[1.0],
            bounds=np.column_stack([np.zeros(n + m), most]),
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10},
        )
        if found.status != 0:
            return None
        prices: Array = np.bincount(owner, np.abs(found.ineqlin.marginals), minlength=m).astype(
            np.float64
        )
        return np.asarray(found.x[n:]), prices

    def _rows(self, one: Bound) -> tuple[csr_array, Array]:
        """One bound as rows @ p >= right."""
        from scipy import sparse

        n = len(self.constraints.names)
        if one.kind == "epochs":
            assert self.constraints.written.epochs is not None
            limits = self.constraints.written.epochs.shares()
            which = np.flatnonzero(limits < 1.0)
            return -sparse.eye_array(n, format="csr")[which], -limits[which]
        if one.task is None:
            return sparse.csr_array(one.row(one.bound)[None]), np.zeros(1)
        row = one.sign * sparse.eye_array(n, format="csr")[[one.task]]
        return row, np.array([one.sign * one.bound])


def written_bounds(constraints: Constraints) -> Iterable[Bound]:
    """What somebody wrote: floors, caps (rows first), epochs.

    Other code may have replaced bounds by hand: one that is tighter than what was written counts as
    a cap, and epochs count only where all bounds keep to them.
    """
    names, written = constraints.names, constraints.written
    ones = np.ones(len(names))
    epochs = written.epochs
    limits = ones if epochs is None else epochs.shares()
    epochs = epochs if (constraints.upper <= limits).all() else None
    limited = set(constraints.limited if epochs is not None else ())
    for kind, of_rows in (("floor", constraints.floors), ("cap", constraints.caps)):
        floor = kind == "floor"
        for name, bound in of_rows.items():
            ratio = written.ratios.get(name, Ratio(constraints.rows[name], ones, bound))
            end = "min" if floor else "max"
            label = f"{written.fields[name]}.{end}" if name in written.fields else f"{kind}s.{name}"
            share = name not in written.fields or name in written.ratios
            yield Bound(name, "floor" if floor else "cap", ratio.bound, label, None, ratio, share)
        for i, name in enumerate(names):
            bound = float((constraints.lower if floor else constraints.upper)[i])
            if not floor and name in limited and bound == limits[i]:
                bound = written.caps.get(name, 1.0)
            if bound != (0.0 if floor else 1.0):
                yield Bound(name, "floor" if floor else "cap", bound, f"{kind}s.{name}", i)
    if epochs is not None:
        yield Bound("max_epochs", "epochs", epochs.max_epochs, "max_epochs", share=False)


def possible(lower: Array, upper: Array, rows: Array) -> bool:
    """Whether there is a mixture with lower <= p <= upper and rows @ p >= 0."""
    if len(rows):
        return lowest(np.zeros(len(lower)), lower, upper, rows) is not None
    ordered = bool((lower <= upper).all())
    return ordered and bool(lower.sum() <= 1 + SLACK and upper.sum() >= 1 - SLACK)


def lowest(cost: Array, lower: Array, upper: Array, rows: Array) -> Array | None:
    """(n,) p of least cost'p with lower <= p <= upper, rows @ p >= 0 and sum 1; None for none."""
    from scipy.optimize import linprog  # 0.3 s to import, and most solutions need none

    if not (lower <= upper).all():
        return None
    found = linprog(
        cost,
        A_ub=-rows if len(rows) else None,
        b_ub=np.zeros(len(rows)) if len(rows) else None,
        A_eq=np.ones((1, len(cost))),
        b_eq=[1.0],
        bounds=np.column_stack([lower, upper]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    return np.asarray(found.x) if found.status == 0 else None
