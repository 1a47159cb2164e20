"""Shares of tokens and shares of rows: one mixture in two units, and bounds carried over.

With m tokens per row, z_i = m_i p_i / m'p. What depends on tokens is convex in z; people write bounds
on p. A bound low <= a'p <= high is sum_k (a_k - low) z_k / m_k >= 0 and the like, a row in z, so
nothing is lost.
"""

from __future__ import annotations

import numpy as np

from mishran.energy import Constraints
from mishran.types import Array


def rows_of(shares: Array, mean_tokens: Array) -> Array:
    """(..., n) shares of rows, of shares of tokens."""
    rows = shares / mean_tokens
    return np.asarray(rows / rows.sum(axis=-1, keepdims=True))


def tokens_of(shares: Array, mean_tokens: Array) -> Array:
    """(..., n) shares of tokens, of shares of rows."""
    return rows_of(shares, 1.0 / mean_tokens)


def bounds_on_tokens(bounds: Constraints, mean_tokens: Array) -> Constraints:
    """The same mixtures, as constraints on shares of tokens.

    Floors and caps of a task become rows named after it, upper ones with " (max)".
    """
    n = len(bounds.names)
    per = float(mean_tokens.mean()) / mean_tokens
    old = dict(bounds.rows)
    floors, caps = dict(bounds.floors), dict(bounds.caps)
    for i, name in enumerate(bounds.names):
        if bounds.lower[i] > 0.0:
            old[name], floors[name] = np.eye(n)[i], float(bounds.lower[i])
        if 0.0 < bounds.upper[i] < 1.0:
            old[name], caps[name] = np.eye(n)[i], float(bounds.upper[i])
    rows: dict[str, Array] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for name, row in old.items():
        if name in floors:
            rows[name], low[name] = (row - floors[name]) * per, 0.0
        if name in caps:
            top = f"{name} (max)"
            rows[top], high[top] = (row - caps[name]) * per, 0.0
    upper = np.where(bounds.upper > 0.0, 1.0, 0.0)
    return Constraints(bounds.names, np.zeros(n), upper, rows, low, high)
