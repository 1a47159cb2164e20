"""LoRA adapters in PEFT format: made with a seed, saved without anything that differs between machines.

Source: Hu et al., "LoRA", arXiv 2106.09685; the library is `peft`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mishran.config import SpecialistConfig
from mishran.errors import ModelError


@contextmanager
def new_adapter(model: Any, recipe: SpecialistConfig, seed: int, base_name: str) -> Iterator[Any]:
    """The model with a fresh adapter; on leaving the block the model is as it was.

    Every task gets the same initial adapter for the same seed (common random numbers). Randomness is
    local to the block, global random state is untouched.
    """
    from peft import LoraConfig, get_peft_model

    targets = recipe.targets if isinstance(recipe.targets, str) else list(recipe.targets)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        try:
            wrapped = get_peft_model(
                model,
                LoraConfig(
                    task_type="CAUSAL_LM",
                    r=recipe.rank,
                    lora_alpha=recipe.alpha,
                    lora_dropout=recipe.dropout,
                    target_modules=targets,
                ),
            )
        except (ValueError, re.error) as error:
            raise ModelError(
                expected="specialists.targets that name linear layers of the model",
                found=str(error).splitlines()[0][:160],
                where="specialists.targets",
                fix="use all-linear, or names from model.named_modules()",
            ) from error
        wrapped.peft_config["default"].base_model_name_or_path = base_name
        try:
            yield wrapped
        finally:
            wrapped.unload()


def save_adapter(wrapped: Any, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors, equal bytes for equal weights."""
    # Embeddings are never trained; asking PEFT to find out would make it look for the base on the hub.
    wrapped.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            config[key] = sorted(value)  # sets: their order differs by process
    path.write_text(json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def check_adapter(folder: Path, where: str) -> None:
    """A LoRA adapter in PEFT format with safetensors weights.

    Raises:
        ModelError: files are missing, or it is another kind of adapter.
    """
    config = folder / "adapter_config.json"
    problem = ""
    if not config.is_file():
        problem = "no adapter_config.json"
    elif not (folder / "adapter_model.safetensors").is_file():
        problem = "no adapter_model.safetensors"
    else:
        try:
            kind = json.loads(config.read_text()).get("peft_type")
        except (ValueError, AttributeError):
            kind = "an unreadable adapter_config.json"
        problem = "" if kind == "LORA" else f"peft_type {kind}"
    if problem:
        raise ModelError(
            expected="a PEFT LoRA adapter folder (adapter_config.json, adapter_model.safetensors)",
            found=problem,
            where=f"{where}: {folder}",
            fix="save it with PEFT's save_pretrained, or remove `adapter:` to train one",
        )


class SequentialBank:
    """Base model and n adapters, asked one after another.

    The interface that a faster bank implements: `names`, and `select` to choose who answers.
    """

    def __init__(self, model: Any, folders: dict[str, Path]) -> None:
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
                    found=str(error).strip().splitlines()[0][:160],
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

    def close(self) -> None:
        """Give the base model back as it was."""
        self._wrapped.unload()
