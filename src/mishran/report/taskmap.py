"""The map of the tasks: dots whose area is their weight, and names where they fit.

Places are in percent of the map's width, so that the picture scales and its text does not. Names are
placed anew for each of three widths of the screen, the largest weights first, each at the first of eight
places beside its dot that is free at the smallest width of that layout; wider screens only draw
things apart. Names that find none may then stand on the rim of other dots, never on a middle or a name.
What still finds no place is left out and counted; pointing at a dot names it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mishran.report import numbers as say
from mishran.report.data import ReportData
from mishran.types import Array

MARGIN = 5.0
LOWEST, HIGHEST = 42.0, 64.0  # height in percent of the width
LARGEST, SMALLEST = 2.9, 0.5  # radii
# Smallest width in pixels and most letters of a name, as in why.css.
LAYOUTS = {"broad": (980.0, 40), "wide": (730.0, 30), "slim": (320.0, 18)}
LETTER, PADDING, LINE, MIDDLE = 6.7, 6.0, 14.0, 4.0  # pixels
TOLD = 5
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Dot:
    name: str
    x: float
    y: float
    r: float
    weight: float


@dataclass(frozen=True)
class MapLabel:
    """text: the name, cut where it is long. left, top: percent; side: -1, 0, 1 across and down."""

    name: str
    text: str
    left: float
    top: float
    across: int
    down: int


@dataclass(frozen=True)
class MapView:
    """dots: largest first. height: percent of the width. labels: per layout. told: who is nearest to
    whom on it, for those who cannot see it."""

    dots: tuple[Dot, ...]
    height: float
    labels: dict[str, tuple[MapLabel, ...]]
    shown: str

    @property
    def told(self) -> str:
        """The neighbour of each of the largest dots."""
        places = np.array([[dot.x, dot.y] for dot in self.dots])
        apart = np.hypot(*(places[:TOLD, None] - places[None]).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        pairs = [
            f"{self.dots[i].name} is nearest to {self.dots[int(row.argmin())].name}"
            for i, row in enumerate(apart)
        ]
        return "; ".join(pairs) + "."


def map_view(data: ReportData) -> MapView | None:
    """None where there is no map, or nothing to tell apart on it."""
    found = None if data.explanation is None else data.explanation.map
    if found is None:
        return None
    weights = data.mixture.weights
    names = [name for name in data.names if name in found.points]
    if len(names) < 2:
        return None
    points = np.array([found.points[name] for name in names], dtype=float)
    extent = np.ptp(points, axis=0)
    if not np.isfinite(points).all() or extent.max() <= 0:
        return None
    room = 100 - 2 * MARGIN
    scale = room / max(float(extent[0]), float(extent[1]) * room / (HIGHEST - 2 * MARGIN))
    height = max(LOWEST, float(extent[1]) * scale + 2 * MARGIN)
    middle = points.min(axis=0) + extent / 2
    xs = 50 + scale * (points[:, 0] - middle[0])
    ys = height / 2 - scale * (points[:, 1] - middle[1])
    top = max(weights.values()) or 1.0
    dots = [
        Dot(
            name,
            float(xs[i]),
            float(ys[i]),
            max(SMALLEST, LARGEST * float(np.sqrt(max(weights[name], 0.0) / top))),
            weights[name],
        )
        for i, name in enumerate(names)
    ]
    dots.sort(key=lambda dot: -dot.weight)
    return MapView(
        tuple(dots),
        height,
        {kind: place(dots, height, *layout) for kind, layout in LAYOUTS.items()},
        say.percent(found.shown, 0),
    )


def place(dots: list[Dot], height: float, width: float, letters: int) -> tuple[MapLabel, ...]:
    """Names without overlaps at `width` pixels, in the order of the dots."""
    unit = width / 100
    centre = np.array([[dot.x, dot.y] for dot in dots]) * unit
    radius = np.array([[dot.r] for dot in dots]) * unit
    middle = np.minimum(radius, MIDDLE)
    whole = np.column_stack([centre - radius, centre + radius])
    middles = np.column_stack([centre - middle, centre + middle])
    edge = np.array([width, height * unit])
    taken = np.empty((0, 4))
    found: dict[int, MapLabel] = {}
    for barred in (whole, middles):
        for i, dot in enumerate(dots):
            if i in found:
                continue
            text = dot.name if len(dot.name) <= letters else dot.name[: letters - 1] + "…"
            size = np.array([LETTER * len(text) + PADDING, LINE])
            others = np.vstack([np.delete(barred, i, axis=0), taken])
            for across, down in SIDES:
                reach = dot.r * (0.71 if across and down else 1.0)
                at = centre[i] + np.array([across, down]) * (reach * unit + size / 2)
                box = np.concatenate([at - size / 2, at + size / 2])
                if (box[:2] >= 0).all() and (box[2:] <= edge).all() and not _meets(box, others):
                    taken = np.vstack([taken, box])
                    left, top = dot.x + across * reach, 100 * (dot.y + down * reach) / height
                    found[i] = MapLabel(dot.name, text, left, top, across, down)
                    break
    return tuple(found[i] for i in sorted(found))


def _meets(box: Array, others: Array) -> bool:
    """Whether a box (left, top, right, bottom) overlaps any of the others."""
    apart = (
        (box[2] <= others[:, 0])
        | (box[0] >= others[:, 2])
        | (box[3] <= others[:, 1])
        | (box[1] >= others[:, 3])
    )
    return not bool(apart.all())
