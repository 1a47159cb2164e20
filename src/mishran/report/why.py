"""Why the mixture is what it is: rows and sentences from its explanation, shared by all views.

Reads `mishran.explanation` and computes nothing but sums, counts and orders of what stands there.
Energies have a size only beside others, so each is also told as a part of the energy's own scale D.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mishran.explanation import ClusterFile, PriceFile, WithoutFile
from mishran.report import numbers as say
from mishran.report.data import ReportData

LISTED = 12  # rows of a list that stand open; more are folded or counted
NAMED = 6  # names in one cell
TOP = 5  # tasks whose ties are named
ROUNDING = 1e-14  # a smaller part of D is rounding
COST = re.compile(r"(?<= costs )\d[\d.e+-]*(?= energy; )")  # in the sentence of a price


def part_of_scale(energy: float | None, scale: float) -> str:
    """An energy as a part of D, in percent with two significant digits; rounding is 0."""
    if energy is None or not scale > 0:
        return say.DASH
    return say.compact(100 * seen(energy, scale) / scale, 2) + "\u202f%"


def seen(energy: float, scale: float) -> float:
    """The energy, and 0 for what is nothing but rounding beside D."""
    return 0.0 if abs(energy) <= ROUNDING * scale else energy


@dataclass(frozen=True)
class PriceRow:
    """A bound that holds the mixture. per_point: energy saved per percentage point, or per unit of
    the row where the bound is not a share."""

    title: str
    sentence: str
    held: str
    free: str
    per_point: str
    cost: str
    part: str
    gains: str
    losses: str


_KINDS = {"floor": "floor of", "cap": "cap of", "epochs": "epoch limit of"}


def price_rows(data: ReportData) -> tuple[PriceRow, ...]:
    """Every bound with a price, in the order of the file: dearest first."""
    if data.explanation is None:
        return ()
    scale = data.mixture.certificate.scale
    return tuple(_price_row(price, scale) for price in data.explanation.prices)


def _price_row(price: PriceFile, scale: float) -> PriceRow:
    share = price.is_share
    return PriceRow(
        title=f"{_KINDS[price.kind]} {price.name}",
        sentence=sentence(price.sentence),
        held=say.percent(price.bound) if share else say.compact(price.bound),
        free=say.percent(price.without) if share else say.compact(price.without),
        per_point=say.compact(price.multiplier / 100 if share else price.multiplier, 2),
        cost=say.compact(price.cost, 2),
        part=part_of_scale(price.cost, scale),
        gains=moved(price.gains, "+"),
        losses=moved(price.losses, ""),
    )


def sentence(text: str) -> str:
    """A clause with a capital letter and a full stop; a name at its head stays as it is. Small costs
    read as they do in the tables."""
    text = COST.sub(lambda found: say.compact(float(found[0]), 2), text)
    head = "The" + text[3:] if text.startswith("the ") else text
    return head if head.endswith(".") else head + "."


def moved(changes: Mapping[str, float], sign: str, most: int = 3) -> str:
    """`a +1.2, b +0.4 points`; a dash where nothing changes."""
    shown = [f"{name} {sign}{_points(change)}" for name, change in changes.items()]
    if not shown:
        return say.DASH
    return ", ".join(shown[:most]) + " points"


def _points(change: float) -> str:
    """Percentage points, small ones with one significant digit."""
    points = 100 * change
    return say.number(points, 1) if abs(points) >= 0.05 else say.compact(points, 1)


@dataclass(frozen=True)
class EntryRow:
    """A task without weight. entry: rise of its u that brings it in; empty where none is known."""

    name: str
    entry: str
    part: str
    nearest: str


def entry_rows(data: ReportData) -> tuple[EntryRow, ...]:
    """Tasks that get nothing, the nearest to entering first, those that cannot enter last."""
    if data.explanation is None:
        return ()
    out = [row for row in data.explanation.without if row.weight <= 0]
    out.sort(key=lambda row: _last(row.entry))
    scale = data.mixture.certificate.scale
    return tuple(
        EntryRow(
            row.name,
            "" if not _finite(row.entry) else say.compact(seen(row.entry, scale), 2),
            "" if not _finite(row.entry) else part_of_scale(row.entry, scale),
            nearest(row),
        )
        for row in out
    )


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _last(value: float | None) -> float:
    """Order of values that may be missing: missing ones last."""
    return math.inf if value is None or math.isnan(value) else value


def nearest(row: WithoutFile) -> str:
    return ", ".join(list(row.nearest)[:3]) or say.DASH


@dataclass(frozen=True)
class LeaveRow:
    """A task with weight, and the mixture without it. bar: its cost in percent of the dearest."""

    name: str
    weight: float
    cost: str
    part: str
    bar: float
    reason: str
    takers: str
    nearest: str


def leave_rows(data: ReportData) -> tuple[LeaveRow, ...]:
    """Tasks with weight, the dearest to lose first; those that bounds keep in stand at the end."""
    if data.explanation is None:
        return ()
    rows = [row for row in data.explanation.without if row.weight > 0]
    rows.sort(key=lambda row: (row.cost is None, -(row.cost or 0.0)))
    top = max((row.cost or 0.0 for row in rows), default=0.0)
    scale = data.mixture.certificate.scale
    return tuple(
        LeaveRow(
            name=row.name,
            weight=row.weight,
            cost=say.DASH if row.cost is None else say.compact(seen(row.cost, scale), 2),
            part=part_of_scale(row.cost, scale),
            bar=100 * (row.cost or 0.0) / top if top > 0 else 0.0,
            reason=row.reason,
            takers=moved(row.takers, "+"),
            nearest=nearest(row),
        )
        for row in rows
    )


@dataclass(frozen=True)
class ClusterRow:
    """Tasks that repeat each other. weight: of all; uniform: what uniform would give them."""

    tasks: str
    count: int
    driver: tuple[str, str]
    distance: str
    weight: float
    uniform: float


def cluster_rows(data: ReportData) -> tuple[ClusterRow, ...]:
    if data.explanation is None:
        return ()
    return tuple(_cluster_row(data, cluster) for cluster in data.explanation.clusters)


def _cluster_row(data: ReportData, cluster: ClusterFile) -> ClusterRow:
    weights = data.mixture.weights
    return ClusterRow(
        tasks=say.names(cluster.tasks, NAMED),
        count=len(cluster.tasks),
        driver=cluster.driver,
        distance=say.percent(cluster.relative_distance, 0),
        weight=math.fsum(weights.get(name, 0.0) for name in cluster.tasks),
        uniform=len(cluster.tasks) / len(weights),
    )


@dataclass(frozen=True)
class TieRow:
    """A task at the top, and those whose weight cannot be told from its own."""

    name: str
    weight: float
    count: int
    others: str


def tie_rows(data: ReportData) -> tuple[TieRow, ...]:
    """The tasks of largest weight; the weightiest of their ties first."""
    ties = None if data.explanation is None else data.explanation.ties
    if ties is None:
        return ()
    weights = data.mixture.weights
    top = sorted(data.mixture.tasks, key=lambda task: -task.weight)[:TOP]
    rows = []
    for task in top:
        if task.weight <= 0:
            continue
        others = sorted(ties.tasks.get(task.name, ()), key=lambda name: -weights.get(name, 0.0))
        rows.append(TieRow(task.name, task.weight, len(others), say.names(others)))
    return tuple(rows)


def ties(data: ReportData) -> str:
    """How many pairs cannot be told apart; empty where nobody knows."""
    found = None if data.explanation is None else data.explanation.ties
    n = len(data.names)
    if found is None or n < 2:
        return ""
    pairs = n * (n - 1) // 2
    count = round(found.share * pairs)
    if count == 0:
        return (
            f"The probes tell the weights of all {say.integer(pairs)} pairs of tasks apart, "
            "each pair at 95\u202f% by itself."
        )
    return (
        f"Of {say.integer(pairs)} pairs of tasks the probes cannot tell {say.integer(count)} "
        f"apart ({say.percent(found.share, 0)}): which of the two deserves more is open."
    )


def reach(data: ReportData) -> tuple[str, ...]:
    """What numbers of effective tasks the two sides of the dial reach, and where it jumps."""
    path = None if data.explanation is None else data.explanation.path
    if path is None:
        return ()
    diverse = f"{_tasks(*path.diverse)} effective task{'' if path.diverse[1] < 1.05 else 's'}"
    central = _tasks(*path.central)
    lines = [f"t from 0 to 1 reaches {diverse}, t above 1 reaches {central}."]
    if data.mixture.selection is not None:
        lines = [f"Were any number of tasks allowed: {lines[0]}"]
    if path.jumps:
        where = say.names([f"t = {say.compact(t)}" for t in path.jumps])
        lines.append(f"The mixture jumps at {where}.")
    if path.t and data.t_values is not None and path.t[-1] > data.t_values[-1] + 1e-9:
        lines.append(
            f"The picture ends at t = {say.compact(data.t_values[-1])}; the mixture stays the "
            f"same from t = {say.compact(path.t[-1])} on."
        )
    return tuple(lines)


def _tasks(low: float, high: float) -> str:
    first, last = (say.number(value, 1).removesuffix(".0") for value in (low, high))
    return first if first == last else f"{first} to {last}"


def most(row: ClusterRow) -> str:
    """The pair that drives a cluster of more than one pair."""
    return "" if row.count < 3 else f", {row.driver[0]} and {row.driver[1]} most"


def summary(data: ReportData) -> tuple[tuple[str, str], ...]:
    """(label, text) of what matters most, for views without pictures; short by design."""
    lines = [("Price", row.sentence) for row in price_rows(data)[:3]]
    more = len(price_rows(data)) - 3
    if more > 0:
        lines.append(
            ("Price", f"{more} more {'bounds have' if more > 1 else 'bound has'} a price.")
        )
    lines += [
        (
            "Cluster",
            f"{row.tasks} repeat each other{most(row)}; together they "
            f"get {say.percent(row.weight)}, uniform would give {say.percent(row.uniform)}.",
        )
        for row in cluster_rows(data)[:3]
    ]
    lines += [("Order", text) for text in [ties(data)] if text]
    lines += [("Dial", text) for text in reach(data)[:2]]
    return tuple(lines)
