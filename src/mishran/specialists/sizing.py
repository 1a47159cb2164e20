"""How many specialists at once, and how many tokens a batch: measured, so that both fit the memory.

Two numbers describe a wave. *Slots*: each holds its parameters, gradients and two moments of AdamW.
*Tokens*: what one batch may hold; activations grow with it. On a GPU the tokens are doubled as long as
that raises the speed; a CPU is as fast with few (measured, docs/log.md), and takes the default, so that
equal inputs give equal bytes there.

Batches of half and of all those tokens are then run, the ones of this training that take most places:
what they take is what is predicted (benchmarks/memory.py compares it with whole trainings). The larger
is run only if the smaller says that it fits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from mishran.config import SpecialistConfig
from mishran.errors import TrainingError
from mishran.specialists.adapters import Template
from mishran.specialists.bank import SlotUpdates, bank
from mishran.specialists.fit import adapter_dtype
from mishran.specialists.turns import turns
from mishran.specialists.validate import nats_per_row, shuffled_prompts
from mishran.train.answers import logits_bytes, num_answers
from mishran.train.batch import TOKENS, Batch, Part, Row, chunks, lay_out
from mishran.train.checkpointing import checkpointed
from mishran.train.loop import train
from mishran.train.memory import free_bytes, live_bytes, ran_out
from mishran.train.models import Loaded
from mishran.train.order import training_batches

FEWEST = 8  # slots of a wave where memory allows: fewer would leave batches half empty
SHARE = 0.55  # of the free memory that is planned with: the rest is what the allocator cannot reuse
SHARE_GPU = 0.8  # the same of a GPU, whose allocator cuts its own blocks (assumption)
GAIN = 1.05  # a batch twice as large has to be so much faster (a GPU only)
TASKS = 32  # whose batches are looked through for the heaviest
LAID_OUT = 24  # of them that are laid out


@dataclass(frozen=True)
class Sizing:
    """What was measured, and what follows for a wave. Bytes are predictions of the peak.

    free: memory that could be used. fixed: bytes of a step whatever its size, the base model left out.
    per_token, per_slot: bytes that a token of a batch and a specialist take. asked: bytes of a pass over
    held-out rows, which is not at the same time as a step. saved: of a specialist's weights, copied when
    its training ends.
    tokens: of a batch at most. slots: of a wave at most.
    """

    free: int
    fixed: int
    per_token: int
    per_slot: int
    asked: int
    saved: int
    tokens: int
    slots: int

    def predicted(self, slots: int, tokens: int) -> int:
        """Bytes at the peak of a training, beside the base model."""
        step = self.fixed + tokens * self.per_token
        return slots * self.per_slot + max(step, self.asked + slots * self.saved)


def size_waves(
    loaded: Loaded,
    template: Template,
    recipe: SpecialistConfig,
    rows: Sequence[Sequence[Row]],
    held_out: Sequence[Sequence[Row]],
    *,
    seed: int,
    max_tokens: int,
    tokens: int = TOKENS,
) -> Sizing:
    """Measure a few steps of training and plan waves.

    Args:
        rows, held_out: training rows and held-out rows of the tasks that are to be trained.
        seed, max_tokens: as the training will get them.
        tokens: wished for a batch; a GPU begins with them.

    Raises:
        TrainingError: one specialist and one row do not fit.
    """
    free = free_bytes(loaded.device)
    usable = int(share(loaded.device) * free)
    everything = [row for own in rows for row in own]
    trial = sorted(everything, key=lambda row: -len(row.input_ids))
    longest = len(trial[0].input_ids)
    weights = template.initial.to(loaded.device, adapter_dtype(loaded, recipe)).clone()[None]
    # Weights, gradients, two moments, and the best weights so far where early stopping keeps them.
    per_slot = (5 if recipe.patience is not None else 4) * weights.nbytes
    with (
        _one_line(longest, free, loaded.device),
        checkpointed(loaded.model, recipe.checkpointing),
        bank(loaded.model, template.layout, weights, train=True, dropout=recipe.dropout) as model,
    ):
        step = _Step(model, loaded, recipe)
        step.run(trial[:1])  # what is made once (the optimizer's moments) is there from here on
        smallest = live_bytes(loaded.device, lambda: step.run(trial[:1]))
        if per_slot + smallest > usable:
            raise _too_little(longest, _mib(per_slot + smallest), free, loaded.device)
        # A row alone wastes no places, so this is too little for most batches: see below.
        most = max(longest, longest * (usable - per_slot) // max(1, smallest))
        tokens = _tokens(loaded, step, trial, max(longest, min(tokens, most)), most)
        sizes = sorted({max(longest, tokens // part) for part in (2, 1)})
        points: list[tuple[int, int]] = []
        for size in sizes:
            if points and per_slot + _at(points, size) > usable:
                break
            heavy = _heaviest(rows, recipe, size, loaded, seed)
            points.append((size, live_bytes(loaded.device, partial(step.take, heavy))))
        fixed, per_token = _line(points)
        tokens = max(longest, min(tokens, (usable - per_slot - fixed) // per_token))
        answers = _most_answers(model, held_out, tokens, max_tokens, seed)
        asked = live_bytes(
            loaded.device, lambda: nats_per_row(model, answers, loaded, slot=0, tokens=tokens)
        )
    saved = weights.nbytes
    found = Sizing(free, fixed, per_token, per_slot, asked, saved, tokens, 1)
    if found.predicted(1, tokens) > usable:
        raise _too_little(longest, _mib(found.predicted(1, longest)), free, loaded.device)
    mean = sum(map(lambda row: len(row.input_ids), everything)) / len(everything)
    step_tokens = max(1.0, min(tokens, recipe.batch_size * mean))
    wanted = max(FEWEST, 2 * round(tokens / step_tokens))
    fitting = min(
        (usable - fixed - tokens * per_token) // per_slot, (usable - asked) // (per_slot + saved)
    )
    return replace(found, slots=max(1, min(wanted, fitting)))


def _line(points: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Fixed bytes and bytes per token through the last two points, in proportion where they tell less."""
    (tokens, size), before = points[-1], points[-2:-1]
    per_token = -(-size // tokens)
    if before and before[0][0] < tokens and before[0][1] < size:
        per_token = min(per_token, -(-(size - before[0][1]) // (tokens - before[0][0])))
    return max(0, size - tokens * per_token), max(1, per_token)


def _at(points: Sequence[tuple[int, int]], tokens: int) -> int:
    """Bytes of a larger batch, from the points so far."""
    fixed, per_token = _line(points)
    return fixed + tokens * per_token


def _heaviest(
    rows: Sequence[Sequence[Row]],
    recipe: SpecialistConfig,
    tokens: int,
    loaded: Loaded,
    seed: int,
) -> list[Batch]:
    """Of the batches that this training would make: the one of most places, and of most attention."""
    some = [rows[i * len(rows) // TASKS] for i in range(TASKS)] if len(rows) > TASKS else rows
    plans = [
        training_batches(
            [len(row.input_ids) for row in own],
            recipe.batch_size,
            seed,
            tokens=recipe.budget_tokens,
            epochs=recipe.epochs,
        )
        for own in some
    ]
    made = sorted(turns(some, plans, tokens, lambda slot: True), key=_places, reverse=True)
    batches = [
        lay_out([replace(part, slot=0) for part in parts], loaded.pad_id, loaded.packs)
        for parts in made[:LAID_OUT]
    ]
    wide = max(batches, key=lambda batch: batch.input_ids.numel() * batch.input_ids.shape[1])
    most = max(batches, key=lambda batch: batch.input_ids.numel())
    return [most] if most is wide else [most, wide]


def _most_answers(
    model: Any, held_out: Sequence[Sequence[Row]], tokens: int, max_tokens: int, seed: int
) -> list[Row]:
    """The rows that are asked at a time with most answer tokens, behind their own or others' prompts."""
    found: list[Row] = []
    for own in held_out:
        for rows in (own, shuffled_prompts(own, max_tokens, seed)[0]):
            for index in chunks(rows, tokens, lambda row: logits_bytes(model, num_answers(row))):
                some = [rows[i] for i in index]
                found = max(found, some, key=lambda rows: sum(map(num_answers, rows)))
    return found


def _places(parts: Sequence[Part]) -> int:
    """About how many places a batch takes: its groups have lines of their own, of one width."""
    lengths = [[len(row.input_ids) for row in part.rows] for part in parts]
    width = max(map(max, lengths))
    return sum(-(-sum(own) // width) * width for own in lengths)


def _tokens(loaded: Loaded, step: _Step, rows: Sequence[Row], tokens: int, most: int) -> int:
    """Tokens of a batch: those wished for, or on a GPU as many as make it faster; no more than fit."""
    if loaded.device.type != "cuda":
        return tokens
    speed = step.speed(_take(rows, tokens))
    while 2 * tokens <= most:
        twice = step.speed(_take(rows, 2 * tokens))
        if twice < GAIN * speed:
            break
        tokens, speed = 2 * tokens, twice
    return tokens


class _Step:
    """Training steps on a bank of one slot, to be measured."""

    def __init__(self, model: Any, loaded: Loaded, recipe: SpecialistConfig) -> None:
        self._model, self._loaded = model, loaded
        self._updates = SlotUpdates(
            model, [lambda i: 0.0], learning_rate=0.0, weight_decay=0.0, clip=recipe.clip
        )

    def run(self, rows: Sequence[Row]) -> None:
        self.take([lay_out([Part(rows)], self._loaded.pad_id, self._loaded.packs)])

    def take(self, batches: Sequence[Batch]) -> None:
        train(self._model, (b.to(self._loaded.device) for b in batches), self._updates)

    def speed(self, rows: Sequence[Row]) -> float:
        """Tokens per second, the better of two."""
        self.run(rows)
        times = []
        for _ in range(2):
            torch.cuda.synchronize()
            start = time.perf_counter()
            self.run(rows)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return sum(len(r.input_ids) for r in rows) / min(times)


def _take(rows: Sequence[Row], tokens: int) -> list[Row]:
    """Rows from the start, again and again, up to so many tokens; one at least."""
    out: list[Row] = []
    count = 0
    while True:
        for row in rows:
            if out and count + len(row.input_ids) > tokens:
                return out
            out.append(row)
            count += len(row.input_ids)


def share(device: torch.device) -> float:
    """Of a device's free memory, what is planned with."""
    return SHARE_GPU if device.type == "cuda" else SHARE


@contextmanager
def _one_line(longest: int, free: int, device: torch.device) -> Iterator[None]:
    """Within it, memory that runs out is one line."""
    try:
        yield
    except RuntimeError as error:
        if not ran_out(error):
            raise
        raise _too_little(longest, "more than there is", free, device) from error


def _too_little(longest: int, needed: str, free: int, device: torch.device) -> TrainingError:
    return TrainingError(
        expected=f"memory for one specialist and a row of {longest} tokens, {needed}",
        found=f"{_mib(free)} free, of which {share(device):.0%} are planned with",
        where="specialists",
        fix="lower max_tokens or specialists.rank, use a smaller model, or set "
        "specialists.checkpointing: true",
    )


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
