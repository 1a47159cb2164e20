"""Specialists: train a LoRA adapter for each of many tasks at once, and measure what each learned.

The recipe is the same for every task: same budget in tokens, same initial adapter, same order of rows
by index. Nothing is selected on the examples that measure: early stopping, where it is asked for, looks
at the second half of the held-out examples, and what is reported comes from the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.config import SpecialistConfig
from mishran.errors import MishranError, ModelError, TrainingError
from mishran.specialists.adapters import Template
from mishran.specialists.bank import Bank, SlotUpdates, bank
from mishran.specialists.panel import SequentialPanel
from mishran.specialists.turns import turns
from mishran.specialists.validate import Interval, interval, nats_per_row, prompt_gain
from mishran.train.batch import TOKENS, Row, lay_out
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
    own_adapter: the adapter was brought, not trained. steps: taken. kept: the step whose weights were
    kept, an earlier one where early stopping found that later ones were worse.
    """

    task: str
    own_adapter: bool
    train_rows: int
    train_tokens: int
    steps: int
    kept: int
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


@dataclass(frozen=True)
class Trainee:
    """A task to train a specialist for: its training rows and its held-out rows."""

    task: str
    rows: Sequence[Row]
    held_out: Sequence[Row]


@dataclass(frozen=True)
class Trained:
    """A specialist: what its training showed, and its (size,) parameters as the template lays them out."""

    evidence: Evidence
    vector: torch.Tensor


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
        For each task its specialist, or the error that names task and step: a loss that is not finite.
    """
    held = [_Held(t, loaded, tokens, max_tokens, seed, recipe.patience) for t in trainees]
    plans = [
        training_batches(
            [len(row.input_ids) for row in t.rows],
            recipe.batch_size,
            seed,
            tokens=recipe.budget_tokens,
            epochs=recipe.epochs,
        )
        for t in trainees
    ]
    runs = [
        _Run(h, curve_steps(len(plan), recipe.curve_points), len(plan))
        for h, plan in zip(held, plans, strict=True)
    ]
    for slot, run in enumerate(runs):
        run.begin(slot)
    weights = template.initial.to(loaded.device, adapter_dtype(loaded)).repeat(len(trainees), 1)
    with bank(
        loaded.model, template.layout, weights, train=True, dropout=recipe.dropout, seed=seed
    ) as model:
        updates = SlotUpdates(
            model,
            [warmup_linear(len(plan), recipe.warmup) for plan in plans],
            learning_rate=recipe.learning_rate or 0.0,
            weight_decay=recipe.weight_decay,
            clip=recipe.clip,
        )

        def active(slot: int) -> bool:
            return not (slot in updates.failed or runs[slot].error or runs[slot].stopped)

        def after(step: Step) -> None:
            on_tokens(runs[step.slot or 0].after(step, model))

        train(
            model,
            (
                lay_out(parts, loaded.pad_id, loaded.packs).to(loaded.device)
                for parts in turns([t.rows for t in trainees], plans, tokens, active)
            ),
            updates,
            after,
        )
        return [run.end(model, updates.failed.get(slot)) for slot, run in enumerate(runs)]


def adapter_dtype(loaded: Loaded) -> torch.dtype:
    """Of adapters: single precision at least, whatever the base is in."""
    return torch.float32 if loaded.dtype.itemsize < 4 else loaded.dtype


@dataclass
class _Run:
    """One specialist in training: its curve so far, and the best weights where early stopping asks."""

    held: _Held
    points: Sequence[int]
    total: int
    slot: int = 0
    curve: list[CurvePoint] = field(default_factory=list)
    tokens: int = 0
    steps: int = 0
    kept: int = 0
    base: Any = None
    nats: Any = None
    best: tuple[float, torch.Tensor | None] = (np.inf, None)
    best_step: int = 0
    worse: int = 0
    stopped: bool = False
    error: MishranError | None = None

    def begin(self, slot: int) -> None:
        """Measure the base.

        Raises:
            ModelError: its losses are not finite.
        """
        self.slot = slot
        self.base = self.nats = _finite_base(self.held)
        self.curve.append(_point(0, 0, self.base))

    def after(self, step: Step, model: Bank) -> int:
        """Note a step; its tokens."""
        new = step.tokens - self.tokens
        self.tokens, self.steps = step.tokens, step.index
        if step.index in self.points:
            self.nats = self.held.per_token(model, self.slot)
            self.curve.append(_point(step.index, step.tokens, self.nats))
            self.kept = step.index
            if not np.isfinite(self.nats).all():
                self.error = self._not_finite()
            elif self.held.patience is not None:
                self._judge(model)
        return new

    def _judge(self, model: Bank) -> None:
        """Keep the best weights; stop after `patience` points that were no better."""
        now = float(self.held.stopping(model, self.slot).mean())
        if now < self.best[0]:
            self.best = (now, model.weights[self.slot].clone())
            self.worse, self.best_step = 0, self.steps
        else:
            self.worse += 1
            self.stopped = self.worse >= (self.held.patience or 1)

    def end(self, model: Bank, failed: TrainingError | None) -> Trained | MishranError:
        """What is known at the end."""
        if failed is not None:
            return TrainingError(
                expected=failed.expected,
                found=failed.found,
                where=f"task {self.held.trainee.task!r}, {failed.where} of {self.total}",
                fix=failed.fix,
            )
        if self.error is not None:
            return self.error
        if self.best[1] is not None and self.best_step != self.steps:
            model.weights[self.slot] = self.best[1]
            self.kept = self.best_step
            self.nats = self.held.per_token(model, self.slot)
        prompt = self.held.prompt(model, self.nats, self.slot)
        evidence = Evidence(
            task=self.held.trainee.task,
            own_adapter=False,
            train_rows=len(self.held.trainee.rows),
            train_tokens=self.tokens,
            steps=self.steps,
            kept=self.kept,
            base=float(self.base.mean()),
            specialist=float(self.nats.mean()),
            gain=interval(self.base - self.nats),
            prompt=prompt,
            curve=tuple(self.curve),
        )
        return Trained(evidence, model.weights[self.slot].clone())

    def _not_finite(self) -> TrainingError:
        return TrainingError(
            expected="finite losses on held-out examples",
            found="NaN or infinity after training",
            where=f"task {self.held.trainee.task!r}, step {self.steps} of {self.total}",
            fix="lower specialists.learning_rate, or use dtype: float32",
        )


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
    held = _Held(Trainee(task, (), held_out), loaded, tokens, max_tokens, seed, None)
    base = _finite_base(held)
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


@dataclass(frozen=True)
class _Held:
    """The held-out examples of a task; those that decide when to stop, if any, are no others' business."""

    trainee: Trainee
    loaded: Loaded
    tokens: int
    max_tokens: int
    seed: int
    patience: int | None

    @property
    def rows(self) -> Sequence[Row]:
        """Those that measure."""
        held = self.trainee.held_out
        return held if self.patience is None else held[: -(-len(held) // 2)]

    def per_token(self, model: Any, slot: int | None = None) -> NDArray[np.float64]:
        """(R,) nats per answer token of each row that measures."""
        return self._of(model, self.rows, slot)

    def stopping(self, model: Any, slot: int) -> NDArray[np.float64]:
        """(R,) the same of each row that decides when to stop."""
        held = self.trainee.held_out
        return self._of(model, held[-(-len(held) // 2) :] or held, slot)

    def _of(self, model: Any, rows: Sequence[Row], slot: int | None) -> NDArray[np.float64]:
        nats, tokens = nats_per_row(model, rows, self.loaded, slot=slot, tokens=self.tokens)
        return nats / tokens

    def prompt(
        self, model: Any, true_per_token: NDArray[np.float64], slot: int | None = None
    ) -> Interval | None:
        return prompt_gain(
            model,
            self.rows,
            true_per_token,
            self.loaded,
            slot=slot,
            tokens=self.tokens,
            max_tokens=self.max_tokens,
            seed=self.seed,
        )


def _finite_base(held: _Held) -> NDArray[np.float64]:
    """(R,) nats per answer token of the base model."""
    base = held.per_token(held.loaded.model)
    if not np.isfinite(base).all():
        raise ModelError(
            expected="a base model with finite losses",
            found="NaN or infinity on held-out examples, before any training",
            where=f"task {held.trainee.task!r}",
            fix="check the weights of the model, or use dtype: float32",
        )
    return base


def _point(step: int, tokens: int, nats: NDArray[np.float64]) -> CurvePoint:
    found = interval(nats)
    return CurvePoint(step, tokens, found.mean, found.low, found.high)
