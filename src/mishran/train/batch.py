"""Rows of tokens to a padded batch: the one place where padding, masks and positions are made.

Batches are padded on the left by default, so that all answers end in the same column and the output
head only has to look at the last few. Positions count real tokens, so a padded row is the same row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

MEMORY = 1 << 29  # bytes of logits and distributions held at a time where nothing is trained


class Row(Protocol):
    """Token ids of one example and how many of them are prompt (see `mishran.tasks.render`)."""

    @property
    def input_ids(self) -> tuple[int, ...]: ...

    @property
    def num_prompt_tokens(self) -> int: ...


@dataclass(frozen=True)
class Batch:
    """B rows padded to T tokens.

    input_ids, position_ids: (B, T) int64. attention_mask: (B, T) int64, 0 on padding.
    answer_mask: (B, T) bool, True on answer tokens (never on the first token of a row).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    position_ids: torch.Tensor
    answer_mask: torch.Tensor

    @property
    def num_tokens(self) -> int:
        return int(self.attention_mask.sum())

    @property
    def num_answer_tokens(self) -> int:
        return int(self.answer_mask.sum())

    def to(self, device: torch.device) -> Batch:
        return Batch(
            self.input_ids.to(device),
            self.attention_mask.to(device),
            self.position_ids.to(device),
            self.answer_mask.to(device),
        )


def collate(rows: Sequence[Row], pad_id: int, side: Literal["left", "right"] = "left") -> Batch:
    """Pad rows to the longest. The first token of a row is never an answer: nothing predicts it."""
    width = max(len(row.input_ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    positions = torch.zeros((len(rows), width), dtype=torch.int64)
    answers = torch.zeros((len(rows), width), dtype=torch.bool)
    for i, row in enumerate(rows):
        length = len(row.input_ids)
        start = width - length if side == "left" else 0
        ids[i, start : start + length] = torch.tensor(row.input_ids, dtype=torch.int64)
        mask[i, start : start + length] = 1
        positions[i, start : start + length] = torch.arange(length)
        answers[i, start + max(row.num_prompt_tokens, 1) : start + length] = True
    return Batch(ids, mask, positions, answers)


def by_length(rows: Sequence[Row], size: int) -> list[list[int]]:
    """Indices in batches of about equal length, longest first; every index exactly once."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].input_ids), i))
    return [order[i : i + size] for i in range(0, len(order), size)]


def within_memory(
    rows: Sequence[Row], size: int, bytes_per_row: Callable[[int], int]
) -> list[list[int]]:
    """`by_length`, with batches split that would hold more than `MEMORY`; one row is always allowed.

    Args:
        bytes_per_row: of the length of the batch's longest answer, which all its rows are padded to.
    """
    out: list[list[int]] = []
    for index in by_length(rows, size):
        current: list[int] = []
        longest = 0
        for i in index:
            longest = max(longest, len(rows[i].input_ids) - rows[i].num_prompt_tokens)
            if current and (len(current) + 1) * bytes_per_row(longest) > MEMORY:
                out.append(current)
                current = []
                longest = len(rows[i].input_ids) - rows[i].num_prompt_tokens
            current.append(i)
        out.append(current)
    return out
