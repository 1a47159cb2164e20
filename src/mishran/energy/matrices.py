"""What a symmetric matrix is asked before anything is solved, in as few passes as possible.

At n = 1000 a pass over memory costs as much as an iteration of the solver, so asymmetry and spread
are found tile by tile, in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mishran.types import Array

TILE = 128
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)


def asymmetry(matrix: Array) -> tuple[float, tuple[int, int]]:
    """Largest |S_ij - S_ji| and where; 0 at (0, 0) for a symmetric matrix."""
    worst, where = 0.0, (0, 0)
    if len(matrix) <= TILE and (matrix == matrix.T).all():
        return worst, where
    for rows, columns in _tiles(len(matrix)):
        tile, mirror = matrix[rows, columns], matrix[columns, rows].T
        if np.array_equal(tile, mirror):
            continue
        off = np.abs(tile - mirror)
        if off.max() > worst:
            i, j = np.unravel_index(off.argmax(), off.shape)
            worst, where = float(off.max()), (rows.start + int(i), columns.start + int(j))
    return worst, where


def spread(matrix: Array) -> float:
    """max_ij (S_ii + S_jj - 2 S_ij) of a symmetric matrix."""
    half = matrix.diagonal() / 2
    if len(matrix) <= TILE:
        return 2 * float((half[:, None] - matrix + half).max())
    largest = 0.0
    for rows, columns in _tiles(len(matrix)):
        tile = half[rows, None] - matrix[rows, columns]
        tile += half[columns]
        largest = max(largest, float(tile.max()))
    return 2 * largest


@dataclass(frozen=True, eq=False)
class Form:
    """1/2 p'Sp as mixtures feel it.

    relative: S less its first entry (`offset`) where that is large, so that no digits go to a common
    part. row_means: (n,) of it. rounding: what eigenvalues on the tangent may be off by; measured on
    singular and on repaired matrices, n = 2 to 300: errors stay below half of this. centred: PSP +
    c 11'/n with P = I - 11'/n and c the mean curvature of PSP, the same as S for vectors that sum to 0
    and definite where S is so for these. factor: lower Cholesky factor of that, the proof that
    1/2 p'Sp is convex on mixtures; None where a curvature is negative by more than rounding. Entries
    above its diagonal are not part of it.
    """

    relative: Array
    offset: float
    row_means: Array
    rounding: float
    centred: Array
    factor: Array | None

    @classmethod
    def of(cls, matrix: Array, largest: float, wide: float) -> Form:
        """Args: largest: absolute entry of the matrix. wide: its `spread`."""
        n = len(matrix)
        offset = float(matrix[0, 0]) if largest > 4 * wide else 0.0
        relative = matrix - offset if offset else matrix
        size = size_of(relative) if offset else largest
        rounding = max(8 * EPS * (n + 16) * size, TINY)
        row_means = relative @ np.full(n, 1.0 / n)
        mean = float(np.add.reduce(row_means)) / n
        along = max(float(np.add.reduce(relative.diagonal())) / n - mean, 0.0)
        half = row_means - (mean + along / n) / 2
        centred = relative - half
        centred -= half[:, None]
        shifted = np.array(centred)
        shifted.ravel()[:: n + 1] += rounding
        factor, failed = lapack().dpotrf(shifted.T, lower=1, clean=0, overwrite_a=1)
        return cls(relative, offset, row_means, rounding, centred, None if failed else factor)


def size_of(array: Array) -> float:
    """Largest absolute entry, NaN if there is one; 0 for none."""
    if array.size == 0:
        return 0.0
    return max(float(np.maximum.reduce(array, None)), -float(np.minimum.reduce(array, None)))


@cache
def lapack() -> Any:
    """SciPy's LAPACK, loaded when first needed: it takes longer to load than most energies to solve."""
    from scipy.linalg import lapack as module

    return module


def _tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Blocks on and above the diagonal."""
    for i in range(0, n, TILE):
        for j in range(i, n, TILE):
            yield slice(i, min(i + TILE, n)), slice(j, min(j + TILE, n))
