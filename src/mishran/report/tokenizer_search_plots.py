"""Two pictures of a search: the parity gap over what it costs, and compression over embedding share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mishran.report import numbers as say
from mishran.report import plot
from mishran.report import tokenizer_words as words
from mishran.report.plot import Tick
from mishran.report.tokenizer_plots import MARKS
from mishran.report.tokenizer_rows import Facts

ROOM = 0.14  # of the width, for names where lines end
CROWDED = (16.0, 7.0)  # percent of width and height within which only one name has room


@dataclass(frozen=True)
class Point:
    """A candidate. mark: of its vocabulary. told: what it is, in words."""

    x: float
    y: float
    mark: int
    front: bool
    chosen: bool
    told: str


@dataclass(frozen=True)
class Path:
    """Candidates that belong together. kind: how the line looks. end: where it ends, and its name."""

    points: str
    mark: int
    kind: str
    end: tuple[float, float, str] | None = None


@dataclass(frozen=True)
class Picture:
    paths: tuple[Path, ...]
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Axis:
    """Of one number of the candidates, with a little room beyond them."""

    key: str
    low: float
    high: float

    def at(self, candidate: Facts) -> float:
        return 100 * (candidate[self.key] - self.low) / (self.high - self.low)

    def ticks(self, show: Callable[[float, int], str], scale: float = 1) -> tuple[Tick, ...]:
        """scale: of the number as it is shown, so that a step has the digits that it needs."""
        step = plot.nice_step(self.high - self.low, 5)
        digits = next(d for d in range(9) if math.isclose(scale * step, round(scale * step, d)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        span = self.high - self.low
        return tuple(
            Tick(100 * (k * step - self.low) / span, show(k * step, digits))
            for k in range(first, last + 1)
        )


def axis(candidates: Sequence[Facts], key: str, from_zero: bool, room: float = 0.05) -> Axis:
    values = [c[key] for c in candidates]
    low = min([*values, 0.0] if from_zero else values)
    high = max(values)
    span = (high - low) or abs(high) or 1.0
    return Axis(key, low if from_zero else low - 0.1 * span, high + room * span)


def price(candidates: Sequence[Facts]) -> Picture:
    """The gap over the cost to the reference language: a line per vocabulary, algorithm and temperature."""
    x, y = axis(candidates, "cost", True, ROOM), axis(candidates, "gap", True)
    paths: list[Path] = []
    ends: list[tuple[float, float]] = []
    looks = _looks(candidates)
    for look in looks:
        for vocabulary in kinds(candidates, "vocabulary"):
            group = [
                c
                for c in sorted(candidates, key=lambda c: c["strength"])
                if (c["algorithm"], c["temperature"], c["vocabulary"]) == (*look, vocabulary)
            ]
            at = x.at(group[-1]), y.at(group[-1])
            crowded = any(
                abs(at[0] - a) < CROWDED[0] and abs(at[1] - b) < CROWDED[1] for a, b in ends
            )
            ends.append(at)
            paths.append(
                Path(
                    plot.points(map(x.at, group), map(y.at, group)),
                    mark(candidates, vocabulary),
                    f"a{looks.index(look)}",
                    None if crowded else (*at, say.integer(vocabulary)),
                )
            )
    return _picture(candidates, tuple(paths), x, y)


def size(candidates: Sequence[Facts]) -> Picture:
    """Bytes per token over embedding share; lines: the text as it is, and the shares that were chosen."""
    x, y = axis(candidates, "embedding_share", True), axis(candidates, "bytes_per_token", False)
    plain = (0.0, 1.0)
    chosen = next((_place(c) for c in candidates if c["chosen"]), plain)
    paths = []
    for kind, place in ({"plain": plain} | ({"picked": chosen} if chosen != plain else {})).items():
        for algorithm in kinds(candidates, "algorithm"):
            group = [
                c
                for c in sorted(candidates, key=lambda c: c["vocabulary"])
                if c["algorithm"] == algorithm and _place(c) == place
            ]
            paths.append(Path(plot.points(map(x.at, group), map(y.at, group)), 0, kind))
    return _picture(candidates, tuple(paths), x, y)


def _looks(candidates: Sequence[Facts]) -> list[tuple[str, float]]:
    """Algorithm and temperature of the lines that look alike, in the order of the search."""
    return list(dict.fromkeys((c["algorithm"], c["temperature"]) for c in candidates))


def line_names(candidates: Sequence[Facts]) -> list[str]:
    """What each look of a line stands for."""
    return [
        f"{words.algorithm(algorithm)}, temperature {say.compact(temperature)}"
        for algorithm, temperature in _looks(candidates)
    ]


def _place(candidate: Facts) -> tuple[float, float]:
    """What text it was learned from."""
    return candidate["strength"], candidate["temperature"]


def _picture(
    candidates: Sequence[Facts],
    paths: tuple[Path, ...],
    x: Axis,
    y: Axis,
) -> Picture:
    points = [
        Point(x.at(c), y.at(c), mark(candidates, c["vocabulary"]), c["front"], c["chosen"], told(c))
        for c in candidates
    ]
    points.sort(key=lambda one: (one.chosen, one.front))  # what matters most lies on top
    return Picture(paths, tuple(points), x.ticks(say.percent, 100), y.ticks(say.number))


def kinds(candidates: Sequence[Facts], key: str) -> list[Any]:
    """Different values: vocabularies by size, algorithms in the order of the search."""
    found = list(dict.fromkeys(c[key] for c in candidates))
    return sorted(found) if key == "vocabulary" else found


def mark(candidates: Sequence[Facts], vocabulary: int) -> int:
    return kinds(candidates, "vocabulary").index(vocabulary) % MARKS


def told(candidate: Facts) -> str:
    """A candidate in words."""
    return (
        f"{words.algorithm(candidate['algorithm'])}, {say.integer(candidate['vocabulary'])} tokens, "
        f"strength {say.compact(candidate['strength'])}, "
        f"temperature {say.compact(candidate['temperature'])}: gap {say.number(candidate['gap'])}, "
        f"cost {say.percent(candidate['cost'])}, "
        f"{words.two(candidate['bytes_per_token'])} bytes per token, "
        f"embedding share {say.percent(candidate['embedding_share'])}"
    )
