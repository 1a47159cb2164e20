"""Loading a causal language model and its tokenizer from a local folder, or from the hub when allowed.

No code of a model is ever run (`trust_remote_code` is off), weights are read from safetensors only,
and nothing opens a connection unless `online` is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mishran.errors import DependencyError, ModelError, first_line
from mishran.run import sha256_file, sha256_value
from mishran.train.causal import can_pack, check_causal
from mishran.train.quantize import Quantize, keep_packing, quantization

# Not the tokenizer's: rows of tokens are hashed themselves, and padding is masked everywhere.
_IDENTITY = ("*.safetensors", "config.json", "*.index.json")


@dataclass(frozen=True)
class Loaded:
    """A model ready to use.

    pad_id: id for padding (always masked). notes: what was assumed. packs: whether rows may share a
    line (see `mishran.train.batch`).
    """

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    pad_id: int
    notes: tuple[str, ...]
    packs: bool = True


def resolve_device(wanted: str) -> torch.device:
    """ "auto" is the first GPU when there is one, else the CPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ModelError(
            expected="device auto, cpu, cuda or cuda:N",
            found=repr(wanted),
            where="device",
            fix="change it",
        ) from error
    if device.type == "mps":
        raise ModelError(
            expected="a device that computes in float64, as sums of scores and divergences do",
            found="mps, which has none",
            where="device",
            fix="set device: cpu",
        )
    try:
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            expected=f"a usable device {wanted}",
            found=first_line(error),
            where="device",
            fix="set device: auto or cpu",
        ) from error
    return device


def resolve_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """ "auto" is bfloat16 on GPUs that compute in it, float32 elsewhere (CPUs gain nothing from it)."""
    if wanted != "auto":
        return getattr(torch, wanted)
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32


def model_content(
    name: str, base: Path, revision: str | None = None, quantize: Quantize | None = None
) -> str:
    """sha256 that names the model: the content of a folder, or a hub name with its commit."""
    if quantize is not None:
        return sha256_value([model_content(name, base, revision), quantize])
    folder = base / name
    if not folder.is_dir():
        return sha256_value(["hub", name, model_commit(name, base, revision)])
    files = sorted({p for pattern in _IDENTITY for p in folder.glob(pattern) if p.is_file()})
    return sha256_value([[p.name, sha256_file(p)] for p in files])


def model_commit(name: str, base: Path, revision: str | None = None) -> str | None:
    """The commit of a hub name that was loaded last, None for a folder.

    Branches move: what is keyed is the commit, and it is loaded by it.

    Raises:
        ModelError: nothing of it was loaded.
    """
    if (base / name).is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(config, str):
        raise ModelError(
            expected="a model of the hub in the cache of huggingface_hub",
            found=f"no config.json of revision {revision or 'main'}",
            where=name,
            fix="check the name and the revision, and that HF_HUB_CACHE can be written",
        )
    return Path(config).parent.name


def _locate(name: str, base: Path, online: bool, needs: tuple[str, ...] = ("config.json",)) -> str:
    """The local folder, with one of the files that it needs, or the hub name."""
    folder = base / name
    if folder.is_dir():
        if not any((folder / file).is_file() for file in needs):
            raise ModelError(
                expected=f"a model folder with {' or '.join(needs)}",
                found=", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "an empty folder",
                where=str(folder),
                fix="give the folder that save_pretrained wrote",
            )
        return str(folder)
    if online and not name.startswith((".", "/")):
        return name
    raise ModelError(
        expected="a local model folder",
        found="a file" if folder.is_file() else "no such folder",
        where=str(folder),
        fix="check the path (relative to the configuration file), or add --online for a hub name",
    )


def load_tokenizer(name: str, base: Path, online: bool = False, revision: str | None = None) -> Any:
    """The tokenizer of a model folder, or of a folder with nothing but a tokenizer.

    Raises:
        ModelError: no folder, or no tokenizer in it.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise _missing("transformers") from error
    place = _locate(name, base, online, ("config.json", "tokenizer.json", "tokenizer_config.json"))
    try:
        return AutoTokenizer.from_pretrained(
            place, revision=revision, local_files_only=not online, trust_remote_code=False
        )
    except Exception as error:  # every backend raises its own kind
        raise ModelError(
            expected="a tokenizer beside the model (tokenizer.json or tokenizer.model)",
            found=first_line(error),
            where=place,
            fix="copy the tokenizer files of the model into its folder",
        ) from error


@dataclass(frozen=True)
class Shape:
    """What is known of a model before its weights are read.

    context: longest input in tokens. hidden_size: width of the residual stream. vocabulary: rows of
    the embedding, None when config.json does not say.
    """

    context: int
    hidden_size: int
    vocabulary: int | None = None


def model_config(name: str, base: Path, online: bool = False, revision: str | None = None) -> Any:
    """config.json, as transformers reads it.

    Raises:
        ModelError: none, or none of a model that transformers knows.
    """
    from transformers import AutoConfig

    place = _locate(name, base, online)
    try:
        return AutoConfig.from_pretrained(
            place, revision=revision, local_files_only=not online, trust_remote_code=False
        )
    except Exception as error:
        raise ModelError(
            expected="a readable config.json of a causal language model",
            found=first_line(error),
            where=place,
            fix="give the folder that save_pretrained wrote",
        ) from error


def model_shape(name: str, base: Path, online: bool = False, revision: str | None = None) -> Shape:
    """Context and width from config.json."""
    config = model_config(name, base, online, revision)
    text = config.get_text_config()
    width = getattr(text, "hidden_size", None)
    if not isinstance(width, int):
        raise ModelError(
            expected="the config.json of a causal language model, with its hidden size",
            found=f"model type {config.model_type!r}, without one",
            where=_locate(name, base, online),
            fix="give the folder of a language model that save_pretrained wrote",
        )
    return Shape(
        context=int(getattr(text, "max_position_embeddings", None) or 2048),
        hidden_size=width,
        vocabulary=getattr(text, "vocab_size", None),
    )


def load_model(
    name: str,
    base: Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    online: bool = False,
    revision: str | None = None,
    quantize: Quantize | None = None,
) -> Loaded:
    """Load model and tokenizer in evaluation mode, all parameters frozen.

    Args:
        quantize: see `mishran.train.quantize`.

    Raises:
        DependencyError: what `quantize` needs is not installed.
        ModelError: missing folder, weights or tokenizer, a tokenizer that does not fit, or a model that
            looks ahead or whose answers depend on padding.
    """
    tokenizer = load_tokenizer(name, base, online, revision)
    from transformers import AutoModelForCausalLM

    place = _locate(name, base, online)
    where = resolve_device(device)
    kind = resolve_dtype(dtype, where)
    packed: dict[str, Any] = {}
    if quantize is not None:  # weights are packed on the device, layer by layer
        packed = {"quantization_config": quantization(quantize, kind), "device_map": {"": where}}
    try:
        with no_library_bars():
            model = AutoModelForCausalLM.from_pretrained(
                place,
                dtype=kind,
                revision=revision,
                local_files_only=not online,
                trust_remote_code=False,
                use_safetensors=True,
                **packed,
            )
    except Exception as error:
        mismatch = any(w in str(error) for w in ("ignore_mismatched_sizes", "size mismatch"))
        raise ModelError(
            expected="a causal language model in safetensors",
            found="weights of other shapes than config.json says"
            if mismatch
            else first_line(error),
            where=place,
            fix="check that the folder loads with AutoModelForCausalLM (convert .bin weights first)",
        ) from error
    model = (model if packed else model.to(where)).eval().requires_grad_(False)
    if packed:
        keep_packing(model)
    return _checked(model, tokenizer, where, kind, place)


def new_model(
    name: str,
    base: Path,
    seed: int,
    tokenizer: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
) -> Loaded:
    """A model with new weights, of the shape that a folder's config.json says.

    Args:
        seed: of the weights; global random state is untouched.
        tokenizer: folder of it.

    Raises:
        ModelError: no such folder, a configuration that is no causal LM's, too few rows for the tokens, or
            a model that looks ahead.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    made = load_tokenizer(tokenizer, base)
    place = _locate(name, base, online=False)
    where = resolve_device(device)
    kind = resolve_dtype(dtype, where)
    try:
        config = AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(config)
    except Exception as error:
        raise ModelError(
            expected="the config.json of a causal language model",
            found=first_line(error),
            where=place,
            fix="give a folder with a config.json that transformers knows",
        ) from error
    model = model.to(kind).to(where).eval().requires_grad_(False)
    return _checked(model, made, where, kind, place)


def _checked(
    model: Any, tokenizer: Any, device: torch.device, dtype: torch.dtype, place: str
) -> Loaded:
    """Model and tokenizer, which fit each other.

    Raises:
        ModelError: they do not, or the model looks ahead or answers by padding.
    """
    check_vocabulary(tokenizer, model.get_input_embeddings().weight.shape[0], place)
    pad_id, notes = _pad(tokenizer)
    check_causal(model, pad_id, len(tokenizer), place)
    packs = can_pack(model, pad_id, len(tokenizer))
    return Loaded(model, tokenizer, device, dtype, pad_id, notes, packs)


def check_vocabulary(tokenizer: Any, rows: int, where: str) -> None:
    """Every token has a row of the embedding.

    Raises:
        ModelError: the tokenizer knows more tokens.
    """
    if len(tokenizer) > rows:
        raise ModelError(
            expected=f"a tokenizer with at most {rows} tokens (rows of the embedding)",
            found=f"{len(tokenizer)} tokens",
            where=where,
            fix="use the tokenizer that the model was trained with",
        )


@contextmanager
def no_library_bars() -> Iterator[None]:
    """Progress is the caller's; the library's own bar would tear it."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _pad(tokenizer: Any) -> tuple[int, tuple[str, ...]]:
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id), ()
    if tokenizer.eos_token_id is not None:
        return int(tokenizer.eos_token_id), (
            "the tokenizer has no pad token; padding uses its end token, masked everywhere",
        )
    return 0, ("the tokenizer has no pad token; padding uses token 0, masked everywhere",)


def _missing(package: str) -> DependencyError:
    return DependencyError(
        expected=f"the package {package}",
        found="it is not installed",
        fix='pip install "mishran[torch]"',
    )
