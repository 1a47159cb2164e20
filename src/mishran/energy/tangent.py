"""Curvature where it counts, {v : 1'v = 0}, and the three ways to deal with a negative one.

Mixtures differ by vectors that sum to 0, so only the curvature of S on that tangent decides whether
the energy is convex. The paper adds |lambda_min(S)| to the whole diagonal, which on its authors'
matrix is 5.5 times more than is needed and pulls towards uniform unseen.

- shift (default): the smallest multiple of I - 11'/n that makes S positive semi-definite there: a
  ridge towards uniform of known size.
- nearest: negative tangent eigenvalues become 0, the nearest matrix in the Frobenius norm; changes
  less, but only directions that were negative, which are often noise.
- refuse: an error.

Source: derived; the paper's shift is in arXiv 2507.12612.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from mishran.energy.energy import Energy
from mishran.energy.matrices import rounding_of, size_of
from mishran.errors import ConfigError, EnergyError
from mishran.types import Array, Repair

RepairMode = Literal["shift", "nearest", "refuse"]


def centred(matrix: Array) -> Array:
    """PSP with P = I - 11'/n; the first entry is taken off before, which loses no digits."""
    inner = matrix - matrix[0, 0]
    rows = inner.mean(axis=1)
    out = inner - rows[:, None] - rows[None, :] + rows.mean()
    return np.asarray((out + out.T) / 2)


def tangent_matrix(matrix: Array) -> Array:
    """(n-1, n-1) matrix of S in an orthonormal basis of {v : 1'v = 0}.

    The basis is the last n-1 columns of the reflection that swaps e_1 and 1/sqrt(n).
    """
    basis = tangent_basis(len(matrix))
    return np.asarray(basis.T @ centred(matrix) @ basis)


def rounding(matrix: Array) -> float:
    """What eigenvalues of the centred matrix may be off by in float64."""
    return rounding_of(len(matrix), size_of(matrix - matrix[0, 0]))


def tangent_eigenvalues(matrix: Array) -> Array:
    """(n-1,) eigenvalues of S on the tangent, ascending; empty for a single task."""
    if len(matrix) == 1:
        return np.empty(0)
    return np.asarray(np.linalg.eigvalsh(tangent_matrix(matrix)))


def repair_tangent(energy: Energy, mode: RepairMode = "shift") -> tuple[Energy, Repair | None]:
    """The energy made convex on the tangent, and what that changed; None when nothing was needed.

    Negative eigenvalues within the rounding of float64 are none. u, the replicas and the ridge stay:
    the curvature that is judged and mended is that of S without its ridge.

    Raises:
        EnergyError: the curvature is negative and `mode` is "refuse".
        ConfigError: `mode` is none of the three.
    """
    if mode not in get_args(RepairMode):
        raise ConfigError(
            expected=f"one of {', '.join(get_args(RepairMode))}",
            found=repr(mode),
            where="mixture.repair",
            fix="shift is the default",
        )
    n = len(energy.names)
    if n == 1:
        return energy, None
    if energy.ridge == 0.0 and energy.form.factor is not None:
        return energy, None
    measured = tangent_matrix(energy.matrix) - energy.ridge * np.eye(n - 1)
    values, vectors = np.linalg.eigh(measured)
    lowest = float(values[0])
    if lowest >= -rounding(energy.matrix):
        return energy, None
    negative = int((values < 0).sum())
    found = f"lowest curvature {lowest:.3g} on {{v: sum v = 0}}, {negative} of {n - 1} negative"
    if mode == "refuse":
        raise EnergyError(
            expected="a similarity that is positive semi-definite between mixtures",
            found=found,
            where="mixture.repair: refuse",
            fix="set mixture.repair to shift or nearest, or use the jsd affinity, which needs none",
        )
    if mode == "shift":
        fixed = energy.matrix - lowest * (np.eye(n) - 1.0 / n)
        amount = -lowest
        detail = f"added {-lowest:.6g} times (I - 11'/n): {found}"
    else:
        basis = tangent_basis(n) @ vectors[:, :negative]
        added = -(basis * values[:negative]) @ basis.T
        fixed = energy.matrix + (added + added.T) / 2
        amount = float(np.sqrt(np.square(values[:negative]).sum()))
        detail = f"negative eigenvalues set to 0, a change of norm {amount:.6g}: {found}"
    return replace(energy, matrix=fixed), Repair(name=mode, amount=amount, detail=detail)


def tangent_basis(n: int) -> Array:
    """(n, n-1) orthonormal columns that sum to 0."""
    v = np.full(n, 1.0 / np.sqrt(n))
    v[0] -= 1.0
    if n == 1:
        return np.empty((1, 0))
    return np.asarray((np.eye(n) - 2.0 * np.outer(v, v) / (v @ v))[:, 1:])
