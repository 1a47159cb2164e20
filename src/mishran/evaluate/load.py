"""The model that is measured: a folder with all its weights, a LoRA adapter on a base, or what
`mishran train` wrote (either of them, in `model/`)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mishran.errors import ModelError, first_line
from mishran.run import sha256_file, sha256_value
from mishran.train.models import (
    Loaded,
    check_vocabulary,
    load_model,
    load_tokenizer,
    model_content,
    model_shape,
)
from mishran.train.quantize import Quantize

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
TOKENIZER = ("tokenizer.json", "tokenizer.model")


@dataclass(frozen=True)
class Subject:
    """A model ready to measure.

    name: of its folder. sha256: of its weights, those of the base included. base: name of the base that
    an adapter is on, None for a whole model. context: longest input in tokens.
    """

    loaded: Loaded
    name: str
    sha256: str
    base: str | None
    context: int


def load_subject(
    model: Path | str,
    *,
    base: Path | None = None,
    otherwise: Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantize: Quantize | None = None,
    online: bool = False,
) -> Subject:
    """Load what a path or a hub name (online) means.

    Args:
        base: of an adapter; by default the folder that it names itself. otherwise: where it names
            none that exists, or a name without a place.
        quantize: the base of an adapter, as it was trained; whole models are read as they are.

    Raises:
        ModelError: no such folder, damaged files, a base that is missing or does not fit.
    """
    folder = Path(model)
    if (folder / "model").is_dir() and not (folder / "config.json").is_file():
        folder = folder / "model"
    settings = folder / ADAPTER[0]
    if not settings.is_file():
        here = Path.cwd()
        place = str(folder) if folder.is_dir() else str(model)
        loaded = load_model(place, here, device=device, dtype=dtype, online=online)
        shape = model_shape(place, here, online)
        return Subject(loaded, _name(model), model_content(place, here), None, shape.context)
    root = _base(settings, base, otherwise)
    here, where = Path.cwd(), str(root)
    loaded = load_model(where, here, device=device, dtype=dtype, online=online, quantize=quantize)
    shape = model_shape(where, here, online)
    content = [model_content(where, here, None, quantize)]
    content += [sha256_file(folder / name) for name in ADAPTER]
    return Subject(
        loaded=_adapted(loaded, folder),
        name=_name(model),
        sha256=sha256_value(content),
        base=_name(root),
        context=shape.context,
    )


def _name(path: Path | str) -> str:
    return Path(path).resolve().name if Path(path).exists() else str(path)


def _base(settings: Path, given: Path | None, otherwise: Path | None) -> Path:
    """The base of an adapter, which is checked to be of a kind that is read."""
    try:
        said = dict(json.loads(settings.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            expected="a readable adapter_config.json",
            found=first_line(error),
            where=str(settings),
            fix="save the adapter again with PEFT's save_pretrained",
        ) from error
    kind = said.get("peft_type")
    weights = settings.parent / ADAPTER[1]
    if kind != "LORA" or not weights.is_file():
        raise ModelError(
            expected="a LoRA adapter in PEFT format with its weights as safetensors",
            found=f"no {ADAPTER[1]}" if kind == "LORA" else f"peft_type {kind}",
            where=str(settings.parent),
            fix="save it with PEFT's save_pretrained, or merge it into its base",
        )
    named = said.get("base_model_name_or_path")
    own = Path(named) if isinstance(named, str) and named and Path(named).is_dir() else None
    if own is not None and len(own.parts) == 1 and otherwise is not None:
        own = None  # a name without a place: a folder of that name here may be another one
    base = given or own or otherwise
    if base is None:
        raise ModelError(
            expected=f"the base model of the adapter ({named or 'it names none'})",
            found="none given",
            where=str(settings.parent),
            fix="add --base FOLDER, or give tasks as the mix.yaml or run that names the model",
        )
    return base


def _adapted(loaded: Loaded, folder: Path) -> Loaded:
    """The base with the adapter in its layers, not merged: half precision would round the sum."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError, safe_open

    found = ""
    try:
        wrapped: Any = PeftModel.from_pretrained(loaded.model, str(folder), is_trainable=False)
        with safe_open(folder / ADAPTER[1], framework="pt") as file:
            odd = set(file.keys()) ^ set(get_peft_model_state_dict(wrapped))
        if odd:  # of which PEFT only warns
            found = f"weights on one side only, {min(odd)} for one"
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
        found = first_line(error)
    if found:
        raise ModelError(
            expected="an adapter that fits its base",
            found=found,
            where=str(folder),
            fix="give the base that it was trained on with --base",
        )
    model = wrapped.get_base_model().eval().requires_grad_(False)
    tokenizer = loaded.tokenizer
    if any((folder / name).is_file() for name in TOKENIZER):
        tokenizer = load_tokenizer(str(folder), Path.cwd())
    check_vocabulary(tokenizer, model.get_input_embeddings().weight.shape[0], str(folder))
    return replace(loaded, model=model, tokenizer=tokenizer)
