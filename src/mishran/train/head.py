"""A forward pass cut before the output head: states of the answers first, their logits from them later.

States are narrow and logits are as wide as the vocabulary, so that states of many specialists are kept
where their logits would not fit, and logits are made a few answers at a time, while they stay in cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from mishran.train.answers import answer_logits, only_at, run
from mishran.train.batch import Batch, Part, lay_out

_SPREAD = torch.tensor(
    [0.1, 1.0, 100.0]
)  # of states: what comes after the head may show at one only


class _Two(NamedTuple):
    """The shortest row with an answer."""

    input_ids: tuple[int, ...] = (0, 1)
    num_prompt_tokens: int = 1


@dataclass(frozen=True)
class Head:
    """How logits follow from states in a causal LM.

    plain: by the output head's module alone, not changed by anything after it (a soft cap, say). cut:
    through that module; where a model has another way, its states are its logits. width: of a state.
    """

    plain: bool
    cut: bool
    width: int

    @classmethod
    def of(cls, model: torch.nn.Module) -> Head:
        """Find out with a row of two tokens, and states drawn at random."""
        batch = _two_tokens(model)
        with torch.inference_mode(), only_at(model, batch.before) as reached:
            logits = run(model, batch)
            if not reached:
                return cls(False, False, logits.shape[-1])
        module: Any = model.get_output_embeddings()  # type: ignore[operator]
        if not isinstance(module, torch.nn.Linear):
            return cls(False, True, reached[0].shape[-1])
        generator = torch.Generator().manual_seed(0)
        states = torch.randn(3, module.in_features, generator=generator) * _SPREAD[:, None]
        states = states.to(reached[0])
        with torch.inference_mode():
            plain = torch.equal(_fed(model, states), module(states[None])[0])
        return cls(plain, True, module.in_features)

    def states(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """(A, width) before each answer token."""
        if not self.cut:
            return answer_logits(model, batch).logits
        with only_at(model, batch.before, head_too=False) as reached:
            run(model, batch)
        return reached[0]

    def logits(
        self, model: torch.nn.Module, states: torch.Tensor, room: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(..., V) of (..., width).

        Args:
            room: flat memory that they may be written to. Into new memory, which the system has to clear,
                products of 256 and 512 rows took 1.4 to 1.7 times as long on a CPU (measured).
        """
        if not self.cut:
            return states
        module: Any = model.get_output_embeddings()  # type: ignore[operator]
        if self.plain and type(module) is torch.nn.Linear and room is not None:
            return _linear(states, module, room)
        if self.plain:
            found: torch.Tensor = module(states)
            return found
        flat = states.reshape(-1, states.shape[-1])
        return _fed(model, flat).reshape(*states.shape[:-1], -1)


def has_plain_head(model: torch.nn.Module) -> bool:
    """Whether logits are a linear layer of the states and nothing else (no soft cap, say)."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if not isinstance(head, torch.nn.Linear):
        return False
    return Head.of(model).plain


def _fed(model: torch.nn.Module, states: torch.Tensor) -> torch.Tensor:
    """(a, V) logits of the model's own way from (a, width) states."""
    module: Any = model.get_output_embeddings()  # type: ignore[operator]
    handle = module.register_forward_pre_hook(lambda _, args: (states[None], *args[1:]))
    try:
        return run(model, _two_tokens(model))[0]
    finally:
        handle.remove()


def _linear(states: torch.Tensor, module: torch.nn.Linear, room: torch.Tensor) -> torch.Tensor:
    shape = (*states.shape[:-1], module.out_features)
    out = room[: math.prod(shape)].view(-1, module.out_features)
    flat = states.reshape(-1, states.shape[-1])
    if module.bias is None:
        torch.mm(flat, module.weight.T, out=out)
    else:
        torch.addmm(module.bias, flat, module.weight.T, out=out)
    return out.view(shape)


def _two_tokens(model: torch.nn.Module) -> Batch:
    batch = lay_out([Part([_Two()], slot=None)], 0, packs=False)
    return batch.to(next(model.parameters()).device)
