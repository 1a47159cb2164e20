"""The training loop: batches in, parameters changed. Every training run of the project goes through it.

Orders, schedules, what is logged and what an update is are values handed in. One model on one stream of
batches has one `AdamW`; a model of many specialists has one for each (`mishran.specialists.bank`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from mishran.errors import TrainingError
from mishran.train.answers import losses_and_nats
from mishran.train.batch import Batch
from mishran.train.head import has_plain_head


@dataclass(frozen=True)
class Step:
    """After `index` optimizer steps of a slot: the last loss and the tokens seen so far.

    loss: mean nats per answer token of the last step. tokens: prompt and answer tokens, no padding.
    norm: of the gradient, before it was clipped. rate: the learning rate of the first group.
    """

    index: int
    loss: float
    tokens: int
    slot: int | None = 0
    norm: float = math.nan
    rate: float = math.nan


class Update(Protocol):
    """What is done with the gradients of a batch."""

    def __call__(self, batch: Batch, losses: Sequence[float]) -> list[Step]:
        """Take the steps that end with this batch; gradients of those are zero afterwards.

        Args:
            losses: one per group of the batch.

        Raises:
            TrainingError: a loss or gradient is not finite; the step is named.
        """
        ...


def train(
    model: torch.nn.Module,
    batches: Iterable[Batch],
    update: Update,
    on_step: Callable[[Step], None] | None = None,
    *,
    on_nats: Callable[[torch.Tensor], None] | None = None,
    cast: torch.dtype | None = None,
) -> None:
    """Forward, backward, update, for every batch.

    Args:
        model: a causal LM; it is left in training mode.
        batches: on the model's device.
        on_step: called after each optimizer step.
        on_nats: called after each batch with (A,) nats of its answer tokens.
        cast: shorter type that matrix products are computed in; parameters stay in theirs.
    """
    model.train()
    fused = has_plain_head(model)
    for batch in batches:
        with torch.autocast(batch.input_ids.device.type, cast, enabled=cast is not None):
            losses, nats = losses_and_nats(model, batch, fused)
        losses.sum().backward()
        if on_nats is not None:
            on_nats(nats)
        for step in update(batch, losses.detach().tolist()):
            if on_step is not None:
                on_step(step)


def warmup_linear(total: int, warmup: float) -> Callable[[int], float]:
    """Factor of the learning rate at step i (from 0): linear up over `warmup * total`, then to 0."""
    up = max(1, round(warmup * total))

    def factor(i: int) -> float:
        return (i + 1) / up if i < up else max(0.0, (total - i) / max(1, total - up))

    return factor


class OneUpdate:
    """One optimizer, one schedule, clipping by the norm of all its gradients: the plain `Update`."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Callable[[int], float],
        clip: float,
        slot: int | None = 0,
        *,
        reduce: Callable[[Sequence[torch.nn.Parameter], float], float] | None = None,
        index: int = 0,
        tokens: int = 0,
        settings: str = "specialists",
    ) -> None:
        """An update.

        Args:
            optimizer: its groups' learning rates are the peak; `schedule(i)` multiplies them.
            reduce: adds the gradients of other processes before a step is taken; given and returns the
                step's loss.
            index, tokens: steps and tokens before, of a training that goes on.
            settings: section of the configuration that errors name.
        """
        self._optimizer, self._schedule, self._clip, self._slot = optimizer, schedule, clip, slot
        self._peaks = [group["lr"] for group in optimizer.param_groups]
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._reduce, self._settings = reduce, settings
        self._index, self._tokens = index, tokens
        self._loss = 0.0

    def __call__(self, batch: Batch, losses: Sequence[float]) -> list[Step]:
        """See `Update`; the groups of the batch are parts of one step."""
        return self.take(losses[0], batch.groups[0].num_tokens, batch.groups[0].last)

    def take(self, loss: float, tokens: int, last: bool) -> list[Step]:
        """Add a part to the step, and take the step when it is the last."""
        self._loss += loss
        self._tokens += tokens
        if not last:
            return []
        loss, self._loss = self._loss, 0.0
        if self._reduce is not None:
            loss = self._reduce(self._parameters, loss)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._clip))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                expected="a finite loss and gradient",
                found=f"loss {loss}, gradient norm {norm}",
                where=f"step {self._index + 1}",
                fix=f"lower {self._settings}.learning_rate, or use dtype: float32",
            )
        factor = self._schedule(self._index)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        try:
            self._optimizer.step()
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise TrainingError(
                expected="numbers that the optimizer can hold",
                found=str(error),
                where=f"step {self._index + 1}",
                fix=f"lower {self._settings}.learning_rate",
            ) from error
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.zero_()
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak
        self._index += 1
        rate = self._peaks[0] * factor
        return [Step(self._index, loss, self._tokens, self._slot, norm, rate)]
