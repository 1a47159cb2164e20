"""What an affinity is like before anything is solved: spectrum, additive part, twins, families.

Read them before trusting a mixture: a negative tangent eigenvalue will be repaired; a large
additive share says that the matrix tells how hard tasks are rather than which are alike; a rank
near 1 that there is little to tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from mishran.errors import DataError
from mishran.types import Affinity, Array

FLOOR = 1e-6
TWIN_SHARE = 1 / 3


@final
@dataclass(frozen=True, eq=False)
class AffinityDiagnostics:
    """Facts about an affinity of n tasks; None where a fact does not exist.

    tangent_eigenvalues: (n-1,) eigenvalues of S on {v: 1'v = 0}, ascending.
    condition: largest / smallest of them; inf when the smallest is not positive.
    additive_share: share of the variance of the off-diagonal entries that a_i + a_j + c explains;
    None up to three tasks, where it always explains all.
    effective_rank: exp of the entropy of the non-negative part of that spectrum; 1 to n-1.
    floor_rate: share of pairs within 1e-6 of the least possible similarity; only jsd has one (0).
    zero_rate: share of pairs that cannot be told from 0: exactly 0, or 0 inside the 95 % interval
    of the replicas.
    row_sums: (n,). nearest: each task's most similar other task (the earlier one of equals).
    twins: pairs that are each other's nearest and whose squared distance S_ii + S_jj - 2 S_ij is at
    most a third of the median pair's (assumption).

    Source: spectrum on the tangent and additive share: derived; effective rank: Roy and Vetterli,
    EUSIPCO 2007.
    """

    tangent_eigenvalues: Array
    condition: float | None
    additive_share: float | None
    effective_rank: float | None
    floor_rate: float | None
    zero_rate: float | None
    row_sums: Array
    nearest: dict[str, str]
    twins: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, affinity: Affinity) -> AffinityDiagnostics:
        """Measure an affinity."""
        matrix, names = affinity.matrix, affinity.names
        n = len(names)
        rows, columns = np.triu_indices(n, 1)
        pairs = matrix[rows, columns]
        values = _tangent_eigenvalues(matrix)
        near = np.where(np.eye(n, dtype=bool), -np.inf, matrix).argmax(axis=1)
        return cls(
            tangent_eigenvalues=values,
            condition=_condition(values) if n > 1 else None,
            additive_share=_additive_share(matrix) if n > 3 else None,
            effective_rank=_effective_rank(values),
            floor_rate=float((pairs <= FLOOR).mean()) if n > 1 and affinity.kind == "jsd" else None,
            zero_rate=_zero_rate(pairs, affinity.replicas[:, rows, columns]) if n > 1 else None,
            row_sums=matrix.sum(axis=1),
            nearest={names[i]: names[int(near[i])] for i in range(n)} if n > 1 else {},
            twins=_twins(names, matrix, near) if n > 2 else (),
        )


class FamilyAuc(NamedTuple):
    """How well an affinity tells pairs of one family from the others, with a 95 % interval."""

    auc: float
    low: float
    high: float
    num_same: int
    num_other: int


def family_auc(
    affinity: Affinity, families: Mapping[str, str], replicas: int = 1000, seed: int = 0
) -> FamilyAuc:
    """Probability that a pair of one family is more similar than a pair of two families.

    The interval resamples tasks with replacement (copies of one task form no pair) and takes, for
    each, one of the affinity's replicas over probes when there are any, so that it covers both
    which tasks and which probes were at hand. Resamplings without a pair of either kind are not
    counted.

    Args:
        families: task -> family; tasks that are not in it take no part.
        replicas: number of resamplings.

    Raises:
        DataError: no pair of one family, or none of two.

    Source: AUC as a normalised Mann-Whitney U, ties one half.
    """
    taking_part = [i for i, name in enumerate(affinity.names) if name in families]
    labels = np.array([families[affinity.names[i]] for i in taking_part])
    rows, columns = np.triu_indices(len(taking_part), 1)
    same = labels[rows] == labels[columns]
    if not same.any() or same.all():
        raise DataError(
            expected="pairs of tasks of one family and of two",
            found=f"{int(same.sum())} of one family and {int((~same).sum())} of two",
            where="families",
            fix="name the families of more tasks",
        )

    def pairs(matrix: Array) -> Array:
        return np.asarray(matrix[np.ix_(taking_part, taking_part)][rows, columns])

    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(replicas):
        counts = rng.multinomial(len(labels), np.full(len(labels), 1.0 / len(labels)))
        weights = (counts[rows] * counts[columns]).astype(np.float64)
        source = rng.choice(affinity.replicas) if len(affinity.replicas) else affinity.matrix
        if weights[same].any() and weights[~same].any():
            draws.append(_auc(pairs(source), same, weights))
    low, high = np.quantile(draws, [0.025, 0.975]) if draws else (np.nan, np.nan)
    return FamilyAuc(
        auc=_auc(pairs(affinity.matrix), same, np.ones(len(same))),
        low=float(low),
        high=float(high),
        num_same=int(same.sum()),
        num_other=int((~same).sum()),
    )


def _auc(similarity: Array, same: np.ndarray, weights: Array) -> float:
    """Weighted share of (same, other) pairs in the right order, ties one half."""
    _, rank = np.unique(similarity, return_inverse=True)
    ours = np.bincount(rank, weights=weights * same)
    others = np.bincount(rank, weights=weights * ~same)
    below = np.cumsum(others) - others / 2
    return float((ours * below).sum() / (ours.sum() * others.sum()))


def _tangent_eigenvalues(matrix: Array) -> Array:
    n = len(matrix)
    basis = np.linalg.svd(np.ones((1, n)))[2][1:]
    return np.asarray(np.linalg.eigvalsh(basis @ (matrix - matrix[0, 0]) @ basis.T))


def _condition(values: Array) -> float:
    return float(values[-1] / values[0]) if values[0] > 0 else float("inf")


def _effective_rank(values: Array) -> float | None:
    positive = values[values > 0]
    if len(positive) == 0:
        return None
    share = positive / positive.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _additive_share(matrix: Array) -> float | None:
    """1 - RSS / TSS of the least-squares fit a_i + a_j to the entries off the diagonal.

    Normal equations: (n - 2) a_i + sum a = sum over j != i of S_ij.
    """
    n = len(matrix)
    rows, columns = np.triu_indices(n, 1)
    pairs = matrix[rows, columns] / (np.abs(matrix).max() or 1.0)  # squares of any unit stay finite
    pairs -= pairs.mean()
    total = float(np.square(pairs).sum())
    if total <= (len(pairs) * np.finfo(float).eps) ** 2:
        return None
    sums = np.bincount(rows, pairs, n) + np.bincount(columns, pairs, n)
    effects = sums / (n - 2)  # the centred pairs sum to 0, and so do the effects
    return float(1.0 - np.square(pairs - effects[rows] - effects[columns]).sum() / total)


def _zero_rate(pairs: Array, replicas: Array) -> float:
    zero = pairs == 0
    if len(replicas):
        low, high = np.quantile(replicas, [0.025, 0.975], axis=0)
        zero |= (low <= 0) & (high >= 0)
    return float(zero.mean())


def _twins(names: tuple[str, ...], matrix: Array, near: np.ndarray) -> tuple[tuple[str, str], ...]:
    diagonal = np.diag(matrix)
    distance = diagonal[:, None] + diagonal[None, :] - 2 * matrix
    bar = TWIN_SHARE * float(np.median(distance[np.triu_indices(len(matrix), 1)]))
    return tuple(
        (names[i], names[j])
        for i, j in enumerate(int(k) for k in near)
        if i < j and near[j] == i and distance[i, j] <= bar
    )
