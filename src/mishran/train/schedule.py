"""Learning-rate schedules: a factor of the peak as a function of how much of training is done.

Progress is counted in tokens, so that a schedule does not depend on how rows make steps, and a run in
phases is one schedule. Sources: cosine, Loshchilov and Hutter, arXiv 1608.03983; warm-up, stable, decay
(here linear to the end), Hu et al., arXiv 2404.06395, whose decay is a tenth to a fifth of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def schedule(name: str, *, warmup: float = 0.0, decay: float = 0.2, final: float = 0.0) -> Schedule:
    """Factor at a progress in [0, 1).

    Args:
        name: linear, cosine, wsd or constant.
        warmup: share of training that the factor rises over, from 0 at its beginning.
        decay: share of training at its end that wsd decays over.
        final: factor at the end; constant has none.
    """

    def after(x: float) -> float:
        """x: progress after warm-up."""
        if name == "constant":
            return 1.0
        if name == "linear":
            return 1.0 - (1.0 - final) * x
        if name == "cosine":
            return final + (1.0 - final) * (1.0 + math.cos(math.pi * x)) / 2.0
        begins = 1.0 - decay / (1.0 - warmup) if warmup < 1.0 else 0.0
        return 1.0 if x <= begins else 1.0 - (1.0 - final) * (x - begins) / (1.0 - begins)

    def factor(progress: float) -> float:
        if progress < warmup:
            return progress / warmup
        return after(min(1.0, (progress - warmup) / (1.0 - warmup)) if warmup < 1.0 else 1.0)

    return factor
