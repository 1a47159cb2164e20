"""Rows of tokens to a batch: the one place where padding, packing, masks and positions are made.

Two layouts. *Packed*: rows share lines of one width, and positions that begin again at 0 keep them
apart (transformers masks attention across such a seam). *Padded*: a row a line, padded on the left,
for models whose attention does not know seams. Either way a row is the same row to the model.

A batch may hold rows of several *groups*, each with lines of its own: groups are independent, so their
losses are separate numbers, and what breaks in one (a NaN) stays in its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch

MEMORY = 1 << 29  # bytes of logits and distributions held at a time where nothing is trained
TOKENS = 1024  # tokens that go through a model at a time (measured on a CPU, docs/log.md)
WIDEST = 128  # packed lines are no wider, but for long rows: attention costs more in wide ones


class Row(Protocol):
    """Token ids of one example and how many of them are prompt (see `mishran.tasks.render`)."""

    @property
    def input_ids(self) -> tuple[int, ...]: ...

    @property
    def num_prompt_tokens(self) -> int: ...


@dataclass(frozen=True)
class Part:
    """Rows of one group, or a part of its next step when the step is too large for one batch.

    slot: who reads them, for models that hold several; None is the base. last: the step ends here.
    step_answers, step_tokens: of the whole step; None counts the rows given. The loss is a mean over the
    former. tokens_before: of the step, in parts before this one. lines: the rows that share a line, where
    they are packed already; None has lines found for them.
    """

    rows: Sequence[Row]
    slot: int | None = 0
    last: bool = True
    step_answers: int | None = None
    step_tokens: int | None = None
    tokens_before: int = 0
    lines: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class Group:
    """Where a part lies in a batch.

    slot, last: see `Part`. start, stop: its lines. scale: of the sum of its nats, to be a mean.
    order: per place of its lines, the number of the token there among the `step_tokens` of the step (0 on
    padding). num_tokens: of this part.
    """

    slot: int | None
    start: int
    stop: int
    scale: float
    last: bool
    order: torch.Tensor
    num_tokens: int
    step_tokens: int


@dataclass(frozen=True)
class Batch:
    """Rows in R lines of W tokens.

    input_ids, position_ids: (R, W) int64. attention_mask: (R, W) int64, 0 on padding, or None when
    positions say it all. owners: (R, W) int64 index of the row of each token, -1 on padding.
    answer_mask: (R, W) bool, True on answer tokens (never on the first token of a row).
    before: (A,) place, in the flattened lines, of the token before each answer token, by row and token.
    groups: rows are numbered through all groups in order. group: (A,) index of the group of each answer.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    position_ids: torch.Tensor
    owners: torch.Tensor
    answer_mask: torch.Tensor
    before: torch.Tensor
    groups: tuple[Group, ...]
    group: torch.Tensor

    @property
    def num_tokens(self) -> int:
        return int((self.owners >= 0).sum())

    @property
    def num_answer_tokens(self) -> int:
        return len(self.before)

    @property
    def targets(self) -> torch.Tensor:
        """(A,) the answer tokens."""
        return self.input_ids.flatten()[self.before + 1]

    @property
    def rows(self) -> torch.Tensor:
        """(A,) row of each answer token, ascending."""
        return self.owners.flatten()[self.before]

    def to(self, device: torch.device) -> Batch:
        """On a device; `order` of the groups stays where it is."""
        mask = self.attention_mask
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            attention_mask=None if mask is None else mask.to(device),
            position_ids=self.position_ids.to(device),
            owners=self.owners.to(device),
            answer_mask=self.answer_mask.to(device),
            before=self.before.to(device),
            group=self.group.to(device),
        )

    def repeated(self, slots: Sequence[int | None]) -> Batch:
        """The lines of the only group once for each slot."""
        (group,) = self.groups
        times, lines = len(slots), len(self.input_ids)
        answers = len(self.before)
        shift = torch.arange(times, device=self.before.device)
        mask = self.attention_mask
        return replace(
            self,
            input_ids=self.input_ids.repeat(times, 1),
            attention_mask=None if mask is None else mask.repeat(times, 1),
            position_ids=self.position_ids.repeat(times, 1),
            owners=self.owners.repeat(times, 1),
            answer_mask=self.answer_mask.repeat(times, 1),
            before=(self.before + shift[:, None] * self.input_ids.numel()).flatten(),
            group=shift.repeat_interleave(answers),
            groups=tuple(
                replace(group, slot=slot, start=i * lines, stop=(i + 1) * lines)
                for i, slot in enumerate(slots)
            ),
        )


def collate(rows: Sequence[Row], pad_id: int, side: Literal["left", "right"] = "left") -> Batch:
    """One group, padded: a row a line. The first token of a row is never an answer."""
    return _batch([Part(rows)], pad_id, None, side)


def pack(parts: Sequence[Part], pad_id: int) -> Batch:
    """Groups in packed lines: those given, or of the width that holds them in the fewest places."""
    return _batch(parts, pad_id, _best_width(parts), "right")


def lay_out(parts: Sequence[Part], pad_id: int, packs: bool) -> Batch:
    """Packed where the model can take it, else padded."""
    return pack(parts, pad_id) if packs else _batch(parts, pad_id, None, "left")


def _batch(
    parts: Sequence[Part], pad_id: int, width: int | None, side: Literal["left", "right"]
) -> Batch:
    """width: of packed lines; None pads every row to the longest."""
    lines: list[list[int]] = []  # rows (numbered through all parts) of each line
    spans: list[tuple[int, int]] = []
    rows = [row for part in parts for row in part.rows]
    lengths = [len(row.input_ids) for row in rows]
    first = 0
    for part in parts:
        numbers = range(first, first + len(part.rows))
        begin = len(lines)
        lines += _lines(part, numbers, lengths, width) if width else [[i] for i in numbers]
        spans.append((begin, len(lines)))
        first += len(part.rows)
    wide = width or max(lengths)
    shape = (len(lines), wide)
    ids = np.full(shape, pad_id, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    owners = np.full(shape, -1, dtype=np.int64)
    answers = np.zeros(shape, dtype=bool)
    starts = np.zeros(len(rows), dtype=np.int64)
    for number, line in enumerate(lines):
        at = 0
        for i in line:
            length, prompt = lengths[i], max(rows[i].num_prompt_tokens, 1)
            begin = wide - length if side == "left" else at
            ids[number, begin : begin + length] = rows[i].input_ids
            positions[number, begin : begin + length] = np.arange(length)
            owners[number, begin : begin + length] = i
            answers[number, begin + prompt : begin + length] = True
            starts[i] = number * wide + begin
            at += length
        if width:
            positions[number, at:] = np.arange(wide - at)
    before = np.concatenate(
        [
            starts[i] + np.arange(max(r.num_prompt_tokens, 1), lengths[i]) - 1
            for i, r in enumerate(rows)
        ]
    )
    groups, group = _groups(parts, spans, wide, owners, positions, lengths)
    mask = None if width else torch.from_numpy((owners >= 0).astype(np.int64))
    return Batch(
        torch.from_numpy(ids),
        mask,
        torch.from_numpy(positions),
        torch.from_numpy(owners),
        torch.from_numpy(answers),
        torch.from_numpy(before),
        groups,
        torch.from_numpy(group),
    )


def _groups(
    parts: Sequence[Part],
    spans: Sequence[tuple[int, int]],
    wide: int,
    owners: np.ndarray,
    positions: np.ndarray,
    lengths: Sequence[int],
) -> tuple[tuple[Group, ...], np.ndarray]:
    groups: list[Group] = []
    counts: list[int] = []
    row = 0
    for part, (start, stop) in zip(parts, spans, strict=True):
        num = len(part.rows)
        counts.append(
            sum(max(0, len(r.input_ids) - max(r.num_prompt_tokens, 1)) for r in part.rows)
        )
        tokens = np.array(lengths[row : row + num])
        offsets = part.tokens_before + np.concatenate([[0], np.cumsum(tokens)[:-1]])
        mine = owners[start:stop]
        order = np.where(mine >= 0, offsets[np.maximum(mine - row, 0)] + positions[start:stop], 0)
        answers = counts[-1] if part.step_answers is None else part.step_answers
        total = int(tokens.sum())
        groups.append(
            Group(
                slot=part.slot,
                start=start,
                stop=stop,
                scale=1.0 / max(1, answers),
                last=part.last,
                order=torch.from_numpy(order.ravel()),
                num_tokens=total,
                step_tokens=total if part.step_tokens is None else part.step_tokens,
            )
        )
        row += num
    return tuple(groups), np.repeat(np.arange(len(parts)), counts)


def _lines(part: Part, numbers: range, lengths: Sequence[int], width: int) -> list[list[int]]:
    """Numbers of the rows of each line."""
    if part.lines is not None:
        return [[numbers[i] for i in line] for line in part.lines]
    return _bins(numbers, lengths, width)


def _bins(numbers: Sequence[int], lengths: Sequence[int], width: int) -> list[list[int]]:
    """First fit decreasing: rows into lines of `width` places."""
    lines: list[list[int]] = []
    room: list[int] = []
    for i in sorted(numbers, key=lambda i: (-lengths[i], i)):
        for k, free in enumerate(room):
            if lengths[i] <= free:
                lines[k].append(i)
                room[k] -= lengths[i]
                break
        else:
            lines.append([i])
            room.append(width - lengths[i])
    return lines


def _best_width(parts: Sequence[Part]) -> int:
    """Of the longest row up to a quarter more, or `WIDEST`: what wastes least, and then the smallest.

    No less than the lines that are given take.
    """
    lengths = [len(row.input_ids) for part in parts for row in part.rows]
    given = [
        sum(len(part.rows[i].input_ids) for i in line)
        for part in parts
        for line in part.lines or ()
    ]
    longest = max([*lengths, *given])
    if all(part.lines is not None for part in parts):
        return longest

    def places(width: int) -> int:
        first = lines = 0
        for part in parts:
            numbers = range(first, first + len(part.rows))
            lines += len(_lines(part, numbers, lengths, width))
            first += len(part.rows)
        return lines * width

    widths = range(longest, max(longest * 5 // 4, WIDEST) + 1)
    return min(widths, key=lambda width: (places(width), width))


def chunks(
    rows: Sequence[Row],
    tokens: int,
    bytes_per_row: Callable[[Row], int] = lambda row: 0,
) -> Iterator[list[int]]:
    """Indices in chunks of about equal length, longest first; every index exactly once.

    Args:
        tokens: of a chunk at most; one row is always allowed.
        bytes_per_row: what its logits take; a chunk holds at most `MEMORY`, or one row.
    """
    current: list[int] = []
    count = held = 0
    for i in sorted(range(len(rows)), key=lambda i: (-len(rows[i].input_ids), i)):
        length, size = len(rows[i].input_ids), bytes_per_row(rows[i])
        if current and (count + length > tokens or held + size > MEMORY):
            yield current
            current, count, held = [], 0, 0
        current.append(i)
        count += length
        held += size
    if current:
        yield current
