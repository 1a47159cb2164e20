"""The fused loop of the pairwise divergence: sum, logarithm, product and reduction in registers.

Operations of torch on arrays in cache cost more than twice their logarithm: each reads and writes
what the next one reads again. numba is not required: without it `divergence` uses torch
(`pip install numba` is all it takes, no compiler). The logarithm is ours, for loops around numba's
are not vectorised: exponent by integer arithmetic, mantissa in [sqrt 1/2, sqrt 2) by a polynomial
that is off by at most 1e-7.

Source: Muller, "Elementary Functions" (argument reduction, interpolation at Chebyshev nodes);
measured, docs/log.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# distributions (n, V) float32, 1 / their sums (n,) float64, out (k,) float64 in bits
Kernel = Callable[[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]], None]

TILE = 1 << 16  # entries of all specialists worked on at a time: a quarter of a 1 MiB cache
CHUNK = 1024  # and of one at most: float32 sums before float64 ones; measured, docs/log.md
TINY = np.float32(1e-30)  # in place of 0, so that no logarithm is infinite
# Reassociation lets sums be vectorised, contraction gives fused multiply-adds. No flag that assumes
# anything about values.
FASTMATH = {"reassoc", "contract", "nsz"}


def log2_coefficients() -> list[np.float32]:
    """Of q, degree 7: log2(1 + f) = f q(f) within 1e-7 for sqrt 1/2 <= 1 + f < sqrt 2."""

    def ratio(f: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.log1p(f) / f / math.log(2.0))

    domain = [math.sqrt(0.5) - 1.0, math.sqrt(2.0) - 1.0]
    series = np.polynomial.Chebyshev.interpolate(ratio, 7, domain=domain)
    return [np.float32(c) for c in series.convert(kind=np.polynomial.Polynomial).coef]


@cache
def fused_kernel() -> Kernel | None:
    """The compiled loop (about 2 s, once per process), or None where numba is not installed."""
    try:
        from numba import njit
    except ImportError:
        return None
    _use_all_of_avx512()
    return _compiled(njit)


def _use_all_of_avx512() -> None:
    """LLVM takes half the width of the registers on processors that once slowed down with all of it.

    The loop is 1.4 times as fast with all of it (measured, docs/log.md). The setting is the process's;
    one that the user made (NUMBA_CPU_FEATURES) stays.
    """
    from numba import config
    from numba.core.codegen import get_host_cpu_features

    features = get_host_cpu_features()
    if config.CPU_FEATURES is None and "+avx512f" in features.split(","):
        config.CPU_FEATURES = f"{features},-prefer-256-bit"


def _compiled(njit: Any) -> Kernel:
    c0, c1, c2, c3, c4, c5, c6, c7 = log2_coefficients()
    low = np.int32(np.float32(math.sqrt(0.5)).view(np.int32))
    exponent = np.int32(-(1 << 23))  # sign and exponent bits
    unit, one, half = np.float32(2.0**-23), np.float32(1), np.float32(0.5)
    tiny = TINY

    @njit(fastmath=FASTMATH, inline="always")
    def log2(x):
        bits = np.float32(x).view(np.int32)
        power = np.int32(np.int32(bits - low) & exponent)
        f = np.int32(bits - power).view(np.float32) - one
        q = c7 * f + c6
        q = q * f + c5
        q = q * f + c4
        q = q * f + c3
        q = q * f + c2
        q = q * f + c1
        q = q * f + c0
        return np.float32(power) * unit + q * f

    @njit(fastmath=FASTMATH)
    def normalise(row, scale, p, r):
        for v in range(p.size):
            q = row[v] * scale
            q = q if q > tiny else tiny
            p[v] = q
            r[v] = q if q > r[v] else r[v]

    @njit(fastmath=FASTMATH, error_model="numpy")  # r > 0: no test for division by 0
    def to_ratio(x, r):
        total = np.float32(0)
        for v in range(x.size):
            ratio = x[v] / r[v]
            total += r[v] * (ratio * log2(ratio))
            x[v] = ratio * half
        return total

    @njit(fastmath=FASTMATH)
    def of_pair(x, y, r):
        total = np.float32(0)
        for v in range(x.size):
            s = x[v] + y[v]
            total += r[v] * (s * log2(s))
        return total

    @njit(nogil=True)
    def kernel(block, scale, out):
        n, vocab = block.shape
        tile = max(256, min(CHUNK, TILE // n // 64 * 64))
        x = np.empty((n, tile), np.float32)
        r = np.empty(tile, np.float32)
        own = np.zeros(n)
        out[:] = 0.0
        for start in range(0, vocab, tile):
            width = min(tile, vocab - start)
            r[:] = 0
            for i in range(n):
                row = block[i, start : start + width]
                normalise(row, np.float32(scale[i]), x[i, :width], r[:width])
            for i in range(n):
                own[i] += to_ratio(x[i, :width], r[:width])
            k = 0
            for i in range(n - 1):
                y = x[i, :width]
                for j in range(i + 1, n):
                    out[k] -= of_pair(y, x[j, :width], r[:width])
                    k += 1
        k = 0
        for i in range(n - 1):
            for j in range(i + 1, n):
                out[k] += 0.5 * (own[i] + own[j])
                k += 1

    return kernel
