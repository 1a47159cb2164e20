"""The panel of specialists that are whole models: each takes the base's place in turn.

On a CPU the parameters stay in their files, mapped into memory: a turn costs an assignment per parameter,
and the operating system keeps the files in what memory there is (measured: as fast as parameters held in
memory, and as the base alone). On a GPU all are copied there where
they fit a share of its memory; else each is copied for every batch of probes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mishran.specialists.whole import read_whole, saved_bytes
from mishran.train.answers import answer_logits
from mishran.train.batch import Batch
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
        self._found = [read_whole(model, f, f"task {name!r}") for name, f in folders.items()]
        held = len(folders) * saved_bytes(model)
        self._copies = not is_mapped(model.device)
        if self._copies and held <= SHARE * free_bytes(model.device):
            self._found = [on_device(values, model.device) for values in self._found]
            self._copies = False

    def logits(self, batch: Batch) -> Iterator[torch.Tensor]:
        for values in (self._own, *self._found):
            copied = self._copies and values is not self._own
            self._put(on_device(values, self._model.device) if copied else values)
            try:
                found = answer_logits(self._model, batch).logits
            finally:
                self._put(self._own)
            yield found

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
