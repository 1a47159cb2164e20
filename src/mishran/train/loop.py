"""The only training loop: batches in, optimizer steps out; answer tokens only.

It owns nothing: the model, the optimizer, the order of the batches and the schedule are handed in. It
computes mean nats per answer token, refuses losses that are not finite, clips, steps, and tells the
caller after each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from mishran.errors import TrainingError
from mishran.train.answers import answer_logits, answer_nats
from mishran.train.batch import Batch


@dataclass(frozen=True)
class Step:
    """After `index` optimizer steps: the last loss and the tokens seen so far.

    loss: mean nats per answer token of the last batch. tokens: prompt and answer tokens, no padding.
    """

    index: int
    loss: float
    tokens: int


def warmup_linear(total: int, warmup: float) -> Callable[[int], float]:
    """Factor of the learning rate at step i (from 0): linear up over `warmup * total`, then to 0."""
    up = max(1, round(warmup * total))

    def factor(i: int) -> float:
        return (i + 1) / up if i < up else max(0.0, (total - i) / max(1, total - up))

    return factor


def train(
    model: torch.nn.Module,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], float],
    clip: float,
    on_step: Callable[[Step], None] | None = None,
) -> None:
    """Take one optimizer step per batch.

    Args:
        model: a causal LM; it is left in training mode.
        batches: on the model's device.
        optimizer: its groups' learning rates are the peak; `schedule(i)` multiplies them.
        clip: largest norm of the gradient.
        on_step: called after each step.

    Raises:
        TrainingError: the loss or the gradient is not finite; the step is named.
    """
    model.train()
    peaks = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    tokens = 0
    for i, batch in enumerate(batches):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * schedule(i)
        loss = answer_nats(answer_logits(model, batch)).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise TrainingError(
                expected="a finite loss and gradient",
                found=f"loss {value}, gradient norm {float(norm)}",
                where=f"step {i + 1}",
                fix="lower specialists.learning_rate, or use dtype: float32",
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += batch.num_tokens
        if on_step is not None:
            on_step(Step(i + 1, value, tokens))
    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
        group["lr"] = peak
