"""A model and a tokenizer -> the model with that tokenizer's vocabulary, in a folder of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mishran.config_recipe import SourceConfig
from mishran.errors import ConfigError, ModelError, first_line
from mishran.pipeline.mixture_file import versions
from mishran.pipeline.progress import Progress, Silent
from mishran.run import sha256_bytes, sha256_file, sha256_tree, sha256_value
from mishran.stream.folder import write_folder
from mishran.tasks.source import load_source
from mishran.train.cooccurrence import cooccurrence
from mishran.train.models import model_content, no_library_bars
from mishran.train.new_embeddings import METHODS, Helper
from mishran.train.pieces import Vocabulary, read_vocabulary
from mishran.train.retokenized import helper_of, retokenize
from mishran.train.vocabulary import HOW, Change, extend, replace

NAME = "transfer.json"

TRANSFER = 1  # raised whenever the code changes what is written
_SMALL = 2**20  # bytes; larger ones are vocabularies and indexes, which are known otherwise


@dataclass(frozen=True)
class Transferred:
    """folder: of the model. facts: as in its transfer.json. made: False where it was there as asked."""

    folder: Path
    facts: dict[str, Any]
    made: bool


def transfer(
    model: Path,
    tokenizer: Path,
    out: Path,
    *,
    how: str = "replace",
    method: str = "fvt",
    text: Path | None = None,
    helper: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Transferred:
    """Give a model another vocabulary, and write it as a Hugging Face folder with transfer.json.

    The same inputs give the same bytes; a folder that holds them already is left as it is.

    Args:
        how, method: of `mishran.train.vocabulary` and `mishran.train.new_embeddings`.
        text: JSON lines, Parquet or text with `text`, for the co-occurrences of sava. helper: folder of a
            model whose tokenizer has the new pieces, instead.
        seed: of random.

    Raises:
        ConfigError: options that do not fit each other. ModelError, DataError, ArtifactError: a folder or
            file that cannot be used.
    """
    progress = progress or Silent()
    _check(how, method, text, helper)
    old, own = read_vocabulary(model)
    new, other = read_vocabulary(tokenizer)
    change = (extend if how == "extend" else replace)(old, new)
    asked = {
        "how": how,
        "method": method,
        "seed": seed if method == "random" else None,
        "model": sha256_value([model_content(str(model.resolve()), Path()), _sha256(old)]),
        "tokenizer": _sha256(new),
        "beside": [_small_files(folder) for folder in (model, tokenizer)],
        "code": TRANSFER,
        "text": _content(text),
        "helper": _content(helper),
        "versions": versions(),
    }

    def make(folder: Path) -> dict[str, Any]:
        progress.say(f"{int((change.kept >= 0).sum()):,} tokens keep their rows")
        changed = _load(model)
        known = None if method != "sava" else _helper(change, text, helper)
        done = retokenize(changed, change, method, helper=known, seed=seed)
        with no_library_bars():
            changed.save_pretrained(folder)
        (other if how == "replace" else own).save_pretrained(folder)
        if how == "extend":
            spec = json.dumps(change.new.spec, indent=1, ensure_ascii=False)
            (folder / "tokenizer.json").write_text(spec + "\n", encoding="utf-8")
        _read_back(folder, change.new)
        facts = {
            **asked,
            "tokens": len(change.new),
            "shared": done.shared,
            "new": done.new,
            "left_out": dict(change.left_out),
            "unwritten": done.unwritten,
            "unseen": done.unseen,
            "dropped_rows": done.dropped,
            "maps": [{"ridge": ridge, "explained": share} for ridge, share in done.maps],
            "roles": {role: change.new.roles.get(role) for role in old.roles},
        }
        (folder / NAME).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return {}

    _, made = write_folder(out, asked, make)
    return Transferred(out, json.loads((out / NAME).read_text(encoding="utf-8")), made)


def _check(how: str, method: str, text: Path | None, helper: Path | None) -> None:
    for value, known, option in ((how, HOW, "--how"), (method, METHODS, "--method")):
        if value not in known:
            raise ConfigError(
                expected=" or ".join(known),
                found=repr(value),
                where=option,
                fix="write one of them",
            )
    given = [name for name, one in (("--text", text), ("--helper", helper)) if one is not None]
    if len(given) != (1 if method == "sava" else 0):
        raise ConfigError(
            expected="one of --text and --helper with sava, and none with other methods",
            found=" and ".join(given) or "none",
            where=f"--method {method}",
            fix="give --text FILE, or --helper MODEL" if method == "sava" else "leave it away",
        )


def _helper(change: Change, text: Path | None, helper: Path | None) -> Helper:
    if helper is not None:
        return helper_of(_load(helper), read_vocabulary(helper)[0], change.new)
    source = load_source(SourceConfig(name="text", path=str(text)), Path())
    documents = [document.text for document in source.documents]
    return helper_from_text(documents, change.new)


def helper_from_text(texts: list[str], new: Vocabulary) -> Helper:
    """What co-occurrences in texts tell of the tokens of a vocabulary."""
    found = new.core.encode_batch(texts, add_special_tokens=False)
    rows, seen = cooccurrence([np.array(one.ids) for one in found], len(new))
    return Helper(rows, rows, seen)


def _load(folder: Path) -> Any:
    """A causal LM in the type that it was saved in.

    Raises:
        ModelError: it cannot be read.
    """
    from transformers import AutoModelForCausalLM

    try:
        with no_library_bars():
            return AutoModelForCausalLM.from_pretrained(
                folder,
                dtype="auto",
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            ).eval()
    except Exception as error:  # every family raises its own kind
        raise ModelError(
            expected="a causal language model in safetensors",
            found=first_line(error),
            where=str(folder),
            fix="check that the folder loads with AutoModelForCausalLM (convert .bin weights first)",
        ) from error


def _read_back(folder: Path, new: Vocabulary) -> None:
    """The tokenizer in the folder is the one that was meant.

    Raises:
        ModelError: its class builds another one of the same file.
    """
    found = read_vocabulary(folder)[0]
    if (found.pieces, found.roles) != (new.pieces, new.roles):
        raise ModelError(
            expected=f"the {len(new):,} tokens that were written",
            found=f"{len(found):,} tokens, or others, when read again",
            where=str(folder / "tokenizer.json"),
            fix='set "tokenizer_class": "TokenizersBackend" in tokenizer_config.json of what was given',
        )


def _sha256(vocabulary: Vocabulary) -> str:
    """Of pieces, rules and roles."""
    return sha256_bytes(json.dumps([vocabulary.spec, vocabulary.roles], sort_keys=True).encode())


def _small_files(folder: Path) -> dict[str, str]:
    """sha256 of what is written along: chat templates, lengths, how to generate."""
    files = sorted(path for path in folder.glob("*.json") if path.is_file())
    files += sorted(folder.glob("*.jinja"))
    return {path.name: sha256_file(path) for path in files if path.stat().st_size < _SMALL}


def _content(path: Path | None) -> str | None:
    """sha256 of a file, or of all files of a folder."""
    if path is None or not path.exists():
        return None  # what reads it says so
    return sha256_value(sha256_tree(path)) if path.is_dir() else sha256_file(path)
