"""The linear system of a piece: least 1/2 z'Hz + top'z over the free tasks with rows z = bottom.

Three ways to the same answer, the first that is safe: Cholesky where the free block is definite; the
factor of H where there are more free tasks than H has rank, so that z is the shortest with given
products; eigenvalues in all other cases. Without curvature z is the solution of least norm.

Source: Nocedal and Wright, Numerical Optimization, 2006, section 16.2 (range and null space); the
second is derived: z = M'y with M the factor of H over the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.types import Array

EPS = float(np.finfo(float).eps)
CONDITIONED = 1e-7  # least squared pivot, relative to the largest, that Cholesky is trusted with
TILT = 1e-11  # a flat direction along which s changes by less is flat for s too
REFINEMENTS = 1

Solve = Callable[[Array, Array], tuple[Array, Array]]


@final
@dataclass(frozen=True, eq=False)
class System:
    """free, binding: indices of free tasks and of binding rows. error: relative, of the weights."""

    hessian: Array
    rows: Array
    free: NDArray[np.intp]
    binding: NDArray[np.intp]
    error: float
    once: Solve

    def solve(self, top: Array, bottom: Array) -> tuple[Array, Array]:
        """(free, k) solutions and (binding, k) multipliers for k right-hand sides at once:
        Hz + top = rows' multipliers, rows z = bottom."""
        z, prices = self.once(top, bottom)
        for _ in range(REFINEMENTS):
            more, paid = self.once(
                top + self.hessian @ z - self.rows.T @ prices, bottom - self.rows @ z
            )
            z, prices = z + more, prices + paid
        return z, prices


def system_of(
    hessian: Array,
    slope: Array,
    rows: Array,
    factor: Callable[[], Array],
    flat: float,
    free: NDArray[np.intp],
    binding: NDArray[np.intp],
) -> System | None:
    """The system of some free tasks and binding rows, the sum first among them.

    None when the rows depend on each other on the free tasks, or s falls along a direction without
    curvature.

    Args:
        hessian, slope, rows: (n, n) H, (n,) s and (1 + r, n).
        factor: gives (k, n) F with F'F = H.
        flat: curvature at or below this is rounding.
    """
    if len(binding) > len(free):
        return None
    on_free = rows[binding][:, free]
    block = hessian[free[:, None], free]
    if not len(free):
        return System(block, on_free, free, binding, 0.0, lambda top, bottom: (top, bottom))
    found = _definite(block, on_free, 1.0 / len(hessian))
    if found is None:
        wide = factor()[:, free]
        if len(wide) + len(binding) <= len(free):
            found = _wide(wide, on_free, slope[free])
    if found is None:
        found = _any(block, on_free, slope[free], flat)
    if found is None:
        return None
    once, error = found
    return System(block, on_free, free, binding, error, once)


def _definite(hessian: Array, rows: Array, added: float) -> tuple[Solve, float] | None:
    """By Cholesky of H + c 11', which is definite along 1 too; c comes off the price of the sum."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    factor, failed = dpotrf(hessian + added, lower=1)
    pivots = factor.diagonal() ** 2
    if failed or not len(rows) or pivots.min() <= CONDITIONED * pivots.max():
        return None
    towards = dpotrs(factor, rows.T, lower=1)[0]
    inner = rows @ towards
    if len(rows) > 1:
        sizes = np.sqrt(inner.diagonal())
        if not (sizes.min() > 0 and np.linalg.cond(inner / np.outer(sizes, sizes)) < 1e10):
            return None
    schur = np.linalg.inv(inner) if len(rows) > 1 else 1.0 / inner

    def once(top: Array, bottom: Array) -> tuple[Array, Array]:
        down = dpotrs(factor, top, lower=1)[0]
        prices = schur @ (bottom + rows @ down)
        z = towards @ prices - down
        prices[0] -= added * z.sum(axis=0)
        return z, prices

    return once, 64 * EPS * float(pivots.max() / pivots.min())


def _wide(factor: Array, rows: Array, slope: Array) -> tuple[Solve, float] | None:
    """From M = (factor, rows) of full row rank: top = M'a gives Fz = -a and the prices, z = M'y."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    both = np.concatenate([factor, rows])
    square, failed = dpotrf(both @ both.T, lower=1)
    pivots = square.diagonal() ** 2
    if failed or pivots.min() <= CONDITIONED * pivots.max():
        return None
    rank = len(factor)

    def shares(top: Array) -> Array:
        return np.asarray(dpotrs(square, both @ top, lower=1)[0])

    if np.abs(slope - both.T @ shares(slope[:, None])[:, 0]).max() > TILT:
        return None

    def once(top: Array, bottom: Array) -> tuple[Array, Array]:
        part = shares(top)
        wanted = np.concatenate([-part[:rank], bottom])
        return both.T @ dpotrs(square, wanted, lower=1)[0], part[rank:]

    return once, 64 * EPS * float(pivots.max() / pivots.min())


def _any(hessian: Array, rows: Array, slope: Array, flat: float) -> tuple[Solve, float] | None:
    """From the eigenvalues of H on what the rows do not feel."""
    left, sizes, right = np.linalg.svd(rows, full_matrices=True)
    if len(sizes) and sizes.min() <= 1e-10 * sizes.max():
        return None
    inverse = right[: len(sizes)].T @ (left / sizes).T
    basis = right[len(sizes) :].T
    values, vectors = np.linalg.eigh(basis.T @ hessian @ basis)
    curved = values > flat
    if np.abs(slope @ basis @ vectors[:, ~curved]).max(initial=0.0) > TILT:
        return None
    directions = basis @ vectors[:, curved]

    def once(top: Array, bottom: Array) -> tuple[Array, Array]:
        z = inverse @ bottom
        z = z - directions @ ((directions.T @ (hessian @ z + top)) / values[curved][:, None])
        return z, inverse.T @ (hessian @ z + top)

    return once, min(64 * EPS / float(values[curved].min(initial=1.0)), 1e-6)
