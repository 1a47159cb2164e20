"""Layers below the lowest adapter answer the same for everybody: computed once, for base and specialists.

A layer's output is recorded while the base reads a batch, and given out again, repeated for as many
specialists as read the same batch, instead of being computed. That is exact where a layer is read by the
next one alone, as in all families that are tested: only the last of these layers is then read by anybody.
For the others NaN stands in, so that a model in which somebody further up reads them is refused, as one
whose predictions are not finite, and never answers with a layer that saw something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from mishran.train.layers import decoder_layers


def upper_half(model: torch.nn.Module, names: Sequence[str]) -> list[str]:
    """Of modules, those in the upper half of the layers."""
    layers = list(decoder_layers(model))
    upper = tuple(f"{layer}." for layer in layers[len(layers) // 2 :])
    return [name for name in names if name.startswith(upper)]


class SharedLayers:
    """The layers below the first that has an adapter."""

    def __init__(self, model: torch.nn.Module, adapted: Sequence[str]) -> None:
        """adapted: names of all modules that have an adapter for somebody."""
        layers = decoder_layers(model)
        inside = [any(name.startswith(f"{layer}.") for layer in layers) for name in adapted]
        self._layers: list[torch.nn.Module] = []
        for layer, module in layers.items() if all(inside) else ():
            if any(name.startswith(f"{layer}.") for name in adapted):
                break
            self._layers.append(module)
        self._outputs: dict[tuple[int, int], Any] = {}

    def __len__(self) -> int:
        return len(self._layers)

    @contextmanager
    def recorded(self, batch: int) -> Iterator[None]:
        """Within it, a forward pass is remembered as that of a batch."""

        def recorder(number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
            def record(*args: Any, **kwargs: Any) -> Any:
                found = forward(*args, **kwargs)
                read = number == len(self._layers) - 1
                self._outputs[batch, number] = found if read else _unread(found)
                return found

            return record

        with self._replaced(recorder):
            yield

    @contextmanager
    def replayed(self, batch: int, times: int) -> Iterator[None]:
        """Within it, what was remembered of a batch is given out, its lines `times` times."""

        def player(number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *args, **kwargs: _repeated(self._outputs[batch, number], times)

        with self._replaced(player):
            yield

    def forget(self) -> None:
        self._outputs.clear()

    @contextmanager
    def _replaced(
        self, how: Callable[[int, Callable[..., Any]], Callable[..., Any]]
    ) -> Iterator[None]:
        for number, layer in enumerate(self._layers):
            layer.forward = how(number, layer.forward)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for layer in self._layers:
                del layer.forward


def _repeated(output: Any, times: int) -> Any:
    """The states of a layer's output (alone, or first of a tuple) for several readers."""
    if isinstance(output, tuple):
        return (_repeated(output[0], times), *output[1:])
    return output if times == 1 else output.repeat(times, *[1] * (output.ndim - 1))


def _unread(output: Any) -> Any:
    """A layer's output with NaN for its states, which take no memory."""
    if isinstance(output, tuple):
        return (_unread(output[0]), *output[1:])
    return output.new_full((), torch.nan).expand(output.shape)
