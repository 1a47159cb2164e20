"""A whole model as a specialist: its parameters as one vector, trained in their place, and their file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mishran.errors import ModelError, first_line

FILE = "model.safetensors"


class WholeModel(torch.nn.Module):
    """A model whose parameters are a copy, to be trained; the model's own are set aside untouched.

    weights, grads: (1, size), the parameters in order, tied ones once; float32 at least. Parameters in a
    shorter type are rounded from them before each forward pass.

    Source of weights kept in single precision: Micikevicius et al., arXiv 1710.03740.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        """Raises: ModelError: the model has parameters that are no floating-point numbers."""
        super().__init__()
        self.model = model
        self._trained = check_floating(model)
        kind = functools.reduce(
            torch.promote_types, (p.dtype for p in self._trained), torch.float32
        )
        self._own = [(p.data, p.requires_grad) for p in self._trained]
        self.weights = torch.cat([p.detach().flatten().to(kind) for p in self._trained])[None]
        self.grads = torch.zeros_like(self.weights)
        shapes = [p.shape for p in self._trained]
        weights, grads = split(self.weights[0], shapes), split(self.grads[0], shapes)
        # All memory is taken before the model is changed: where there is too little, it stays as it is.
        used = [
            w if p.dtype == kind else w.to(p.dtype)
            for p, w in zip(self._trained, weights, strict=True)
        ]
        self._rounded = [(u, w) for u, w in zip(used, weights, strict=True) if u is not w]
        self._hooks: list[Any] = []
        for parameter, values, grad in zip(self._trained, used, grads, strict=True):
            parameter.data = values
            parameter.requires_grad_(True)
            hook = _move_gradient(grad)
            self._hooks.append(parameter.register_post_accumulate_grad_hook(hook))

    @property
    def config(self) -> Any:
        return self.model.config

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.model.get_output_embeddings()

    def forward(self, **inputs: Any) -> Any:
        for rounded, weight in self._rounded:
            rounded.copy_(weight)
        return self.model(**inputs)

    def train(self, mode: bool = True) -> WholeModel:
        """Nothing is dropped out, as in the bank: a model's own dropout draws from global randomness."""
        for module in self.modules():
            module.training = False
        self.training = mode
        return self

    def remove(self) -> None:
        """Give the model its own parameters back."""
        for hook in self._hooks:
            hook.remove()
        for parameter, (own, trained) in zip(self._trained, self._own, strict=True):
            parameter.data = own
            parameter.grad = None
            parameter.requires_grad_(trained)
        self.model.eval()


@contextmanager
def whole(model: torch.nn.Module) -> Iterator[WholeModel]:
    """A `WholeModel`; on leaving the block the model is as it was, bit for bit."""
    made = WholeModel(model)
    try:
        yield made
    finally:
        made.remove()


def check_floating(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters in order, tied ones once.

    Raises:
        ModelError: one of them is no floating-point number (a quantised model).
    """
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point():
            raise ModelError(
                expected="a base model in floating-point numbers, as full fine-tuning needs",
                found=f"{name} in {str(parameter.dtype).removeprefix('torch.')}",
                where="specialists.kind",
                fix="use kind: lora, or a model that is not quantised",
            )
    return list(model.parameters())


def saved_bytes(model: torch.nn.Module) -> int:
    """What a specialist takes on disk."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def save_whole(model: torch.nn.Module, vector: torch.Tensor, folder: Path) -> None:
    """Write model.safetensors: parameters by name in the model's types; equal bytes for equal weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    named = dict(model.named_parameters())
    views = split(vector.cpu(), [p.shape for p in named.values()])
    tensors = {name: v.to(p.dtype) for (name, p), v in zip(named.items(), views, strict=True)}
    save_file(tensors, folder / FILE, metadata={"format": "pt"})


def read_whole(
    model: torch.nn.Module, folder: Path, where: str, shorter: bool = False
) -> list[torch.Tensor]:
    """The parameters that `save_whole` wrote, in the model's order; mapped from the file, not read.

    Args:
        shorter: they may be in a shorter type than the model's; they are given back in that.

    Raises:
        ModelError: they are not those of the model.
    """
    from safetensors import SafetensorError, safe_open

    named = dict(model.named_parameters())
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unfit(first_line(error), folder, where) from error
    for name in [*named, *found]:
        ours, theirs = (
            "none" if t is None else f"{tuple(t.shape)} {t.dtype}".replace("torch.", "")
            for t in (named.get(name), found.get(name))
        )
        if ours != theirs and not (shorter and _widens(found.get(name), named.get(name))):
            raise _unfit(f"for {name} {theirs}, where the model has {ours}", folder, where)
    return [found[name] for name in named]


def _widens(read: torch.Tensor | None, own: torch.Tensor | None) -> bool:
    """Whether numbers that were read go into the model's own type without loss."""
    if read is None or own is None or read.shape != own.shape or not read.is_floating_point():
        return False
    return torch.promote_types(read.dtype, own.dtype) == own.dtype


def split(vector: torch.Tensor, shapes: Sequence[torch.Size]) -> list[torch.Tensor]:
    """Views of a vector, one behind another."""
    parts = vector.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _move_gradient(to: torch.Tensor) -> Callable[[torch.Tensor], None]:
    def move(parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            to.add_(parameter.grad)
            parameter.grad = None

    return move


def _unfit(found: str, folder: Path, where: str) -> ModelError:
    return ModelError(
        expected="a specialist that fits the model",
        found=found,
        where=f"{where}: {folder}",
        fix="run `mishran fit` on the same configuration: it makes what is missing or damaged",
    )
