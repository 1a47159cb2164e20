"""LoRA adapters in PEFT format: made with a seed, saved without anything that differs between machines.

PEFT decides which layers are adapted and how an adapter begins; what the bank trains is then saved so that
PEFT loads it. Source: Hu et al., "LoRA", arXiv 2106.09685; the library is `peft`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mishran.config import SpecialistConfig
from mishran.errors import ModelError, first_line
from mishran.specialists.bank import linear_widths
from mishran.specialists.lora import Layout
from mishran.specialists.shared import upper_half
from mishran.train.adapter import add_adapter, write_settings


@contextmanager
def new_adapter(model: Any, recipe: SpecialistConfig, seed: int, base_name: str) -> Iterator[Any]:
    """The model with a fresh adapter; on leaving the block the model is as it was.

    Every task gets the same initial adapter for the same seed (common random numbers).
    """
    wrapped = add_adapter(model, recipe, seed, base_name, "specialists.targets")
    try:
        yield wrapped
    finally:
        wrapped.unload()


@dataclass(frozen=True)
class Template:
    """How every specialist of a run begins.

    layout: of a specialist's vector. initial: (size,) float32, the same for all tasks (common random
    numbers). settings: PEFT's, for adapter_config.json.
    """

    layout: Layout
    initial: torch.Tensor
    settings: Any


def template(model: Any, recipe: SpecialistConfig, seed: int, base_name: str) -> Template:
    """Layers and initial matrices as PEFT chooses them; the model is left as it was.

    Raises:
        ModelError: there are no such layers, they are not linear, or one is the output head.
    """
    from peft.tuners.lora import LoraLayer

    if recipe.fast:
        everywhere = template(model, recipe.model_copy(update={"fast": False}), seed, base_name)
        upper = upper_half(model, [site.name for site in everywhere.layout.sites])
        if not upper:
            raise ModelError(
                expected="a model whose layers are known, and specialists.targets among the upper half",
                found=f"model type {model.config.model_type!r}, without any",
                where="specialists.fast",
                fix="remove fast",
            )
        recipe = recipe.model_copy(update={"fast": False, "targets": tuple(upper)})
    with new_adapter(model, recipe, seed, base_name) as wrapped:
        found = {
            name: (
                module.lora_A["default"].weight.detach(),
                module.lora_B["default"].weight.detach(),
            )
            for name, module in wrapped.base_model.model.named_modules()
            if isinstance(module, LoraLayer) and "default" in module.lora_A
        }
        settings = wrapped.peft_config["default"]
        embedded = [
            name
            for name, module in wrapped.base_model.model.named_modules()
            if isinstance(module, LoraLayer) and "default" in module.lora_embedding_A
        ]
    head = model.get_output_embeddings()
    for name in found:
        if model.get_submodule(name) is head:  # of the bank's logits one matrix makes all
            raise ModelError(
                expected="layers below the output head, which all specialists share",
                found=name,
                where="specialists.targets",
                fix="use all-linear, or leave it out",
            )
    widths = linear_widths(model, [*found, *embedded])
    layout = Layout.of(widths, recipe.rank, recipe.alpha / recipe.rank)
    initial = torch.cat([part.flatten().float() for pair in found.values() for part in pair])
    return Template(layout, initial, settings)


def save_adapter(template: Template, vector: torch.Tensor, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors, equal bytes for equal weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for site in template.layout.sites:
        a, b = template.layout.matrices(vector.cpu()[None], site)
        tensors[f"{PREFIX}{site.name}{A}"] = a[0].contiguous()
        tensors[f"{PREFIX}{site.name}{B}"] = b[0].contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    write_settings(template.settings, folder)


PREFIX, A, B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def read_adapter(
    model: Any, folder: Path, where: str
) -> dict[str, tuple[torch.Tensor, torch.Tensor]] | None:
    """Module -> A (rank, in) and B (out, rank) with the scale in it; None for what is no plain LoRA.

    DoRA and adapters of embeddings are not of the form that the bank computes.

    Raises:
        ModelError: it does not fit the model.
    """
    from peft.utils.other import get_pattern_key
    from safetensors.torch import load_file

    settings = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapter_model.safetensors")
    names = [key.removeprefix(PREFIX).removesuffix(A) for key in tensors if key.endswith(A)]
    if settings.get("use_dora") or len(tensors) != 2 * len(names):
        return None
    alphas = settings.get("alpha_pattern") or {}
    found = {}
    for name in names:
        a, b = tensors[f"{PREFIX}{name}{A}"], tensors.get(f"{PREFIX}{name}{B}")
        try:
            ((_, wide_in, wide_out),) = linear_widths(model, [name])
        except (AttributeError, ModelError):
            raise _unfit(f"a layer {name}", folder, where) from None
        rank = len(a)
        if b is None or a.shape != (rank, wide_in) or b.shape != (wide_out, rank):
            shapes = f"{tuple(a.shape)} and {tuple(b.shape) if b is not None else 'nothing'}"
            raise _unfit(f"matrices {shapes} for {name} ({wide_in} to {wide_out})", folder, where)
        alpha = alphas.get(get_pattern_key(alphas.keys(), name), settings["lora_alpha"])
        root = math.sqrt(rank) if settings.get("use_rslora") else rank
        found[name] = (a.float(), b.float() * (alpha / root))
    return found


def _unfit(found: str, folder: Path, where: str) -> ModelError:
    return ModelError(
        expected="an adapter that fits the model",
        found=found,
        where=f"{where}: {folder}",
        fix="use an adapter trained on this base model",
    )


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
