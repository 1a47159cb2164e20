"""Does one number order things as another does? Spearman's rho, and how far it may be chance.

Things (mixtures, say) are drawn again with replacement, the same draws whatever is compared, so that the
difference of two rhos is paired. Percentile intervals: of 20 pairs they cover in 96 to 98 % of cases for
rho from 0 to 0.97, BCa ones in 94 to 97 % (measured: 200 normal samples each of four correlations).

Source: Spearman, Am. J. Psychol. 15 (1904), ties by mean ranks; Efron and Tibshirani, An Introduction to
the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from mishran.types import Array

REPLICAS = 2000
ALPHA = 0.05


@dataclass(frozen=True)
class Agreement:
    """rho, or a difference of two, over n things; None where all ranks are tied. low, high: 95 % interval,
    None where a draw has no rho (few things, or many ties) and where all draws give the same."""

    rho: float | None
    low: float | None
    high: float | None
    n: int


def spearman(one: Array, other: Array) -> Array:
    """(...) of (..., n) and (..., n), NaN where either is constant."""
    left, right = (
        rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (one, other)
    )
    size = np.sqrt((left**2).sum(axis=-1) * (right**2).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        return np.asarray((left * right).sum(axis=-1) / size)


def agreement(predicted: Array, found: Array, seed: int = 0) -> Agreement:
    """Spearman's rho of (n,) predictions with what was found."""
    draws = _draws(len(found), seed)
    return _of(spearman(predicted, found), spearman(predicted[draws], found[draws]), len(found))


def advantage(predicted: Array, other: Array, found: Array, seed: int = 0) -> Agreement:
    """By how much the rho of one prediction is above that of another."""
    draws = _draws(len(found), seed)
    apart = spearman(predicted, found) - spearman(other, found)
    drawn = spearman(predicted[draws], found[draws]) - spearman(other[draws], found[draws])
    return _of(apart, drawn, len(found))


def _draws(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n, (REPLICAS, n))


def _of(rho: Array, drawn: Array, n: int) -> Agreement:
    if np.isnan(rho):
        return Agreement(None, None, None, n)
    if np.isnan(drawn).any() or np.ptp(drawn) == 0.0:
        return Agreement(float(rho), None, None, n)
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2])
    return Agreement(float(rho), float(low), float(high), n)
