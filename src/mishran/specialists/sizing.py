"""How many specialists at once, and how many tokens a batch: measured, so that both fit the memory.

Two numbers describe a wave. *Slots*: each holds its parameters, gradients and two moments of AdamW.
*Tokens*: what one batch may hold; activations grow with it. On a GPU the tokens are doubled as long as
that raises the speed; a CPU is as fast with few (measured, docs/log.md), and takes the default, so that
equal inputs give equal bytes there.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mishran.config import SpecialistConfig
from mishran.errors import TrainingError
from mishran.specialists.adapters import Template
from mishran.specialists.bank import SlotUpdates, bank
from mishran.specialists.fit import adapter_dtype
from mishran.train.batch import TOKENS, Part, Row, lay_out
from mishran.train.loop import train
from mishran.train.models import Loaded

FEWEST = 8  # slots of a wave where memory allows: fewer would leave batches half empty
SHARE = 0.8  # of the free memory that is planned with
GAIN = 1.05  # a batch twice as large has to be so much faster (a GPU only)


@dataclass(frozen=True)
class Sizing:
    """What was measured, and what follows for a wave. Bytes are predictions of the peak.

    free: memory that could be used. fixed: bytes of a step whatever its size, the base model left out.
    per_token, per_slot: bytes that a token of a batch and a specialist take.
    tokens: of a batch at most. slots: of a wave at most.
    """

    free: int
    fixed: int
    per_token: int
    per_slot: int
    tokens: int
    slots: int

    def predicted(self, slots: int, tokens: int) -> int:
        """Bytes at the peak of training, beside the base model."""
        return self.fixed + slots * self.per_slot + tokens * self.per_token


def size_waves(
    loaded: Loaded, template: Template, recipe: SpecialistConfig, rows: Sequence[Sequence[Row]]
) -> Sizing:
    """Measure a step or two of training and plan waves.

    Args:
        rows: training rows of the tasks that are to be trained.

    Raises:
        TrainingError: one specialist and one row do not fit.
    """
    free = free_bytes(loaded.device)
    lengths = sorted(len(row.input_ids) for own in rows for row in own)
    longest = lengths[-1]
    mean = sum(lengths) / len(lengths)
    trial = sorted((row for own in rows for row in own), key=lambda r: -len(r.input_ids))
    few = _take(trial, max(longest, 128))
    more = _take(trial, 2 * max(longest, 128))
    with bank(loaded.model, template.layout, _weights(loaded, template), train=True) as model:
        step = _Step(model, loaded, recipe)
        step(few)  # what is made once (the optimizer's moments) is there from here on
        low, high = step.peak(few), step.peak(more)
        tokens_low, tokens_high = step.places(few), step.places(more)
        per_token = max(1, (high - low) // max(1, tokens_high - tokens_low))
        if tokens_high == tokens_low:  # a single row
            per_token = max(1, low // tokens_low)
        fixed = max(0, low - per_token * tokens_low)
        per_slot = 4 * model.weights.element_size() * template.layout.size
        usable = int(SHARE * free) - fixed
        tokens = _tokens(loaded, step, trial, (usable - per_slot) // per_token, longest)
    if per_slot + longest * per_token > usable:
        raise TrainingError(
            expected=f"memory for one specialist and a row of {longest} tokens, "
            f"{_mib(fixed + per_slot + longest * per_token)}",
            found=f"{_mib(free)} free, of which {SHARE:.0%} are planned with",
            where="specialists",
            fix="lower max_tokens or specialists.rank, use a smaller model, or set "
            "specialists.checkpointing: true",
        )
    step_tokens = max(1.0, min(tokens, recipe.batch_size * mean))
    wanted = max(FEWEST, 2 * round(tokens / step_tokens))
    slots = max(1, min(wanted, (usable - tokens * per_token) // per_slot))
    return Sizing(free, fixed, per_token, per_slot, tokens, slots)


def _tokens(loaded: Loaded, step: _Step, rows: Sequence[Row], most: int, longest: int) -> int:
    """Tokens of a batch: the default, or on a GPU as many as make it faster; no more than fit."""
    tokens = max(longest, min(TOKENS, most))
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
    """A training step on a bank of one slot, to be measured."""

    def __init__(self, model: Any, loaded: Loaded, recipe: SpecialistConfig) -> None:
        self._model, self._loaded = model, loaded
        self._updates = SlotUpdates(
            model, [lambda i: 0.0], learning_rate=0.0, weight_decay=0.0, clip=recipe.clip
        )

    def __call__(self, rows: Sequence[Row]) -> None:
        batch = lay_out([Part(rows)], self._loaded.pad_id, self._loaded.packs)
        train(self._model, [batch.to(self._loaded.device)], self._updates)

    def places(self, rows: Sequence[Row]) -> int:
        return lay_out([Part(rows)], 0, self._loaded.packs).input_ids.numel()

    def peak(self, rows: Sequence[Row]) -> int:
        """Bytes at the peak of a step, beside what was there before."""
        if self._loaded.device.type == "cuda":
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            self(rows)
            return torch.cuda.max_memory_allocated() - before
        with LiveBytes() as live:
            self(rows)
        return live.peak

    def speed(self, rows: Sequence[Row]) -> float:
        """Tokens per second, the better of two."""
        self(rows)
        times = []
        for _ in range(2):
            torch.cuda.synchronize()
            start = time.perf_counter()
            self(rows)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return sum(len(r.input_ids) for r in rows) / min(times)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make within it; `peak` is the most at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {t.untyped_storage()._cdata for t in _tensors(args)}
        for tensor in _tensors(out if isinstance(out, tuple | list) else (out,)):
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in given or key in self._known:
                continue
            self._known.add(key)
            self.now += storage.nbytes()
            weakref.finalize(storage, self._gone, key, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _tensors(values: Any) -> list[torch.Tensor]:
    flat = [v for v in values if isinstance(v, torch.Tensor)]
    for value in values:
        if isinstance(value, tuple | list):
            flat += [v for v in value if isinstance(v, torch.Tensor)]
    return flat


def _weights(loaded: Loaded, template: Template) -> torch.Tensor:
    return template.initial.to(loaded.device, adapter_dtype(loaded)).clone()[None]


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


def free_bytes(device: torch.device) -> int:
    """Memory that a new allocation could get."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import os

    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
