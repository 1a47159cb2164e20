"""The page of a comparison: one HTML file that opens from disk, loads nothing and runs no script.

The verdict comes first, then every method beside uniform as a dot with its intervals, groups, tasks,
weights, costs, what is missing, and how it was measured. The same comparison gives the same bytes.
`comparison.html.jinja` and `comparison.css` lie beside this file; the rest of the style is the report's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mishran.comparison import Comparison, EffectFile
from mishran.report import comparison_rows as facts
from mishran.report import numbers as say
from mishran.report import plot
from mishran.report.page import fill

FEW = 8  # methods up to which everything is open
NUMBERED = 12  # methods up to which the weights are written into their squares
NOTHING = 1e-9  # nats; an axis is never shorter
REACH = 1.0  # how far intervals may stretch the axis, in widths of all that is no interval


def render_comparison(comparison: Comparison, title: str) -> str:
    """The whole page.

    Args:
        comparison: what to show.
        title: of the page.

    Returns:
        HTML text, to be written as UTF-8.
    """
    primary = comparison.setting.primary
    return fill(
        "comparison.html.jinja",
        ("report.css", "why.css", "comparison.css"),
        {"integer": say.integer, "at": lambda value: f"{value:.3f}"},
        c=comparison,
        title=title,
        facts=facts,
        forest=forest(comparison),
        primary=next(g for g in comparison.groups if g.name == primary),
        others=[g for g in comparison.groups if g.name != primary],
        overview=overview(comparison),
        tasks=facts.task_grid(comparison),
        weights=facts.weight_grid(comparison),
        equal=facts.equal_rows(comparison, primary),
        curve=curve_picture(comparison),
        labels=facts.labels(comparison),
        few=FEW,
        numbered=NUMBERED,
    )


@dataclass(frozen=True)
class Mark:
    """A method in the dot plot, in percent of the axis; None where it has no such thing.

    left, right: whether the interval over seeds goes on beyond the edge.
    """

    row: facts.EffectRow
    text: str
    mean: float | None
    seeds: tuple[float, ...]
    interval: tuple[float, float] | None
    examples: tuple[float, float] | None
    left: bool
    right: bool


@dataclass(frozen=True)
class Forest:
    """Every method beside uniform. step, start: of the grid lines, in percent."""

    marks: tuple[Mark, ...]
    ticks: tuple[plot.Tick, ...]
    zero: float
    cut: bool


def forest(comparison: Comparison) -> Forest:
    """The dot plot of the loss on the primary group."""
    primary = comparison.setting.primary
    rows = facts.effect_rows(comparison, primary, "loss")[1:]
    effects = {e.method: e for e in comparison.effects if (e.group, e.measure) == (primary, "loss")}
    low, high = axis([effects[row.method] for row in rows])
    span = high - low
    step = plot.nice_step(span, 6)
    digits = next(d for d in range(12) if math.isclose(step, round(step, d), rel_tol=1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)

    def at(value: float) -> float:
        return min(100.0, max(0.0, 100 * (value - low) / span))

    def both(a: float | None, b: float | None) -> tuple[float, float] | None:
        return None if a is None or b is None else (at(a), at(b))

    marks = []
    for row in rows:
        found = effects[row.method].difference
        text = comparison.verdict(row.method).text.removeprefix(row.label + ": ")
        if found is None:
            marks.append(Mark(row, text, None, (), None, None, False, False))
            continue
        marks.append(
            Mark(
                row,
                text,
                at(found.mean),
                tuple(at(v) for v in found.by_seed.values()),
                both(found.low, found.high),
                both(found.example_low, found.example_high),
                found.low is not None and found.low < low,
                found.high is not None and found.high > high,
            )
        )
    return Forest(
        marks=tuple(marks),
        ticks=tuple(
            plot.Tick(at(k * step), facts.signed(k * step, digits) if k else "0")
            for k in range(first, last + 1)
        ),
        zero=at(0.0),
        cut=any(mark.left or mark.right for mark in marks),
    )


def axis(effects: list[EffectFile]) -> tuple[float, float]:
    """Ends of the axis: 0, means, seeds and intervals over examples always fit.

    Intervals over two seeds are 12.7 standard errors long to each side; they are cut at the edge
    where they would flatten everything else.
    """
    core, wide = [0.0], [0.0]
    for effect in effects:
        found = effect.difference
        if found is not None:
            ends = (found.example_low, found.example_high)
            core += [found.mean, *found.by_seed.values(), *(v for v in ends if v is not None)]
            wide += [v for v in (found.low, found.high) if v is not None]
    width = max(core) - min(core)
    low = max(min(core + wide), min(core) - REACH * width)
    high = min(max(core + wide), max(core) + REACH * width)
    if high - low < NOTHING:  # every run equals uniform's
        return -1e-3, 1e-3
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


@dataclass(frozen=True)
class Overview:
    """Methods by groups: (difference, outcome of the verdict, the verdict in words)."""

    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]


def overview(comparison: Comparison) -> Overview:
    """The loss of every method on every group."""
    groups = [g.name for g in comparison.groups]
    tables = {g: {r.method: r for r in facts.effect_rows(comparison, g, "loss")} for g in groups}
    order = [row for row in facts.effect_rows(comparison, comparison.setting.primary, "loss")][1:]
    return Overview(
        groups=tuple(groups),
        rows=tuple(
            (
                row.label,
                tuple(
                    (
                        tables[g][row.method].difference,
                        tables[g][row.method].outcome,
                        comparison.verdict(row.method, g).text,
                    )
                    for g in groups
                ),
            )
            for row in order
        ),
    )


@dataclass(frozen=True)
class CurvePicture:
    """Uniform's mean curve, in percent of its box.

    levels: height of each method, as far from uniform at the budget as it is at the seeds of both.
    """

    line: str
    dots: tuple[tuple[float, float], ...]
    levels: tuple[tuple[str, float], ...]
    x_ticks: tuple[plot.Tick, ...]
    y_ticks: tuple[plot.Tick, ...]
    summary: str


def curve_picture(comparison: Comparison) -> CurvePicture | None:
    """Loss of uniform on the primary group over the logarithm of tokens; None where there is no curve."""
    primary = comparison.setting.primary
    curve = next((c for c in comparison.curves if c.group == primary), None)
    if curve is None:
        return None
    names = facts.labels(comparison)
    budget = comparison.setting.budget_tokens
    uniform = next(p.loss for p in curve.points if p.tokens == budget)
    finals = [
        (names[e.method], uniform + e.difference.mean)
        for e in comparison.effects
        if (e.group, e.measure) == (primary, "loss") and e.difference is not None
    ]
    tokens = [math.log(p.tokens) for p in curve.points]
    values = [v for p in curve.points for v in (p.loss, p.fitted)] + [loss for _, loss in finals]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return 100 * (value - tokens[0]) / (tokens[-1] - tokens[0])

    def y(value: float) -> float:
        return 100 * (value - low) / span

    digits = facts.digits_of([span])
    first, last = curve.points[0], curve.points[-1]
    return CurvePicture(
        line=plot.points([x(t) for t in tokens], [y(p.fitted) for p in curve.points]),
        dots=tuple((x(t), y(p.loss)) for t, p in zip(tokens, curve.points, strict=True)),
        levels=tuple((name, y(loss)) for name, loss in finals),
        x_ticks=tuple(
            plot.Tick(x(t), say.compact(p.tokens / budget, 2) + "×")
            for t, p in zip(tokens, curve.points, strict=True)
        ),
        y_ticks=tuple(plot.Tick(y(v), say.number(v, digits)) for v in (low, high)),
        summary=f"Uniform's loss falls from {say.number(first.loss, digits)} after "
        f"{say.integer(first.tokens)} tokens to {say.number(last.loss, digits)} after "
        f"{say.integer(last.tokens)}.",
    )
