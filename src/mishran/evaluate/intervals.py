"""95 % intervals of what is measured example by example: for shares, for means of anything.

Examples are taken as drawn independently from all that the task could ask. The intervals say nothing of
what another training seed would have given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mishran.specialists.validate import Interval

REPLICAS = 2000  # of the bootstrap; its ends are then good to about 3 % of the width (assumption)


def wilson(right: NDArray[np.bool_]) -> Interval:
    """Share of right answers with the score interval, which holds for few examples and shares near 0 or 1.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    n = len(right)
    share = float(np.mean(right))
    z = float(stats.norm.ppf(0.975))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low = 0.0 if share == 0.0 else middle - half  # exactly, where rounding would leave 1e-18
    high = 1.0 if share == 1.0 else middle + half
    return Interval(share, low, high, n)


def bootstrap(values: NDArray[np.float64], seed: int) -> Interval:
    """Mean with the percentile interval over examples that were drawn again.

    There is none for a single value, nor for equal ones, which say nothing of how others would spread.
    """
    n = len(values)
    mean = float(np.mean(values))
    if n < 2 or np.ptp(values) == 0.0:
        return Interval(mean, None, None, n)
    rng = np.random.default_rng(seed)
    means = [float(values[rng.integers(0, n, n)].mean()) for _ in range(REPLICAS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(mean, float(low), float(high), n)
