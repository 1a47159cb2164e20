"""In which order a task's rows are trained on: seeded, exact in tokens, cheap to pad.

Every task uses the same seed, so that specialists of equal tasks see their rows in the same order:
differences between specialists are differences between tasks (common random numbers).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def training_batches(
    lengths: Sequence[int],
    batch_size: int,
    seed: int,
    tokens: int | None = None,
    epochs: float | None = None,
    window: int = 8,
) -> list[list[int]]:
    """Row indices per batch for a budget in tokens or epochs.

    At least one row, however few an epoch's part would be: a specialist that saw nothing is none. Rows
    come without replacement inside an epoch, in a fresh order each epoch. The last row is the one
    that reaches the budget. Inside a window of `window` batches rows are grouped by length (less
    padding) and the batches of the window are shuffled.

    Args:
        lengths: tokens of each row.
        tokens, epochs: the budget, one of them.
    """
    rng = np.random.default_rng(seed)
    rows: list[int] = []
    seen = 0
    wanted = max(1, round(epochs * len(lengths))) if epochs is not None else None
    while (wanted is not None and len(rows) < wanted) or (tokens is not None and seen < tokens):
        for i in rng.permutation(len(lengths)):
            rows.append(int(i))
            seen += lengths[i]
            if (wanted is not None and len(rows) >= wanted) or (
                tokens is not None and seen >= tokens
            ):
                break
    batches: list[list[int]] = []
    span = batch_size * window
    for start in range(0, len(rows), span):
        part = sorted(rows[start : start + span], key=lambda i: (lengths[i], i))
        groups = [part[k : k + batch_size] for k in range(0, len(part), batch_size)]
        batches += [groups[k] for k in rng.permutation(len(groups))]
    return batches
