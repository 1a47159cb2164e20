"""Geometry of the charts, in percent of their box; text is the page's own, so it never scales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mishran.report import numbers as say
from mishran.report.data import Curve
from mishran.report.table import TaskRow
from mishran.types import Array


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in percent of its length, and its label."""

    at: float
    label: str


def nice_step(top: float, most: int = 6) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten with at most `most` steps up to `top`."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top / most))
    return next(s * power for s in (1, 2, 2.5, 5, 10) if s * power * most >= top * (1 - 1e-12))


def share_axis(top: float, most: int = 6) -> tuple[float, tuple[Tick, ...]]:
    """Scale of an axis of shares that starts at 0, and its ticks."""
    step = nice_step(top, most)
    scale = max(top * 1.02, step)
    count = int(scale / step + 1e-9)
    digits = next(d for d in range(9) if math.isclose(100 * step, round(100 * step, d)))
    return scale, tuple(
        Tick(100 * i * step / scale, say.percent(i * step, digits if i else 0))
        for i in range(count + 1)
    )


def mixture_scale(rows: Sequence[TaskRow]) -> float:
    """Largest share the mixture chart must hold.

    Weights, intervals and uniform always fit; a proportional share beyond 1.5 times those is
    drawn as an arrow at the edge, so that one huge data set does not flatten every bar.
    """
    top = max(max(row.weight, row.high or 0.0, row.uniform) for row in rows)
    shares = [row.proportional for row in rows if row.proportional is not None]
    inside = [share for share in shares if share <= 1.5 * top]
    return max([top, *inside])


def points(xs: Iterable[float], ys: Iterable[float]) -> str:
    """SVG points of a line in a 100 x 100 box, y upward."""
    return " ".join(f"{x:.2f},{100 - y:.2f}" for x, y in zip(xs, ys, strict=True))


def path_data(xs: Array, ys: Array, cuts: Sequence[int]) -> str:
    """SVG path of a line in a 100 x 100 box, y upward, lifted after every index in `cuts` and at nan.

    Points inside a level run are left out: most weights are 0 along most of t.
    """
    out, lifted, last = [], True, len(ys) - 1
    for k, (x, y) in enumerate(zip(xs, ys, strict=True)):
        level = 0 < k < last and not lifted and ys[k - 1] == y == ys[k + 1] and k not in cuts
        if math.isfinite(y) and not level:
            out.append(f"{'M' if lifted else 'L'}{x:.2f},{100 - y:.2f}")
        lifted = k in cuts or not math.isfinite(y)
    return "".join(out)


def value_ticks(low: float, high: float, at: Sequence[float]) -> tuple[Tick, ...]:
    """Ticks of an axis from `low` to `high`, those outside left out."""
    return tuple(
        Tick(100 * (v - low) / (high - low), say.compact(v))
        for v in at
        if low - 1e-12 <= v <= high + 1e-12
    )


@dataclass(frozen=True)
class Label:
    """A name beside the end of a line, its place in percent of the height."""

    name: str
    at: float


def end_labels(names: Sequence[str], shares: Sequence[float], scale: float) -> tuple[Label, ...]:
    """Names of the largest shares at the end of the lines, those left out that would overlap."""
    labels: list[Label] = []
    for i in sorted(range(len(names)), key=lambda i: -shares[i])[:8]:
        at = 100 * shares[i] / scale
        if shares[i] > 0 and all(abs(at - other.at) >= 6 for other in labels):
            labels.append(Label(names[i], at))
    return tuple(labels)


@dataclass(frozen=True)
class CurvePanel:
    """A learning curve: line, dots, ribbon, and the words that say the same."""

    name: str
    line: str
    ribbon: str
    dots: tuple[tuple[float, float], ...]
    first: str
    last: str
    top: str
    summary: str


def curve_panel(curve: Curve) -> CurvePanel | None:
    """Nats from 0 to their maximum over the logarithm of tokens; None below two finite points.

    The point at 0 tokens stands one doubling before the first one after it.
    """
    use = [i for i, v in enumerate(curve.nats) if math.isfinite(v)]
    if len(use) < 2:
        return None
    tokens = np.array([curve.tokens[i] for i in use], dtype=float)
    nats = np.array([curve.nats[i] for i in use])
    after = tokens[tokens > 0]
    if len(after) == 0:
        return None
    x = np.log2(np.where(tokens > 0, tokens, after.min() / 2))
    xs = 100 * (x - x.min()) / max(float(np.ptp(x)), 1e-12)
    low = np.array([curve.low[i] for i in use], dtype=float) if curve.low else nats
    high = np.array([curve.high[i] for i in use], dtype=float) if curve.high else nats
    fine = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(fine, low, nats), np.where(fine, high, nats)
    scale = max(float(high.max()), 1e-12) * 1.05
    ys = 100 * nats / scale
    ribbon = points([*xs, *xs[::-1]], np.clip(100 * np.array([*high, *low[::-1]]) / scale, 0, 100))
    first, last = say.number(float(nats[0]), 2), say.number(float(nats[-1]), 2)
    spent = say.integer(float(tokens[-1]))
    return CurvePanel(
        name=curve.name,
        line=points(xs, ys),
        ribbon=ribbon if curve.low and curve.high and fine.any() else "",
        dots=tuple((round(float(a), 2), round(float(b), 2)) for a, b in zip(xs, ys, strict=True)),
        first=first,
        last=last,
        top=spent,
        summary=f"{curve.name}: from {first} to {last} nats per answer token "
        f"after {spent} training tokens",
    )
