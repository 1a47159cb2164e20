"""The panel: base model and n specialists, who all answer the same probes.

`StackedPanel` asks everybody of one base: in batches that repeat the probes for each specialist (GPUs), or
with each adapter added to the matrices of the base in turn, so that it costs what the base costs (CPUs).
A GPU holds the adapters of as many as fit a share of its memory, and the others come after them.
`SequentialPanel` asks one after another: for adapters that are more than two matrices a layer (DoRA), and
as what the other is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol

import torch

from mishran.errors import ModelError, first_line
from mishran.specialists.adapters import read_adapter
from mishran.specialists.bank import Bank, linear_widths
from mishran.specialists.lora import Layout
from mishran.specialists.shared import SharedLayers
from mishran.train.batch import TOKENS, Batch
from mishran.train.head import Head
from mishran.train.memory import free_bytes

TOKENS_GPU = 1 << 14  # tokens of a pass of many specialists on a GPU (assumption)
SHARE = 0.5  # of a GPU's free memory, for the adapters that lie there (assumption)
SHARE_PASS = 0.2  # the same for a pass (assumption)
ARRAYS = 8  # of a token in a pass, in single precision, wide as the widest layer (assumption)


class Panel(Protocol):
    """Whoever answers the pool.

    Nothing that one specialist answers may depend on the others.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The specialists, in the order of all tables."""
        ...

    @property
    def width(self) -> int:
        """Of a state."""
        ...

    def states(self, batches: Sequence[Batch]) -> torch.Tensor:
        """(1 + n, A, width) before each answer token of the batches in turn: base first, then each."""
        ...

    def logits(self, states: torch.Tensor, room: torch.Tensor | None = None) -> torch.Tensor:
        """(1 + n, a, V) of everybody's (1 + n, a, width) states.

        room: flat memory of the model's type that they may be written to.
        """
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
        tokens: int | None = None,
        merge: bool | None = None,
        most: int | None = None,
    ) -> None:
        """adapters: of each specialist, see `read_adapter`; ranks and layers may differ.

        tokens: that go through the model at a time. merge: see the module; by default on CPUs. most:
        specialists whose adapters lie on the device at a time. Where they are not given, see `room_for`.
        """
        self.names = tuple(adapters)
        names = list(dict.fromkeys(name for found in adapters.values() for name in found))
        rank = max(len(a) for found in adapters.values() for a, _ in found.values())
        self._layout = layout = Layout.of(linear_widths(model, names), rank, 1.0)
        kind = torch.float32 if model.dtype.itemsize < 4 else model.dtype
        fitting, at_once = room_for(model.device, layout, kind.itemsize, len(adapters))
        self._tokens = at_once if tokens is None else tokens
        most = fitting if most is None else most
        self._groups = [range(len(adapters))[k : k + most] for k in range(0, len(adapters), most)]
        self._weights = torch.zeros(
            min(most, len(adapters)), layout.size, dtype=kind, device=model.device
        )
        self._adapters = list(adapters.values())
        self._put(self._groups[0])
        if len(self._groups) == 1:
            self._adapters.clear()  # a second copy that nobody would read
        self._shared = SharedLayers(model, names)
        self._bank = Bank(model, layout, self._weights, train=False)
        wanted = model.device.type == "cpu" if merge is None else merge
        self.merges = wanted and self._bank.can_merge
        self._head = Head.of(self._bank)
        self.width = self._head.width

    def states(self, batches: Sequence[Batch]) -> torch.Tensor:
        out, spans = empty_states(self, batches, self._bank.model)
        for number, (batch, span) in enumerate(zip(batches, spans, strict=True)):
            with self._shared.recorded(number):
                out[0, span] = self._head.states(self._bank, batch.repeated([None]))
        # Those who are there come first: the next batches then begin with the group that these end with.
        for group in sorted(self._groups, key=lambda group: group != self._there):
            if group != self._there:
                self._put(group)
            answers = out[1 + group.start : 1 + group.stop]
            (self._in_turn if self.merges else self._at_once)(batches, spans, answers)
        self._shared.forget()
        return out

    def _put(self, group: range) -> None:
        """The adapters of some specialists to where the model is, over those that were there."""
        self._weights.zero_()
        for row, number in zip(self._weights, group, strict=False):
            found = self._adapters[number]
            for site in self._layout.sites:
                if site.name in found:
                    a, b = self._layout.matrices(row[None], site)
                    low, high = found[site.name]
                    a[0, : len(low)] = low
                    b[0, :, : len(low)] = high
        self._there = group

    def _in_turn(self, batches: Sequence[Batch], spans: Sequence[slice], out: torch.Tensor) -> None:
        for slot in range(len(out)):
            self._bank.merge(slot)
            for number, (batch, span) in enumerate(zip(batches, spans, strict=True)):
                with self._shared.replayed(number, 1):
                    out[slot, span] = self._head.states(self._bank, batch.repeated([None]))
        self._bank.merge(None)

    def _at_once(self, batches: Sequence[Batch], spans: Sequence[slice], out: torch.Tensor) -> None:
        for number, (batch, span) in enumerate(zip(batches, spans, strict=True)):
            size = max(1, self._tokens // batch.input_ids.numel())
            for start in range(0, len(out), size):
                slots = range(start, min(start + size, len(out)))
                with self._shared.replayed(number, len(slots)):
                    found = self._head.states(self._bank, batch.repeated(slots))
                out[start : slots.stop, span] = found.unflatten(0, (len(slots), -1))

    def logits(self, states: torch.Tensor, room: torch.Tensor | None = None) -> torch.Tensor:
        return self._head.logits(self._bank, states, room)

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
        self._head = Head.of(self._wrapped)
        self.width = self._head.width

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

    def states(self, batches: Sequence[Batch]) -> torch.Tensor:
        out, spans = empty_states(self, batches, self._wrapped)
        for s, name in enumerate((None, *self.names)):
            with self.select(name) as model:
                for batch, span in zip(batches, spans, strict=True):
                    out[s, span] = self._head.states(model, batch)
        return out

    def logits(self, states: torch.Tensor, room: torch.Tensor | None = None) -> torch.Tensor:
        if self._head.plain:
            return self._head.logits(self._wrapped, states, room)
        found = []
        for name, own in zip((None, *self.names), states, strict=True):
            with self.select(name) as model:  # an adapter may be on the head itself
                found.append(self._head.logits(model, own))
        return torch.stack(found)

    def close(self) -> None:
        self._wrapped.unload()


def room_for(device: torch.device, layout: Layout, itemsize: int, everyone: int) -> tuple[int, int]:
    """Specialists whose adapters lie on a device at a time, and tokens of a pass.

    A CPU has all adapters in its memory either way, and more tokens make it no faster.

    Args:
        layout, itemsize: of each specialist's adapter. everyone: how many there are.
    """
    if device.type == "cpu":
        return everyone, TOKENS
    free = free_bytes(device)
    widest = max(max(site.wide_in, site.wide_out) for site in layout.sites)
    fitting = int(SHARE * free) // (layout.size * itemsize)
    tokens = int(SHARE_PASS * free) // (ARRAYS * 4 * widest)
    return max(1, min(everyone, fitting)), max(TOKENS, min(TOKENS_GPU, tokens))


def panel(model: Any, folders: Mapping[str, Path], tokens: int | None = None) -> Panel:
    """Everybody at once where all adapters are plain LoRA below the output head, else one after another.

    Args:
        tokens: that go through the model at a time, where it is not left to `room_for`.
    """
    adapters = {
        name: read_adapter(model, folder, f"task {name!r}") for name, folder in folders.items()
    }
    plain = {name: found for name, found in adapters.items() if found is not None}
    head = model.get_output_embeddings()
    heads = {name for name, module in model.named_modules() if module is head}
    if len(plain) < len(adapters) or any(heads & found.keys() for found in plain.values()):
        return SequentialPanel(model, folders)
    return StackedPanel(model, plain, tokens)


def empty_states(
    panel: Panel, batches: Sequence[Batch], model: Any
) -> tuple[torch.Tensor, list[slice]]:
    """Room for `Panel.states`, and where in it the answers of each batch belong."""
    ends = list(accumulate((batch.num_answer_tokens for batch in batches), initial=0))
    shape = (1 + len(panel.names), ends[-1], panel.width)
    out = torch.empty(shape, dtype=model.dtype, device=model.device)
    return out, [slice(a, b) for a, b in pairwise(ends)]
