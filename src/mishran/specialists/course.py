"""One specialist in training: its order of rows, its curve so far, when it stops, and what it ends with.

Every kind of specialist goes through this: kinds differ in what is trained and in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.config import SpecialistConfig
from mishran.errors import MishranError, ModelError, TrainingError
from mishran.specialists.evidence import (
    CurvePoint,
    Evidence,
    HeldOut,
    Trainee,
    curve_point,
    curve_steps,
    finite_base,
)
from mishran.specialists.validate import interval
from mishran.train.loop import Step
from mishran.train.models import Loaded
from mishran.train.order import training_batches


@dataclass(frozen=True)
class Trained:
    """A specialist: what its training showed, and its (size,) parameters, laid out as its kind does.

    examples: (R, K) nats per answer token of each held-out example at each point of the curve.
    """

    evidence: Evidence
    vector: torch.Tensor
    examples: NDArray[np.float64]


class Students(Protocol):
    """A model in training: weights, (slots, size), are one specialist a row, and writing them counts."""

    weights: torch.Tensor


@dataclass
class Course:
    """The training of the specialist in one slot.

    plan: the rows of each step. base, nats: (R,) nats per answer token of each held-out example, before
    training and at the last point. measured: the same at every point of the curve. best: the loss that
    decides when to stop, and the weights there. error: why it takes no more steps, or none at all, and what
    it ends with.
    """

    held: HeldOut
    slot: int
    plan: Sequence[Sequence[int]]
    points: Sequence[int]
    base: NDArray[np.float64]
    nats: NDArray[np.float64]
    curve: list[CurvePoint]
    measured: list[NDArray[np.float64]]
    tokens: int = 0
    steps: int = 0
    kept: int = 0
    best: tuple[float, torch.Tensor | None] = (np.inf, None)
    best_step: int = 0
    worse: int = 0
    stopped: bool = False
    error: MishranError | None = None

    @classmethod
    def begin(
        cls,
        trainee: Trainee,
        slot: int,
        loaded: Loaded,
        recipe: SpecialistConfig,
        *,
        seed: int,
        max_tokens: int,
        tokens: int,
    ) -> Course:
        """Plan the steps and measure the base; losses that are not finite are this course's own error."""
        held = HeldOut(trainee, loaded, tokens, max_tokens, seed, recipe.patience)
        plan = training_batches(
            [len(row.input_ids) for row in trainee.rows],
            recipe.batch_size,
            seed,
            tokens=recipe.budget_tokens,
            epochs=recipe.epochs,
        )
        points = curve_steps(len(plan), recipe.curve_points)
        try:
            base = finite_base(held)
        except ModelError as error:
            none = np.empty(0)
            return cls(held, slot, plan, points, none, none, [], [], error=error)
        return cls(held, slot, plan, points, base, base, [curve_point(0, 0, base)], [base])

    @property
    def active(self) -> bool:
        return not (self.stopped or self.error)

    def after(self, step: Step, model: Students) -> int:
        """Note a step; its tokens."""
        new = step.tokens - self.tokens
        self.tokens, self.steps = step.tokens, step.index
        if step.index in self.points:
            self.nats = self.held.per_token(model, self.slot)
            self.curve.append(curve_point(step.index, step.tokens, self.nats))
            self.measured.append(self.nats)
            self.kept = step.index
            if not np.isfinite(self.nats).all():
                self.error = self._not_finite()
            elif self.held.patience is not None:
                self._judge(model)
        return new

    def _judge(self, model: Students) -> None:
        """Keep the best weights; stop after `patience` points that were no better."""
        now = float(self.held.stopping(model, self.slot).mean())
        if now < self.best[0]:
            self.best = (now, None)  # the old copy goes before the new one comes
            self.best = (now, model.weights[self.slot].clone())
            self.worse, self.best_step = 0, self.steps
        else:
            self.worse += 1
            self.stopped = self.worse >= (self.held.patience or 1)

    def end(self, model: Students, failed: TrainingError | None) -> Trained | MishranError:
        """What is known at the end; failed: why the training broke off."""
        task = self.held.trainee
        if failed is not None:
            return TrainingError(
                expected=failed.expected,
                found=failed.found,
                where=f"task {task.task!r}, {failed.where} of {len(self.plan)}",
                fix=failed.fix,
            )
        if self.error is not None:
            return self.error
        if self.best[1] is not None and self.best_step != self.steps:
            model.weights[self.slot] = self.best[1]
            self.kept = self.best_step
            self.nats = self.held.per_token(model, self.slot)
        evidence = Evidence(
            task=task.task,
            own_adapter=False,
            train_rows=len(task.rows),
            train_tokens=self.tokens,
            steps=self.steps,
            kept=self.kept,
            base=float(self.base.mean()),
            specialist=float(self.nats.mean()),
            gain=interval(self.base - self.nats),
            prompt=self.held.prompt(model, self.nats, self.slot),
            curve=tuple(self.curve),
        )
        examples = np.stack(self.measured, axis=1)
        return Trained(evidence, model.weights[self.slot].clone(), examples)

    def _not_finite(self) -> TrainingError:
        return TrainingError(
            expected="finite losses on held-out examples",
            found="NaN or infinity after training",
            where=f"task {self.held.trainee.task!r}, step {self.steps} of {len(self.plan)}",
            fix="lower specialists.learning_rate, or use dtype: float32",
        )
