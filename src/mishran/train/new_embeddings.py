"""First values for the rows of new tokens: three methods, each a function of plain matrices.

- `fvt`: the mean of the rows of the old pieces that the token's text was written with. Nothing but the
  model is needed; the order of the pieces is lost.
- `sava`: a helper knows the new tokens in a space of its own; a linear map from there onto the model's
  rows, fitted on the tokens that both know, gives the rows of the others. As good as the helper.
- `random`: drawn from a normal distribution with the mean and covariance of the old rows. A control.

A token without text (a special one that the model had none of) gets the mean of the old rows under `fvt`
and `sava`, and so does a text that the old tokenizer cannot write. A token that the helper does not know
gets its `fvt` row under `sava`. How many there were of each is counted.

Source: Gee et al. 2022, "Fast Vocabulary Transfer for Language Model Compression", arXiv 2402.09977;
Moroni et al. 2025, "Optimizing LLMs for Italian: Reducing Token Fertility and Enhancing Efficiency Through
Vocabulary Adaptation", arXiv 2504.17025 (SAVA); Hewitt 2021, "Initializing New Word Embeddings for
Pretrained Language Models" (the normal distribution). The map is affine, as in the code of SAVA's authors,
which fits it by least squares, Procrustes or gradient descent; here by ridge regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mishran.errors import ModelError

Matrix = NDArray[np.float64]
METHODS = ("fvt", "sava", "random")
GRID = tuple(10.0**k for k in range(-8, 3))  # of the ridge, in mean eigenvalues (assumption)


@dataclass(frozen=True)
class Helper:
    """What a helper knows of the tokens of the new vocabulary.

    rows: (n, h) of the space that is mapped onto the embedding. head: onto the output head, where that is
    another matrix. seen: (n,) whether it knows the token.
    """

    rows: Matrix
    head: Matrix
    seen: NDArray[np.bool_]


@dataclass(frozen=True)
class LinearMap:
    """y = x @ matrix + intercept.

    ridge: the penalty chosen. explained: share of the variance that the map explains of rows that it was
    not fitted on, each left out in turn; 0 is a map to the mean.
    """

    matrix: Matrix
    intercept: Matrix
    ridge: float
    explained: float

    def __call__(self, x: Matrix) -> Matrix:
        return x @ self.matrix + self.intercept


def fvt(old: Matrix, parts: Sequence[Sequence[int]]) -> Matrix:
    """(n, d) means of the rows (V, d) of each token's old pieces; without pieces, the mean of all rows.

    Source: Gee et al. 2022.
    """
    mean = old.mean(axis=0)
    rows = [old[list(ids)].mean(axis=0) if ids else mean for ids in parts]
    return np.array(rows, dtype=np.float64).reshape(len(parts), old.shape[1])


def random(old: Matrix, num: int, rng: np.random.Generator) -> Matrix:
    """(num, d) draws with the mean and covariance of the rows (V, d)."""
    values, vectors = np.linalg.eigh(np.cov(old, rowvar=False).reshape(old.shape[1], -1))
    scales = np.sqrt(np.maximum(values, 0.0))  # rounding may leave a zero just below it
    return old.mean(axis=0) + rng.standard_normal((num, old.shape[1])) * scales @ vectors.T


def linear_map(x: Matrix, y: Matrix) -> LinearMap:
    """The ridge regression of y (s, d) on x (s, h), its intercept not penalised.

    The penalty is the one of `GRID`, times the mean eigenvalue of the centred x'x, with the least squared
    error over rows left out one at a time; the smaller one of two that are equal. A row left out has the
    error of the fit divided by 1 - its leverage, so one decomposition gives them all.

    Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2nd ed., equation 7.52.

    Raises:
        ModelError: fewer than two different rows.
    """
    mean_x = x.mean(axis=0) if len(x) else x.sum(axis=0)
    mean_y = y.mean(axis=0) if len(y) else y.sum(axis=0)
    if len(x) < 2 or not np.any(x - mean_x):
        raise ModelError(
            expected="shared tokens that the helper knows, at least two that differ",
            found=f"{len(x)} shared tokens",
            where="sava",
            fix="give more --text, a --helper with this tokenizer, or --method fvt",
        )
    u, s, vt = np.linalg.svd(x - mean_x, full_matrices=False)
    inside = u.T @ (y - mean_y)
    best: tuple[float, float] | None = None
    for ridge in [g * float(np.sum(s**2)) / x.shape[1] for g in GRID]:
        shrunk = s**2 / (s**2 + ridge)
        left = 1.0 - 1.0 / len(x) - (u**2) @ shrunk  # 1 - leverage
        errors = (y - mean_y - u @ (shrunk[:, None] * inside)) / left[:, None]
        found = float(np.sum(errors**2)) if left.min() > 1e-9 else np.inf  # else it interpolates
        if best is None or found < best[0]:
            best = found, ridge
    assert best is not None
    matrix = vt.T @ ((s / (s**2 + best[1]))[:, None] * inside)
    spread = float(np.sum((y - mean_y) ** 2)) * (len(x) / (len(x) - 1)) ** 2  # the mean, left out
    explained = 1.0 - best[0] / spread if spread > 0 else 0.0
    return LinearMap(matrix, mean_y - mean_x @ matrix, best[1], explained)


def sava(
    old: Matrix, parts: Sequence[Sequence[int]], x: Matrix, y: Matrix, new: Matrix, seen: NDArray
) -> tuple[Matrix, LinearMap]:
    """(n, d) rows by a map from the helper's space, `fvt` where the helper has nothing.

    Args:
        x, y: (s, h) and (s, d) of the shared tokens that the helper knows: its rows and the model's.
        new: (n, h) its rows of the new tokens. seen: (n,) which of them it knows.

    Raises:
        ModelError: see `linear_map`.
    """
    found = linear_map(x, y)
    rows = fvt(old, parts)
    rows[seen] = found(new[seen])
    return rows, found
