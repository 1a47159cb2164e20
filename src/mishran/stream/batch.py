"""What a loader hands out: rows, or packs of rows, with who they are of and how many tokens that makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORED = -100  # label of a token that is not trained on, as torch's cross entropy has it


@dataclass(frozen=True)
class RowBatch:
    """Rows behind each other.

    tokens: (T,) ids. offsets: (m + 1,) where rows begin. prompts: (m,) leading tokens that are not trained
    on. task, example: (m,) what each row is. num_tasks: in the plan.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    prompts: np.ndarray
    task: np.ndarray
    example: np.ndarray
    num_tasks: int

    def __len__(self) -> int:
        return len(self.task)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @property
    def tokens_by_task(self) -> np.ndarray:
        """(n,) tokens of each task in this batch, prompts included."""
        return _by_task(self.task, self.lengths, self.num_tasks)

    @property
    def trained_by_task(self) -> np.ndarray:
        """(n,) tokens of each task that are trained on; the first of a row never is."""
        trained = self.lengths - np.maximum(self.prompts, 1)
        return _by_task(self.task, np.maximum(trained, 0), self.num_tasks)

    def padded(self, pad_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """input_ids, labels and attention_mask, (m, longest) int64, padded on the right."""
        lengths = self.lengths
        shape = (len(self), int(lengths.max(initial=0)))
        place = np.arange(shape[1])
        inside = place < lengths[:, None]
        ids = np.full(shape, pad_id, dtype=np.int64)
        ids[inside] = self.tokens
        answers = inside & (place >= np.maximum(self.prompts, 1)[:, None])
        return ids, np.where(answers, ids, IGNORED), inside.astype(np.int64)


@dataclass(frozen=True)
class PackBatch:
    """Packs, a line each.

    input_ids, labels, position_ids: (p, capacity) int64. Positions begin again at 0 with every piece, and
    in the padding, so that models which read them keep pieces apart (transformers does without an
    attention mask and with use_cache=False; with a cache it does not look at them).
    segments: (p, capacity) int32, number of the piece in its line from 1, 0 on padding.
    piece_task, piece_example: (s,) of each piece, by line. trained: (s,) its tokens that are trained on.
    cu_seqlens: (lines' pieces + paddings + 1,) int32 borders in the flattened lines, for varlen kernels.
    num_tasks: in the plan.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    position_ids: np.ndarray
    segments: np.ndarray
    piece_task: np.ndarray
    piece_example: np.ndarray
    piece_tokens: np.ndarray
    piece_trained: np.ndarray
    cu_seqlens: np.ndarray
    num_tasks: int

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def max_seqlen(self) -> int:
        return int(np.diff(self.cu_seqlens).max(initial=0))

    @property
    def tokens_by_task(self) -> np.ndarray:
        """(n,) tokens of each task in this batch, prompts included."""
        return _by_task(self.piece_task, self.piece_tokens, self.num_tasks)

    @property
    def trained_by_task(self) -> np.ndarray:
        """(n,) tokens of each task that are trained on."""
        return _by_task(self.piece_task, self.piece_trained, self.num_tasks)

    @property
    def fill(self) -> float:
        """Share of the places that hold a token."""
        return float(self.piece_tokens.sum() / max(1, self.input_ids.size))

    def block_mask(self) -> np.ndarray:
        """(p, 1, capacity, capacity) bool: who may attend to whom, causal and inside a piece.

        For models that do not read positions. Padding attends to itself, so that no line of it is empty.
        """
        same = self.segments[:, :, None] == self.segments[:, None, :]
        causal = np.tri(self.segments.shape[1], dtype=bool)
        mask: np.ndarray = (same & causal)[:, None]
        return mask


def _by_task(task: np.ndarray, amount: np.ndarray, num_tasks: int) -> np.ndarray:
    out: np.ndarray = np.bincount(task, weights=amount, minlength=num_tasks)
    return out.astype(np.int64)
