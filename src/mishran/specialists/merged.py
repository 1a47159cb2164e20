"""The base with what its specialists learned added up: theta_0 + sum_k a_k (theta_k - theta_0).

A model for any mixture a, without training one. When: to order many mixtures by a forward pass each;
whether that orders them as training does is a question to measure (`mishran.pipeline.proxy_study`).

Of adapters the products are averaged, sum_k a_k B_k A_k, never the factors: mean(B) mean(A) is another
matrix. Those of a layer lie side by side, so that a mixture costs one product a layer. Whole models are
(1 - sum_k a_k) theta_0 + sum_k a_k theta_k, which gives back a specialist, and the base, bit for bit.

Trade-off: single precision at least. In bfloat16 what one specialist of many changes is mostly less than
the distance of two numbers, so that a sum rounds back to the base.

Source: task vectors, Ilharco et al., arXiv 2212.04089; as a proxy for mixtures, MergeMix, arXiv 2601.17858.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, final

import torch

from mishran.errors import ConfigError, ModelError
from mishran.specialists.adapters import read_adapter
from mishran.specialists.whole import read_whole, saved_bytes
from mishran.train.memory import free_bytes

SHARE = 0.5  # of a GPU's free memory, for specialists that stay there (assumption)


class Merge(Protocol):
    """A base model and n specialists that it can be merged with, at any weights."""

    @property
    def names(self) -> tuple[str, ...]:
        """The specialists, in the order of the weights."""
        ...

    def at(self, weights: Sequence[float]) -> AbstractContextManager[Any]:
        """The merged model; on leaving the block it is the base again, bit for bit.

        Args:
            weights: (n,), any finite numbers; all 0 is the base.

        Raises:
            ConfigError: other in number, or not finite.
        """
        ...


def merge_of(
    model: Any, folders: Mapping[str, Path], kind: Literal["lora", "full"] = "lora"
) -> Merge:
    """Read the specialists of a base.

    Args:
        model: in float32 or float64.
        folders: of each specialist, as a run keeps them.
        kind: adapters, or whole models.

    Raises:
        ModelError: a base in 4 bits or half precision, or a specialist that does not fit it or is no sum of
            products (DoRA).
    """
    check_precise(model)
    if kind == "full":
        return MergedModels(model, folders)
    adapters = {}
    for name, folder in folders.items():
        found = read_adapter(model, folder, f"task {name!r}")
        if found is None:
            raise ModelError(
                expected="adapters of two matrices a layer, which can be added up",
                found="DoRA, or weights beside them",
                where=f"task {name!r}: {folder}",
                fix="train a LoRA adapter for it, or leave the task out",
            )
        adapters[name] = found
    return MergedAdapters(model, adapters)


def check_precise(model: torch.nn.Module) -> None:
    """Nothing if sums can be added to every parameter.

    Raises:
        ModelError: one is packed in fewer bits, or in half precision.
    """
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point() or parameter.element_size() < 4:
            raise ModelError(
                expected="a base in float32, to add what specialists learned to",
                found=f"{name} in {str(parameter.dtype).removeprefix('torch.')}",
                where="merging",
                fix="load it with dtype: float32 and without quantize",
            )


@dataclass(frozen=True)
class _Layer:
    """One adapted layer. a (r, in), b (out, r): of everybody, side by side. owner (r,): whose."""

    module: Any
    own: torch.nn.Parameter
    a: torch.Tensor
    b: torch.Tensor
    owner: torch.Tensor

    def merged(self, shares: torch.Tensor) -> torch.nn.Parameter:
        a, b = self.a.to(self.own.device), self.b.to(self.own.device)
        b = b * shares.to(self.own)[self.owner.to(self.own.device)]
        left, right = (b, a) if isinstance(self.module, torch.nn.Linear) else (a.T, b.T)
        return torch.nn.Parameter(torch.addmm(self.own, left, right), requires_grad=False)


@final
class MergedAdapters:
    """See `Merge`. A layer gets a matrix of its own meanwhile, so that one tied to it stays as it is."""

    def __init__(
        self, model: Any, adapters: Mapping[str, Mapping[str, tuple[torch.Tensor, torch.Tensor]]]
    ) -> None:
        """adapters: of each specialist, see `read_adapter`; ranks and layers may differ."""
        self.names = tuple(adapters)
        self._model = model
        every = list(adapters.values())
        held = sum(t.nbytes for found in every for pair in found.values() for t in pair)
        place = _place(model, held)
        self._layers = []
        for name in dict.fromkeys(name for found in every for name in found):
            module = model.get_submodule(name)
            own = module.weight
            who = [k for k, found in enumerate(every) if name in found]
            ranks = [len(every[k][name][0]) for k in who]
            self._layers.append(
                _Layer(
                    module,
                    own,
                    torch.cat([every[k][name][0] for k in who]).to(place, own.dtype),
                    torch.cat([every[k][name][1] for k in who], dim=1).to(place, own.dtype),
                    torch.repeat_interleave(torch.tensor(who), torch.tensor(ranks)).to(place),
                )
            )

    @contextmanager
    def at(self, weights: Sequence[float]) -> Iterator[Any]:
        shares = torch.tensor(_checked(weights, self.names), dtype=torch.float64)
        before = [layer.module.weight for layer in self._layers]
        try:
            with torch.no_grad():
                for layer in self._layers:
                    layer.module.weight = layer.merged(shares)
            yield self._model
        finally:
            for layer, weight in zip(self._layers, before, strict=True):
                layer.module.weight = weight


@final
class MergedModels:
    """See `Merge`. Specialists are read from their files each time, where they are not kept on a GPU."""

    def __init__(self, model: Any, folders: Mapping[str, Path]) -> None:
        """folders: of each specialist, see `save_whole`."""
        self.names = tuple(folders)
        self._model = model
        self._parameters = list(model.parameters())
        self._own = [p.data for p in self._parameters]
        place = _place(model, len(folders) * saved_bytes(model))
        self._found = [
            [value.to(place) for value in read_whole(model, folder, f"task {name!r}", shorter=True)]
            for name, folder in folders.items()
        ]

    @contextmanager
    def at(self, weights: Sequence[float]) -> Iterator[Any]:
        shares = _checked(weights, self.names)
        rest = 1.0 - math.fsum(shares)
        before = [p.data for p in self._parameters]
        try:
            with torch.no_grad():
                for i, (parameter, own) in enumerate(zip(self._parameters, self._own, strict=True)):
                    total = own * rest
                    for share, found in zip(shares, self._found, strict=True):
                        if share:
                            total.add_(found[i].to(own), alpha=share)
                    parameter.data = total
            yield self._model
        finally:
            for parameter, values in zip(self._parameters, before, strict=True):
                parameter.data = values


def _place(model: Any, held: int) -> torch.device:
    """Where specialists of so many bytes are kept: beside the model where they fit, else on the CPU."""
    device: torch.device = model.device
    if device.type == "cpu" or held <= SHARE * free_bytes(device):
        return device
    return torch.device("cpu")


def _checked(weights: Sequence[float], names: Sequence[str]) -> list[float]:
    found = [float(w) for w in weights]
    if len(found) != len(names) or not all(map(math.isfinite, found)):
        wrong = next((w for w in found if not math.isfinite(w)), None)
        raise ConfigError(
            expected=f"a finite weight for each of {len(names)} specialists",
            found=f"{len(found)}" if wrong is None else f"{wrong}",
            where="merging",
            fix="give one weight for each name, in their order",
        )
    return found
