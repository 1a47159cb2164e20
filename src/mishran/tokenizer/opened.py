"""Opening any tokenizer: what kind a path is, and the errors where it is none that is known.

A folder holds `tokenizer.json` (Hugging Face), a SentencePiece model, or tiktoken ranks, looked for in this
order; a file is known by its content, not by its name, since `tokenizer.model` may be either of the last
two. Nothing is downloaded unless `online` is set, and no code that comes with a tokenizer is run.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

from mishran.errors import ModelError, first_line
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.open_bytes import Bytes
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.open_sentencepiece import SentencePiece
from mishran.tokenizer.open_tiktoken import Tiktoken, open_ranks, open_tekken

# A folder may hold several; the first is what today's transformers would read.
_IN_FOLDERS = (
    "tokenizer.json",
    "tekken.json",
    "tokenizer.model",
    "sentencepiece.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "*.tiktoken",
)
_HUB_FILES = ["tokenizer.json", "tekken.json", "*.model", "*.tiktoken"]
BYTES = "bytes"  # the name of the tokenizer that needs no file


def open_tokenizer(path: str, name: str | None = None, *, online: bool = False) -> Tokenizer:
    """A tokenizer by its path.

    Args:
        path: a folder, `tokenizer.json`, a SentencePiece model, tiktoken ranks, or `bytes`: one token per
            byte of UTF-8. With `online` also `tiktoken:NAME` or the name of a repository of the hub.
        name: for tables; that of the folder or file by default.

    Raises:
        ModelError: no such file, a file of no kind that is known, or a damaged one.
    """
    if path == BYTES:
        return Bytes(name or BYTES)
    if path.startswith("tiktoken:"):
        return _named_tiktoken(path, name, online)
    place = Path(path).expanduser()
    if not place.exists():
        if online and not path.startswith((".", "/", "~")):
            return open_tokenizer(_fetched(path), name or path)
        raise ModelError(
            expected="a tokenizer's folder or file",
            found="no such file",
            where=path,
            fix="check the path, or add --online for a name of the hub",
        )
    named = name or _name(place)
    return _read(_file_in(place) if place.is_dir() else place, named)


def _name(place: Path) -> str:
    """Of the folder, where the file is called as all of its kind are."""
    generic = any(place.name == one for one in _IN_FOLDERS)
    whole = place.resolve()
    return whole.parent.name if generic and whole.parent.name else whole.name


def _file_in(folder: Path) -> Path:
    for pattern in _IN_FOLDERS:
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    names = ", ".join(sorted(p.name for p in folder.iterdir())[:6])
    raise ModelError(
        expected=f"one of {', '.join(_IN_FOLDERS)} in the folder",
        found=names or "an empty folder",
        where=str(folder),
        fix="give the folder that the tokenizer was saved in",
    )


def _read(file: Path, name: str) -> Tokenizer:
    """By the first bytes: JSON, base64 with a rank, or a serialised model."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(
            expected="a file that can be read",
            found=first_line(error),
            where=str(file),
            fix="check its permissions",
        ) from error
    start = content[:4096].lstrip()
    if not start:
        raise ModelError(
            expected="a tokenizer",
            found="an empty file",
            where=str(file),
            fix="copy it again from where it was made",
        )
    try:
        if start[:1] == b"{":
            return _read_json(content, name)
        if _is_rank(start.splitlines()[0]):
            return open_ranks(content, name)
    except ImportError:
        raise
    except Exception as error:  # every library raises its own kind
        raise _damaged(file, first_line(error)) from error
    if file.suffix in (".txt", ".yaml", ".yml", ".md", ".csv", ".tsv", ".safetensors", ".bin"):
        raise ModelError(
            expected="tokenizer.json, a SentencePiece model or tiktoken ranks",
            found=f"a file of another kind ({file.suffix})",
            where=str(file),
            fix="give the tokenizer's own file, or the folder that it is in",
        )
    try:
        return SentencePiece(content, name)
    except ImportError:
        raise
    except Exception as error:
        raise _damaged(file, first_line(error)) from error


def _read_json(content: bytes, name: str) -> Tokenizer:
    data = json.loads(content)
    if "model" in data:
        return HuggingFace(content.decode(), name)
    if "vocab" in data and "config" in data:
        return open_tekken(data, name)
    raise ValueError(
        "JSON that has neither `model` (Hugging Face) nor `vocab` and `config` (tekken)"
    )


def _is_rank(line: bytes) -> bool:
    word, _, rank = line.partition(b" ")
    try:
        return bool(base64.b64decode(word, validate=True)) and int(rank) >= 0
    except (binascii.Error, ValueError):
        return False


def _damaged(file: Path, why: str) -> ModelError:
    return ModelError(
        expected="tokenizer.json, a SentencePiece model or tiktoken ranks, whole",
        found=why,
        where=str(file),
        fix="copy it again from where it was made, or train it again",
    )


def _named_tiktoken(path: str, name: str | None, online: bool) -> Tokenizer:
    import tiktoken

    wanted = path.removeprefix("tiktoken:")
    known = tiktoken.list_encoding_names()
    if wanted not in known:
        raise ModelError(
            expected=f"an encoding of tiktoken: {', '.join(known)}",
            found=repr(wanted),
            where=path,
            fix="change the name",
        )
    if not online:  # tiktoken fetches the ranks when it has none
        raise ModelError(
            expected="--online with a name of tiktoken, whose ranks it fetches",
            found="no --online",
            where=path,
            fix="add --online, or give the .tiktoken file of the encoding",
        )
    try:
        return Tiktoken(tiktoken.get_encoding(wanted), name or wanted)
    except Exception as error:
        raise ModelError(
            expected=f"the ranks of {wanted}",
            found=first_line(error),
            where=path,
            fix="check the connection, or give the .tiktoken file of the encoding",
        ) from error


def _fetched(name: str) -> str:
    """The folder of a repository of the hub, with its tokenizer's files and nothing else."""
    from huggingface_hub import snapshot_download

    try:
        return str(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:
        raise ModelError(
            expected="a repository of the hub with a tokenizer",
            found=first_line(error),
            where=name,
            fix="check the name and the connection, or give a folder",
        ) from error
