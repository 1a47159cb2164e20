"""Jensen-Shannon divergence of every pair of specialists at every answer token, over the whole vocabulary.

The fast path: float32 probabilities, float64 sums, accumulated block by block and never stored. It uses
JSD_ij = H((p_i + p_j) / 2) - (H_i + H_j) / 2, so each pair costs one logarithm per vocabulary entry.
Reference: `mishran.affinity.pairwise_jsd` in float64; they agree to 1e-6 (tests).

Source: Lin, "Divergence measures based on the Shannon entropy", 1991, eq. 4.1; Chanda et al.,
arXiv 2507.12612 name the JSD between specialists, the details (shared pool, weights) are ours.
"""

from __future__ import annotations

import math

import torch

BLOCK = 1 << 18  # float32 entries worked on at a time: they stay in a core's cache


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """(A, V) logits to float32 probabilities, normalised in float64."""
    return torch.softmax(logits.double(), dim=-1).float()


def pairwise_jsd_fast(probs: torch.Tensor) -> torch.Tensor:
    """JSD / ln 2 of all pairs.

    Args:
        probs: (n, A, V) float32 probabilities of n specialists at A answer tokens.

    Returns:
        (A, k) float64, pairs in the order of `torch.triu_indices(n, n, 1)`. Rounding may leave values a
        few 1e-8 outside [0, 1]; the caller clips and records.
    """
    n, num_tokens, vocab = probs.shape
    first, second = torch.triu_indices(n, n, 1)
    pairs = len(first)
    mixed = torch.zeros(num_tokens, pairs, dtype=torch.float64, device=probs.device)
    own = torch.zeros(num_tokens, n, dtype=torch.float64, device=probs.device)
    offsets = [i * n - i * (i + 1) // 2 for i in range(n)]
    tile = max(1, min(vocab, BLOCK // max(1, n)))
    rows = max(1, BLOCK // (n * tile))
    for a in range(0, num_tokens, rows):
        for v in range(0, vocab, tile):
            block = probs[:, a : a + rows, v : v + tile].contiguous()
            own[a : a + rows] += _entropy(block).T
            for i in range(n - 1):
                start = offsets[i]
                middle = (block[i] + block[i + 1 :]).mul_(0.5)
                mixed[a : a + rows, start : start + n - 1 - i] += _entropy(middle).T
    jsd = mixed - 0.5 * (own[:, first] + own[:, second])
    return jsd / math.log(2.0)


def _entropy(p: torch.Tensor) -> torch.Tensor:
    """-sum p ln p over the last axis, float64; 0 ln 0 = 0."""
    tiny = torch.finfo(p.dtype).tiny
    return -(p.clamp_min(tiny).log_().mul_(p)).sum(dim=-1, dtype=torch.float64)
