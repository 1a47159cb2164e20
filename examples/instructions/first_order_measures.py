"""How much two affinities have in common: what first_order.py measures."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata, spearmanr

from mishran.affinity import AffinityDiagnostics, family_auc
from mishran.energy import Energy, simplex, solve
from mishran.types import Affinity


def pairs(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


def residual(matrix: np.ndarray) -> np.ndarray:
    """Off-diagonal entries less their least-squares fit a_i + a_j + c, as in report.py."""
    n = len(matrix)
    off = matrix - np.diag(np.diag(matrix))
    mean = off.sum() / (n * (n - 1))
    a = (off.sum(axis=1) - (n - 1) * mean) / (n - 2)
    return np.asarray(matrix - a[:, None] - a[None, :] - mean)


def distance(gram: np.ndarray) -> np.ndarray:
    length = np.diag(gram)
    return np.asarray(length[:, None] + length[None, :] - 2 * gram)


def rank_correlation(left: np.ndarray, right: np.ndarray) -> float:
    return float(spearmanr(pairs(left), pairs(right)).statistic)


def residual_rho(left: np.ndarray, right: np.ndarray) -> float:
    """NaN where nothing is left: an affinity of row and column effects alone."""
    left = residual(left)
    if np.abs(pairs(left)).max() < 1e-9:
        return float("nan")
    return rank_correlation(left, residual(right))


def node_bootstrap(
    left: np.ndarray, right: np.ndarray, replicas: int = 1000
) -> tuple[float, float]:
    """95 % interval of the rank correlation over resampled tasks; copies of one task form no pair."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(replicas):
        drawn = rng.integers(0, len(left), len(left))
        rows, columns = np.triu_indices(len(left), 1)
        rows, columns = drawn[rows], drawn[columns]
        kept = rows != columns
        at = rows[kept], columns[kept]
        found.append(np.corrcoef(rankdata(left[at]), rankdata(right[at]))[0, 1])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def mantel(left: np.ndarray, right: np.ndarray, permutations: int = 1999) -> float:
    """p of a rank correlation as large when tasks are permuted (one-sided)."""
    rng = np.random.default_rng(0)
    want = rank_correlation(left, right)
    ranks = rankdata(pairs(right))
    hits = 0
    for _ in range(permutations):
        order = rng.permutation(len(left))
        mixed = rankdata(pairs(left[np.ix_(order, order)]))
        hits += np.corrcoef(mixed, ranks)[0, 1] >= want - 1e-12
    return (1 + hits) / (1 + permutations)


def nearest(matrix: np.ndarray, names: tuple[str, ...]) -> list[str]:
    affinity = Affinity(names, matrix, "matrix", np.zeros((0, *matrix.shape)))
    return list(AffinityDiagnostics.of(affinity).nearest.values())


def auc(matrix: np.ndarray, names: tuple[str, ...], family: dict[str, str]) -> float:
    affinity = Affinity(names, matrix, "matrix", np.zeros((0, *matrix.shape)))
    return family_auc(affinity, family, replicas=1).auc


def weights_at(matrix: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    affinity = Affinity(names, matrix, "matrix", np.zeros((0, *matrix.shape)))
    return solve(Energy.coverage(affinity, 0.6), simplex(names)).weights
