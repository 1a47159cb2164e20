"""Logits at the answer tokens, and their log-likelihoods: the one place where logits meet labels.

Training loss, scores and divergences all go through `answer_logits`, so the shift between logits and
labels is written once. Oracle: `model(input_ids, labels=...).loss * tokens` on one unpadded example.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from mishran.train.batch import Batch, Row

CHUNK = 1 << 22  # logits turned into losses and gradients at a time (measured)
ROWS = 512  # answers at a time at least, where the head's gradient is added up (measured)


@dataclass(frozen=True)
class AnswerLogits:
    """What the model says at each answer token of a batch, rows in order, tokens in order.

    logits: (A, V) before each answer token. targets: (A,) the true tokens. rows: (A,) row of each.
    """

    logits: torch.Tensor
    targets: torch.Tensor
    rows: torch.Tensor


class Routed(torch.nn.Module):
    """A model that treats the groups of a batch differently, and has to be told of them first."""

    @abstractmethod
    def route(self, batch: Batch) -> None:
        """The next forward pass is of this batch."""


def answer_logits(model: torch.nn.Module, batch: Batch) -> AnswerLogits:
    """One forward pass; only states that precede an answer token reach the output head."""
    with only_at(model, batch.before) as reached:
        logits = run(model, batch)
    if not reached:  # a model that computes logits in another way
        logits = logits.flatten(0, 1)[batch.before]
    return AnswerLogits(logits.reshape(-1, logits.shape[-1]), batch.targets, batch.rows)


def run(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """The model's own forward pass: logits."""
    if isinstance(model, Routed):
        model.route(batch)
    return model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        use_cache=False,
    ).logits


@contextmanager
def only_at(
    model: torch.nn.Module, places: torch.Tensor, head_too: bool = True
) -> Iterator[list[torch.Tensor]]:
    """Within it, the output head sees the states at these places of the flattened lines only.

    Yields a list that then holds the states, (A, d), if they went through the head's module; without
    `head_too` the head sees none of them.
    """
    found: list[torch.Tensor] = []

    def pick(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = args[0].flatten(0, 1).index_select(0, places)
        found.append(states)
        return (states[None] if head_too else states[None, :0], *args[1:])

    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    handle = head.register_forward_pre_hook(pick) if head is not None else None
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


def answer_nats(found: AnswerLogits) -> torch.Tensor:
    """(A,) -log p of each answer token in nats, float32 or better."""
    kind = found.logits.dtype if found.logits.dtype.itemsize >= 4 else torch.float32
    if found.logits.requires_grad:
        return torch.nn.functional.cross_entropy(
            found.logits.to(kind), found.targets, reduction="none"
        )
    nats = torch.empty(len(found.targets), dtype=kind, device=found.logits.device)
    size = max(1, CHUNK // found.logits.shape[-1])
    for start in range(0, len(nats), size):  # a chunk stays in cache
        logits = found.logits[start : start + size].to(kind)
        top = logits.amax(dim=1, keepdim=True)
        true = logits.gather(1, found.targets[start : start + size, None]) - top
        total = (logits - top).exp_().sum(dim=1, keepdim=True)
        nats[start : start + size] = (total.log_() - true)[:, 0]
    return nats


def group_losses(model: torch.nn.Module, batch: Batch, fused: bool = False) -> torch.Tensor:
    """(G,) mean nats per answer token of each group (see `Part` for parts of a step).

    Args:
        fused: the head is known to be plain (`train.head`): logits are then made, turned
            into gradients and thrown away a few at a time.
    """
    return losses_and_nats(model, batch, fused)[0]


def losses_and_nats(
    model: torch.nn.Module, batch: Batch, fused: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `group_losses` gives, and (A,) nats of each answer token without gradients."""
    if fused:
        head = model.get_output_embeddings()
        with only_at(model, batch.before, head_too=False) as reached:
            run(model, batch)
        kind = reached[0].dtype if reached[0].dtype.itemsize >= 4 else torch.float32
        scale = torch.tensor([g.scale for g in batch.groups], dtype=kind, device=reached[0].device)
        own = scale[batch.group]
        nats = _HeadNats.apply(reached[0], head.weight, head.bias, batch.targets, own)
        plain = nats.detach() / own
        scale = torch.ones_like(scale)
    else:
        nats = answer_nats(answer_logits(model, batch))
        plain = nats.detach()
        scale = torch.tensor([g.scale for g in batch.groups], dtype=nats.dtype, device=nats.device)
    sums = torch.zeros(len(batch.groups), dtype=nats.dtype, device=nats.device)
    return sums.index_add(0, batch.group, nats) * scale, plain


class _HeadNats(torch.autograd.Function):
    """scale * -log p of each answer, from the states before the head.

    With the gradient's factor known beforehand, the gradient can be made along with the value, so no
    logits are kept: a chunk of them stays in cache. torch's own linear_cross_entropy does the same for a
    mean, but was eight times slower than separate steps where each answer has its own factor (measured,
    docs/log.md).

    The factor of a mean over many answers, times p, is less than float16 holds. Where states are in a
    shorter type than values it comes last. Of a head that is trained, the gradients that arrive must be the
    same at all answers, as those of a sum are.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        scale: torch.Tensor,
    ) -> torch.Tensor:
        nats = torch.empty_like(scale)
        back = torch.empty_like(states)
        of_weight: torch.Tensor | None = None
        of_bias: torch.Tensor | None = None
        long, one = states.dtype == scale.dtype, torch.ones_like(scale)
        first, last = (scale, one) if long else (one, scale)
        top_scale = scale.amax() if len(scale) and not long else one.new_ones(())
        weighed = states if long else states * (scale / top_scale)[:, None].to(states.dtype)
        size = max(1, CHUNK // len(weight), ROWS if ctx.needs_input_grad[1] else 0)
        one_type = long and weight.dtype == scale.dtype and not _casts(states.device.type)
        room = states.new_empty(min(size, len(states)), len(weight)) if one_type else None
        for start in range(0, len(states), size):
            part = slice(start, start + size)
            if room is not None and bias is None:  # new memory has to be cleared (`Head.logits`)
                logits = torch.mm(states[part], weight.T, out=room[: len(states[part])])
            else:
                logits = torch.nn.functional.linear(states[part], weight, bias).to(scale.dtype)
            wanted = targets[part, None]
            top = logits.amax(dim=1, keepdim=True)
            true = logits.gather(1, wanted) - top
            logits.sub_(top).exp_()
            total = logits.sum(dim=1, keepdim=True)
            nats[part] = ((total.log() - true) * scale[part, None])[:, 0]
            logits.mul_(first[part, None] / total)
            logits.scatter_add_(1, wanted, -first[part, None])
            slope = logits.to(states.dtype)
            back[part] = slope @ weight
            if of_weight is not None and one_type:
                of_weight.addmm_(slope.T, weighed[part])
            elif ctx.needs_input_grad[1]:
                own = (slope.T @ weighed[part]).to(scale.dtype) * top_scale
                of_weight = own if of_weight is None else of_weight.add_(own)
            if ctx.needs_input_grad[2]:
                own = (logits * last[part, None]).sum(dim=0)
                of_bias = own if of_bias is None else of_bias.add_(own)
        ctx.save_for_backward(back, last, of_weight, of_bias)
        return nats

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        back, last, *trained = ctx.saved_tensors
        arrived = gradients[0]
        own: list[torch.Tensor | None] = [None, None]
        for index, made in enumerate(trained):
            if made is not None:
                assert arrived.is_meta or bool((arrived == arrived[:1]).all()), "a sum over answers"
                own[index] = made * arrived[0]
        return (back * (arrived * last)[:, None]).to(back.dtype), *own, None, None


def _casts(device: str) -> bool:
    """Whether autocast is on."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def num_answers(row: Row) -> int:
    """Answer tokens of a row; nothing predicts the first token of a row."""
    return max(0, len(row.input_ids) - max(row.num_prompt_tokens, 1))


def logits_bytes(model: torch.nn.Module, answer: int) -> int:
    """What scoring a row with `answer` answer tokens holds: logits, those wanted, and log p."""
    return 3 * answer * model.get_output_embeddings().weight.shape[0] * 4


def sum_by_row(values: torch.Tensor, rows: torch.Tensor, num_rows: int) -> torch.Tensor:
    """(B,) float64 sums of (A,) values by row."""
    out = torch.zeros(num_rows, dtype=torch.float64, device=values.device)
    return out.index_add_(0, rows, values.double())
