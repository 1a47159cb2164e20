"""The affinity as a heat map: which task stands where, and which shade a value gets.

Order: average-linkage clustering of the squared distance S_ii + S_jj - 2 S_ij (unchanged by a
constant added to S) with optimal leaf ordering (Bar-Joseph et al. 2001), so that similar tasks
are neighbours.
"""

from __future__ import annotations

import numpy as np

from mishran.types import Affinity, Array

LEVELS = 9


def distances(matrix: Array) -> Array:
    """(n, n) S_ii + S_jj - 2 S_ij, negatives of an indefinite S at 0, zero diagonal."""
    diagonal = np.diag(matrix)
    out = np.maximum(diagonal[:, None] + diagonal[None, :] - matrix - matrix.T, 0.0)
    np.fill_diagonal(out, 0.0)
    return out


def similarity_order(matrix: Array) -> tuple[int, ...]:
    """Indices of the tasks, similar ones side by side; given order below three tasks."""
    n = len(matrix)
    if n < 3:
        return tuple(range(n))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    condensed = squareform(distances(matrix), checks=False)
    order = [int(i) for i in leaves_list(linkage(condensed, "average", optimal_ordering=True))]
    return tuple(order if order[0] < order[-1] else order[::-1])


def off_diagonal(matrix: Array) -> Array:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def level_edges(matrix: Array) -> Array:
    """(LEVELS + 1,) equal steps over the values off the diagonal.

    They end 1.5 quartile distances beyond the quartiles (Tukey's fences) if values go further: one
    outlier must not take the shades from everyone else. What lies beyond gets the last shade.
    """
    values = off_diagonal(matrix)
    if not len(values):
        return np.linspace(0.0, 1.0, LEVELS + 1)
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    low = max(float(values.min()), float(lower - reach))
    high = min(float(values.max()), float(upper + reach))
    return np.linspace(low, high, LEVELS + 1)


def levels(matrix: Array, edges: Array) -> np.ndarray:
    """(n, n) integers 0 (least similar) to LEVELS - 1; all in the middle when all are equal."""
    if edges[-1] - edges[0] <= 1e-12 * max(1.0, abs(edges[-1])):
        return np.full(matrix.shape, LEVELS // 2)
    return np.clip(np.searchsorted(edges[1:-1], matrix, side="right"), 0, LEVELS - 1)


def replica_interval(affinity: Affinity) -> tuple[Array, Array] | None:
    """95 % bootstrap interval of every entry, or None without replicas."""
    if len(affinity.replicas) < 2:
        return None
    low, high = np.quantile(affinity.replicas, [0.025, 0.975], axis=0)
    return low, high


def ranked_pairs(matrix: Array) -> list[tuple[int, int]]:
    """Every pair i < j, most similar (smallest distance) first."""
    rows, columns = np.triu_indices(len(matrix), 1)
    by = np.argsort(distances(matrix)[rows, columns], kind="stable")
    return [(int(rows[k]), int(columns[k])) for k in by]
