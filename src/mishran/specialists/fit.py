"""Specialists: train a LoRA adapter for each of many tasks at once, and measure what each learned.

The recipe is the same for every task: same budget in tokens, same initial adapter, same order of rows
by index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mishran.config import SpecialistConfig
from mishran.errors import MishranError, ModelError
from mishran.specialists.adapters import Template
from mishran.specialists.bank import SlotUpdates, bank
from mishran.specialists.course import Course, Trained
from mishran.specialists.evidence import Evidence, HeldOut, Trainee, finite_base
from mishran.specialists.panel import SequentialPanel
from mishran.specialists.turns import turns
from mishran.specialists.validate import interval
from mishran.train.batch import TOKENS, Row, lay_out
from mishran.train.checkpointing import checkpointed
from mishran.train.loop import Step, train, warmup_linear
from mishran.train.models import Loaded


def fit_specialists(
    trainees: Sequence[Trainee],
    loaded: Loaded,
    template: Template,
    recipe: SpecialistConfig,
    *,
    seed: int,
    max_tokens: int,
    tokens: int = TOKENS,
    on_tokens: Callable[[int], None] = lambda tokens: None,
) -> list[Trained | MishranError]:
    """Train a specialist for each task, all at once; one that fails does not stop the others.

    Args:
        tokens: of a batch at most.
        on_tokens: called with the number of training tokens of each step, for progress.

    Returns:
        For each task its specialist, or the error that names it: a loss that is not finite, of the base
        before training or at a step.
    """
    courses = [
        Course.begin(t, slot, loaded, recipe, seed=seed, max_tokens=max_tokens, tokens=tokens)
        for slot, t in enumerate(trainees)
    ]
    plans = [course.plan for course in courses]
    kind = adapter_dtype(loaded, recipe)
    weights = template.initial.to(loaded.device, kind).repeat(len(trainees), 1)
    with (
        checkpointed(loaded.model, recipe.checkpointing),
        bank(
            loaded.model, template.layout, weights, train=True, dropout=recipe.dropout, seed=seed
        ) as model,
    ):
        updates = SlotUpdates(
            model,
            [warmup_linear(len(plan), recipe.warmup) for plan in plans],
            learning_rate=recipe.learning_rate or 0.0,
            weight_decay=recipe.weight_decay,
            clip=recipe.clip,
        )

        def active(slot: int) -> bool:
            return slot not in updates.failed and courses[slot].active

        def after(step: Step) -> None:
            on_tokens(courses[step.slot or 0].after(step, model))

        train(
            model,
            (
                lay_out(parts, loaded.pad_id, loaded.packs).to(loaded.device)
                for parts in turns([t.rows for t in trainees], plans, tokens, active)
            ),
            updates,
            after,
        )
        return [c.end(model, updates.failed.get(slot)) for slot, c in enumerate(courses)]


def adapter_dtype(loaded: Loaded, recipe: SpecialistConfig) -> torch.dtype:
    """Of adapters: single precision at least, whatever the base is in, unless the recipe says bfloat16."""
    if recipe.adapter_dtype == "bfloat16":
        return torch.bfloat16
    return torch.float32 if loaded.dtype.itemsize < 4 else loaded.dtype


def measure_adapter(
    task: str,
    loaded: Loaded,
    adapter: Path,
    held_out: Sequence[Row],
    *,
    seed: int,
    max_tokens: int,
    tokens: int = TOKENS,
) -> Evidence:
    """The same evidence for an adapter that the task brought; its curve has no tokens, so no points.

    Raises:
        ModelError: the adapter does not fit the model, or its losses are not finite.
    """
    held = HeldOut(Trainee(task, (), held_out), loaded, tokens, max_tokens, seed, None)
    base = finite_base(held)
    with _brought(loaded.model, task, adapter) as model:
        after = held.per_token(model)
        if not np.isfinite(after).all():
            raise ModelError(
                expected="an adapter with finite losses on held-out examples",
                found="NaN or infinity",
                where=f"task {task!r}: {adapter}",
                fix="check its weights, use dtype: float32, or remove `adapter:` to train one",
            )
        prompt = held.prompt(model, after)
    return Evidence(
        task=task,
        own_adapter=True,
        train_rows=0,
        train_tokens=0,
        steps=0,
        kept=0,
        base=float(base.mean()),
        specialist=float(after.mean()),
        gain=interval(base - after),
        prompt=prompt,
        curve=(),
    )


@contextmanager
def _brought(model: Any, task: str, adapter: Path) -> Iterator[Any]:
    """Through PEFT, whatever kind of LoRA it is."""
    panel = SequentialPanel(model, {task: adapter})
    try:
        with panel.select(task) as wrapped:
            yield wrapped
    finally:
        panel.close()
