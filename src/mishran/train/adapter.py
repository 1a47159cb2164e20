"""LoRA adapters through PEFT: begun with a seed, saved without anything that differs between machines.

PEFT decides which layers are adapted and how an adapter begins. Source: Hu et al., "LoRA", arXiv
2106.09685; the library is `peft`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Protocol

import torch

from mishran.errors import ModelError, first_line


class AdapterSettings(Protocol):
    """What a configuration says of adapters."""

    @property
    def rank(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def dropout(self) -> float: ...
    @property
    def targets(self) -> str | tuple[str, ...]: ...


def add_adapter(
    model: Any, settings: AdapterSettings, seed: int, base_name: str, where: str
) -> Any:
    """The model with a fresh adapter, the same for the same seed; global random state is untouched.

    Args:
        base_name: of the model, for the adapter's record. where: the setting that errors name.

    Raises:
        ModelError: there are no such layers.
    """
    from peft import LoraConfig, get_peft_model

    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        try:
            wrapped = get_peft_model(
                model,
                LoraConfig(
                    task_type="CAUSAL_LM",
                    r=settings.rank,
                    lora_alpha=settings.alpha,
                    lora_dropout=settings.dropout,
                    target_modules=targets,
                ),
            )
        except (ValueError, re.error) as error:
            raise ModelError(
                expected=f"{where} that name linear layers of the model",
                found=first_line(error),
                where=where,
                fix="use all-linear, or names from model.named_modules()",
            ) from error
    wrapped.peft_config["default"].base_model_name_or_path = base_name
    return wrapped


def write_adapter(wrapped: Any, folder: Path) -> None:
    """The adapter of a PEFT model: adapter_config.json and adapter_model.safetensors."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in get_peft_model_state_dict(wrapped).items()
    }
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    write_settings(wrapped.peft_config["default"], folder)


def write_settings(settings: Any, folder: Path) -> None:
    """adapter_config.json, equal bytes for equal settings."""
    kept, settings.inference_mode = settings.inference_mode, True
    settings.save_pretrained(folder)
    settings.inference_mode = kept
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            config[key] = sorted(value)  # sets: their order differs by process
    path.write_text(json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
