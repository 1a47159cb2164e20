"""Logits at the answer tokens, and their log-likelihoods: the one place where logits meet labels.

Training loss, scores and divergences all go through `answer_logits`, so the shift between logits and
labels is written once. Oracle: `model(input_ids, labels=...).loss * tokens` on one unpadded example.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch

from mishran.train.batch import Batch


@dataclass(frozen=True)
class AnswerLogits:
    """What the model says at each answer token of a batch, rows in order, tokens in order.

    logits: (A, V) before each answer token. targets: (A,) the true tokens. rows: (A,) row of each.
    """

    logits: torch.Tensor
    targets: torch.Tensor
    rows: torch.Tensor


def answer_logits(model: torch.nn.Module, batch: Batch) -> AnswerLogits:
    """One forward pass; only columns that precede an answer token reach the output head."""
    before = batch.answer_mask[:, 1:]  # column c holds: is token c + 1 an answer?
    columns = before.any(dim=0).nonzero().squeeze(1)
    extra = {"logits_to_keep": columns} if _keeps_columns(model) else {}
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        use_cache=False,
        **extra,
    ).logits
    if not extra:
        logits = logits[:, columns]
    wanted = before[:, columns]
    rows, _ = wanted.nonzero(as_tuple=True)
    return AnswerLogits(logits[wanted], batch.input_ids[:, 1:][:, columns][wanted], rows)


def answer_nats(found: AnswerLogits) -> torch.Tensor:
    """(A,) -log p of each answer token in nats, float32 or better."""
    logits = found.logits.float() if found.logits.dtype.itemsize < 4 else found.logits
    return torch.nn.functional.cross_entropy(logits, found.targets, reduction="none")


def logits_bytes(model: torch.nn.Module, answer: int) -> int:
    """What scoring a row with `answer` answer tokens holds: logits, those wanted, and log p."""
    return 3 * answer * model.get_output_embeddings().weight.shape[0] * 4


def sum_by_row(values: torch.Tensor, rows: torch.Tensor, num_rows: int) -> torch.Tensor:
    """(B,) float64 sums of (A,) values by row."""
    out = torch.zeros(num_rows, dtype=torch.float64, device=values.device)
    return out.index_add_(0, rows, values.double())


def _keeps_columns(model: torch.nn.Module) -> bool:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
