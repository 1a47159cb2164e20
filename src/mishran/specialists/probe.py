"""Everyone answers the probe pool: scores of the true answers, and divergences of the predictions.

Probes are sorted by length and packed; everybody answers the same batch, and the whole distributions at
the answer tokens are compared pairwise and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.specialists.divergence import pairwise_jsd_fast
from mishran.specialists.panel import Panel
from mishran.train.answers import CHUNK, logits_bytes, num_answers, sum_by_row
from mishran.train.batch import TOKENS, Part, Row, chunks, lay_out
from mishran.train.models import Loaded

COMPILES = 4 * 10**9  # logarithms that operations of torch take some four seconds for (measured)


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
    panel: Panel,
    loaded: Loaded,
    rows: Sequence[Row],
    *,
    answer_tokens: int,
    tokens: int = TOKENS,
    fused: bool | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Answers:
    """Let everyone answer; memory is bounded by asking few probes at a time.

    Args:
        answer_tokens: of each probe's answer, whose predictions are compared.
        tokens: of the probes that are asked at a time.
        fused: how divergences are computed, see `pairwise_jsd_from_logits`.

    Raises:
        ModelError: a specialist predicts values that are not finite.
    """
    n, m = len(panel.names), len(rows)
    nats, base_nats = np.zeros((n, m)), np.zeros(m)
    counts = np.array([num_answers(row) for row in rows], dtype=np.int64)
    jsd = np.zeros((m, n * (n - 1) // 2), dtype=np.float32)
    rounding = 0.0
    vocab = loaded.model.get_output_embeddings().weight.shape[0]

    def bytes_per_row(row: Row) -> int:
        """Logits of everyone in turn, and all of them where they are compared."""
        answer = num_answers(row)
        return logits_bytes(loaded.model, answer) + min(answer, answer_tokens) * vocab * 4 * n

    for index in chunks(rows, tokens, bytes_per_row):
        part = Part([rows[i] for i in index])
        batch = lay_out([part], loaded.pad_id, loaded.packs).to(loaded.device)
        kept, which = _first_tokens(batch.rows, answer_tokens)
        compared = torch.empty(n, len(which), vocab, device=which.device)
        with torch.inference_mode():
            for s, logits in enumerate(panel.logits(batch)):
                name = panel.names[s - 1] if s else None
                nats_of = _read(logits, batch.targets, kept, compared[s - 1] if s else None)
                row_nats = sum_by_row(nats_of, batch.rows, len(index)).cpu().numpy()
                if not np.isfinite(row_nats).all():
                    raise ModelError(
                        expected="finite log-probabilities",
                        found="NaN or infinity",
                        where=f"specialist {name!r}" if name else "the base model",
                        fix="use dtype: float32, or train that specialist with a lower learning rate",
                    )
                if name is None:
                    base_nats[index] = row_nats
                else:
                    nats[s - 1, index] = row_nats
            per_token = pairwise_jsd_fast(compared, fused=fused)
        mean = _mean_by_row(per_token, which, len(index)).cpu().numpy()
        rounding = max(rounding, float(-mean.min(initial=0.0)), float(mean.max(initial=0.0)) - 1.0)
        jsd[index] = np.clip(mean, 0.0, 1.0)
        on_rows(len(index))
    return Answers(nats, base_nats, counts, jsd, rounding)


def worth_compiling(
    rows: Iterable[Row], answer_tokens: int, specialists: int, vocabulary: int
) -> bool | None:
    """How divergences of a pool are computed (`fused`): compiled if that takes less time than it saves."""
    answers = sum(min(num_answers(row), answer_tokens) for row in rows)
    logarithms = answers * vocabulary * specialists * (specialists - 1) // 2
    return None if logarithms > COMPILES else False


def _read(
    logits: torch.Tensor, targets: torch.Tensor, kept: torch.Tensor, out: torch.Tensor | None
) -> torch.Tensor:
    """(A,) nats of the true tokens, and the distributions that are compared, from one exponential.

    Args:
        logits: (A, V). kept: (A,) which of them are compared. out: (kept, V) float32, filled with their
            probabilities; None for the base, which is compared with nobody.
    """
    kind = logits.dtype if logits.dtype.itemsize >= 4 else torch.float32
    nats = torch.empty(len(targets), dtype=kind, device=logits.device)
    size = max(1, CHUNK // logits.shape[-1])
    ends = [0, *torch.cumsum(kept, 0).tolist()]
    for start in range(0, len(targets), size):  # a chunk stays in cache
        stop = min(start + size, len(targets))
        part = logits[start:stop].to(kind)
        top = part.amax(dim=1, keepdim=True)
        true = part.gather(1, targets[start:stop, None]) - top
        place = None if out is None else out[ends[start] : ends[stop]]
        if place is not None and len(place) == len(part) and kind == out.dtype:
            mass = torch.sub(part, top, out=place).exp_()
        else:
            mass = (part - top).exp_()
        total = mass.sum(dim=1, keepdim=True)
        nats[start:stop] = (total.log() - true)[:, 0]
        if place is not None:
            mass.div_(total)
            if mass is not place:
                place.copy_(mass[kept[start:stop]])
    return nats


def _mean_by_row(values: torch.Tensor, rows: torch.Tensor, num_rows: int) -> torch.Tensor:
    """(B, k) means of (A, k) values by row."""
    count = torch.zeros(num_rows, dtype=values.dtype, device=values.device)
    count.index_add_(0, rows, torch.ones_like(rows, dtype=values.dtype))
    total = torch.zeros(num_rows, values.shape[1], dtype=values.dtype, device=values.device)
    return total.index_add_(0, rows, values) / count[:, None]


def _first_tokens(rows: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which answer tokens are among the first `limit` of their row, and the row of each of those."""
    counts = torch.bincount(rows)
    starts = torch.cumsum(counts, 0) - counts
    place = torch.arange(len(rows), device=rows.device) - starts[rows]
    kept = place < limit
    return kept, rows[kept]
