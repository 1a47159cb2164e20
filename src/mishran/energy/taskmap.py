"""A map of the tasks: points in the plane whose distances come as near to those of S as they can.

Classical scaling of the distances sqrt(S_ii + S_jj - 2 S_ij). Their centred Gram matrix is PSP with
P = I - 11'/n, whatever constant was added to S, so the map is its two leading eigenvectors. For the
JSD affinity the distances are sqrt(2 JSD), a metric that embeds in a Hilbert space, and nothing but
dimensions is lost.

Eigenvectors have no sign, and equal eigenvalues no axes. Here each axis points to the task that is
farthest along it (the first by name among equals), so that equal affinities give equal maps in any
order of the tasks.

Source: Torgerson 1952; Gower 1966; share of variance: Mardia 1978. JSD: Endres and Schindelin 2003;
Fuglede and Topsoe 2004. The axes: derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.energy.tangent import centred, rounding
from mishran.types import Affinity, Array

SAME = 1e-9
TIE = 1e-6


@final
@dataclass(frozen=True, eq=False)
class TaskMap:
    """points: (n, 2), centred at 0, in the unit of sqrt(S).

    shown: share of the variance that the two axes show, of the absolute eigenvalues; 1 when there is
    nothing to show (all tasks alike).
    """

    names: tuple[str, ...]
    points: Array
    shown: float


def task_map(affinity: Affinity) -> TaskMap:
    """The tasks as points in the plane; all at 0 when they are alike."""
    names = affinity.names
    n = len(names)
    order = sorted(range(n), key=lambda i: names[i])
    values, vectors = np.linalg.eigh(centred(affinity.matrix[np.ix_(order, order)]))
    values, vectors = values[::-1], vectors[:, ::-1]
    zero = rounding(affinity.matrix)
    values = np.where(np.abs(values) > zero, values, 0.0)
    points = np.zeros((n, 2))
    kept = np.maximum(values[:2], 0.0)
    axes = _axes(values, vectors, len(kept))
    points[np.ix_(order, range(len(kept)))] = axes * np.sqrt(kept)
    points.setflags(write=False)
    total = float(np.abs(values).sum())
    return TaskMap(names, points, float(kept.sum()) / total if total > 0 else 1.0)


def _axes(values: Array, vectors: Array, count: int) -> Array:
    """(n, count) leading eigenvectors; in an eigenspace, towards the task that lies farthest in it.

    A pivoted Cholesky factor of the eigenspace's projector, which does not depend on the basis that
    the eigenvalue routine happened to choose.
    """
    axes: list[Array] = []
    start = 0
    while len(axes) < count:
        tied = values[start:] >= values[start] - SAME * values[0]
        space = vectors[:, start:][:, tied]
        left = space @ space.T
        for _ in range(min(space.shape[1], count - len(axes))):
            reach = np.diag(left)
            pivot = int(np.flatnonzero(reach >= (1 - TIE) * reach.max())[0])
            axis = left[:, pivot] / np.sqrt(reach[pivot])
            left = left - np.outer(axis, axis)
            axes.append(axis)
        start += space.shape[1]
    return np.column_stack(axes)
