"""What training a model takes, from its config.json alone: floating-point operations and memory.

Nothing of the weights is read: the model is built on torch's meta device, where tensors have shapes and
no content, and a step is run there with its tensors counted. That a 7B model fits, and what it costs, is
then known before it is downloaded. Nothing here is a measurement: attention is counted with all its weights
kept, as no fused kernel does, and what the allocator cannot reuse comes on top (`specialists.sizing`).

Operations: 2 N for each token forward, where N are the parameters that multiply it (an embedding only
looks up), 4 N backward, of which 2 N are for gradients of weights, which a frozen base needs none of; what
attention multiplies with is left out. Sources: Kaplan et al., arXiv 2001.08361, section 2.1 (C = 6 N D);
Hu et al., arXiv 2106.09685 (adapters).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mishran.config import SpecialistConfig, TrainConfig
from mishran.errors import ModelError, first_line
from mishran.train.adapter import add_adapter
from mishran.train.answers import losses_and_nats
from mishran.train.batch import Part, lay_out
from mishran.train.checkpointing import checkpointed
from mishran.train.memory import LiveBytes
from mishran.train.models import Quantize, model_config

NF4 = (
    0.5 + 1 / 64 + 4 / (64 * 256)
)  # bytes of a weight: 4 bits, a scale per 64, a scale of those per 256
TFLOPS = 125.0  # per second: 40 % of the 312 that an A100 is sold with in bfloat16 (assumption)


@dataclass(frozen=True)
class Footprint:
    """A model and how it is trained.

    parameters: of the model, tied ones once. multiplied: those that a token is multiplied with. trained:
    that change. twice: whether layers are computed again (checkpointing). weights: bytes of the model.
    state: bytes of gradients and moments, and of adapters. step: bytes of the activations of a batch of
    `step_tokens` tokens; None where the model could not be run without weights.
    """

    parameters: int
    multiplied: int
    trained: int
    adapters: bool
    twice: bool
    weights: int
    state: int
    step: int | None
    step_tokens: int

    @property
    def per_token(self) -> int:
        """Operations of a training token."""
        forward = 2 * self.multiplied * (2 if self.twice else 1)
        if self.adapters:
            return forward + 2 * self.multiplied + 6 * self.trained
        return forward + 4 * self.multiplied

    @property
    def per_token_forward(self) -> int:
        """Operations of a token that is only read."""
        return 2 * self.multiplied

    @property
    def bytes(self) -> int | None:
        """At the peak of a step."""
        return None if self.step is None else self.weights + self.state + self.step


class _Row(NamedTuple):
    input_ids: tuple[int, ...]
    num_prompt_tokens: int = 1


def footprint(
    name: str,
    base: Path,
    recipe: TrainConfig | SpecialistConfig,
    *,
    dtype: torch.dtype,
    tokens: int,
    row_tokens: int,
    quantize: Quantize | None = None,
    online: bool = False,
    revision: str | None = None,
) -> Footprint:
    """Of a model folder (or a hub name) with a config.json.

    Args:
        dtype: that the weights are loaded in. tokens: of a batch. row_tokens: of each row in it.

    Raises:
        ModelError: no config.json of a causal language model.
    """
    model = _built(name, base, dtype, online, revision)
    size = dtype.itemsize
    parameters = sum(p.numel() for p in model.parameters())
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    tied = head is not None and head.weight is embedding.weight
    multiplied = parameters - (0 if tied else embedding.weight.numel())
    weights = parameters * size
    unpacked = 0
    if quantize is not None:
        layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
        packed = sum(m.weight.numel() for m in layers)
        weights = round(packed * NF4) + (parameters - packed) * size
        unpacked = max(m.weight.numel() for m in layers) * size  # of the layer at work
    adapters = recipe.kind == "lora"
    if adapters:
        model = add_adapter(model, recipe, 0, name, "targets")
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        kept = 2 if getattr(recipe, "adapter_dtype", "float32") == "bfloat16" else 4
        state = 4 * trained * kept
    else:
        model.requires_grad_(True)
        trained = parameters
        weights, state = 4 * parameters, 12 * parameters  # float32, whatever it is loaded in
        weights += (
            parameters * size if size < 4 else 0
        )  # and its copy for products in a shorter type
    step = _step_bytes(model, recipe.checkpointing, tokens, row_tokens)
    return Footprint(
        parameters,
        multiplied,
        trained,
        adapters,
        recipe.checkpointing,
        weights,
        state,
        None if step is None else step + unpacked,
        tokens,
    )


def has_weights(name: str, base: Path) -> bool:
    """Whether a model can be run here: a hub name, or a folder with safetensors in it."""
    folder = base / name
    return not folder.is_dir() or any(folder.glob("*.safetensors"))


def _built(name: str, base: Path, dtype: torch.dtype, online: bool, revision: str | None) -> Any:
    """The model on the meta device."""
    from transformers import AutoModelForCausalLM

    config = model_config(name, base, online, revision)
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    except Exception as error:
        raise ModelError(
            expected="the config.json of a causal language model",
            found=first_line(error),
            where=str(base / name),
            fix="give a folder with a config.json that transformers knows",
        ) from error
    return model.eval().requires_grad_(False)


def _step_bytes(model: Any, checkpointing: bool, tokens: int, row_tokens: int) -> int | None:
    """Live bytes of a step without its gradients; None where it does not run without content."""
    width = min(row_tokens, tokens)
    row = _Row(tuple(range(width)), max(1, width // 2))
    lines = max(1, tokens // width)
    meta = torch.device("meta")
    batch = lay_out([Part([row] * lines, lines=[[i] for i in range(lines)])], 0, packs=True)
    mask = torch.ones(lines, 1, width, width, dtype=torch.bool, device=meta)
    batch = replace(batch.to(meta), attention_mask=mask)
    fused = isinstance(model.get_output_embeddings(), torch.nn.Linear)
    try:
        with ExitStack() as stack:
            stack.enter_context(checkpointed(model, checkpointing))
            live = stack.enter_context(LiveBytes())
            losses, _ = losses_and_nats(model, batch, fused)
            losses.sum().backward()
    except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError, ModelError):
        return None
    gradients = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    return max(0, live.peak - gradients)


@dataclass(frozen=True)
class Bill:
    """What something costs. operations: floating-point. hours: of one device at `tflops`."""

    tokens: int
    operations: float
    tflops: float

    @property
    def hours(self) -> float:
        return self.operations / (self.tflops * 1e12) / 3600

    def as_dict(self) -> dict[str, float]:
        return {
            "tokens": self.tokens,
            "operations": self.operations,
            "tflops": self.tflops,
            "device_hours": self.hours,
        }

    def __str__(self) -> str:
        hours = f"{self.hours:,.1f}" if self.hours >= 0.1 else f"{self.hours:.2g}"
        return (
            f"{self.tokens:,} tokens, {self.operations:.2e} operations, "
            f"{hours} device-hours at {self.tflops:g} TFLOP/s (assumed)"
        )


def memory_words(found: Footprint) -> str:
    """The memory of a step, in words."""
    parts: Sequence[tuple[str, int]] = (
        ("model", found.weights),
        ("gradients, moments", found.state),
    )
    words = ", ".join(f"{name} {size / 2**30:,.2f}" for name, size in parts)
    share = f"{found.trained:,} of {found.parameters:,} parameters are trained"
    if found.step is None or found.bytes is None:
        return f"{share}; memory: {words} GiB, and activations, which are not known"
    step = f"activations of {found.step_tokens:,} tokens {found.step / 2**30:,.2f}"
    return f"{share}; memory: about {found.bytes / 2**30:,.1f} GiB ({words}, {step})"
