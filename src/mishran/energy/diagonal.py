"""The diagonal of S that can be taken out and leaves the rest convex on mixtures.

The perspective bound is the better the larger this diagonal d is where tasks compete. A multiple of
the identity, as large as the smallest tangent eigenvalue, is the common choice. Maximising w'd over
all d >= 0 with S - diag(d) convex on {v : 1'v = 0} is a semidefinite programme, done here by
Newton's method on its barriers up to 400 tasks; beyond, that multiple is taken. Tasks that take
part in a direction without curvature get 0.

Source: Frangioni and Gentile, Oper. Res. Lett. 35 (2007), d by semidefinite programming; Boyd and
Vandenberghe, Convex Optimization, 2004, section 11.3 for barriers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.energy.tangent import tangent_basis
from mishran.types import Array

LARGE = 400  # tasks, from which on the programme takes longer than its bound is worth
FLAT = 1e-9  # curvature, relative to the largest, below which a direction counts as having none


@final
@dataclass(frozen=True, eq=False)
class Split:
    """hessian = (hessian - diag(diagonal)) + diag(diagonal), the first convex on mixtures.

    lift: a multiple of 11', constant on mixtures, that makes the first convex everywhere.
    """

    diagonal: Array
    lift: float


def split(hessian: Array, weight: Array) -> Split:
    """The split with a large weight'diagonal; checked by eigenvalues, whatever the method found."""
    n = len(hessian)
    plain = Split(np.zeros(n), 1.0 / n)
    if n == 1:
        return plain
    basis = tangent_basis(n)
    values, vectors = np.linalg.eigh(basis.T @ hessian @ basis)
    flat = values <= FLAT * max(float(values[-1]), 0.0)
    if flat.all():
        return plain
    still = np.linalg.norm(basis @ vectors[:, flat], axis=1) <= 1e-7
    if not still.any():
        return plain
    root = (basis @ vectors[:, ~flat])[still] / np.sqrt(values[~flat])
    d = np.zeros(n)
    d[still] = _barrier(root, weight[still])
    rounding = 4 * np.finfo(float).eps * n * float(values[-1])
    for shrink in (0.999, 0.99, 0.9):
        rest = hessian - np.diag(shrink * d)
        if float(np.linalg.eigvalsh(basis.T @ rest @ basis)[0]) < -rounding:
            continue
        for lift in 10.0 ** np.arange(-1, 6) / n:
            if float(np.linalg.eigvalsh(rest + lift)[0]) >= -1e-12:
                return Split(shrink * d, float(lift))
    return plain


def even_split(hessian: Array) -> Split:
    """The split by a multiple of the identity, 0.9 of what is possible; none where that is tiny.

    For some of the tasks only: a matrix without curvature in one direction, what `shift` leaves, has
    some between any n - 1 of its tasks.
    """
    m = len(hessian)
    basis = tangent_basis(m)
    values = np.linalg.eigvalsh(basis.T @ hessian @ basis) if m > 1 else np.zeros(1)
    low, high = float(values[0]), float(values[-1])
    if low <= 1e-5 * high:
        return Split(np.zeros(m), 1.0 / m)
    across = float(np.square(hessian).sum(axis=1).max()) * m
    return Split(np.full(m, 0.9 * low), (0.9 * low + min(across, high**2 * m) / (0.1 * low)) / m)


def _barrier(root: Array, weight: Array) -> Array:
    """argmax of weight'd with I - root' diag(d) root positive definite and d > 0, to 1e-3 or so."""
    size = np.maximum(weight, 1e-3 * float(weight.max(initial=0.0)))
    size = size / size.sum() if size.sum() > 0 else np.full(len(root), 1.0 / len(root))
    d = np.full(len(root), 0.5 / float(np.linalg.eigvalsh(root.T @ root)[-1]))
    if len(d) > LARGE:
        return 2.0 * d
    identity = np.eye(root.shape[1])

    def merit(at: Array, barrier: float) -> float:
        if at.min() <= 0:
            return -np.inf
        try:
            factor = np.linalg.cholesky(identity - root.T @ (at[:, None] * root))
        except np.linalg.LinAlgError:
            return -np.inf
        logs = 2.0 * np.log(np.diag(factor)).sum() + np.log(at).sum()
        return float(size @ at + barrier * logs)

    for barrier in float(size @ d) / len(d) * 10.0 ** -np.arange(0.0, 3.1, 0.5):
        for _ in range(4):
            inverse = np.linalg.inv(identity - root.T @ (d[:, None] * root))
            products = root @ inverse @ root.T
            gradient = size / barrier - np.diag(products) + 1.0 / d
            step = np.linalg.solve(products**2 + np.diag(1.0 / d**2), gradient)
            now, length = merit(d, barrier), 1.0
            while length > 1e-3 and merit(d + length * step, barrier) <= now:
                length *= 0.5
            if length <= 1e-3:
                break
            d = d + length * step
            if float(gradient @ step) < 0.1:  # Newton's decrement
                break
    return d
