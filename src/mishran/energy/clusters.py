"""Redundancy clusters: tasks so alike that one of them says most of what the others say.

Average linkage on the squared distances S_ii + S_jj - 2 S_ij, of S as it is repaired where some are
negative. Clusters stop where the mean distance between two parts passes half the mean distance
between all tasks. The mean distance is twice the variance of the tasks about their centre, so a
cluster has at most about half of the spread of the whole. Rejected: the largest gap between merges,
which finds clusters where there are none and moves with noise; the median distance, which is itself
a distance inside a cluster as soon as most pairs are.

Exact copies of a task count once, and tasks are taken in the order of their names, so that neither
copies nor the order of the tasks change anything.

Source: UPGMA, Sokal and Michener 1958; the cut is an assumption, reasoned above.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.energy.energy import Energy
from mishran.energy.tangent import repair_tangent
from mishran.errors import ConfigError
from mishran.types import Affinity, Array

CUT = 0.5

Index = NDArray[np.int64]


@final
@dataclass(frozen=True)
class Cluster:
    """At least two tasks that are alike.

    tasks: in the order of the affinity. driver: its most similar pair.
    driver_distance: their squared distance S_ii + S_jj - 2 S_ij.
    mean_distance: mean squared distance of all pairs in the cluster.
    relative_distance: that over the mean of all pairs of distinct tasks; 0 when all are copies.
    """

    tasks: tuple[str, ...]
    driver: tuple[str, str]
    driver_distance: float
    mean_distance: float
    relative_distance: float


def squared_distances(matrix: Array) -> Array:
    """(n, n) S_ii + S_jj - 2 S_ij; negatives, of an indefinite S, and rounding count as 0."""
    out = _signed_distances(matrix)
    out[out <= 8 * np.finfo(float).eps * np.abs(matrix).max()] = 0.0
    np.fill_diagonal(out, 0.0)
    return np.asarray(out)


def _signed_distances(matrix: Array) -> Array:
    inner = matrix - matrix[0, 0]
    diagonal = np.diag(inner)
    return np.asarray(diagonal[:, None] + diagonal[None, :] - inner - inner.T)


def redundancy_clusters(affinity: Affinity, threshold: float = CUT) -> tuple[Cluster, ...]:
    """Clusters of two tasks or more, largest first; a task in none of them stands alone.

    Args:
        threshold: largest mean distance at which two parts still merge, as a share of the mean
            distance between distinct tasks. 0 finds exact copies only.

    Raises:
        ConfigError: a threshold that is negative or not finite.
    """
    if not (np.isfinite(threshold) and threshold >= 0):
        raise ConfigError(
            expected="a threshold of at least 0 (a share of the mean distance)",
            found=str(threshold),
            where="threshold",
            fix=f"{CUT} is the default",
        )
    names = affinity.names
    order = sorted(range(len(names)), key=lambda i: names[i])
    distance = squared_distances(_metric(affinity)[np.ix_(order, order)])
    original = _originals(distance, float(np.abs(affinity.matrix).max()))
    distinct = np.flatnonzero(original == np.arange(len(order)))
    apart = distance[np.ix_(distinct, distinct)]
    upper = np.triu_indices(len(distinct), 1)
    mean = float(apart[upper].mean()) if len(distinct) > 1 else 0.0
    labels = np.zeros(len(order), dtype=np.int64)
    labels[distinct] = _cut(apart[upper], len(distinct), threshold * mean)
    labels = labels[original]
    found = []
    for label in dict.fromkeys(labels.tolist()):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            found.append(_cluster(affinity, order, distance, members, mean))
    return tuple(sorted(found, key=lambda c: (-len(c.tasks), c.driver_distance, c.driver)))


def _metric(affinity: Affinity) -> Array:
    """S, shifted as the solver does where some squared distances are negative: those of an
    indefinite S are none, and would make one heap of tasks that differ."""
    rounding = 64 * np.finfo(float).eps * np.abs(affinity.matrix).max()
    if _signed_distances(affinity.matrix).min() >= -rounding:
        return affinity.matrix
    n = len(affinity.names)
    plain = replace(affinity, replicas=np.empty((0, n, n)))
    return repair_tangent(Energy.coverage(plain, 1.0))[0].matrix


def _originals(distance: Array, size: float) -> Index:
    """(n,) position of the first task that each is an exact copy of; itself for the others."""
    slack = 64 * np.finfo(float).eps * size
    out = np.arange(len(distance))
    for i, j in np.argwhere(np.triu(distance <= slack, 1)):
        if out[j] == j and np.abs(distance[i] - distance[j]).max() <= slack:
            out[j] = out[i]
    return out


def _cut(condensed: Array, n: int, height: float) -> Index:
    """(n,) labels of the clusters below a height."""
    if n == 1:
        return np.zeros(1, dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(condensed, "average")
    return np.asarray(fcluster(tree, height, criterion="distance"), dtype=np.int64)


def _cluster(
    affinity: Affinity, order: list[int], distance: Array, members: Index, mean: float
) -> Cluster:
    inner = distance[np.ix_(members, members)]
    rows, columns = np.triu_indices(len(members), 1)
    nearest = int(inner[rows, columns].argmin())
    pair = (order[members[rows[nearest]]], order[members[columns[nearest]]])
    inside = float(inner[rows, columns].mean())
    first, second = sorted(pair)
    return Cluster(
        tasks=tuple(affinity.names[i] for i in sorted(order[m] for m in members)),
        driver=(affinity.names[first], affinity.names[second]),
        driver_distance=float(inner[rows[nearest], columns[nearest]]),
        mean_distance=inside,
        relative_distance=inside / mean if mean > 0 else 0.0,
    )
