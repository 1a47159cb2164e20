"""From a plan to the batches of each step: whole examples, or sequences of one length cut out of them.

A step is a stretch of the global order. Every rank knows all of it, takes its part by length, and divides
the loss by the answer tokens of the whole step: what is learned depends neither on the number of ranks
nor on how many tokens go through the model at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mishran.config_train import TrainConfig
from mishran.errors import ConfigError
from mishran.stream.pack_stream import PackStream
from mishran.stream.plan import Plan
from mishran.stream.row_stream import RowStream
from mishran.stream.state import State
from mishran.stream.tokens import TokenRows
from mishran.train.answers import num_answers
from mishran.train.batch import Batch, Part, lay_out
from mishran.train.world import World


@dataclass(frozen=True)
class Span:
    """A row: (L,) token ids of which the first few are prompt (see `mishran.train.batch.Row`)."""

    input_ids: np.ndarray
    num_prompt_tokens: int


@dataclass(frozen=True)
class Piece:
    """A batch that goes through the model at once. tasks: (m,) task of each of its rows."""

    batch: Batch
    tasks: np.ndarray


@dataclass(frozen=True)
class StepData:
    """One step.

    pieces: of this rank; the last one ends the step. tokens: (n,) of each task over all ranks. state:
    where the stream is after it.
    """

    pieces: list[Piece]
    tokens: np.ndarray
    state: State


class Feed(Protocol):
    """The steps of a training."""

    def steps(self, state: State | None) -> Iterator[StepData]:
        """From a state on; None is the beginning."""
        ...


def feed(
    plan: Plan,
    stores: Sequence[TokenRows],
    recipe: TrainConfig,
    *,
    pad_id: int,
    packs: bool,
    world: World,
    context: int,
) -> Feed:
    """Whole examples, or `recipe.packed` tokens a sequence.

    Args:
        packs: whether the model keeps rows that share a line apart. context: of the model.

    Raises:
        ConfigError: rows or sequences are longer than the model's context.
    """
    layout = _Layout(pad_id, packs, recipe.micro_tokens, world)
    if recipe.packed is not None:
        _check_length(recipe.packed, context, "train.packed", "lower it")
        stream = PackStream(
            plan, tuple(stores), recipe.packed, recipe.batch_size, pad_id, how="wrapped"
        )
        return PackFeed(stream, layout)
    used = [i for i, task in enumerate(plan.tasks) if task.rows]
    longest = max((int(stores[i].lengths.max(initial=0)) for i in used), default=0)
    fix = "set max_tokens, or train.packed to cut rows into sequences"
    _check_length(longest, context, "the longest row", fix)
    return RowFeed(RowStream(plan, tuple(stores), recipe.batch_size), layout)


@dataclass(frozen=True)
class _Layout:
    """How the rows of a step become batches."""

    pad_id: int
    packs: bool
    micro_tokens: int
    world: World

    def pieces(
        self, spans: Sequence[Span], tasks: np.ndarray, lines: Sequence[Sequence[int]] | None = None
    ) -> list[Piece]:
        """This rank's batches of a step.

        Args:
            lines: the spans of each line, where they are packed already.
        """
        packed = lines is not None and self.packs
        units = lines if packed and lines is not None else [[i] for i in range(len(spans))]
        answers = sum(num_answers(span) for span in spans)
        sizes = [sum(len(spans[i].input_ids) for i in unit) for unit in units]
        order = sorted(range(len(units)), key=lambda k: (-sizes[k], k))
        mine = order[self.world.rank :: self.world.ranks]
        if not mine:  # more ranks than rows: this one adds nothing
            first = units[order[0]][0]
            silent = Part([Span(spans[first].input_ids[:1], 1)], step_answers=answers)
            return [Piece(lay_out([silent], self.pad_id, self.packs), tasks[[first]])]
        parts: list[list[Sequence[int]]] = []
        room = 0
        for k in mine:
            if not parts or sizes[k] > room:
                parts.append([])
                room = self.micro_tokens
            parts[-1].append(units[k])
            room -= sizes[k]
        return [
            self._piece(part, spans, tasks, answers, packed, part is parts[-1]) for part in parts
        ]

    def _piece(
        self,
        units: Sequence[Sequence[int]],
        spans: Sequence[Span],
        tasks: np.ndarray,
        answers: int,
        packed: bool,
        last: bool,
    ) -> Piece:
        index = [i for unit in units for i in unit]
        ends = np.cumsum([len(unit) for unit in units]).tolist()
        lines = [range(end - len(unit), end) for end, unit in zip(ends, units, strict=True)]
        part = Part(
            [spans[i] for i in index],
            last=last,
            step_answers=answers,
            lines=lines if packed else None,
        )
        return Piece(lay_out([part], self.pad_id, self.packs), tasks[index])


@dataclass(frozen=True)
class RowFeed:
    """Whole examples."""

    stream: RowStream
    layout: _Layout

    def steps(self, state: State | None) -> Iterator[StepData]:
        first = 0 if state is None else self.stream.batch_after(state)
        for number in range(first, len(self.stream)):
            rows = self.stream[number]
            spans = [
                Span(rows.tokens[a:b], int(prompt))
                for a, b, prompt in zip(
                    rows.offsets[:-1].tolist(),
                    rows.offsets[1:].tolist(),
                    rows.prompts.tolist(),
                    strict=True,
                )
            ]
            yield StepData(
                self.layout.pieces(spans, rows.task),
                rows.tokens_by_task,
                self.stream.state(number + 1),
            )


@dataclass(frozen=True)
class PackFeed:
    """Sequences of one length; what of a row does not fit begins the next one."""

    stream: PackStream
    layout: _Layout

    def steps(self, state: State | None) -> Iterator[StepData]:
        for packs, after in self.stream.batches(state):
            ids, inside = packs.input_ids.ravel(), packs.segments.ravel()
            spans: list[Span] = []
            lines: list[list[int]] = [[] for _ in range(len(packs))]
            for start in packs.cu_seqlens[:-1].tolist():
                if not inside[start]:  # padding
                    continue
                number = len(spans)
                length = int(packs.piece_tokens[number])
                trained = int(packs.piece_trained[number])
                spans.append(Span(ids[start : start + length], length - trained))
                lines[start // self.stream.capacity].append(number)
            assert len(spans) == len(packs.piece_tokens)
            pieces = self.layout.pieces(spans, packs.piece_task, lines)
            yield StepData(pieces, packs.tokens_by_task, after)


def _check_length(longest: int, context: int, where: str, fix: str) -> None:
    if longest > context:
        raise ConfigError(
            expected=f"at most {context:,} tokens, the model's context",
            found=f"{longest:,}",
            where=where,
            fix=fix,
        )
