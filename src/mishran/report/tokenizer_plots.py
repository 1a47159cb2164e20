"""Parity as a dot plot: a row per language, a lane per tokenizer, in percent of the axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mishran.report import numbers as say
from mishran.report import plot
from mishran.report import tokenizer_words as words
from mishran.report.plot import Tick
from mishran.report.tokenizer_rows import Estimate, Line, Measures

STEPS = (1, 1.5, 2, 3, 5, 7)  # of a long axis of ratios, times powers of ten
NEAR = 0.02  # a ratio axis is never shorter than this to either side of 1
MARKS = 8  # shapes and colours; a ninth tokenizer has the first one's again


@dataclass(frozen=True)
class Dot:
    """A tokenizer in its lane of a row. at, span: in percent of the axis. told: its parity in words."""

    at: float
    span: tuple[float, float] | None
    told: str


@dataclass(frozen=True)
class Row:
    """A language in a domain: (lane, dot) of those that were measured, and every estimate."""

    line: Line
    dots: tuple[tuple[int, Dot], ...]
    found: tuple[Estimate, ...]

    @property
    def script(self) -> str:
        return self.line.script


@dataclass(frozen=True)
class DotPlot:
    """Parity of every line, a lane for each tokenizer.

    fair: where 1 is. farthest: from 1, as a logarithm.
    """

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    fair: float
    lanes: int
    farthest: float

    def level(self, one: Estimate) -> int:
        """Shade of a parity, 0 where it is 1, 8 where it is farthest from it."""
        return round(8 * abs(math.log(one.value or 1.0)) / self.farthest)


def dot_plot(found: Measures, tokenizers: Sequence[str], every: Sequence[Line]) -> DotPlot | None:
    """On an axis of ratios, so that twice as many and half as many are as far from 1; None of no lines."""
    table = [(line, tuple(found.of(name, line, "parity") for name in tokenizers)) for line in every]
    values = [
        v
        for _, cells in table
        for one in cells
        for v in (one.value, one.low, one.high)
        if v is not None and v > 0
    ]
    if not values:
        return None
    low, high = _ends(values)

    def at(value: float) -> float:
        return 100 * math.log(value / low) / math.log(high / low)

    def dot(name: str, one: Estimate) -> Dot:
        span = (at(one.low), at(one.high)) if one.low and one.high else None
        return Dot(
            at(one.value or 1.0), span, f"{name}: {words.with_interval(one, words.PARITY.show)}"
        )

    return DotPlot(
        rows=tuple(
            Row(
                line,
                tuple((i, dot(tokenizers[i], one)) for i, one in enumerate(cells) if one.value),
                cells,
            )
            for line, cells in table
        ),
        ticks=tuple(Tick(at(v), say.compact(v)) for v in ratio_ticks(low, high)),
        fair=at(1.0),
        lanes=len(tokenizers),
        farthest=max(abs(math.log(v)) for v in (low, high)),
    )


def _ends(values: Iterable[float]) -> tuple[float, float]:
    """1 is always on the axis, and everything a little inside it."""
    every = [1 - NEAR, 1 + NEAR, *values]
    room = (max(every) / min(every)) ** 0.03
    return min(every) / room, max(every) * room


def ratio_ticks(low: float, high: float) -> tuple[float, ...]:
    """Even steps on a short axis; 1, 1.5, 2, 3, 5, 7, 10 on a long one, fewer on a very long one."""
    if high / low < 2.5:
        step = plot.nice_step(high - low, 5)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return tuple(k * step for k in range(first, last + 1))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = STEPS if high / low < 30 else (1, 3)
    return tuple(s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high)
