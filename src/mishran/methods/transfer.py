"""Transfer: how many tokens of task i a token of task j is worth, A_ij >= 0 with A_ii = 1.

- From an affinity: A_ij = scale * (S_ij - least) / (own - least), least the smallest entry off the
  diagonal, own the mean of the diagonal. All tasks share a background (the base, a language), which S
  counts as similarity and which is no reason to prefer one task to another; the least similar pair is
  taken to share nothing else. S and aS + b give the same.
- From the scores, measured instead of assumed: specialist j lowers the loss on probes of task i by a
  part of what specialist i does; A_ij is the part of i's own training that would have done the same, by
  i's curve. Not symmetric. What makes a task worse counts as 0.
- Fitted: the scale of the first from short runs on mixtures, whose losses less their mean over runs are
  compared with what the curves say, least squares over 0 <= scale <= 1: the level of a run with another
  schedule is another. The interval is that of a bootstrap over tasks.

Source: ours; data transferred between tasks as effective tokens: Hernandez et al., "Scaling laws for
transfer", arXiv 2102.01293.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.errors import ConfigError
from mishran.methods.decay import Decay
from mishran.methods.evidence import Trials
from mishran.methods.shares import tokens_of
from mishran.types import Array, ScoreTable

GRID = np.linspace(0.0, 1.0, 201) ** 2  # finest near 0, where scales were found to be
DRAWS = 200  # of the bootstrap over tasks, at least


def relative(similar: Array) -> Array:
    """(n, n) similarity off the diagonal, 0 for the least and 1 for a task with itself; diagonal 0."""
    n = len(similar)
    off = ~np.eye(n, dtype=bool)
    least = float(similar[off].min()) if n > 1 else 0.0
    span = float(np.diagonal(similar).mean()) - least
    if not span > 0.0:
        return np.zeros((n, n))
    return np.where(off, (similar - least) / span, 0.0)


def from_affinity(similar: Array, scale: float) -> Array:
    """(n, n) A, with this scale."""
    return np.eye(len(similar)) + scale * relative(similar)


def from_scores(scores: ScoreTable, curves: Decay, trained: Array, weights: Array) -> Array:
    """(n, n) A as the specialists' answers say.

    Args:
        trained: (n,) tokens that each specialist was trained on. weights: (m,) of the probes, which sum to
            the same for every task.
    """
    n = len(scores.specialists)
    gain = (scores.base_nats - scores.nats) / scores.tokens
    task = np.array(scores.probe_task)
    begin = curves.value(np.zeros(n))
    learned = begin - curves.value(trained)
    part = np.zeros((n, n))
    for i, name in enumerate(scores.specialists):
        rows = task == name
        gains = gain[:, rows] @ weights[rows]
        if gains[i] > 0.0:  # else it learned nothing of its own, and nobody's tokens are worth any
            part[i] = np.clip(gains / gains[i], 0.0, 1.0)
    reached = begin[:, None] - part * np.maximum(learned, 0.0)[:, None]
    out = np.asarray(curves.tokens_for(reached) / trained)
    np.fill_diagonal(out, 1.0)
    return out


@final
@dataclass(frozen=True)
class Scale:
    """The scale of transfer that trials show; drawn: (B,) of the bootstrap over tasks."""

    value: float
    low: float
    high: float
    drawn: Array


def fitted_scale(
    trials: Trials,
    curves: Decay,
    similar: Array,
    mean_tokens: Array,
    replicas: int,
    rng: np.random.Generator,
) -> Scale:
    """The scale between 0 and 1 under which the curves tell the trials apart best, on a grid.

    Raises:
        ConfigError: fewer than two trials, of which nothing can be told apart.
    """
    if len(trials.tokens) < 2:
        raise ConfigError(
            expected="at least two trials, to fit the scale of transfer",
            found=str(len(trials.tokens)),
            where="evidence.trials",
            fix="run a second mixture, or use transfer=affinity",
        )
    spent = tokens_of(trials.weights, mean_tokens) * trials.tokens[:, None]
    measured = trials.nats - trials.nats.mean(axis=0)
    errors = np.empty((len(GRID), trials.weights.shape[1]))
    for k, scale in enumerate(GRID):
        exposed = spent @ from_affinity(similar, float(scale)).T
        said = np.array([curves.value(one) for one in exposed])
        errors[k] = np.square(said - said.mean(axis=0) - measured).sum(axis=0)
    n = errors.shape[1]
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=max(replicas, DRAWS))
    drawn = GRID[(counts @ errors.T).argmin(axis=1)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="weibull")
    return Scale(float(GRID[errors.sum(axis=1).argmin()]), float(low), float(high), drawn)
