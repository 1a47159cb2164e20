"""Paired differences over seeds: t intervals, t tests, and Holm's adjustment over methods.

A seed is one whole training. Two methods share what a seed decides (the initial adapter, the order of rows
by index), so the difference of the two at each seed is what counts, and the seeds are the sample. The
interval is about other trainings on the same weights and the same held-out examples.

Seeds that all differ from uniform by the very same amount have no spread to judge by: a t interval of no
width would claim certainty. It happens with accuracies of few examples, and where a seed changed nothing.
Then there is no interval. Differences that are all exactly 0 have p = 1.

Source: Student (1908), the paired t test; Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6 (1979): valid whatever the dependence between the methods, which
share uniform's runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

ALPHA = 0.05
CONFIDENCE = 1 - ALPHA
NO_SPREAD = 1e-12  # of the largest difference, and of a mean of 1: what rounding alone may leave


@dataclass(frozen=True)
class Paired:
    """n differences. low, high: 95 % t interval, None below two differences and without spread.

    p: two-sided, None likewise, but 1 where every difference is 0.
    """

    n: int
    mean: float
    standard_error: float | None
    low: float | None
    high: float | None
    p: float | None

    def half_width(self, alpha: float = ALPHA) -> float | None:
        """The least mean that a two-sided test of size alpha tells from 0."""
        if self.standard_error is None:
            return None
        return quantile(self.n - 1, alpha) * self.standard_error


def quantile(df: int, alpha: float = ALPHA) -> float:
    """Student's t that |t| exceeds with probability alpha."""
    return float(stdtrit(df, 1 - alpha / 2))


def mean(values: Sequence[float]) -> float:
    """Correctly rounded, so the order of seeds and tasks does not matter to the last bit."""
    return math.fsum(values) / len(values)


def paired(differences: Sequence[float]) -> Paired:
    """The t interval and test of at least one difference; equals `scipy.stats.ttest_rel`."""
    n, middle = len(differences), mean(differences)
    largest = max(abs(d) for d in differences)
    if largest <= NO_SPREAD:
        return Paired(n, 0.0, None, None, None, 1.0 if n > 1 else None)
    deviation = math.sqrt(math.fsum((d - middle) ** 2 for d in differences))
    if n < 2 or deviation <= NO_SPREAD * max(largest, 1.0):
        return Paired(n, middle, None, None, None, None)
    error = deviation / math.sqrt(n * (n - 1))
    half = quantile(n - 1) * error
    p = 2 * float(stdtr(n - 1, -abs(middle) / error))
    return Paired(n, middle, error, middle - half, middle + half, p)


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p values in the same order; None stays None and counts as one more test.

    The i-th smallest of m is multiplied by m - i (i from 0), made monotone, cut at 1. Rejecting where
    the adjusted p is at most alpha keeps the chance of any false rejection at alpha.
    """
    m = len(p_values)
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * m
    running = 0.0
    for rank, (p, i) in enumerate(known):
        running = max(running, min(1.0, (m - rank) * p))
        adjusted[i] = running
    return tuple(adjusted)
