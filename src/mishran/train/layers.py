"""Which modules of a model are its decoder layers: what transformers can compute again for gradients."""

from __future__ import annotations

from typing import Any

import torch

from mishran.errors import ModelError


def decoder_layers(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Name -> layer, from the input up; empty where the model does not say which modules are layers."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    found = {n: m for n, m in model.named_modules() if isinstance(m, GradientCheckpointingLayer)}
    return {n: m for n, m in found.items() if not any(n.startswith(f"{o}.") for o in found)}


def layers_of(model: Any, where: str, fix: str) -> list[torch.nn.Module]:
    """The decoder layers.

    Raises:
        ModelError: the model does not say which of its modules they are.
    """
    layers = list(decoder_layers(model).values())
    if not layers:
        raise ModelError(
            expected="a model whose decoder layers are known",
            found=f"model type {model.config.model_type!r}, without GradientCheckpointingLayer",
            where=where,
            fix=fix,
        )
    return layers
