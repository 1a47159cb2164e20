"""Everyone answers the probe pool: scores of the true answers, and divergences of the predictions.

For a batch of probes, each specialist and the base run once; their whole distributions at the answer
tokens are compared pairwise and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.specialists.adapters import Bank
from mishran.specialists.divergence import pairwise_jsd_fast, probabilities
from mishran.train.answers import answer_logits, answer_nats, logits_bytes, sum_by_row
from mishran.train.batch import Row, collate, within_memory
from mishran.train.models import Loaded


@dataclass(frozen=True)
class Answers:
    """What n specialists and the base said to m probes.

    nats: (n, m); base_nats, tokens: (m,); jsd: (m, k) mean over the first `answer_tokens` answer tokens.
    rounding: largest distance by which a divergence left [0, 1] before it was clipped.
    """

    nats: NDArray[np.float64]
    base_nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    jsd: NDArray[np.float32]
    rounding: float


def answer_pool(
    bank: Bank,
    loaded: Loaded,
    rows: Sequence[Row],
    *,
    answer_tokens: int,
    batch_size: int,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Answers:
    """Let everyone answer; memory is bounded by splitting batches.

    Raises:
        ModelError: a specialist predicts values that are not finite.
    """
    n, m = len(bank.names), len(rows)
    nats, base_nats = np.zeros((n, m)), np.zeros(m)
    tokens = np.zeros(m, dtype=np.int64)
    jsd = np.zeros((m, n * (n - 1) // 2), dtype=np.float32)
    rounding = 0.0
    vocab = loaded.model.get_output_embeddings().weight.shape[0]

    def bytes_per_row(answer: int) -> int:
        """Logits of everyone in turn, and all distributions (one of them in float64, twice)."""
        return logits_bytes(loaded.model, answer) + min(answer, answer_tokens) * vocab * 4 * (n + 4)

    for index in within_memory(rows, batch_size, bytes_per_row):
        batch = collate([rows[i] for i in index], loaded.pad_id).to(loaded.device)
        tokens[index] = batch.answer_mask.sum(dim=1).cpu().numpy()
        with torch.inference_mode():
            for s, name in enumerate((None, *bank.names)):
                with bank.select(name) as model:
                    found = answer_logits(model, batch)
                row_nats = sum_by_row(answer_nats(found), found.rows, len(index)).cpu().numpy()
                if not np.isfinite(row_nats).all():
                    raise ModelError(
                        expected="finite log-probabilities",
                        found="NaN or infinity",
                        where=f"specialist {name!r}" if name else "the base model",
                        fix="use dtype: float32, or train that specialist with a lower learning rate",
                    )
                if name is None:
                    base_nats[index] = row_nats
                    kept, which = _first_tokens(found.rows, answer_tokens)
                    probs = torch.empty(n, len(which), vocab, device=which.device)
                else:
                    nats[s - 1, index] = row_nats
                    probs[s - 1] = probabilities(found.logits[kept])
            per_token = pairwise_jsd_fast(probs)
        count = torch.zeros(len(index), dtype=torch.float64, device=which.device)
        count.index_add_(0, which, torch.ones_like(which, dtype=torch.float64))
        total = torch.zeros(
            len(index), per_token.shape[1], dtype=torch.float64, device=which.device
        )
        total.index_add_(0, which, per_token)
        mean = (total / count[:, None]).cpu().numpy()
        rounding = max(rounding, float(-mean.min(initial=0.0)), float(mean.max(initial=0.0)) - 1.0)
        jsd[index] = np.clip(mean, 0.0, 1.0)
        on_rows(len(index))
    return Answers(nats, base_nats, tokens, jsd, rounding)


def _first_tokens(rows: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which answer tokens are among the first `limit` of their row, and the row of each of those."""
    counts = torch.bincount(rows)
    starts = torch.cumsum(counts, 0) - counts
    place = torch.arange(len(rows), device=rows.device) - starts[rows]
    kept = place < limit
    return kept, rows[kept]
