"""Batches of the peers: rows padded on the left, and which positions the output head is to see."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import Recipe, Row

IGNORED = -100  # the label that the loss of transformers leaves out


class Wanted(NamedTuple):
    """A batch, and where in its logits (B, K, V) the answers are.

    wanted: (B, K). targets, rows: (A,) token and row of each answer token; first: (A,) those compared.
    """

    inputs: dict[str, torch.Tensor]
    wanted: torch.Tensor
    targets: torch.Tensor
    rows: torch.Tensor
    first: torch.Tensor


def wanted_answers(rows: Sequence[Row], recipe: Recipe, device: torch.device) -> Wanted:
    """Padded on the left, with the positions that the head is to see."""
    inputs = answer_collator(
        [{"input_ids": r.input_ids, "prompt": r.num_prompt_tokens} for r in rows], recipe.pad_id
    )
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    labels = inputs.pop("labels")
    wanted = labels != IGNORED
    first = (wanted.cumsum(1) <= recipe.answer_tokens)[wanted]
    return Wanted(inputs, wanted, labels[wanted], wanted.nonzero(as_tuple=True)[0], first)


def answer_collator(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Padded on the left, so that answers end together, and only the columns before them are kept.

    The labels are shifted already: column c holds the token that the kept position c predicts.
    """
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    labels = [tensor.clone() for tensor in ids]
    for tensor, row in zip(labels, rows, strict=True):
        tensor[: max(1, row["prompt"])] = IGNORED
    wanted = pad_sequence(labels, True, IGNORED, padding_side="left")[:, 1:]
    columns = (wanted != IGNORED).any(dim=0).nonzero().squeeze(1)
    mask = pad_sequence([torch.ones_like(t) for t in ids], True, 0, padding_side="left")
    return {
        "input_ids": pad_sequence(ids, True, pad_id, padding_side="left"),
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp_min(0),
        "labels": wanted[:, columns],
        "logits_to_keep": columns,
    }


def plain_collator(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Padded to the batch on the right; labels are -100 on prompt and padding."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    labels = [tensor.clone() for tensor in ids]
    for tensor, row in zip(labels, rows, strict=True):
        tensor[: row["prompt"]] = IGNORED
    return {
        "input_ids": pad_sequence(ids, True, pad_id),
        "attention_mask": pad_sequence([torch.ones_like(tensor) for tensor in ids], True, 0),
        "labels": pad_sequence(labels, True, IGNORED),
    }
