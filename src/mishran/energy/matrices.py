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


@dataclass(frozen=True)
class Survey:
    """largest: absolute entry, NaN if there is one. asymmetry: largest |S_ij - S_ji| and `at` where.
    spread: max_ij (S_ii + S_jj - 2 S_ij)."""

    largest: float
    asymmetry: float
    at: tuple[int, int]
    spread: float

    @classmethod
    def of(cls, matrix: Array) -> Survey:
        """Args: matrix: (n, n); n >= 1."""
        half = matrix.diagonal() / 2
        largest = worst = wide = 0.0
        at = (0, 0)
        for rows, columns in _tiles(len(matrix)):
            tile, mirror = matrix[rows, columns], matrix[columns, rows].T
            largest = max(size_of(tile), largest)  # in this order NaN stays
            distance = half[columns] - tile
            distance += half[rows, None]
            wide = max(wide, float(np.maximum.reduce(distance, None)))
            if not np.logical_and.reduce(tile == mirror, None):
                off = np.abs(tile - mirror)
                largest = max(size_of(mirror), largest)
                if off.max() > worst:
                    i, j = np.unravel_index(off.argmax(), off.shape)
                    worst, at = float(off.max()), (rows.start + int(i), columns.start + int(j))
        return cls(largest, worst, at, 2 * wide)


@dataclass(frozen=True, eq=False)
class Form:
    """1/2 p'Sp as mixtures feel it.

    relative: S less its first entry (`offset`) where that is large, so that no digits go to a common
    part. half: (n,) h such that S - h1' - 1h' is PSP with P = I - 11'/n. rounding: what eigenvalues
    on the tangent may be off by, see `rounding_of`. block: (n, n) PSP + c 11'/n, c the mean
    curvature of PSP; the same as S for vectors that sum to 0 and definite where S is so for these.
    factor: lower Cholesky factor of that, the proof that 1/2 p'Sp is convex on mixtures; None where
    a curvature is negative by more than rounding. Entries above its diagonal are not part of it.
    """

    relative: Array
    offset: float
    half: Array
    rounding: float
    block: Array
    factor: Array | None

    @classmethod
    def of(cls, matrix: Array, largest: float, wide: float) -> Form:
        """Args: largest: absolute entry of the matrix. wide: its spread."""
        n = len(matrix)
        offset = float(matrix[0, 0]) if largest > 4 * wide else 0.0
        relative = matrix - offset if offset else matrix
        size = size_of(relative) if offset else largest
        rounding = rounding_of(n, size)
        row_means = relative @ np.full(n, 1.0 / n)
        mean = float(np.add.reduce(row_means)) / n
        along = max(float(np.add.reduce(relative.diagonal())) / n - mean, 0.0)
        half = row_means - mean / 2
        block = relative - (half - along / n / 2)
        block -= (half - along / n / 2)[:, None]
        return cls(relative, offset, half, rounding, block, cholesky(np.array(block), rounding))


def cholesky(block: Array, shift: float = 0.0) -> Array | None:
    """Lower Cholesky factor of a symmetric matrix plus shift I, or None; the matrix is overwritten."""
    if shift:
        block.ravel()[:: len(block) + 1] += shift
    factor, failed = _scipy().lapack.dpotrf(block.T, lower=1, clean=0, overwrite_a=1)
    return None if failed else factor


def forward(factor: Array, right: Array) -> Array:
    """L^-1 of a contiguous vector, in its place. One vector at a time is faster than LAPACK's solver
    for several."""
    return _scipy().blas.dtrsv(factor, right, lower=1, overwrite_x=1)  # type: ignore[no-any-return]


def backward(factor: Array, right: Array) -> Array:
    """L'^-1 of a contiguous vector, in its place."""
    return _scipy().blas.dtrsv(factor, right, lower=1, trans=1, overwrite_x=1)  # type: ignore[no-any-return]


def rounding_of(n: int, size: float) -> float:
    """What eigenvalues of a centred (n, n) matrix with entries up to `size` may be off by in float64.

    Measured: on singular and on repaired matrices, n = 2 to 300, errors stay below half of this.
    """
    return max(8 * EPS * (n + 16) * size, TINY)


def size_of(array: Array) -> float:
    """Largest absolute entry, NaN if there is one; 0 for none."""
    if array.size == 0:
        return 0.0
    return max(float(np.maximum.reduce(array, None)), -float(np.minimum.reduce(array, None)))


@cache
def _scipy() -> Any:
    """SciPy's linear algebra, loaded when first needed: that takes longer than to solve."""
    import scipy.linalg

    return scipy.linalg


def _tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Blocks on and above the diagonal."""
    for i in range(0, n, TILE):
        for j in range(i, n, TILE):
            yield slice(i, min(i + TILE, n)), slice(j, min(j + TILE, n))
