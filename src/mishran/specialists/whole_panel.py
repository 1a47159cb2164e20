"""The panel of specialists that are whole models: each takes the base's place in turn.

On a CPU the parameters stay in their files, mapped into memory: a turn costs an assignment per parameter,
and the operating system keeps the files in what memory there is (measured: as fast as parameters held in
memory, and as the base alone). On a GPU all are copied there where
they fit a share of its memory; else each is copied for every batch of probes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mishran.specialists.panel import empty_states
from mishran.specialists.whole import read_whole, saved_bytes
from mishran.train.batch import Batch
from mishran.train.head import Head
from mishran.train.memory import free_bytes

# Of a GPU's free memory, for parameters of specialists; logits need some too (assumption).
SHARE = 0.5


class WholePanel:
    """See `Panel`."""

    def __init__(self, model: Any, folders: Mapping[str, Path]) -> None:
        """folders: of each specialist, see `save_whole`.

        Raises:
            ModelError: one does not fit the model.
        """
        self.names = tuple(folders)
        self._model = model
        self._parameters = list(model.parameters())
        self._own = [p.data for p in self._parameters]
        self._head = Head.of(model)
        self.width = self._head.width
        last = model.get_output_embeddings() if self._head.plain else model
        of_head = {id(p) for p in last.parameters()}
        self._of_head = [i for i, p in enumerate(self._parameters) if id(p) in of_head]
        self._found = [read_whole(model, f, f"task {name!r}") for name, f in folders.items()]
        held = len(folders) * saved_bytes(model)
        self._copies = not is_mapped(model.device)
        if self._copies and held <= SHARE * free_bytes(model.device):
            self._found = [on_device(values, model.device) for values in self._found]
            self._copies = False

    def states(self, batches: Sequence[Batch]) -> torch.Tensor:
        out, spans = empty_states(self, batches, self._model)
        for s, values in enumerate((self._own, *self._found)):
            copied = self._copies and values is not self._own
            self._put(on_device(values, self._model.device) if copied else values)
            try:
                for batch, span in zip(batches, spans, strict=True):
                    out[s, span] = self._head.states(self._model, batch)
            finally:
                self._put(self._own)
        return out

    def logits(self, states: torch.Tensor, room: torch.Tensor | None = None) -> torch.Tensor:
        """Everybody has a head of their own, and what comes after it, if anything."""
        found = []
        for own, values in zip(states, (self._own, *self._found), strict=True):
            for i in self._of_head:
                self._parameters[i].data = values[i].to(self._model.device)
            try:
                found.append(self._head.logits(self._model, own))
            finally:
                self._put(self._own)
        return torch.stack(found)

    def _put(self, values: list[torch.Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.data = value

    def close(self) -> None:
        self._put(self._own)
        self._found = []


def is_mapped(device: torch.device) -> bool:
    """Whether parameters can be used where their files are mapped."""
    return device.type == "cpu"


def on_device(values: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    return [value.to(device) for value in values]
