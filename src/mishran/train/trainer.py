"""A training from beginning to end: the one loop with a plan's steps, checkpoints, validation and records.

Kill it anywhere and start it again: it goes on after the newest valid checkpoint and, on a CPU with the
same threads, ends bit for bit where it would have ended.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mishran.config_train import TrainConfig
from mishran.errors import ArtifactError
from mishran.stream.plan import Plan
from mishran.stream.state import State
from mishran.train.batch import Batch
from mishran.train.checkpoint import Checkpoint, newest, save_checkpoint, sweep
from mishran.train.feed import Feed
from mishran.train.loop import OneUpdate, Step, train
from mishran.train.metrics import Record, Sink
from mishran.train.schedule import schedule
from mishran.train.trainable import Trainable, optimizer_of
from mishran.train.world import World

CHECKPOINT_S = 600.0  # between two checkpoints, unless steps are asked for

Validate = Callable[[Trainable], Mapping[str, float]]


@dataclass(frozen=True)
class Point:
    """Validation loss (mean over tasks of nats per answer token) after so many training tokens."""

    step: int
    tokens: int
    loss: float
    tasks: Mapping[str, float]


@dataclass(frozen=True)
class Trained:
    """What a training did.

    tokens: of each task, in the plan's order, prompt and answer. points: validations. resumed: the step
    that this process began after.
    """

    steps: int
    tokens: tuple[int, ...]
    points: tuple[Point, ...]
    resumed: int


@dataclass
class _Progress:
    """Where training is; what a checkpoint keeps beside parameters and moments.

    tokens: (n,) of each task so far. nats: (2, n) nats and answer tokens of each task since the last
    record. Both over all ranks.
    """

    tokens: np.ndarray
    nats: np.ndarray
    state: State | None = None
    step: int = 0
    points: list[Point] = field(default_factory=list)

    def as_dict(self, key: str) -> dict[str, Any]:
        return {
            "key": key,
            "step": self.step,
            "tokens": self.tokens.tolist(),
            "nats": self.nats.tolist(),
            "stream": None if self.state is None else self.state.as_dict(),
            "points": [[p.step, p.tokens, p.loss, dict(p.tasks)] for p in self.points],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> _Progress:
        return cls(
            np.array(data["tokens"], dtype=np.int64),
            np.array(data["nats"]),
            State.from_dict(data["stream"]),
            data["step"],
            [Point(*values) for values in data["points"]],
        )


def run_training(
    model: Trainable,
    plan: Plan,
    feed: Feed,
    recipe: TrainConfig,
    *,
    key: str,
    seed: int,
    hidden_size: int,
    device: torch.device,
    checkpoints: Path | None,
    sinks: Sequence[Sink] = (),
    validate: Validate | None = None,
    world: World | None = None,
    on_tokens: Callable[[int], None] = lambda tokens: None,
    say: Callable[[str], None] = lambda text: None,
) -> Trained:
    """Train a model on the steps of a plan.

    Args:
        key: of everything that decides the result; a checkpoint of another key is refused.
        seed: of dropout.
        checkpoints: folder of them; None keeps none.
        sinks: of the rank that leads.
        on_tokens: called with the tokens of each step, for progress.

    Raises:
        TrainingError: a loss or gradient that is not finite. ArtifactError: a checkpoint of another
            training, or one that could not be written.
    """
    world = world or World()
    names = [task.name for task in plan.tasks]
    parameters = model.trained
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = optimizer_of(model, recipe, hidden_size)
    at = _Progress(np.zeros(len(names), dtype=np.int64), np.zeros((2, len(names))))
    if checkpoints is not None:
        if world.leads:
            sweep(checkpoints)
        world.wait()
        found = newest(checkpoints, say if world.leads else lambda text: None)
        if found is not None:
            _check_key(found, key)
            found.restore(parameters, optimizer)
            at = _Progress.from_dict(found.state)
            say(f"going on after step {at.step:,}, {int(at.tokens.sum()):,} tokens")
    for sink in sinks:
        sink.rewind(at.step if at.state is not None else -1)
    began = at.step
    on_tokens(int(at.tokens.sum()))
    course = _Course(model, plan, recipe, at, world, names)
    update = OneUpdate(
        optimizer,
        course.rate,
        recipe.clip,
        reduce=course.reduce if world.ranks > 1 else None,
        index=at.step,
        tokens=int(at.tokens.sum()),
        settings="train",
    )

    def validated() -> None:
        if validate is not None:
            course.validated(validate, sinks)

    def after(step: Step) -> None:
        on_tokens(course.note(step, sinks))
        if course.due_validation():
            validated()
        if checkpoints is not None and course.due_checkpoint() and world.leads:
            save_checkpoint(
                checkpoints, at.step, at.as_dict(key), parameters, optimizer, recipe.keep
            )

    if at.step == 0 and recipe.validations:
        validated()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(
        devices=devices, enabled=recipe.kind == "lora" and recipe.dropout > 0
    ):
        train(
            model,
            course.batches(feed, device, seed, recipe.dropout if recipe.kind == "lora" else 0.0),
            update,
            after,
            on_nats=course.nats,
            cast=model.cast,
        )
    model.eval()
    return Trained(at.step, tuple(map(int, at.tokens)), tuple(at.points), began)


class _Course:
    """One training under way: which step comes next, what it is worth, and what is due after it."""

    def __init__(
        self,
        model: Trainable,
        plan: Plan,
        recipe: TrainConfig,
        at: _Progress,
        world: World,
        names: Sequence[str],
    ) -> None:
        self._model, self._recipe, self._world, self._names = model, recipe, world, names
        self._at = at
        self._total = max(1, plan.tokens)
        self._schedule = schedule(
            recipe.schedule, warmup=recipe.warmup, decay=recipe.decay, final=recipe.final
        )
        self._tasks = np.empty(0, dtype=np.int64)
        self._rows: torch.Tensor | None = None
        self._nats = np.zeros((2, len(names)))
        self._clock = (time.monotonic(), int(at.tokens.sum()))
        self._points = _points(self._total, recipe.validations)
        self._saved = time.monotonic()
        self._next = (at.tokens, at.state)

    def batches(
        self, feed: Feed, device: torch.device, seed: int, dropout: float
    ) -> Iterator[Batch]:
        at = self._at
        for data in feed.steps(at.state):
            self._next = (at.tokens + data.tokens, data.state)
            if dropout > 0:
                torch.manual_seed(_step_seed(seed, at.step, self._world.rank))
            for piece in data.pieces:
                self._tasks, self._rows = piece.tasks, piece.batch.rows
                yield piece.batch.to(device)

    def rate(self, index: int) -> float:
        """Factor of the learning rate: of the middle of the step that ends now."""
        before, after = int(self._at.tokens.sum()), int(self._next[0].sum())
        return self._schedule((before + after) / 2 / self._total)

    def reduce(self, parameters: Sequence[torch.nn.Parameter], loss: float) -> float:
        """Gradients, losses of tasks and the loss, of all ranks."""
        total = torch.tensor([loss], dtype=torch.float64)
        gradients = [p.grad for p in parameters if p.grad is not None]
        self._world.add([*gradients, total, torch.from_numpy(self._nats)])
        return float(total)

    def nats(self, nats: torch.Tensor) -> None:
        """Add the answers of a batch to the sums of their tasks."""
        assert self._rows is not None
        task = self._tasks[self._rows.numpy()]
        values = nats.double().cpu().numpy()
        self._nats[0] += np.bincount(task, values, minlength=len(self._names))
        self._nats[1] += np.bincount(task, minlength=len(self._names))

    def note(self, step: Step, sinks: Sequence[Sink]) -> int:
        """A step was taken; its tokens."""
        at = self._at
        at.nats += self._nats
        self._nats = np.zeros_like(self._nats)
        own = int((self._next[0] - at.tokens).sum())
        at.step, (at.tokens, at.state) = at.step + 1, self._next
        if at.step % self._recipe.log_every and int(at.tokens.sum()) < self._total:
            return own
        seen = np.flatnonzero(at.nats[1])
        tasks = {self._names[i]: float(at.nats[0, i] / at.nats[1, i]) for i in seen}
        at.nats = np.zeros_like(at.nats)
        now, tokens = time.monotonic(), int(at.tokens.sum())
        speed = (tokens - self._clock[1]) / max(1e-9, now - self._clock[0])
        self._clock = (now, tokens)
        values = {
            "loss": step.loss,
            "learning_rate": step.rate,
            "gradient_norm": step.norm,
            "tokens_per_s": round(speed, 1),
        }
        for sink in sinks:
            sink.write(Record(at.step, tokens, "train", values, tasks))
        return own

    def due_validation(self) -> bool:
        """Whether a point was passed since the last one."""
        tokens = int(self._at.tokens.sum())
        last = self._at.points[-1].tokens if self._at.points else 0
        return any(last < point <= tokens for point in self._points)

    def validated(self, validate: Validate, sinks: Sequence[Sink]) -> None:
        tasks = dict(validate(self._model))
        self._model.train()
        at = self._at
        if not tasks:
            return
        loss = math.fsum(tasks.values()) / len(tasks)
        point = Point(at.step, int(at.tokens.sum()), loss, tasks)
        at.points.append(point)
        for sink in sinks:
            sink.write(Record(point.step, point.tokens, "valid", {"loss": loss}, tasks))
        self._clock = (time.monotonic(), point.tokens)  # not training time

    def due_checkpoint(self) -> bool:
        """After `checkpoint_every` steps; without it, after so many minutes, which changes no result."""
        every = self._recipe.checkpoint_every
        if every is not None:
            return self._at.step % every == 0
        now = time.monotonic()
        due = now - self._saved >= CHECKPOINT_S
        if due:
            self._saved = now
        return due


def _points(total: int, validations: int) -> list[int]:
    """Tokens at which to validate, beside 0: the end, and halvings of it."""
    return [max(1, math.floor(total / 2**k)) for k in range(validations - 1)] if validations else []


def _step_seed(seed: int, step: int, rank: int) -> int:
    digest = hashlib.sha256(f"dropout {seed} {step} {rank}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _check_key(found: Checkpoint, key: str) -> None:
    if found.state.get("key") != key:
        raise ArtifactError(
            expected="checkpoints of this training",
            found="those of another one: its plan, its model or its settings differ",
            where=str(found.folder.parent),
            fix="give another --out, or delete that folder to begin anew",
        )
