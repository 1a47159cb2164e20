"""One specialist: train a LoRA adapter on one task and measure what it learned.

The recipe is the same for every task: same budget in tokens, same initial adapter, same order of rows
by index. Nothing is selected on validation (no early stopping), so validation stays an honest measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from mishran.config import SpecialistConfig
from mishran.errors import ModelError, TrainingError
from mishran.specialists.adapters import SequentialBank, new_adapter, save_adapter
from mishran.specialists.validate import Interval, interval, nats_per_row, prompt_gain
from mishran.train.batch import Row, collate
from mishran.train.loop import Step, train, warmup_linear
from mishran.train.models import Loaded
from mishran.train.order import training_batches


@dataclass(frozen=True)
class CurvePoint:
    """Held-out nats per answer token after `tokens` training tokens, with a 95 % interval if any."""

    step: int
    tokens: int
    nats: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """What one specialist's training showed.

    base, specialist: held-out nats per answer token. gain: base - specialist, paired by example.
    prompt: see `mishran.specialists.validate`. curve: at log-spaced points, the first at 0 tokens.
    own_adapter: the adapter was brought, not trained.
    """

    task: str
    own_adapter: bool
    train_rows: int
    train_tokens: int
    steps: int
    base: float
    specialist: float
    gain: Interval
    prompt: Interval | None
    curve: tuple[CurvePoint, ...]

    @property
    def status(self) -> str:
        """ "not measured" (too few held-out examples), "no gain", "prompt ignored" or "learned".

        Whether the adapter was brought is `own_adapter`.
        """
        if self.gain.low is None:
            return "not measured"
        if self.gain.low <= 0.0:
            return "no gain"
        if self.prompt is not None and self.prompt.low is not None and self.prompt.low <= 0.0:
            return "prompt ignored"
        return "learned"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evidence:
        fields = {k: v for k, v in data.items() if k != "status"}
        return cls(
            **{
                **fields,
                "gain": Interval(**data["gain"]),
                "prompt": Interval(**data["prompt"]) if data["prompt"] else None,
                "curve": tuple(CurvePoint(**point) for point in data["curve"]),
            }
        )


def curve_steps(total: int, points: int) -> list[int]:
    """Steps at which to validate: 0, then halvings of the total up to the total."""
    halvings = [round(total / 2**k) for k in range(points - 1)]
    return sorted({0, total, *(s for s in halvings if s > 0)})


def fit_specialist(
    task: str,
    loaded: Loaded,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    recipe: SpecialistConfig,
    *,
    seed: int,
    max_tokens: int,
    base_name: str,
    folder: Path,
    on_tokens: Callable[[int], None] = lambda tokens: None,
) -> Evidence:
    """Train a specialist and save its adapter.

    Args:
        rows, held_out: training and validation rows of the task.
        folder: where the adapter goes.
        on_tokens: called with the number of training tokens of each step, for progress.

    Raises:
        TrainingError: a loss that is not finite; the task and the step are named.
    """
    lengths = [len(row.input_ids) for row in rows]
    plan = training_batches(
        lengths, recipe.batch_size, seed, tokens=recipe.budget_tokens, epochs=recipe.epochs
    )
    measure = _Measure(loaded, held_out, recipe.batch_size, max_tokens, seed)
    points = curve_steps(len(plan), recipe.curve_points)
    base = _finite_base(measure, task)
    curve = [_point(0, 0, base)]
    after_nats = base  # the last step is a point of the curve and replaces it
    last = 0

    with new_adapter(loaded.model, recipe, seed, base_name) as wrapped:

        def after(step: Step) -> None:
            nonlocal last, after_nats
            on_tokens(step.tokens - last)
            last = step.tokens
            if step.index in points:
                after_nats = measure.per_token(wrapped)
                curve.append(_point(step.index, step.tokens, after_nats))

        trainable = [p for p in wrapped.parameters() if p.requires_grad]
        try:
            train(
                wrapped,
                (
                    collate([rows[i] for i in index], loaded.pad_id).to(loaded.device)
                    for index in plan
                ),
                torch.optim.AdamW(
                    trainable, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
                ),
                warmup_linear(len(plan), recipe.warmup),
                recipe.clip,
                after,
            )
        except TrainingError as error:
            raise TrainingError(
                expected=error.expected,
                found=error.found,
                where=f"task {task!r}, {error.where} of {len(plan)}",
                fix=error.fix,
            ) from error
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise TrainingError(
                expected="numbers that the optimizer can hold",
                found=str(error),
                where=f"task {task!r}",
                fix="lower specialists.learning_rate",
            ) from error
        if not np.isfinite(after_nats).all():
            raise TrainingError(
                expected="finite losses on held-out examples",
                found="NaN or infinity after training",
                where=f"task {task!r}, step {len(plan)} of {len(plan)}",
                fix="lower specialists.learning_rate, or use dtype: float32",
            )
        prompt = measure.prompt(wrapped, after_nats)
        try:
            save_adapter(wrapped, folder)
        except SafetensorError as error:  # what a full disk is called there
            raise OSError(str(error)) from error
    return Evidence(
        task=task,
        own_adapter=False,
        train_rows=len(rows),
        train_tokens=last,
        steps=len(plan),
        base=float(base.mean()),
        specialist=float(after_nats.mean()),
        gain=interval(base - after_nats),
        prompt=prompt,
        curve=tuple(curve),
    )


def measure_adapter(
    task: str,
    loaded: Loaded,
    adapter: Path,
    held_out: Sequence[Row],
    recipe: SpecialistConfig,
    *,
    seed: int,
    max_tokens: int,
) -> Evidence:
    """The same evidence for an adapter that the task brought; its curve has no tokens, so no points.

    Raises:
        ModelError: the adapter does not fit the model, or its losses are not finite.
    """
    measure = _Measure(loaded, held_out, recipe.batch_size, max_tokens, seed)
    base = _finite_base(measure, task)
    bank = SequentialBank(loaded.model, {task: adapter})
    try:
        with bank.select(task) as model:
            after = measure.per_token(model)
            if not np.isfinite(after).all():
                raise ModelError(
                    expected="an adapter with finite losses on held-out examples",
                    found="NaN or infinity",
                    where=f"task {task!r}: {adapter}",
                    fix="check its weights, use dtype: float32, or remove `adapter:` to train one",
                )
            prompt = measure.prompt(model, after)
    finally:
        bank.close()
    return Evidence(
        task,
        True,
        0,
        0,
        0,
        float(base.mean()),
        float(after.mean()),
        interval(base - after),
        prompt,
        (),
    )


@dataclass(frozen=True)
class _Measure:
    loaded: Loaded
    rows: Sequence[Row]
    batch_size: int
    max_tokens: int
    seed: int

    def per_token(self, model: Any) -> Any:
        """(R,) nats per answer token of each held-out row."""
        nats, tokens = nats_per_row(
            model, self.rows, self.loaded.pad_id, self.batch_size, self.loaded.device
        )
        return nats / tokens

    def prompt(self, model: Any, true_per_token: Any) -> Interval | None:
        return prompt_gain(
            model,
            self.rows,
            true_per_token,
            pad_id=self.loaded.pad_id,
            batch_size=self.batch_size,
            device=self.loaded.device,
            max_tokens=self.max_tokens,
            seed=self.seed,
        )


def _finite_base(measure: _Measure, task: str) -> Any:
    """(R,) nats per answer token of the base model."""
    base = measure.per_token(measure.loaded.model)
    if not np.isfinite(base).all():
        raise ModelError(
            expected="a base model with finite losses",
            found="NaN or infinity on held-out examples, before any training",
            where=f"task {task!r}",
            fix="check the weights of the model, or use dtype: float32",
        )
    return base


def _point(step: int, tokens: int, nats: Any) -> CurvePoint:
    found = interval(nats)
    return CurvePoint(step, tokens, found.mean, found.low, found.high)
