"""`weight_intervals`: how far each weight would move had other probes been drawn.

Percentile bootstrap over probe examples: every replica of the affinity is repaired and solved like
the original. It shows the noise of the measurement, not whether the mixture helps training.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.solver import solve
from mishran.energy.tangent import RepairMode
from mishran.errors import ConfigError
from mishran.types import Array


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
    if len(energy.replica_matrices) == 0:
        raise ConfigError(
            expected="an affinity with bootstrap replicas",
            found="none",
            where="mixture.replicas",
            fix="set mixture.replicas: 200, or leave the intervals out",
        )
    if not 0.0 < level < 1.0:
        raise ConfigError(
            expected="a level between 0 and 1", found=str(level), where="level", fix="use 0.95"
        )
    solutions = [
        solve(energy.replica(b), constraints, repair) for b in range(len(energy.replica_matrices))
    ]
    weights = np.array([solution.weights for solution in solutions])
    amounts = [r.amount for solution in solutions for r in solution.repairs]
    low, high = np.quantile(weights, [(1.0 - level) / 2, (1.0 + level) / 2], axis=0)
    return WeightIntervals(low, high, weights, len(amounts), max(amounts, default=0.0))
