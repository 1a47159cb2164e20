"""`explain`: all that there is to say about why a mixture is what it is, in one value for a report.

What costs what: the map and dp/du one decomposition of an n x n matrix each; pairs the square of the
tasks off their bounds times n; leave-one-out one solution per task with weight; prices one per bound
that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from mishran.energy.clusters import Cluster, redundancy_clusters
from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.leave_out import (
    LeftOut,
    Substitutes,
    left_out_at,
    similarity_distances,
    substitutes_at,
)
from mishran.energy.optimum import Optimum
from mishran.energy.prices import Price, entries_at, prices_at
from mishran.energy.sensitivity import PairInfluence, influence_at
from mishran.energy.tangent import RepairMode
from mishran.energy.taskmap import TaskMap, task_map
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError
from mishran.types import Affinity, Solution


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a mixture is what it is.

    prices: bounds that hold it, dearest first. entry_prices: task without weight -> rise of its u
    that brings it in. left_out, substitutes: one per task, in their order. clusters: of tasks that
    repeat each other. pairs: how much each pair's affinity moves. map: the tasks in the plane.
    """

    names: tuple[str, ...]
    prices: tuple[Price, ...]
    entry_prices: dict[str, float]
    left_out: tuple[LeftOut, ...]
    substitutes: tuple[Substitutes, ...]
    clusters: tuple[Cluster, ...]
    pairs: PairInfluence
    map: TaskMap


@one_thread
def explain(
    energy: Energy,
    affinity: Affinity,
    constraints: Constraints | None,
    solution: Solution,
    repair: RepairMode = "shift",
) -> Explanation:
    """Everything about a solution; S is repaired once. Leaving out means "weight".

    Raises:
        ConfigError: affinity, solution or constraints of other tasks.
        EnergyError: weights that are not optimal, or repair="refuse" and negative curvature.
    """
    if affinity.names != energy.names:
        raise ConfigError(
            expected=f"an affinity of the {len(energy.names)} tasks of the energy, in their order",
            found=f"an affinity of {len(affinity.names)} tasks",
            where="affinity",
            fix="take the affinity that the energy was made from",
        )
    optimum = Optimum.of(energy, constraints, solution, repair)
    left = tuple(left_out_at(optimum, i) for i in range(len(energy.names)))
    distances = similarity_distances(energy)
    return Explanation(
        names=energy.names,
        prices=prices_at(optimum),
        entry_prices=entries_at(optimum),
        left_out=left,
        substitutes=tuple(substitutes_at(energy, one, distances) for one in left),
        clusters=redundancy_clusters(affinity),
        pairs=influence_at(optimum),
        map=task_map(affinity),
    )
