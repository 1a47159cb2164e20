"""A sample of whole distributions, and mean states of the base: what some methods read beside the tables.

Distributions of all specialists at all answer tokens are too many to keep. A seeded sample of answer
tokens is kept, each with the most likely tokens of every specialist and the rest in one bucket: mutual
information computed from it is a lower bound (data processing). For capacity.

Embeddings are the base's last hidden states, averaged over the tokens of a probe. For SMART.

Source: capacity is the mutual information of task and answer (Blahut, Arimoto 1972); SMART, Renduchintala
et al. 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.specialists.panel import Panel
from mishran.specialists.probe import at_a_time, stretches
from mishran.train.answers import num_answers, only_at, run
from mishran.train.batch import TOKENS, Part, Row, chunks, lay_out
from mishran.train.models import Loaded

TOP = 64  # most likely tokens of every specialist at a position


@dataclass(frozen=True)
class Distributions:
    """What n specialists predict at P answer tokens.

    probe, token: (P,) which probe, and which of its answer tokens. ids: (K,) tokens kept, position after
    position; those of position i are ids[offsets[i] : offsets[i + 1]], offsets (P + 1,). probs: (n, K)
    their probabilities. tail: (n, P) probability of all other tokens.
    """

    probe: NDArray[np.int64]
    token: NDArray[np.int64]
    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    probs: NDArray[np.float32]
    tail: NDArray[np.float32]


def sample_positions(
    rows: Sequence[Row], answer_tokens: int, count: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`count` answer tokens (all, if there are fewer) drawn without replacement, in order.

    Args:
        answer_tokens: of each probe that count.

    Returns:
        Probe and answer token of each.
    """
    sizes = np.array([min(num_answers(row), answer_tokens) for row in rows], dtype=np.int64)
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    rng = np.random.default_rng([seed, 5])
    drawn = np.sort(rng.choice(total, size=min(count, total), replace=False))
    probe = np.searchsorted(ends, drawn, side="right")
    return probe, drawn - (ends - sizes)[probe]


def sample_distributions(
    panel: Panel,
    loaded: Loaded,
    rows: Sequence[Row],
    *,
    answer_tokens: int,
    count: int,
    seed: int,
    tokens: int = TOKENS,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Distributions:
    """Ask the panel again, at a sample of answer tokens.

    Args:
        rows: all probes. tokens: of the probes that are asked at a time.
    """
    probe, token = sample_positions(rows, answer_tokens, count, seed)
    asked = [int(i) for i in np.unique(probe)]
    vocabulary = loaded.model.get_output_embeddings().weight.shape[0]
    size = at_a_time((1 + len(panel.names)) * vocabulary, loaded.device)
    found: dict[int, tuple[NDArray[np.int32], NDArray[np.float32]]] = {}
    for index, batches in stretches(panel, loaded, [rows[i] for i in asked], tokens):
        numbers = [asked[i] for i in index]
        starts = dict(
            zip(
                numbers,
                accumulate((num_answers(rows[i]) for i in numbers), initial=0),
                strict=False,
            )
        )
        mine = [k for k in range(len(probe)) if int(probe[k]) in starts]
        places = torch.tensor([starts[int(probe[k])] + int(token[k]) for k in mine])
        with torch.inference_mode():
            states = panel.states(batches)
            for some, of in zip(places.split(size), torch.tensor(mine).split(size), strict=True):
                logits = panel.logits(states[:, some.to(loaded.device)])[1:]
                said = torch.softmax(logits.double(), -1).float().cpu()
                best = said.topk(min(TOP, vocabulary), dim=-1).indices
                for at, k in enumerate(of.tolist()):
                    ids = best[:, at].unique().numpy()
                    found[k] = (ids.astype(np.int32), said[:, at, ids].numpy())
        on_rows(len(numbers))
    kept = [found[k] for k in range(len(probe))]
    sums = [probs.sum(axis=1, dtype=np.float64) for _, probs in kept]
    return Distributions(
        probe,
        token,
        np.concatenate([ids for ids, _ in kept]),
        np.concatenate([[0], np.cumsum([len(ids) for ids, _ in kept])]),
        np.concatenate([probs for _, probs in kept], axis=1),
        np.clip(1.0 - np.stack(sums, axis=1), 0.0, 1.0).astype(np.float32),
    )


def mean_states(
    loaded: Loaded,
    rows: Sequence[Row],
    *,
    tokens: int = TOKENS,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> NDArray[np.float32]:
    """(m, d) last hidden states of the base, before its head, averaged over prompt and answer."""
    out: NDArray[np.float32] | None = None
    for index in chunks(rows, tokens):
        part = Part([rows[i] for i in index])
        batch = lay_out([part], loaded.pad_id, loaded.packs).to(loaded.device)
        owners = batch.owners.flatten()
        places = (owners >= 0).nonzero()[:, 0]
        with (
            torch.inference_mode(),
            only_at(loaded.model, places, head_too=False) as reached,
        ):
            run(loaded.model, batch)
        states = reached[0].double()
        sums = torch.zeros(len(index), states.shape[1], dtype=torch.float64, device=states.device)
        sums.index_add_(0, owners[places], states)
        counts = torch.bincount(owners[places], minlength=len(index))
        if out is None:
            out = np.zeros((len(rows), states.shape[1]), dtype=np.float32)
        out[index] = (sums / counts[:, None]).float().cpu().numpy()
        on_rows(len(index))
    return out if out is not None else np.zeros((0, 0), dtype=np.float32)
