"""`weight_intervals`: how far each weight would move had other probes been drawn.

Percentile bootstrap over probe examples: every replica of the affinity is repaired and solved like
the original. It shows the noise of the measurement, not whether the mixture helps training.
From the same replicas: how often a task is selected at all, and which pairs of tasks the
measurement cannot tell apart.

An end of an interval is the quantile whose expected level is the one asked for, the
(B + 1) a-th of B ordered values, and no farther out than the outermost one. Coverage by simulation,
and what was tried: docs/results/intervals.md. A task whose true weight is 0 is covered too often:
no interval reaches below 0.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; quantile:
Hyndman and Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996), definition 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.names import positions
from mishran.energy.solver import solve
from mishran.energy.tangent import RepairMode
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError
from mishran.types import Affinity, Array

SELECTED = 1e-9


@final
@dataclass(frozen=True, eq=False)
class WeightIntervals:
    """low, high: (n,) ends of the interval. weights: (B, n) of every replica.

    repaired: how many of the B replicas needed a repair. largest_repair: its largest amount, in the
    units of S; 0 when none did. Unpacks as low, high, weights.
    """

    low: Array
    high: Array
    weights: Array
    repaired: int
    largest_repair: float

    def __iter__(self) -> Iterator[Array]:
        return iter((self.low, self.high, self.weights))

    @property
    def selection_frequency(self) -> Array:
        """(n,) share of replicas that give the task more than 1e-9."""
        return np.asarray((self.weights > SELECTED).mean(axis=0))


@final
@dataclass(frozen=True, eq=False)
class Indistinguishable:
    """Pairs of tasks whose weights the replicas cannot tell apart.

    pairs: (n, n) symmetric, True where the interval of p_i - p_j contains 0; False on the diagonal.
    more: (n, n) share of replicas in which i gets more than j, ties one half; 1/2 on the diagonal.
    Each pair is judged by itself: of pairs that are equal in truth, 1 - level are told apart.
    """

    names: tuple[str, ...]
    level: float
    pairs: NDArray[np.bool_]
    more: Array

    @property
    def share(self) -> float:
        """Share of all pairs; 0 for a single task, which has none."""
        n = len(self.names)
        return float(self.pairs.sum() / (n * (n - 1))) if n > 1 else 0.0

    def of(self, task: str) -> tuple[str, ...]:
        """The tasks that cannot be told from this one, in the order of the names.

        Raises:
            ConfigError: no such task.
        """
        (row,) = positions([task], self.names, "task")
        return tuple(self.names[j] for j in np.flatnonzero(self.pairs[row]))


@one_thread
def weight_intervals(
    energy: Energy,
    constraints: Constraints | None = None,
    repair: RepairMode = "shift",
    level: float = 0.95,
) -> WeightIntervals:
    """Intervals of the weights from the energy's replicas.

    Raises:
        ConfigError: the energy has no replicas, or the level is not between 0 and 1.
        EnergyError, InfeasibleError: as `solve`.
    """
    _check_replicas(len(energy.replica_matrices))
    _check_level(level)
    near = solve(energy, constraints, repair).weights
    solutions = [
        solve(energy.replica(b), constraints, repair, near, ask_unique=False)
        for b in range(len(energy.replica_matrices))
    ]
    weights = np.array([solution.weights for solution in solutions])
    amounts = [r.amount for solution in solutions for r in solution.repairs]
    low, high = _ends(weights, level)
    return WeightIntervals(low, high, weights, len(amounts), max(amounts, default=0.0))


def affinity_intervals(affinity: Affinity, level: float = 0.95) -> tuple[Array, Array]:
    """(n, n) lower and upper ends of the intervals of S, entry by entry.

    Raises:
        ConfigError: the affinity has no replicas, or the level is not between 0 and 1.
    """
    _check_replicas(len(affinity.replicas))
    _check_level(level)
    return _ends(affinity.replicas, level)


def indistinguishable(
    weights: WeightIntervals | Array, names: Sequence[str], level: float = 0.95
) -> Indistinguishable:
    """Which pairs of tasks have weights that cannot be told apart, from paired differences.

    The interval of p_i - p_j runs over order statistics, rounded outwards, so that it can be had
    from counts: i gets more than j for certain when fewer than (B + 1)(1 - level) / 2 replicas,
    rounded down, say otherwise. Below 2 / (1 - level) - 1 replicas no pair can be told apart.

    Args:
        weights: intervals, or the (B, n) weights of replicas.
        names: (n,) tasks.

    Raises:
        ConfigError: no replicas, a level that is not between 0 and 1, or names that are not one
            per weight.
    """
    replicas = weights.weights if isinstance(weights, WeightIntervals) else np.asarray(weights)
    _check_replicas(len(replicas))
    _check_level(level)
    count, n = replicas.shape
    if len(names) != n:
        raise ConfigError(
            expected=f"{n} names, one per weight",
            found=str(len(names)),
            where="indistinguishable",
            fix="pass the names of the energy",
        )
    wins = np.array([(replicas[:, i, None] - replicas > SELECTED).sum(axis=0) for i in range(n)])
    allowed = np.floor((count + 1) * (1.0 - level) / 2 + 1e-9)
    apart = count - wins < allowed
    return Indistinguishable(
        names=tuple(names),
        level=level,
        pairs=~(apart | apart.T) & ~np.eye(n, dtype=bool),
        more=(count + wins - wins.T) / (2.0 * count),
    )


def _ends(replicas: Array, level: float) -> tuple[Array, Array]:
    """Lower and upper quantiles over the first axis."""
    ends = [(1.0 - level) / 2, (1.0 + level) / 2]
    low, high = np.quantile(replicas, ends, axis=0, method="weibull")
    return np.asarray(low), np.asarray(high)


def _check_replicas(count: int) -> None:
    if count == 0:
        raise ConfigError(
            expected="an affinity with bootstrap replicas",
            found="none",
            where="mixture.replicas",
            fix="set mixture.replicas: 200, or leave the intervals out",
        )


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ConfigError(
            expected="a level between 0 and 1", found=str(level), where="level", fix="use 0.95"
        )
