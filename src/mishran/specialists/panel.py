"""The panel: base model and n specialists, who all answer the same probes.

`StackedPanel` asks everybody of one base: in batches that repeat the probes for each specialist (GPUs), or
with each adapter added to the matrices of the base in turn, so that it costs what the base costs (CPUs).
`SequentialPanel` asks one after another: for adapters that are more than two matrices a layer (DoRA), and
as what the other is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from mishran.errors import ModelError, first_line
from mishran.specialists.adapters import read_adapter
from mishran.specialists.bank import Bank, linear_widths
from mishran.specialists.lora import Layout
from mishran.specialists.shared import SharedLayers
from mishran.train.answers import answer_logits
from mishran.train.batch import MEMORY, TOKENS, Batch


class Panel(Protocol):
    """Whoever answers the pool.

    Nothing that one specialist answers may depend on the others.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The specialists, in the order of all tables."""
        ...

    def logits(self, batch: Batch) -> Iterator[torch.Tensor]:
        """(A, V) logits at the answers of a batch: the base's first, then each specialist's."""
        ...

    def close(self) -> None:
        """Give the base model back as it was."""
        ...


class StackedPanel:
    """All adapters in the lines of one batch."""

    def __init__(
        self,
        model: Any,
        adapters: Mapping[str, Mapping[str, tuple[torch.Tensor, torch.Tensor]]],
        tokens: int = TOKENS,
        merge: bool | None = None,
    ) -> None:
        """adapters: of each specialist, see `read_adapter`; ranks and layers may differ.

        tokens: that go through the model at a time. merge: see the module; by default on CPUs.
        """
        self.names = tuple(adapters)
        self._tokens = tokens
        names = list(dict.fromkeys(name for found in adapters.values() for name in found))
        rank = max(len(a) for found in adapters.values() for a, _ in found.values())
        layout = Layout.of(linear_widths(model, names), rank, 1.0)
        kind = torch.float32 if model.dtype.itemsize < 4 else model.dtype
        weights = torch.zeros(len(adapters), layout.size, dtype=kind, device=model.device)
        for slot, found in enumerate(adapters.values()):
            for site in layout.sites:
                if site.name in found:
                    a, b = layout.matrices(weights[slot : slot + 1], site)
                    low, high = found[site.name]
                    a[0, : len(low)] = low
                    b[0, :, : len(low)] = high
        self._shared = SharedLayers(model, names)
        self._bank = Bank(model, layout, weights, train=False)
        wanted = model.device.type == "cpu" if merge is None else merge
        self.merges = wanted and self._bank.can_merge
        self._vocabulary = model.get_output_embeddings().weight.shape[0]

    def logits(self, batch: Batch) -> Iterator[torch.Tensor]:
        return self._in_turn(batch) if self.merges else self._at_once(batch)

    def _in_turn(self, batch: Batch) -> Iterator[torch.Tensor]:
        yield self._of_base(batch)
        base = batch.repeated([None])
        for slot in range(len(self.names)):
            self._bank.merge(slot)
            with self._shared.replayed(1):
                found = answer_logits(self._bank, base).logits
            self._bank.merge(None)
            yield found
        self._shared.forget()

    def _of_base(self, batch: Batch) -> torch.Tensor:
        with self._shared.recorded():
            return answer_logits(self._bank, batch.repeated([None])).logits

    def _at_once(self, batch: Batch) -> Iterator[torch.Tensor]:
        yield self._of_base(batch)
        everyone = list(range(len(self.names)))
        answers = batch.num_answer_tokens
        held = max(1, answers) * self._vocabulary * 4 * 2
        size = max(1, min(self._tokens // batch.input_ids.numel(), MEMORY // held))
        for start in range(0, len(everyone), size):
            part = everyone[start : start + size]
            with self._shared.replayed(len(part)):
                found = answer_logits(self._bank, batch.repeated(part))
            yield from found.logits.split(answers)
        self._shared.forget()

    def close(self) -> None:
        self._bank.remove()


class SequentialPanel:
    """One adapter after another, through PEFT."""

    def __init__(self, model: Any, folders: Mapping[str, Path]) -> None:
        from peft import PeftModel
        from peft.tuners.tuners_utils import BaseTunerLayer

        self.names = tuple(folders)
        self._ids = {name: f"s{i}" for i, name in enumerate(self.names)}
        self._wrapped: Any = None
        for name, folder in folders.items():
            try:
                if self._wrapped is None:
                    self._wrapped = PeftModel.from_pretrained(
                        model, str(folder), adapter_name=self._ids[name], is_trainable=False
                    )
                else:
                    self._wrapped.load_adapter(
                        str(folder), adapter_name=self._ids[name], is_trainable=False
                    )
            except (RuntimeError, ValueError, KeyError, OSError) as error:
                raise ModelError(
                    expected="an adapter that fits the model",
                    found=first_line(error),
                    where=f"task {name!r}: {folder}",
                    fix="use an adapter trained on this base model",
                ) from error
        self._wrapped.eval()
        self._layers = [m for m in self._wrapped.modules() if isinstance(m, BaseTunerLayer)]

    @contextmanager
    def select(self, name: str | None) -> Iterator[Any]:
        """The model as specialist `name`, or as the base for None."""
        if name is None:
            with self._wrapped.disable_adapter():
                yield self._wrapped
        else:
            # PEFT's set_adapter also walks every parameter of every adapter to set requires_grad:
            # with 38 adapters that was half the time of the pool.
            for layer in self._layers:
                layer._active_adapter = [self._ids[name]]
            yield self._wrapped

    def logits(self, batch: Batch) -> Iterator[torch.Tensor]:
        for name in (None, *self.names):
            with self.select(name) as model:
                found = answer_logits(model, batch).logits
            yield found

    def close(self) -> None:
        self._wrapped.unload()


def panel(model: Any, folders: Mapping[str, Path], tokens: int = TOKENS) -> Panel:
    """Everybody at once where all adapters are plain LoRA, else one after another."""
    adapters = {
        name: read_adapter(model, folder, f"task {name!r}") for name, folder in folders.items()
    }
    plain = {name: found for name, found in adapters.items() if found is not None}
    if len(plain) < len(adapters):
        return SequentialPanel(model, folders)
    return StackedPanel(model, plain, tokens)
