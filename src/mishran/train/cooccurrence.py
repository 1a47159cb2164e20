"""Embeddings of the tokens of a text by their neighbours: a helper for `sava` where there is no model.

Positive pointwise mutual information of each token with the token before it and the token after it, side by
side, and a truncated singular value decomposition. Trade-off: seconds on a CPU and no model, but it knows
only what stands next to what. Wider windows, and neighbours without their side, explained less of the rows
of a trained model (measured, docs/log.md).

Source: Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned from Word
Embeddings", TACL 3: PPMI (section 2.2), contexts smoothed by 0.75 (section 3.2), rows U S^0.5 (section
3.3); left and right neighbours as two halves: Schuetze 1995, "Distributional Part-of-Speech Tagging".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array, hstack
from scipy.sparse.linalg import svds

SMOOTHING = 0.75
DIMENSIONS = 128
LEAST = 5  # a token that is rarer is not known (assumption)


def cooccurrence(
    texts: Sequence[ArrayLike], size: int, *, dimensions: int = DIMENSIONS, least: int = LEAST
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(size, h) rows of tokens, and (size,) whether each was seen at least `least` times.

    Args:
        texts: ids of each document; neighbours are of one document.
        dimensions: of the rows; fewer where fewer tokens are known.
    """
    stop = np.array([-1])  # between documents
    parts = [part for ids in texts for part in (np.asarray(ids), stop)]
    flat = np.concatenate([stop, *parts]).astype(np.int64)
    known = np.bincount(flat[flat >= 0], minlength=size) >= least
    rank = min(dimensions, int(known.sum()) - 1)
    if rank < 1:
        return np.zeros((size, 1)), known
    a, b = flat[:-1], flat[1:]
    inside = (a >= 0) & (b >= 0)
    pairs = (np.ones(int(inside.sum())), (a[inside], b[inside]))
    after = csr_array(coo_array(pairs, shape=(size, size)))
    table = csr_array(hstack([_ppmi(after), _ppmi(csr_array(after.T))]))
    start = np.random.default_rng(0).standard_normal(size)  # ARPACK's own would differ by call
    u, s, _ = svds(table, k=rank, v0=start)
    return u * np.sqrt(s), known


def _ppmi(counts: csr_array) -> csr_array:
    """max(0, log p(a, b) / (p(a) q(b))) of the pairs that were seen; q is p^0.75, made a distribution."""
    table = counts.tocoo()
    rows, columns = (np.asarray(counts.sum(axis=k)).ravel() for k in (1, 0))
    smooth = columns**SMOOTHING
    log = np.log(table.data) - np.log(rows[table.row]) - np.log(smooth[table.col] / smooth.sum())
    kept = log > 0
    return csr_array((log[kept], (table.row[kept], table.col[kept])), shape=counts.shape)
