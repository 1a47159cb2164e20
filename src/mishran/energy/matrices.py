"""What a symmetric matrix is asked before anything is solved, in as few passes as possible.

At n = 1000 a pass over memory costs as much as an iteration of the solver, so asymmetry and spread
are found tile by tile, in the cache, and the proof of convexity is tried in single precision first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isnan, sqrt
from typing import Any

import numpy as np

from mishran.types import Array

TILE = 320
PLAIN = 64  # rows up to which the plain way is the quickest
SINGLE = 500  # rows from which a factor in single precision is quicker
HUGE = 1e300  # beyond, sums of a few numbers overflow
EPS, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
EPS32 = float(np.finfo(np.float32).eps)
NORMAL = 1e-30  # numbers from which on single precision keeps its digits


@dataclass(frozen=True)
class Survey:
    """largest: absolute entry, NaN or infinite if one is. asymmetry: largest |S_ij - S_ji| and `at`
    where. spread: max_ij (S_ii + S_jj - 2 S_ij). The last three are known up to `HUGE`."""

    largest: float
    asymmetry: float
    at: tuple[int, int]
    spread: float

    @classmethod
    def of(cls, matrix: Array) -> Survey:
        """Args: matrix: (n, n); n >= 1."""
        lows = np.minimum.reduce(matrix, 1)
        least, most = float(np.minimum.reduce(lows)), float(np.maximum.reduce(matrix, None))
        largest = least if isnan(least) else max(most, -least)
        if not largest <= HUGE:
            return cls(largest, 0.0, (0, 0), 0.0)
        worst, at = 0.0, (0, 0)
        for rows, columns in _tiles(len(matrix)):
            tile, mirror = matrix[rows, columns], matrix[columns, rows].T
            if not np.logical_and.reduce(tile == mirror, None):
                off = np.abs(tile - mirror)
                if off.max() > worst:
                    i, j = np.unravel_index(off.argmax(), off.shape)
                    worst, at = float(off.max()), (rows.start + int(i), columns.start + int(j))
        return cls(largest, worst, at, _spread(matrix, lows))


def _spread(matrix: Array, lows: Array) -> float:
    """max_ij (S_ii + S_jj - 2 S_ij). lows: (n,) smallest of every row, which bounds what a row can
    reach; only rows that might exceed the most promising one are looked at entry by entry."""
    half = matrix.diagonal() / 2
    best, rows = 0.0, np.arange(len(matrix))
    if len(matrix) > PLAIN:
        bound = half - lows
        bound += float(np.maximum.reduce(half))
        first = int(bound.argmax())
        best = float(half[first] + np.maximum.reduce(half - matrix[first]))
        rows = np.flatnonzero(bound > best)
    for start in range(0, len(rows), TILE):
        some = rows[start : start + TILE]
        reach = np.maximum.reduce(half - matrix.take(some, 0), 1)
        reach += half.take(some)
        best = max(best, float(np.maximum.reduce(reach)))
    return 2 * best


@dataclass(frozen=True, eq=False)
class Form:
    """1/2 p'Sp as mixtures feel it.

    relative: S less its first entry (`offset`) where that is large, so that no digits go to a common
    part. half: (n,) h such that S - h1' - 1h' is PSP with P = I - 11'/n. rounding: what eigenvalues
    on the tangent may be off by, see `rounding_of`. lift: (n,) such that S - lift 1' - 1 lift' is
    PSP + c 11'/n, c the mean curvature of PSP; the same as S for vectors that sum to 0 and definite
    where S is so for these. factor: lower Cholesky factor of that, the proof that 1/2 p'Sp is convex
    on mixtures; None where a curvature is negative by more than rounding. Entries above its diagonal
    are not part of it. In single precision where that proves it, for somewhat less than that matrix.
    """

    relative: Array
    offset: float
    half: Array
    rounding: float
    lift: Array
    factor: Array | None

    @classmethod
    def of(cls, matrix: Array, largest: float, wide: float) -> Form:
        """Args: largest: absolute entry of the matrix. wide: its spread."""
        n = len(matrix)
        offset = float(matrix[0, 0]) if largest > 4 * wide else 0.0
        relative = matrix - offset if offset else matrix
        size = size_of(relative) if offset else largest
        row_means = relative.dot(np.full(n, 1.0 / n))
        mean = float(np.add.reduce(row_means)) / n
        along = max(float(np.add.reduce(relative.diagonal())) / n - mean, 0.0)
        half = row_means - mean / 2
        lift = half - along / n / 2
        factor, rounding, margin = None, rounding_of(n, size), margin_of(n, size)
        if n >= SINGLE and margin < along / 8 and NORMAL < size < 1 / NORMAL:
            factor = cholesky(lifted(relative.astype(np.float32), lift), -margin)
            if factor is not None and _error(factor, relative, lift, margin) > margin / 8:
                factor = None
        if factor is None:
            factor = cholesky(lifted(relative.copy(), lift), rounding)
        return cls(relative, offset, half, rounding, lift, factor)

    def exact(self) -> Array | None:
        """The factor in double precision."""
        if self.factor is None or self.factor.dtype == np.float64:
            return self.factor
        return cholesky(lifted(self.relative.copy(), self.lift), self.rounding)


def _error(factor: Array, relative: Array, lift: Array, margin: float) -> float:
    """About the norm of what a factor in single precision is off by, by its product with a vector
    without symmetry; an eighth of the margin leaves room for a vector that happens to see little.

    Source: Hutchinson's estimator, Comm. Stat. Sim. 19 (1990).
    """
    x, trmv = generic(len(lift)), _scipy().blas.strmv
    wanted = relative.dot(x) - lift * float(np.add.reduce(x)) - float(lift.dot(x)) - margin * x
    found = trmv(factor, trmv(factor, x.astype(np.float32), lower=1, trans=1), lower=1)
    off = wanted - found
    return sqrt(len(lift) * float(off.dot(off)) / float(x.dot(x)))


@lru_cache(maxsize=64)
def generic(n: int) -> Array:
    """(n,) the same numbers every time, with no symmetry in them."""
    out = np.sin(np.arange(1.0, n + 1.0) ** 2)
    out.setflags(write=False)
    return np.asarray(out)


def lifted(matrix: Array, lift: Array) -> Array:
    """The matrix less lift 1' + 1 lift' on and above its diagonal, in its place."""
    if len(lift) <= PLAIN:
        matrix -= lift
        matrix -= lift[:, None]
        return matrix
    blas = _scipy().blas
    rank_two = blas.dsyr2 if matrix.dtype == np.float64 else blas.ssyr2
    rank_two(-1.0, np.ones(len(lift), matrix.dtype), lift, lower=1, a=matrix.T, overwrite_a=1)
    return matrix


def cholesky(block: Array, shift: float = 0.0) -> Array | None:
    """Lower Cholesky factor of a symmetric matrix plus shift I, or None; the matrix is overwritten
    and need not be known below its diagonal."""
    if shift:
        block.ravel()[:: len(block) + 1] += shift
    lapack = _scipy().lapack
    potrf = lapack.dpotrf if block.dtype == np.float64 else lapack.spotrf
    factor, failed = potrf(block.T, lower=1, clean=0, overwrite_a=1)
    return None if failed else factor


def forward(factor: Array, right: Array) -> Array:
    """L^-1 of a contiguous vector, in its place. One vector at a time is faster than LAPACK's solver
    for several."""
    if factor.dtype != np.float64:
        right[:] = _scipy().blas.strsv(factor, right.astype(np.float32), lower=1, overwrite_x=1)
        return right
    return _scipy().blas.dtrsv(factor, right, lower=1, overwrite_x=1)  # type: ignore[no-any-return]


def backward(factor: Array, right: Array) -> Array:
    """L'^-1 of a contiguous vector, in its place."""
    if factor.dtype != np.float64:
        single = right.astype(np.float32)
        right[:] = _scipy().blas.strsv(factor, single, lower=1, trans=1, overwrite_x=1)
        return right
    return _scipy().blas.dtrsv(factor, right, lower=1, trans=1, overwrite_x=1)  # type: ignore[no-any-return]


def rounding_of(n: int, size: float, eps: float = EPS) -> float:
    """What eigenvalues of a centred (n, n) matrix with entries up to `size` may be off by.

    Measured: on singular and on repaired matrices, n = 2 to 300, errors stay below half of this.
    """
    return max(8 * eps * (n + 16) * size, TINY)


def margin_of(n: int, size: float) -> float:
    """What is taken off the curvature before a factor in single precision shall prove anything: some
    four times what such a factor was ever seen to be off by."""
    return rounding_of(n, size, EPS32) / 4


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
