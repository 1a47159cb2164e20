"""A solved mixture -> `Explanation`, the file that says why it is what it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mishran.energy import (
    Cluster,
    Path,
    RepairMode,
    TaskMap,
    WeightIntervals,
    explain,
    indistinguishable,
    redundancy_clusters,
    task_map,
)
from mishran.energy import Explanation as Why
from mishran.explanation import (
    ClusterFile,
    Explanation,
    MapFile,
    PairFile,
    PathFile,
    PriceFile,
    TiesFile,
    WithoutFile,
)
from mishran.mixture import SelectionFile
from mishran.pipeline.answer import Answer
from mishran.types import Affinity

TAKERS = 5
PAIRS = 10


def explained(
    found: Answer,
    affinity: Affinity,
    repair: RepairMode,
    intervals: WeightIntervals | None,
    path: Path | None,
) -> Explanation:
    """Everything that is said about an answer; what rests on its being optimal only where it is.

    Args:
        path: the mixture along t, for unaries that have one.
    """
    ties = None if intervals is None else _ties(intervals, affinity.names)
    along = None if path is None else _path(path)
    if not found.optimal:
        return Explanation(
            clusters=_clusters(redundancy_clusters(affinity)),
            map=_map(task_map(affinity)),
            ties=ties,
            path=along,
        )
    why = explain(found.energy, affinity, found.bounds, found.solution, repair)
    return Explanation(
        prices=_prices(why, found.selection),
        without=_without(why),
        clusters=_clusters(why.clusters),
        pairs=tuple(PairFile(first=a, second=b, moved=m) for a, b, m in why.pairs.strongest(PAIRS)),
        map=_map(why.map),
        ties=ties,
        path=along,
    )


def _prices(why: Why, chosen: SelectionFile | None) -> tuple[PriceFile, ...]:
    """Of bounds that somebody wrote; that a task was not chosen is none."""
    return tuple(
        PriceFile(
            name=price.name,
            kind=price.kind,
            bound=price.bound,
            is_share=price.is_share,
            multiplier=price.multiplier,
            cost=price.cost,
            without=price.without,
            sentence=price.sentence,
            gains=dict(price.gains),
            losses=dict(price.losses),
        )
        for price in why.prices
        if chosen is None or price.bound > 0 or price.name in chosen.chosen
    )


def _without(why: Why) -> tuple[WithoutFile, ...]:
    return tuple(
        WithoutFile(
            name=left.name,
            weight=left.weight,
            cost=left.cost,
            reason=left.reason,
            takers=dict(left.takers[:TAKERS]),
            nearest=dict(others.nearest),
            entry=_finite(why.entry_prices.get(left.name)),
        )
        for left, others in zip(why.left_out, why.substitutes, strict=True)
    )


def _finite(rise: float | None) -> float | None:
    """JSON has no infinity: a rise that no number is large enough for is none."""
    return None if rise is None or math.isinf(rise) else rise


def _clusters(found: Sequence[Cluster]) -> tuple[ClusterFile, ...]:
    return tuple(
        ClusterFile(
            tasks=cluster.tasks,
            driver=cluster.driver,
            driver_distance=cluster.driver_distance,
            relative_distance=cluster.relative_distance,
        )
        for cluster in found
    )


def _map(found: TaskMap) -> MapFile:
    places = zip(found.names, found.points.tolist(), strict=True)
    return MapFile(points={name: (x, y) for name, (x, y) in places}, shown=found.shown)


def _ties(intervals: WeightIntervals, names: Sequence[str]) -> TiesFile:
    found = indistinguishable(intervals, names)
    return TiesFile(share=found.share, tasks={name: found.of(name) for name in names})


def _path(path: Path) -> PathFile:
    return PathFile(
        t=tuple(path.ts.tolist()),
        effective=tuple((1.0 / np.square(path.weights).sum(axis=1)).tolist()),
        jumps=(1.0,) if path.jumps else (),
        diverse=path.range("diverse"),
        central=path.range("central"),
        repairs=tuple(f"{r.name}: {r.detail}" for r in path.repairs),
    )
