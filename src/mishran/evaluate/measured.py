"""Loss, bits per byte and accuracy of a task, each a ratio of sums over its examples.

One form for all three, value = sum(numerator) / sum(denominator), so that seeds, groups and the bootstrap
treat them alike:

- loss: mean over examples of nats per answer token, every example the same;
- bits per byte: nats of all answers over their bytes, in bits (Gao et al., arXiv 2101.00027, 3.1);
- accuracy: share of right answers.

The bootstrap draws held-out examples with replacement inside each task, the same draw for every method and
measure, and recomputes the mean over tasks; the runs stay as they are. Its interval answers: *would these
same trained models differ on other examples?* It knows nothing of how another seed would have come out.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13 (percentiles).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from mishran.comparison import Measure
from mishran.evaluate.results import TaskResult
from mishran.types import Array

MEASURES: tuple[Measure, ...] = ("loss", "bits_per_byte", "accuracy")
CELLS = 4_000_000  # of the table of draws held at a time


def known(result: TaskResult, measure: Measure) -> bool:
    """Whether a task has this measure."""
    if measure == "bits_per_byte":
        return result.bytes is not None
    return measure == "loss" or result.correct is not None


def numerator(result: TaskResult, measure: Measure) -> Array:
    """(m,) what each example adds above the line."""
    if measure == "accuracy":
        assert result.correct is not None
        return result.correct
    if measure == "bits_per_byte":
        return result.nats / math.log(2)
    return np.asarray(result.nats / result.tokens, dtype=np.float64)


def denominator(result: TaskResult, measure: Measure) -> Array:
    """(m,) what each example adds below the line; the same in every run."""
    if measure == "bits_per_byte":
        assert result.bytes is not None
        return result.bytes.astype(np.float64)
    return np.ones(len(result.ids))


def value(result: TaskResult, measure: Measure) -> float:
    """The measure on one task."""
    above, below = numerator(result, measure), denominator(result, measure)
    return math.fsum(above) / math.fsum(below)


def resampled(task: str, above: Array, below: Array, replicas: int, seed: int) -> Array:
    """A task's ratio on `replicas` draws of its examples.

    The draws depend on the name of the task, the number of its examples and the seed alone.

    Args:
        task: its name.
        above: (m, c) numerators of c columns, which see the same draws.
        below: (m,) denominators.
        replicas: how many draws.
        seed: of the draws.

    Returns:
        (replicas, c)
    """
    m = len(below)
    words = np.frombuffer(hashlib.sha256(task.encode()).digest()[:16], dtype="<u4")
    rng = np.random.default_rng([seed, *words.tolist()])
    out, step = np.empty((replicas, above.shape[1])), max(1, CELLS // m)
    for start in range(0, replicas, step):
        rows = min(step, replicas - start)
        drawn = rng.integers(0, m, (rows, m)) + m * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * m).reshape(rows, m).astype(np.float64)
        total = counts @ below
        for j, column in enumerate(np.ascontiguousarray(above.T)):
            # No matrix product: a column's bits must not depend on its neighbours or on threads.
            out[start : start + rows, j] = np.einsum("rm,m->r", counts, column) / total
    return out


def percentile_interval(samples: Sequence[float] | Array, alpha: float) -> tuple[float, float]:
    """The middle 1 - alpha of the samples."""
    low, high = np.quantile(np.asarray(samples), [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)
