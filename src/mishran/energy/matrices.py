"""What a symmetric matrix is asked before anything is solved, in as few passes as possible.

At n = 1000 a pass over memory costs as much as an iteration of the solver, so asymmetry and spread
are found tile by tile, in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import numpy as np

from mishran.types import Array

TILE = 128


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


def centred(matrix: Array, row_means: Array) -> Array:
    """PSP + c 11'/n, P = I - 11'/n, c the mean curvature of PSP; PSP's products on the tangent.

    The second term changes nothing for vectors that sum to 0 and makes the matrix definite where
    PSP is so there.
    """
    n = len(matrix)
    mean = float(np.add.reduce(row_means)) / n
    along = max(float(np.add.reduce(matrix.diagonal())) / n - mean, 0.0)
    half = row_means - (mean + along / n) / 2
    out = matrix - half
    out -= half[:, None]
    return np.asarray(out)


def factor(matrix: Array, shift: float) -> Array | None:
    """Lower Cholesky factor of a symmetric matrix plus shift I; None if that is not definite.

    Entries above the diagonal are not part of the factor.
    """
    shifted = np.array(matrix)
    shifted.ravel()[:: len(matrix) + 1] += shift
    out, failed = lapack().dpotrf(shifted.T, lower=1, clean=0, overwrite_a=1)
    return None if failed else cast(Array, out)


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
