"""What did a specialist learn? Held-out nats before, during and after, and against shuffled prompts.

*Gain*: nats per answer token that the specialist saves over the base on held-out examples.
*Prompt gain*: nats per answer token that the true prompt saves the specialist over the prompt of another
example of the same task. It is an estimate of the usable information that prompts carry about answers;
where its interval contains 0, answers do not depend on prompts (random labels, say) or nothing of the
dependence was learned.

Source: usable information, Xu et al., arXiv 2002.10689, and Ethayarajh et al., arXiv 2110.08420 (there
the control is an empty prompt; a shuffled one keeps the format and needs no second training).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from mishran.train.answers import answer_logits, answer_nats, sum_by_row
from mishran.train.batch import Row, by_length, collate


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % t interval over n examples."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def contains_zero(self) -> bool:
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Tokens:
    """A row made of parts (see `mishran.train.batch.Row`)."""

    input_ids: tuple[int, ...]
    num_prompt_tokens: int


def interval(values: NDArray[np.float64]) -> Interval:
    """Student t interval of the mean; a single value, or equal ones, give a point."""
    n = len(values)
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if n > 1 else 0.0
    half = float(stats.t.ppf(0.975, n - 1)) * spread / n**0.5 if n > 1 else 0.0
    return Interval(mean, mean - half, mean + half, n)


def nats_per_row(
    model: Any, rows: Sequence[Row], pad_id: int, batch_size: int, device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """-log p of each row's answer in nats, summed over its tokens, and the number of those tokens."""
    nats = np.zeros(len(rows))
    tokens = np.zeros(len(rows), dtype=np.int64)
    training = model.training
    model.eval()
    with torch.inference_mode():
        for index in by_length(rows, batch_size):
            batch = collate([rows[i] for i in index], pad_id).to(device)
            found = answer_logits(model, batch)
            nats[index] = sum_by_row(answer_nats(found), found.rows, len(index)).cpu().numpy()
            tokens[index] = batch.answer_mask.sum(dim=1).cpu().numpy()
    model.train(training)
    return nats, tokens


def shuffled_prompts(
    rows: Sequence[Row], max_tokens: int, seed: int, times: int = 4
) -> tuple[list[Tokens], NDArray[np.int64]]:
    """Every answer behind the prompts of `times` other examples.

    Returns:
        The rows, and for each the index of the example whose answer it carries. Pairs longer than
        `max_tokens` are left out.
    """
    n = len(rows)
    shifts = np.random.default_rng(seed).permutation(np.arange(1, n))[:times]
    made: list[Tokens] = []
    owner: list[int] = []
    for shift in shifts:
        for i, row in enumerate(rows):
            other = rows[(i + int(shift)) % n]
            prompt = other.input_ids[: other.num_prompt_tokens]
            answer = row.input_ids[row.num_prompt_tokens :]
            if len(prompt) + len(answer) <= max_tokens:
                made.append(Tokens(tuple(prompt) + tuple(answer), len(prompt)))
                owner.append(i)
    return made, np.array(owner, dtype=np.int64)


def prompt_gain(
    model: Any,
    rows: Sequence[Row],
    true_per_token: NDArray[np.float64],
    *,
    pad_id: int,
    batch_size: int,
    device: torch.device,
    max_tokens: int,
    seed: int,
) -> Interval | None:
    """Nats per answer token that the true prompt saves; None when no pair could be made."""
    shuffled, owner = shuffled_prompts(rows, max_tokens, seed)
    if len(set(owner.tolist())) < 2:
        return None
    nats, tokens = nats_per_row(model, shuffled, pad_id, batch_size, device)
    count = np.bincount(owner, minlength=len(rows))
    total = np.bincount(owner, weights=nats / tokens, minlength=len(rows))
    some = count > 0
    return interval(total[some] / count[some] - true_per_token[some])
