"""The bank: one frozen base model and one LoRA adapter per slot, all in one forward pass.

A `Bank` is a model for the one training loop; `SlotUpdates` is its update: every slot has an AdamW of its
own, so step counts, schedules, clipping and failures are each task's. N specialists at once are, to
rounding, what N runs one after another give (tests/specialists/test_bank.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from mishran.errors import ModelError, TrainingError
from mishran.specialists.lora import Layout, Route, StackedLora
from mishran.train.answers import Routed
from mishran.train.batch import Batch
from mishran.train.loop import OneUpdate, Step


class Bank(Routed):
    """A causal LM whose linear layers read the adapter of each line's slot.

    weights: (slots, size), one specialist a row, see `Layout`. grads: the same, or None when nothing is
    trained.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        layout: Layout,
        weights: torch.Tensor,
        *,
        train: bool,
        by_line: bool | None = None,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.layout = layout
        self.weights = weights
        self.grads = torch.zeros_like(weights) if train else None
        on_gpu = weights.device.type == "cuda"
        self.routes = Route(
            by_line=on_gpu if by_line is None else by_line, dropout=dropout, seed=seed
        )
        anchor = torch.zeros((), device=weights.device, requires_grad=train)
        self._bases = {site.name: model.get_submodule(site.name) for site in layout.sites}
        self._layers: list[StackedLora] = []
        for number, site in enumerate(layout.sites):
            a, b = layout.matrices(weights, site)
            grads = None if self.grads is None else layout.matrices(self.grads, site)
            base = self._bases[site.name]
            layer = StackedLora(
                base, site.name, number, a, b, layout.scale, self.routes, grads, anchor
            )
            _put(model, site.name, layer)
            self._layers.append(layer)

    @property
    def config(self) -> Any:
        return self.model.config

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.model.get_output_embeddings()

    def route(self, batch: Batch) -> None:
        """The next forward pass, and its backward pass, are of this batch."""
        self.routes.set(batch)

    @property
    def can_merge(self) -> bool:
        """Whether adding a low-rank product to the frozen matrices loses nothing."""
        return all(base.weight.dtype == self.weights.dtype for base in self._bases.values())

    def merge(self, slot: int | None) -> None:
        """Answer everything as one slot, at the cost of the base alone; None ends it."""
        for layer in self._layers:
            layer.merge(slot)

    def forward(self, **inputs: Any) -> Any:
        return self.model(**inputs)

    def train(self, mode: bool = True) -> Bank:
        """Adapters in training; the frozen base never drops anything out.

        Its own dropout (0.1 in GPT-2) would draw one mask for all tasks. Some of it asks a whole layer
        whether it is in training (OPT), so none is; checkpointing does without (see `checkpointed`).
        """
        for module in self.modules():
            module.training = mode and isinstance(module, StackedLora)
        self.training = mode
        return self

    def remove(self) -> None:
        """Give the base model back as it was."""
        for name, base in self._bases.items():
            _put(self.model, name, base)
        self.model.eval()


@contextmanager
def bank(
    model: torch.nn.Module, layout: Layout, weights: torch.Tensor, **settings: Any
) -> Iterator[Bank]:
    """A `Bank` around a model; on leaving the block the model is as it was."""
    made = Bank(model, layout, weights, **settings)
    try:
        yield made
    finally:
        made.remove()


class SlotUpdates:
    """One AdamW per slot: an `Update` for the loop.

    A slot whose loss or gradient is not finite fails alone: it gets no more steps, and `failed` says why.
    """

    def __init__(
        self,
        bank: Bank,
        schedules: Sequence[Callable[[int], float]],
        *,
        learning_rate: float,
        weight_decay: float,
        clip: float,
    ) -> None:
        """schedules: of each slot."""
        if bank.grads is None:
            raise ValueError("a bank that was made to be trained is needed")
        self._routes = bank.routes
        self._grads = bank.grads
        self.failed: dict[int, TrainingError] = {}
        self._updates: list[OneUpdate] = []
        for slot, schedule in enumerate(schedules):
            row = torch.nn.Parameter(bank.weights[slot])
            row.grad = bank.grads[slot]
            optimizer = torch.optim.AdamW(
                [row], lr=learning_rate, weight_decay=weight_decay, fused=True
            )
            self._updates.append(OneUpdate(optimizer, schedule, clip, slot))

    def __call__(self, batch: Batch, losses: Sequence[float]) -> list[Step]:
        """See `Update`."""
        steps: list[Step] = []
        for group, loss in zip(batch.groups, losses, strict=True):
            slot = group.slot
            if slot is None or slot in self.failed:
                continue
            try:
                taken = self._updates[slot].take(loss, group.num_tokens, group.last)
            except TrainingError as error:
                self.failed[slot] = error
                self._grads[slot].zero_()
                continue
            for step in taken:
                self._routes.steps[slot] = step.index
            steps += taken
        return steps


def _put(model: torch.nn.Module, name: str, module: torch.nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent) if parent else model, child, module)


def linear_widths(model: torch.nn.Module, names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Name, width in and width out of layers.

    Raises:
        ModelError: one of them is not linear.
    """
    from transformers.pytorch_utils import Conv1D

    out: list[tuple[str, int, int]] = []
    for name in names:
        layer = model.get_submodule(name)
        if isinstance(layer, Conv1D):
            out.append((name, layer.nx, layer.nf))
        elif isinstance(layer, torch.nn.Linear):
            out.append((name, layer.in_features, layer.out_features))
        else:
            raise ModelError(
                expected="specialists.targets that name linear layers of the model",
                found=f"{name}, a {type(layer).__name__}",
                where="specialists.targets",
                fix="use all-linear, or names from model.named_modules()",
            )
    return out
