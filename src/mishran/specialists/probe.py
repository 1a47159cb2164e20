"""Everyone answers the probe pool: scores of the true answers, and divergences of the predictions.

Probes are sorted by length and packed, and everybody answers the same batches. Of a pass the states before
the answer tokens are kept; then the whole distributions of everybody at a few answer tokens are made,
compared pairwise and thrown away, and then those at the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.specialists.divergence import exponentials, pairwise_jsd_fast
from mishran.specialists.panel import Panel
from mishran.train.answers import num_answers
from mishran.train.batch import MEMORY, TOKENS, Batch, Part, Row, chunks, lay_out
from mishran.train.models import Loaded

CHUNK_CPU = 1 << 24  # entries of logits at a time (measured)
CHUNK_GPU = 1 << 26  # the same on a GPU (assumption)
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
    """Let everyone answer; memory is bounded by the number of states that are kept at a time.

    Args:
        answer_tokens: of each probe's answer, whose predictions are compared.
        tokens: of the probes that go through the model at a time.
        fused: how divergences are computed, see `pairwise_jsd_fast`.

    Raises:
        ModelError: a specialist predicts values that are not finite.
    """
    n, m = len(panel.names), len(rows)
    nats = np.zeros((1 + n, m))
    jsd = np.zeros((m, n * (n - 1) // 2), dtype=np.float32)
    rounding = 0.0
    vocabulary = loaded.model.get_output_embeddings().weight.shape[0]
    for index, batches in stretches(panel, loaded, rows, tokens):
        targets = torch.cat([batch.targets for batch in batches])
        counts = torch.tensor([num_answers(rows[i]) for i in index])
        with torch.inference_mode():
            states = panel.states(batches)
            found = _compare(panel, states, targets, counts, answer_tokens, vocabulary, fused)
        nats[:, index] = found.nats
        rounding = max(rounding, -found.jsd.min(initial=0.0), found.jsd.max(initial=0.0) - 1.0)
        jsd[index] = np.clip(found.jsd, 0.0, 1.0)
        on_rows(len(index))
    counts = np.array([num_answers(row) for row in rows], dtype=np.int64)
    return Answers(nats[1:], nats[0], counts, jsd, float(rounding))


def stretches(
    panel: Panel, loaded: Loaded, rows: Sequence[Row], tokens: int
) -> Iterator[tuple[list[int], list[Batch]]]:
    """Indices of probes, longest first, and their batches: as many as keep `MEMORY` bytes of states.

    Args:
        tokens: of a batch at most.
    """
    everyone = (1 + len(panel.names)) * panel.width * 4
    stretch: list[list[int]] = []
    held = 0

    def laid_out() -> tuple[list[int], list[Batch]]:
        parts = [Part([rows[i] for i in chunk]) for chunk in stretch]
        batches = [lay_out([part], loaded.pad_id, loaded.packs) for part in parts]
        return [i for chunk in stretch for i in chunk], [b.to(loaded.device) for b in batches]

    for chunk in chunks(rows, tokens, lambda row: num_answers(row) * everyone):
        size = sum(num_answers(rows[i]) for i in chunk) * everyone
        if stretch and held + size > MEMORY:
            yield laid_out()
            stretch, held = [], 0
        stretch.append(chunk)
        held += size
    if stretch:
        yield laid_out()


class _Found(NamedTuple):
    """nats: (1 + n, R) of the true answers. jsd: (R, k) means, not clipped."""

    nats: NDArray[np.float64]
    jsd: NDArray[np.float64]


def _compare(
    panel: Panel,
    states: torch.Tensor,
    targets: torch.Tensor,
    counts: torch.Tensor,
    answer_tokens: int,
    vocabulary: int,
    fused: bool | None,
) -> _Found:
    """Likelihoods and divergences, from the logits of a few answer tokens at a time.

    Args:
        states: (1 + n, A, width). targets: (A,). counts: (R,) answer tokens of each row, on the CPU.
    """
    everyone, rows = len(states), len(counts)
    row = torch.repeat_interleave(counts)
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
    nats = torch.zeros(everyone, rows, dtype=torch.float64)
    jsd = torch.zeros(rows, (everyone - 1) * (everyone - 2) // 2, dtype=torch.float64)
    size = at_a_time(everyone * vocabulary, states.device)
    room = states.new_empty(everyone * min(size, len(row)) * vocabulary)
    for compared in (True, False):
        which = ((place < answer_tokens) == compared).nonzero()[:, 0]
        for some in which.split(size) if len(which) else ():
            here = some.to(states.device)
            logits = panel.logits(states[:, here], room)
            logits = logits if logits.dtype.itemsize >= 4 else logits.float()
            true = logits.gather(2, targets[here].expand(everyone, -1)[..., None])[..., 0]
            weights, top, mass = exponentials(logits)
            of_token = (mass.log() + (top - true)).cpu()
            _check_finite(of_token, panel.names)
            nats.index_add_(1, row[some], of_token)
            if compared:
                found = pairwise_jsd_fast(weights[1:], mass[1:], fused=fused)
                jsd.index_add_(0, row[some], found.cpu())
    return _Found(nats.numpy(), (jsd / counts.clamp(1, answer_tokens)[:, None]).numpy())


def at_a_time(entries: int, device: torch.device) -> int:
    """Answer tokens whose logits stay in cache, if an answer token has so many; shared out to threads."""
    if device.type != "cpu":
        return max(1, CHUNK_GPU // entries)
    threads = torch.get_num_threads()
    return max(1, round(CHUNK_CPU / entries / threads)) * threads


def _check_finite(nats: torch.Tensor, names: Sequence[str]) -> None:
    """nats: (1 + n, a), the base first."""
    wrong = (~torch.isfinite(nats)).any(dim=1).nonzero()[:, 0].tolist()
    if wrong:
        raise ModelError(
            expected="finite log-probabilities",
            found="NaN or infinity",
            where=f"specialist {names[wrong[0] - 1]!r}" if wrong[0] else "the base model",
            fix="use dtype: float32, or train that specialist with a lower learning rate",
        )


def worth_compiling(
    rows: Iterable[Row], answer_tokens: int, specialists: int, vocabulary: int
) -> bool | None:
    """How divergences of a pool are computed (`fused`): compiled if that takes less time than it saves."""
    answers = sum(min(num_answers(row), answer_tokens) for row in rows)
    logarithms = answers * vocabulary * specialists * (specialists - 1) // 2
    return None if logarithms > COMPILES else False
