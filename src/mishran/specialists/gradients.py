"""What each probe would change in the base model: its gradient, projected to a few thousand numbers.

For first-order affinities, which need no specialist: `mishran.affinity.gradient` takes it from here.
Cheap (one forward pass and the half of a backward pass that reaches activations), and a poorer guide
than specialists: docs/results/first-order.md says by how much.

The gradient of a row's loss in the weights of a linear layer is the sum over tokens of the outer product
of output gradient d and input a. It is never formed: with random P and Q the projection
(P (x) Q) vec(sum d a') = vec(sum (P d)(Q a)') takes both factors alone, the input in the forward pass. P
and Q have orthonormal columns scaled so that lengths are kept in the mean, and are isometries where a
layer is narrower than the projection. All layers add into the same numbers: their projections are
independent with mean 0, so inner products keep their mean and every layer gets the full size.

With an identity for P this is the gradient in B of a LoRA adapter whose B is zero and whose A is Q, so
adapters of random A see the same inner products in the mean: one method, not two.

Source: the first-order view of task affinity, Li et al., "Scalable Multitask Learning Using
Gradient-based Estimation of Task Affinity" (Grad-TAG), arXiv 2409.06091, and "Scalable Fine-tuning from
Multiple Data Sources" (GradEx), arXiv 2409.19458; factors projected one by one as in Choe et al., "What
is Your Data Worth to GPT?" (LoGra), arXiv 2405.13954. One sum over layers: derived.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import ConfigError, ModelError
from mishran.train.answers import answer_logits, answer_nats, logits_bytes, num_answers
from mishran.train.batch import MEMORY, Row, collate
from mishran.train.models import Loaded

SIZE = 4096  # numbers of a projection (measured, docs/results/first-order.md: 1,024 differs little)


def probe_gradients(
    loaded: Loaded,
    rows: Sequence[Row],
    *,
    size: int = SIZE,
    seed: int = 0,
    batch_size: int = 16,
    chosen: Callable[[str], bool] = lambda layer: True,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> NDArray[np.float32]:
    """Projected gradients of the base model's mean nats per answer token, one per row.

    In the weights of all linear layers but the output head (what adapters train), at the model's own
    weights. The same for every batch size up to rounding, and for every order of rows.

    Args:
        size: numbers per row, a square.
        batch_size: rows that go through the model together; fewer where their logits are large.
        chosen: says of the name of a linear layer whether it takes part.
        on_rows: called with the number of rows done, for progress.

    Returns:
        (m, size) float32, in nats per answer token and unit of weight.

    Raises:
        ConfigError: a size that is not a square.
        ModelError: no linear layers, one that mixes rows, or gradients that are not finite.
    """
    side = math.isqrt(max(size, 1))
    if side * side != size:
        raise ConfigError(
            expected="a square number of at least 1 (the projection has two equal factors)",
            found=str(size),
            where="size of probe gradients",
            fix=f"use {max(1, side) ** 2} or {(side + 1) ** 2}",
        )
    layers = _linear_layers(loaded.model, chosen)
    out = np.zeros((len(rows), size), dtype=np.float32)
    projections: dict[tuple[str, str], torch.Tensor] = {}
    for index in _batches(loaded.model, rows, batch_size):
        batch = collate([rows[i] for i in index], loaded.pad_id).to(loaded.device)
        shape = tuple(batch.input_ids.shape)
        with (
            torch.enable_grad(),
            _recorded(loaded.model, layers, projections, shape, side, seed) as total,
        ):
            found = answer_logits(loaded.model, batch)
            count = torch.bincount(found.rows, minlength=len(index)).to(found.logits.device)
            (answer_nats(found) / count[found.rows]).sum().backward()
        part = total.flatten(1).float().cpu().numpy()
        if not np.isfinite(part).all():
            raise ModelError(
                expected="finite gradients of the base model",
                found="NaN or infinity",
                where=f"probe {index[int(np.argwhere(~np.isfinite(part))[0][0])]}",
                fix="use dtype: float32, and check the weights of the model",
            )
        out[index] = part
        on_rows(len(index))
    return out


def _linear_layers(
    model: torch.nn.Module, chosen: Callable[[str], bool]
) -> dict[str, torch.nn.Module]:
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head and chosen(name)
    }
    if not found:
        raise ModelError(
            expected="linear layers to take gradients in",
            found="none that was chosen",
            where=f"model type {model.config.model_type!r}",
            fix="choose names from model.named_modules()",
        )
    return found


def _batches(model: torch.nn.Module, rows: Sequence[Row], size: int) -> Iterator[list[int]]:
    """Indices of up to `size` rows of about equal length, whose logits and their gradients fit `MEMORY`."""
    current: list[int] = []
    longest = 0
    for i in sorted(range(len(rows)), key=lambda i: (-len(rows[i].input_ids), i)):
        answer = num_answers(rows[i])
        wide = 2 * logits_bytes(model, max(longest, answer))
        if current and (len(current) == size or (len(current) + 1) * wide > MEMORY):
            yield current
            current, longest = [], 0
        current.append(i)
        longest = max(longest, answer)
    if current:
        yield current


@contextmanager
def _recorded(
    model: torch.nn.Module,
    layers: dict[str, torch.nn.Module],
    projections: dict[tuple[str, str], torch.Tensor],
    shape: tuple[int, ...],
    side: int,
    seed: int,
) -> Iterator[torch.Tensor]:
    """Within it, a backward pass adds every layer's projected gradient to what is yielded, (B, side, side).

    The weights stay frozen: the embedding's output starts the graph.
    """
    total: list[torch.Tensor] = []

    def projected(name: str, role: str, values: torch.Tensor) -> torch.Tensor:
        if values.shape[:-1] != shape:
            raise ModelError(
                expected=f"linear layers that take rows x tokens x numbers, {shape} here",
                found=f"{role} of shape {tuple(values.shape)}",
                where=f"layer {name!r}",
                fix="choose other layers; in this one rows cannot be told apart",
            )
        key = (name, role)
        if key not in projections:
            matrix = _projection(values.shape[-1], side, [name, role], seed)
            projections[key] = torch.from_numpy(matrix).to(values.device, _exact(values.dtype))
        return values.detach().to(projections[key].dtype) @ projections[key]

    def forward(name: str) -> Callable[..., None]:
        def hook(
            _module: torch.nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor
        ) -> None:
            if not out.requires_grad:  # before the embedding, or answers do not depend on it
                return
            inputs = projected(name, "input", args[0])

            def backward(gradient: torch.Tensor) -> None:
                outputs = projected(name, "output", gradient)
                total[0] += outputs.transpose(1, 2) @ inputs

            out.register_hook(backward)

        return hook

    def embedded(_module: torch.nn.Module, _args: object, out: torch.Tensor) -> torch.Tensor:
        return out.requires_grad_(True)

    embedding = model.get_input_embeddings()
    kind = _exact(embedding.weight.dtype)
    total.append(torch.zeros(shape[0], side, side, dtype=kind, device=embedding.weight.device))
    handles = [embedding.register_forward_hook(embedded)]
    handles += [layer.register_forward_hook(forward(name)) for name, layer in layers.items()]
    try:
        yield total[0]
    finally:
        for handle in handles:
            handle.remove()


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _projection(width: int, side: int, name: Sequence[str], seed: int) -> NDArray[np.float64]:
    """(width, side), random orthonormal in the smaller dimension; E[P P'] is the identity.

    Depends on the seed, the layer's name and its role, and on nothing else.
    """
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    rng = np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])
    tall = (max(width, side), min(width, side))
    found, upper = np.linalg.qr(rng.standard_normal(tall))
    found *= np.sign(np.diag(upper))  # uniformly distributed, so with mean 0, which QR alone is not
    return found.T if side >= width else found * math.sqrt(width / side)
