"""Probe pools of specialists with known answers, for the tests of the affinity room."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from mishran.types import DivergenceTable, ScoreTable

PROPERTY = settings(derandomize=True, deadline=None, max_examples=40, database=None)
SEEDS = st.integers(0, 2**32 - 1)


def names_of(n: int) -> tuple[str, ...]:
    return tuple(f"task{i}" for i in range(n))


def log_probs(rng: np.random.Generator, n: int, tokens: int, vocab: int) -> np.ndarray:
    """(n, tokens, vocab) from flat to one certain word, some of them of probability 0."""
    sharpness = 10.0 ** rng.uniform(-3, 2, size=(n, tokens, 1))
    logits = sharpness * rng.normal(size=(n, tokens, vocab))
    logits[rng.random(logits.shape) < 0.1] = -np.inf
    logits[..., 0] = np.where(np.isneginf(logits).all(axis=-1), 0.0, logits[..., 0])
    return log_softmax(logits, axis=-1)


def pool(n: int, each: int, extra: int = 0) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tasks and ids of a pool with `each` probes per task; `extra` tasks have no specialist."""
    tasks = [name for name in names_of(n + extra) for _ in range(each)]
    return tuple(tasks), tuple(f"id{k % each:03d}" for k in range(len(tasks)))


def score_table(rng: np.random.Generator, n: int, each: int = 4, extra: int = 0) -> ScoreTable:
    tasks, ids = pool(n, each, extra)
    m = len(tasks)
    tokens = rng.integers(1, 9, m)
    nats = tokens * rng.gamma(2.0, size=(n, m))
    return ScoreTable(names_of(n), tasks, ids, nats, tokens * rng.gamma(3.0, size=m), tokens)


def divergence_table(rng: np.random.Generator, n: int, each: int = 4) -> DivergenceTable:
    tasks, ids = pool(n, each)
    return DivergenceTable(names_of(n), tasks, ids, rng.random((len(tasks), n * (n - 1) // 2)))
