"""LoRA adapters in PEFT format: made with a seed, saved without anything that differs between machines.

Source: Hu et al., "LoRA", arXiv 2106.09685; the library is `peft`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from mishran.config import SpecialistConfig
from mishran.errors import ModelError, first_line


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
                found=first_line(error),
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


# Settings of an adapter that the bank honours (tests compare with PEFT's own logits) or that only say
# how it was made. Any other one must have PEFT's default.
HONOURED = (
    "alpha_pattern auto_mapping base_model_name_or_path exclude_modules fan_in_fan_out inference_mode "
    "layers_pattern layers_to_transform lora_alpha lora_dropout peft_type peft_version r rank_pattern "
    "revision target_modules task_type use_dora use_rslora"
)
INITIAL = ("gaussian", "orthogonal")  # ways to begin that leave the base model as it is
MATRICES = (".lora_A.", ".lora_B.", ".lora_embedding_A", ".lora_embedding_B", ".lora_magnitude_")


def check_adapter(folder: Path, where: str) -> None:
    """A LoRA adapter in PEFT format with safetensors weights, and nothing besides its matrices.

    The specialists share one base model, and choosing one of them chooses its matrices. Biases, whole
    layers or tokens that an adapter trained beside them would stay in the base model for everyone.

    Raises:
        ModelError: files are missing, it is another kind of adapter, or more than LoRA matrices.
    """
    config = folder / "adapter_config.json"
    problem = ""
    if not config.is_file():
        problem = "no adapter_config.json"
    elif not (folder / "adapter_model.safetensors").is_file():
        problem = "no adapter_model.safetensors"
    else:
        try:
            settings = dict(json.loads(config.read_text()))
        except (ValueError, TypeError):
            problem = "an unreadable adapter_config.json"
        else:
            kind = settings.get("peft_type")
            problem = "" if kind == "LORA" else f"peft_type {kind}"
    if problem:
        raise ModelError(
            expected="a PEFT LoRA adapter folder (adapter_config.json, adapter_model.safetensors)",
            found=problem,
            where=f"{where}: {folder}",
            fix="save it with PEFT's save_pretrained, or remove `adapter:` to train one",
        )
    more = _more_than_matrices(settings, folder / "adapter_model.safetensors")
    if more:
        raise ModelError(
            expected="an adapter of LoRA matrices and nothing else",
            found=more,
            where=f"{where}: {folder}",
            fix="train the adapter without it, or remove `adapter:` to train one here",
        )


def _more_than_matrices(settings: dict[str, Any], weights: Path) -> str:
    """The first thing in an adapter that the bank would not switch on and off; empty when none."""
    from peft import LoraConfig
    from safetensors import SafetensorError, safe_open

    usual = LoraConfig().to_dict()
    for name, value in settings.items():
        start = name == "init_lora_weights" and value in INITIAL
        if value and name not in HONOURED.split() and value != usual.get(name) and not start:
            return f"{name}: {json.dumps(value)[:80]}"
    try:
        with safe_open(weights, framework="pt") as tensors:
            names = list(tensors.keys())
    except SafetensorError as error:
        return f"an unreadable {weights.name} ({first_line(error)})"
    return next((f"the weights {n}" for n in names if not any(m in n for m in MATRICES)), "")


class Bank(Protocol):
    """Whoever answers the pool: n specialists over one base model.

    A faster bank has to give the same logits as each specialist alone, to rounding; nothing that one
    `select` yields may change what another or the base answers. `answer_pool` selects the base first and
    then `names` in order, for the same batch, with no other selected meanwhile: a bank may answer for
    all at the first call and hand out what it has.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The specialists, in the order of all tables."""
        ...

    def select(self, name: str | None) -> AbstractContextManager[Any]:
        """A causal model in evaluation mode, as `answer_logits` calls it; None selects the base."""
        ...


class SequentialBank:
    """The plain `Bank`: base model and n adapters, asked one after another."""

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

    def close(self) -> None:
        """Give the base model back as it was."""
        self._wrapped.unload()
