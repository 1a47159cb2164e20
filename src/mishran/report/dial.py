"""The chart and the slider of t: weights as straight pieces between breakpoints, placed by t.

Between neighbouring values of `t_values` the weights are taken as straight lines, which is exact where
every breakpoint of the path is among them; `Dial.exact` says so. At a jump the same t stands twice or
more, before, at and after it, or it lies between two neighbours; no line crosses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mishran.report import numbers as say
from mishran.report import plot, table
from mishran.report.data import ReportData
from mishran.types import Array

SAME = 1e-9
WIDTH = 0.002
STEPS = 200  # positions of the slider where every t between them is exact


@dataclass(frozen=True)
class Dial:
    """rows: (name, weight, width of its bar in percent), in the order of the mixture chart.

    lines: SVG paths in a 100 x 100 box, one per row. effective: the same for effective tasks.
    breaks: SVG path of short ticks. jumps: places in percent. at: of the chosen t. dot: height of
    its effective tasks in percent. steps: positions of the slider less one; index: the chosen one.
    apart: the chosen mixture is not on the lines. json: what the slider needs.
    """

    rows: tuple[tuple[str, float, float], ...]
    lines: tuple[str, ...]
    effective: str
    breaks: str
    jumps: tuple[float, ...]
    ends: tuple[plot.Label, ...]
    y_ticks: tuple[plot.Tick, ...]
    x_ticks: tuple[plot.Tick, ...]
    effective_ticks: tuple[plot.Tick, ...]
    count: int
    pieces: int
    even: bool
    exact: bool
    beyond: bool
    apart: bool
    at: float
    dot: float
    steps: int
    index: int
    json: dict[str, Any]


def dial(data: ReportData) -> Dial | None:
    """None for mixtures without a path along t."""
    if data.t_values is None or data.t_weights is None or data.t_chosen is None:
        return None
    rows = table.task_rows(data)
    columns = [data.names.index(row.name) for row in rows]
    values = np.asarray(data.t_values, dtype=float)
    weights = np.asarray(data.t_weights, dtype=float)[:, columns]
    chosen = [row.weight for row in rows]
    scale, ticks = plot.share_axis(max(float(weights.max()), *chosen), most=4)
    low, high = float(values[0]), float(values[-1])
    span = high - low
    path = None if data.explanation is None else data.explanation.path
    inside = sorted({t for t in path.t if low - SAME <= t <= high + SAME}) if path else []
    exact = bool(inside) and all(np.abs(values - t).min() <= SAME for t in inside)
    jumps = [t for t in path.jumps if low <= t <= high] if path else []
    cuts = find_cuts(values, jumps)
    xs = 100 * (values - low) / span
    marks = [low, 1.0, high, *([0.5, 1.5] if 1.5 <= span <= 2 else [high / 2] if span > 2 else [])]
    level = weights[int(np.abs(values - 1.0).argmin())]
    at = float(np.clip(100 * (data.t_chosen - low) / span, 0, 100))
    steps = STEPS if exact else len(values) - 1
    index = round(at / 100 * steps)
    fine, amounts = effective(xs, weights, cuts)
    top = max(float(np.nanmax(amounts)), data.mixture.effective_tasks)
    step = max(1.0, plot.nice_step(top, 4))
    ceiling = top * 1.05
    return Dial(
        rows=tuple((row.name, row.weight, 100 * row.weight / scale) for row in rows),
        lines=tuple(plot.path_data(xs, 100 * column / scale, cuts) for column in weights.T),
        effective=plot.path_data(fine, 100 * amounts / ceiling, ()),
        breaks=" ".join(f"M{100 * (t - low) / span:.2f},100.8V103.5" for t in inside),
        jumps=tuple(round(100 * (t - low) / span, 3) for t in jumps),
        ends=plot.end_labels([row.name for row in rows], weights[-1].tolist(), scale),
        y_ticks=ticks,
        x_ticks=plot.value_ticks(low, high, sorted(set(map(float, marks)))),
        effective_ticks=tuple(
            plot.Tick(100 * k * step / ceiling, say.compact(k * step))
            for k in range(int(top / step + SAME) + 1)
        ),
        count=len(values),
        pieces=len(inside),
        even=bool(np.ptp(level) <= 1e-9),
        exact=exact,
        beyond=data.t_chosen > high,
        apart=_apart(values, weights, cuts, data.t_chosen, chosen),
        at=at,
        dot=100 * data.mixture.effective_tasks / ceiling,
        steps=steps,
        index=index,
        json={
            "t": np.round(values, 9).tolist(),
            "weights": np.round(weights, 9).tolist(),
            "cuts": list(cuts),
            "scale": scale,
            "steps": steps,
            "chosen": {
                "t": data.t_chosen,
                "index": index,
                "at": round(at, 3),
                "weights": [round(w, 9) for w in chosen],
            },
        },
    )


def _apart(
    values: Array, weights: Array, cuts: Sequence[int], t: float, chosen: Sequence[float]
) -> bool:
    """Whether a mixture lies off the lines by more than a line is wide; jumps and ends say nothing."""
    k = int(np.searchsorted(values, t)) - 1
    if not 0 <= k < len(values) - 1 or k in cuts or k + 1 in cuts:
        return False
    s = (t - values[k]) / (values[k + 1] - values[k])
    along = weights[k] + s * (weights[k + 1] - weights[k])
    return bool(np.abs(along - np.asarray(chosen)).max() > WIDTH)


def find_cuts(values: Array, jumps: Sequence[float]) -> tuple[int, ...]:
    """Every k with a jump between values[k] and values[k + 1]: equal values, or a jump inside or at
    an end of the interval, when it does not stand among the values before and after."""
    cuts = set(np.flatnonzero(np.diff(values) <= SAME).tolist())
    for t in jumps:
        around = np.flatnonzero((values[:-1] <= t + SAME) & (values[1:] >= t - SAME)).tolist()
        if not cuts.intersection(around):
            cuts.update(around)
    return tuple(sorted(cuts))


def effective(xs: Array, weights: Array, cuts: Sequence[int]) -> tuple[Array, Array]:
    """Places and numbers of effective tasks, dense enough for a smooth line; nan where it is cut."""
    places: list[float] = []
    amounts: list[float] = []
    for k in range(len(xs) - 1):
        if k in cuts:
            places += [float(xs[k]), float(xs[k])]
            amounts += [float(1 / np.square(weights[k]).sum()), float("nan")]
            continue
        count = max(1, int(np.ceil(xs[k + 1] - xs[k])))
        for s in np.arange(count) / count:
            places.append(float(xs[k] + s * (xs[k + 1] - xs[k])))
            p = weights[k] + s * (weights[k + 1] - weights[k])
            amounts.append(float(1 / np.square(p).sum()))
    places.append(float(xs[-1]))
    amounts.append(float(1 / np.square(weights[-1]).sum()))
    return np.array(places), np.array(amounts)
