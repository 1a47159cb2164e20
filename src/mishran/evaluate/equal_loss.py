"""How many training tokens uniform takes to the loss that a mixture ends with.

Uniform's loss is known after several numbers of tokens, for the same seeds as the mixture's. The mean over
seeds is made falling (the nearest falling curve in squares, isotonic regression), joined by straight lines
over the logarithm of tokens, and read backwards at the mixture's mean final loss. Beyond the last point
nothing is extrapolated: uniform "never" got there, as far as anybody looked.

The interval inverts the paired t test: it holds the tokens x at which the mixture's final loss less
uniform's at x, seed by seed, has a 95 % t interval around 0. Where mean curves are straight between the
points it covers exactly, as Fieller's (1954) does for ratios. No seed has to reach anything by itself, and
the interval is open on a side where no amount of tokens on the curve is excluded.

Runs that end at each point are what belongs here. A checkpoint in the middle of a longer run has not been
cooled down by its schedule, is worse than a run that ends there, and makes any mixture look faster
(Hoffmann et al. 2022, arXiv 2203.15556, section 3.1).

Source: Barlow and Brunk, The isotonic regression problem and its dual (1972); Fieller, JRSS B 16 (1954).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import isotonic_regression

from mishran.evaluate.paired import mean, quantile
from mishran.types import Array


@dataclass(frozen=True)
class EqualLoss:
    """tokens: None where the curve does not reach that far; low, high: None where open, and both
    None for one seed."""

    side: Literal["reached", "never", "before"]
    tokens: float | None
    low: float | None
    high: float | None


def falling(losses: Array) -> Array:
    """(p,) the nearest curve that never rises."""
    return np.asarray(isotonic_regression(losses, increasing=False).x)


def equal_loss(tokens: Array, uniform: Array, final: Array) -> EqualLoss:
    """Tokens of uniform that reach a method's final loss.

    Args:
        tokens: (p,) ascending, > 0.
        uniform: (k, p) loss of uniform, a row per seed.
        final: (k,) final loss of the method with the same seeds.
    """
    x = np.log(tokens)
    curve = falling(uniform.mean(axis=0))
    target = mean(final.tolist())
    side: Literal["reached", "never", "before"] = "reached"
    place: float | None = None
    if target > curve[0]:
        side = "before"
    elif target < curve[-1]:
        side = "never"
    else:
        place = _first_at(x, curve, target)
    low, high = _interval(x, final[:, None] - uniform)
    return EqualLoss(side, *(None if v is None else float(np.exp(v)) for v in (place, low, high)))


def _first_at(x: Array, curve: Array, target: float) -> float:
    """Where a falling curve first comes down to the target, which it does."""
    i = int(np.flatnonzero(curve <= target)[0])
    if i == 0 or curve[i] == target:
        return float(x[i])
    share = (curve[i - 1] - target) / (curve[i - 1] - curve[i])
    return float(x[i - 1] + share * (x[i] - x[i - 1]))


def _interval(x: Array, differences: Array) -> tuple[float | None, float | None]:
    """Ends of the set of x where the t interval of the differences (k, p) holds 0; None where open.

    Between two points differences are a + s b, so mean^2 <= t^2 var / k is quadratic in s.
    """
    k = len(differences)
    if k < 2:
        return None, None
    c = quantile(k - 1) ** 2 / (k * (k - 1))
    inside: list[float] = []
    for i in range(len(x) - 1):
        a, b = differences[:, i], differences[:, i + 1] - differences[:, i]
        da, db = a - a.mean(), b - b.mean()
        # mean(s)^2 - c sum of squares(s), highest power first
        poly = np.array(
            [
                b.mean() ** 2 - c * (db @ db),
                2 * (a.mean() * b.mean() - c * (da @ db)),
                a.mean() ** 2 - c * (da @ da),
            ]
        )
        roots = np.roots(poly)
        real = roots[np.abs(roots.imag) <= 1e-12].real
        crossings = [float(s) for s in real if 0 <= s <= 1]
        ends = [s for s in (0.0, 1.0) if np.polyval(poly, s) <= 0]
        inside += [float(x[i] + s * (x[i + 1] - x[i])) for s in (*ends, *crossings)]
    if not inside:  # the whole curve lies on one side, beyond what chance explains
        return (float(x[-1]), None) if differences[:, -1].mean() < 0 else (None, float(x[0]))
    low, high = min(inside), max(inside)
    return (None if low <= x[0] else low, None if high >= x[-1] else high)
