"""Shadow prices: what every bound that somebody chose costs, in energy and in words.

The multiplier of a bound is the energy that the first unit of loosening saves; the whole cost of a
bound is the optimal energy with it minus that without it, found by solving again. Where several sets
of multipliers exist (a mixture held by more bounds than it needs) the saving is the least multiplier
of any set, a linear programme; two bounds that each suffice alone have the price 0.

p >= 0 is nobody's choice; its multiplier says how far a task is from entering the mixture.

Source: Lagrange multipliers as derivatives of the optimal value, Boyd and Vandenberghe, Convex
Optimization, 2004, section 5.6; one-sided in the degenerate case: Rockafellar, Convex Analysis,
1970, theorem 28.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, final

import numpy as np

from mishran.energy.constraints import Constraints, Ratio
from mishran.energy.energy import Energy
from mishran.energy.optimum import TIGHT, Optimum
from mishran.energy.tangent import RepairMode
from mishran.energy.threads import one_thread
from mishran.types import Array, Solution

BoundKind = Literal["floor", "cap", "epochs"]
PRICED = 1e-9  # of the scale: a smaller multiplier is none
MOVED = 1e-9
ROUNDING = 1e-14
SHOWN = 3


@final
@dataclass(frozen=True)
class Price:
    """A bound that holds the mixture, and what it costs.

    name: of the task, group or row. kind: "floor" and "cap" for what somebody chose, "epochs" for
    how often the rows of a task may be repeated.
    bound: the value it holds the sum at. is_share: that sum is a share of the mixture or of its
    tokens, say; otherwise it is a row's a'p, or a ratio of two, in its own unit.
    multiplier: energy saved per unit of the bound by loosening it a little, >= 0.
    cost: optimal energy with it minus without it, all other bounds kept, >= 0.
    without: what the sum would be without it.
    gains, losses: the tasks whose weight would change most without it, and by how much (at most 3).
    """

    name: str
    kind: BoundKind
    bound: float
    is_share: bool
    multiplier: float
    cost: float
    without: float
    gains: tuple[tuple[str, float], ...]
    losses: tuple[tuple[str, float], ...]

    @property
    def sentence(self) -> str:
        """The price in words, without a full stop."""
        held, free = _two_numbers(self.bound, self.without, self.is_share)
        if self.kind == "epochs":
            subject = f"the epoch limit of {self.name}, {held},"
        elif self.is_share:
            subject = f"the {self.name} {self.kind} of {held}"
        else:
            subject = f"the {self.kind} of {held} on {self.name}"
        verb = "get" if self.is_share else "be"
        if held == free:
            return (
                f"{subject} costs nothing by itself; "
                f"without it {self.name} would still {verb} {free}"
            )
        cost = f"{self.cost:.2g} energy" if self.cost else "nothing"
        return f"{subject} costs {cost}; without it {self.name} would {verb} {free}"


@one_thread
def shadow_prices(
    energy: Energy,
    constraints: Constraints | None,
    solution: Solution,
    repair: RepairMode = "shift",
) -> tuple[Price, ...]:
    """What every binding floor, cap, epoch limit and row costs, dearest first.

    A bound that is slack, or only just touched, has no price and is left out. S is repaired once.
    Without its epoch limit a task still has its cap.

    Raises:
        ConfigError: solution or constraints of other tasks.
        EnergyError: weights that are not optimal, or repair="refuse" and negative curvature.
    """
    return prices_at(Optimum.of(energy, constraints, solution, repair))


def entry_prices(
    energy: Energy,
    constraints: Constraints | None,
    solution: Solution,
    repair: RepairMode = "shift",
) -> dict[str, float]:
    """For every task without weight: how much its u must rise before it enters, nearest first.

    That is the multiplier of p >= 0 (the largest one where several exist); inf where other bounds
    leave no room however large u is. Tasks whose own cap is 0 are left out.

    Raises:
        ConfigError, EnergyError: as `shadow_prices`.
    """
    return entries_at(Optimum.of(energy, constraints, solution, repair))


def prices_at(optimum: Optimum) -> tuple[Price, ...]:
    """`shadow_prices` of an optimum that is at hand."""
    least = PRICED * optimum.energy.scale
    duals = _Duals(optimum)
    priced = [
        (bound, multiplier)
        for bound in _tight(optimum)
        if max(multiplier := duals.saving(bound), duals.shown(bound)) > least
    ]
    prices = [_price(optimum, bound, multiplier) for bound, multiplier in priced]
    return tuple(sorted(prices, key=lambda price: -price.cost))


def entries_at(optimum: Optimum) -> dict[str, float]:
    """`entry_prices` of an optimum that is at hand."""
    box, p = optimum.box, optimum.p
    out = np.flatnonzero((p <= TIGHT) & (box.lower == 0) & (box.upper > 0))
    if len(optimum.rows) == 1:
        # Its weight comes from whoever can give and gains most energy by it.
        givers = p - box.lower > TIGHT
        dearest = np.max(optimum.gradient[givers], initial=-np.inf)
        rises = np.maximum(optimum.gradient[out] - dearest, 0.0)
    elif optimum.multipliers is not None:
        rises = np.maximum(optimum.multipliers[0][out], 0.0)
    else:
        duals = _Duals(optimum)
        rises = np.array([duals.largest_lower(int(i)) for i in out])
    order = np.argsort(rises, kind="stable")
    return {optimum.given.names[out[k]]: float(rises[k]) for k in order}


@dataclass(frozen=True, eq=False)
class _Bound:
    """A tight bound that was chosen: side 1 for a'p >= value, -1 for a'p <= value.

    value: of a'p. certified: its multiplier in the certificate, one of all that are possible.
    ratio: what the row was made from, when it bounds values'p / per'p.
    """

    name: str
    kind: BoundKind
    value: float
    row: Array
    side: int
    task: int | None
    certified: float
    ratio: Ratio | None = None

    @property
    def is_share(self) -> bool:
        """Of the mixture, or of what `per` counts."""
        if self.ratio is None:
            return bool(np.isin(self.row, (0.0, 1.0)).all())
        values, per = self.ratio.values, self.ratio.per
        return bool(((values == 0) | (values == per)).all())

    def total(self, p: Array) -> float:
        """What the bound is on."""
        if self.ratio is None:
            return float(self.row @ p)
        return float(self.ratio.values @ p) / float(self.ratio.per @ p)


def _tight(optimum: Optimum) -> list[_Bound]:
    box, p, proof = optimum.box, optimum.p, optimum.certificate
    out = []
    unit, ratios = np.eye(len(p)), box.written.ratios
    for i, name in enumerate(box.names):
        if box.lower[i] > 0 and p[i] - box.lower[i] <= TIGHT:
            floor, price = float(box.lower[i]), float(proof.lower[i])
            out.append(_Bound(name, "floor", floor, unit[i], 1, i, price))
        if box.upper[i] < 1 and box.upper[i] - p[i] <= TIGHT:
            kind: BoundKind = "epochs" if name in box.limited else "cap"
            cap, price = float(box.upper[i]), float(proof.upper[i])
            out.append(_Bound(name, kind, cap, unit[i], -1, i, price))
    for name, row in box.rows.items():
        if name in optimum.at_floor:
            price = proof.floors.get(name, 0.0)
            floor = box.floors[name]
            out.append(_Bound(name, "floor", floor, row, 1, None, price, ratios.get(name)))
        if name in optimum.at_cap:
            price = proof.caps.get(name, 0.0)
            cap = box.caps[name]
            out.append(_Bound(name, "cap", cap, row, -1, None, price, ratios.get(name)))
    return out


def _without(box: Constraints, bound: _Bound) -> Constraints:
    if bound.task is not None:
        changed = box.lower.copy() if bound.side > 0 else box.upper.copy()
        cap = box.written.caps.get(bound.name, 1.0) if bound.kind == "epochs" else 1.0
        changed[bound.task] = 0.0 if bound.side > 0 else cap
        return replace(box, lower=changed) if bound.side > 0 else replace(box, upper=changed)
    floors, caps = dict(box.floors), dict(box.caps)
    (floors if bound.side > 0 else caps).pop(bound.name)
    rows = {name: row for name, row in box.rows.items() if name in floors or name in caps}
    return replace(box, rows=rows, floors=floors, caps=caps)


def _price(optimum: Optimum, bound: _Bound, multiplier: float) -> Price:
    q = optimum.again(_without(optimum.box, bound))
    change, saved = q - optimum.p, optimum.saved(q)
    order = np.argsort(change, kind="stable")
    names = optimum.given.names
    ratio = bound.ratio
    return Price(
        name=bound.name if ratio is None else bound.name.removesuffix(" (max)"),
        kind=bound.kind,
        bound=bound.value if ratio is None else ratio.bound,
        is_share=bound.is_share,
        multiplier=multiplier if ratio is None else multiplier * float(ratio.per @ optimum.p),
        cost=saved if saved > ROUNDING * optimum.energy.scale else 0.0,
        without=bound.total(q),
        gains=tuple((names[i], float(change[i])) for i in order[::-1][:SHOWN] if change[i] > MOVED),
        losses=tuple((names[i], float(change[i])) for i in order[:SHOWN] if change[i] < -MOVED),
    )


class _Duals:
    """All multipliers of an optimum: g = nu 1 + sum of multiplier times side times row.

    p <= 1 takes no part: it follows from the others.
    """

    def __init__(self, optimum: Optimum) -> None:
        self._optimum = optimum

    @cached_property
    def _system(self) -> tuple[Array, list[tuple[str | int, int]], float]:
        """Columns without nu's, what bound each belongs to, and the unit of the multipliers."""
        box, p = self._optimum.box, self._optimum.p
        unit = np.eye(len(p))
        keys: list[tuple[str | int, int]] = []
        columns = []
        for i in range(len(p)):
            if p[i] - box.lower[i] <= TIGHT:
                keys.append((i, 1))
                columns.append(unit[i])
            if box.upper[i] < 1 and box.upper[i] - p[i] <= TIGHT:
                keys.append((i, -1))
                columns.append(-unit[i])
        for bound in _tight(self._optimum):
            if bound.task is None:
                keys.append((bound.name, bound.side))
                columns.append(bound.side * bound.row)
        size = float(np.ptp(self._optimum.gradient)) or 1.0
        return np.array(columns).reshape(len(keys), len(p)).T, keys, size

    def shown(self, bound: _Bound) -> float:
        """The multiplier of the bound where there is but one, else the one in the certificate."""
        if self._optimum.multipliers is None:
            return bound.certified
        tasks, rows = self._optimum.multipliers
        price = rows[bound.name] if bound.task is None else float(tasks[bound.task])
        return max(0.0, bound.side * price)

    def saving(self, bound: _Bound) -> float:
        """The least multiplier of the bound."""
        if self._optimum.multipliers is not None:
            return self.shown(bound)
        key = bound.name if bound.task is None else bound.task
        return self._extreme((key, bound.side), 1.0, bound.certified)

    def largest_lower(self, task: int) -> float:
        """The largest multiplier of p >= lower for a task."""
        certified = float(self._optimum.certificate.lower[task])
        return self._extreme((task, 1), -1.0, certified)

    def _extreme(self, key: tuple[str | int, int], sign: float, fallback: float) -> float:
        from scipy.optimize import linprog

        columns, keys, size = self._system
        # The unit of a row is its own: its column is scaled for the programme.
        scale = np.abs(columns).max(axis=0, initial=0.0)
        at = keys.index(key)
        cost = np.zeros(len(keys) + 1)
        cost[at] = sign
        result = linprog(
            cost,
            A_eq=np.column_stack([columns / scale, np.ones(len(columns))]),
            b_eq=self._optimum.gradient / size,
            bounds=[(0.0, None)] * len(keys) + [(None, None)],
            method="highs",
        )
        if result.status == 3:
            return np.inf
        if result.status != 0:  # rounding in the gradient alone can leave no exact multipliers
            return fallback
        return max(0.0, sign * float(result.fun)) * size / float(scale[at])


def _two_numbers(first: float, second: float, is_share: bool) -> tuple[str, str]:
    """Both in words, with as many digits as it takes to tell them apart (3 to 6)."""
    for digits in range(3, 7):
        texts = _number(first, is_share, digits), _number(second, is_share, digits)
        if texts[0] != texts[1]:
            break
    else:
        return _number(first, is_share, 3), _number(second, is_share, 3)
    return texts


def _number(value: float, is_share: bool, digits: int) -> str:
    if is_share:
        return "nothing" if abs(value) < MOVED else f"{100 * value:.{digits}g} %"
    return f"{0.0 if abs(value) < MOVED else value:.{digits}g}"
