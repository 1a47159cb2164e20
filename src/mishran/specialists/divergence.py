"""Jensen-Shannon divergence of every pair of specialists at every answer token, over the whole vocabulary.

With r(v) the largest of the n probabilities of v, m = (p_i + p_j) / 2 and F(p) = sum p ln(p / r),

    JSD(p_i, p_j) = (F(p_i) + F(p_j)) / 2 - F(m),

so a pair costs one logarithm per vocabulary entry. |F| <= ln n, and its terms vanish where specialists
agree; float32 terms with float64 sums over tiles of the vocabulary stay within 1e-6 of float64
whatever the distributions are. (Entropies, r = 1, are of the size of ln V: their rounding alone can
be 1e-6 where a distribution over 152,000 tokens is flat.)

On a CPU with numba installed one fused loop does it (`divergence_kernel`); without, or on a GPU,
operations of torch on tiles: a few entries that stay in cache, or many answer tokens at once on a GPU.
On a CPU answer tokens are shared out among threads. Memory: one answer token of all specialists, twice,
and the tiles, per thread.

Source: r = 1 is Lin, "Divergence measures based on the Shannon entropy", 1991, eq. 4.1; that r drops
out and |F| <= ln n (Jensen, sum r <= n) is derived. Speed and what was rejected: docs/log.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.specialists.divergence_kernel import TINY, fused_kernel
from mishran.train.threads import using_threads

ENTRIES = 3 << 14  # of all specialists worked on at a time on a CPU: measured, docs/log.md
ENTRIES_GPU = 1 << 24  # assumption


def pairwise_jsd_fast(
    weights: torch.Tensor,
    mass: torch.Tensor,
    *,
    threads: int | None = None,
    fused: bool | None = None,
) -> torch.Tensor:
    """JSD / ln 2 of all pairs of specialists at every answer token.

    Args:
        weights: (n, A, V) proportional to probabilities, any float type and any strides (those of a
            transposed (A, n, V) included).
        mass: (n, A) their sums, finite and above 0; see `exponentials`.
        threads: on a CPU; default, those of torch.
        fused: the fused loop of numba (True), torch operations (False), what there is (None).

    Returns:
        (A, n (n-1) / 2) float64, pairs in the order of `torch.triu_indices(n, n, 1)`. Rounding may
        leave values 1e-7 outside [0, 1]; the caller clips and records.
    """
    n, num_tokens, _ = weights.shape
    device = weights.device.type
    kernel = fused_kernel() if fused is not False and device == "cpu" else None
    if fused and kernel is None:
        raise ModelError(
            expected="numba and distributions on the CPU for fused=True",
            found=f"distributions on {device}" + (" and no numba" if device == "cpu" else ""),
            where="pairwise JSD",
            fix="pip install numba, or leave fused out",
        )
    out = torch.empty(num_tokens, n * (n - 1) // 2, dtype=torch.float64, device=weights.device)
    scale = 1.0 / mass.double()

    def work(tokens: range) -> None:
        with torch.inference_mode():
            for a in tokens:
                if kernel is None:
                    out[a : a + 1] = _from_torch(weights[:, a : a + 1], scale[:, a : a + 1])
                else:
                    block = weights[:, a].float()
                    kernel(block.numpy(), scale[:, a].contiguous().numpy(), out[a].numpy())

    if device != "cpu":
        at_once = max(1, ENTRIES_GPU // max(1, n * weights.shape[2]))
        for start in range(0, num_tokens, at_once):
            some = slice(start, start + at_once)
            out[some] = _from_torch(weights[:, some], scale[:, some])
        return out
    with using_threads(1) as available:
        count = max(1, min(threads or available, num_tokens))
        if count == 1:
            work(range(num_tokens))
        else:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(work, (range(t, num_tokens, count) for t in range(count))))
    return out


def exponentials(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unnormalised probabilities of (..., V) logits, float32 or wider, which are overwritten.

    Not torch.softmax, whose exponential is off by up to 5e-6 on AVX-512.

    Returns:
        exp(logit - top), (..., V); top, the largest logit, (...); and their sums, (...) float64, which
        are NaN where a logit is NaN or +infinity.
    """
    top = logits.amax(dim=-1, keepdim=True)
    weights = logits.sub_(top).exp_()
    return weights, top[..., 0], _mass(weights)


def _mass(weights: torch.Tensor) -> torch.Tensor:
    """(...) float64 sums of (..., V): float32 within 256 entries, three times faster than float64."""
    whole = weights.shape[-1] // 256 * 256
    parts = weights[..., :whole].unflatten(-1, (-1, 256)).sum(dim=-1)
    rest = weights[..., whole:].sum(dim=-1, dtype=torch.float64)
    return parts.sum(dim=-1, dtype=torch.float64) + rest


def _from_torch(weights: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """(a, k) of (n, a, V) weights and (n, a) what makes them probabilities.

    Pairs are taken by distance, (i, i + d mod n) for all i at once: the n ratios p / r lie one after
    the other, followed by the first n / 2 again, and a distance is one sum of two flat slices.
    """
    weights = weights.float()
    n, num_tokens, vocab = weights.shape
    entries = ENTRIES if weights.device.type == "cpu" else ENTRIES_GPU
    tile = min(
        vocab, max(1, entries // (n * num_tokens) // 64) * 64
    )  # a cache line begins each row
    rows = n + n // 2
    space = [weights.new_empty(size * num_tokens * tile) for size in (rows, rows, n)]
    dot, view = _dots(weights.device.type)
    own, mixed = (
        view(weights.new_zeros((*size, num_tokens), dtype=torch.float64))
        for size in ((n,), (n // 2, n))
    )
    scale = scale.float()[..., None]
    for v in range(0, vocab, tile):
        width = min(tile, vocab - v)
        one = num_tokens * width  # of a specialist
        p, x, logs = (
            room[: len(room) // tile * width].view(-1, num_tokens, width) for room in space
        )
        torch.mul(weights[..., v : v + width], scale, out=p[:n]).clamp_min_(float(TINY))
        p[n:] = p[: n // 2]
        torch.div(p, p[:n].amax(dim=0), out=x)
        torch.log(x[:n], out=logs)
        probabilities, found = view(p), view(logs)
        own += dot(probabilities[:n], found)
        flat, flat_logs = x.mul_(0.5).view(-1), logs.view(-1)
        for d in range(1, n // 2 + 1):
            count = n // 2 if 2 * d == n else n
            some = flat_logs[: count * one]
            torch.add(flat[: count * one], flat[d * one : (d + count) * one], out=some)
            torch.log(some, out=some)
            mixed[d - 1, :count] += dot(probabilities[:count], found[:count])
            mixed[d - 1, :count] += dot(probabilities[d : d + count], found[:count])
    return _combine(torch.as_tensor(own), torch.as_tensor(mixed), n)


def _dots(device: str) -> tuple[Callable[[Any, Any], Any], Callable[[torch.Tensor], Any]]:
    """Dot products of rows, and the view of a tensor they take.

    On a CPU NumPy's, which are BLAS dots; torch multiplies, writes and sums.
    """
    if device == "cpu":
        return np.vecdot, torch.Tensor.numpy
    return torch.linalg.vecdot, lambda tensor: tensor


def _combine(own: torch.Tensor, mixed: torch.Tensor, n: int) -> torch.Tensor:
    """own: (n, a) F(p); mixed: (n // 2, n, a) 2 F(m) by distance; nats to bits, (a, k)."""
    first, second, place = _order(n)
    jsd = own[first] + own[second] - mixed.flatten(0, 1)[place]
    return jsd.T / (2.0 * math.log(2.0))


@cache
def _order(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Both members of each pair, and where a table by distance holds it."""
    first, second = np.triu_indices(n, 1)
    near = second - first <= n // 2
    distance = np.where(near, second - first, n - (second - first))
    start = np.where(near, first, second)
    return first, second, (distance - 1) * n + start
