"""What every id of a tokenizer stands for, as bytes, so that tokens of two tokenizers can be told the same.

Tokenizers write one text in different alphabets. Byte-level ones have a letter for each byte ("Ġक" is
written "Ġà¤ķ"); those after SentencePiece write a space as "▁" and a byte that is no character of theirs as
<0xE0>, or leave the space as it is (ours do); WordPiece marks what goes on with "##". Bytes are what they
have in common: b" the" is one piece, whether a vocabulary calls it "Ġthe", "▁the" or "the". Special
tokens have no text, only a role.

Source: byte-level alphabet, Radford et al. 2019 ("Language Models are Unsupervised Multitask Learners",
section 2.2); "▁" and byte tokens, Kudo and Richardson 2018, arXiv 1808.06226.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.train.models import load_tokenizer

SPACE = "▁"
ROLES = ("bos", "eos", "pad", "unk")
Spelling = Literal["bytes", "space", "plain", "words"]
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer as the pieces of its ids.

    spec: tokenizer.json. spelling: bytes (byte-level), space ("▁"), plain (as it is) or words
    (WordPiece). pieces: by id, None for a token without text. byte_ids: byte -> id of its token <0x..>.
    roles: bos, eos, pad and unk -> id, those there are. special: name of a token without text -> id.
    where: for messages.
    """

    spec: Mapping[str, Any]
    spelling: Spelling
    pieces: tuple[bytes | None, ...]
    byte_ids: Mapping[int, int]
    roles: Mapping[str, int]
    special: Mapping[str, int]
    where: str

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def kind(self) -> str:
        """BPE, Unigram or WordPiece."""
        return str(self.spec["model"]["type"])

    @cached_property
    def core(self) -> Any:
        """The `tokenizers.Tokenizer`."""
        from tokenizers import Tokenizer

        return Tokenizer.from_str(json.dumps(self.spec))

    @cached_property
    def ids(self) -> Mapping[bytes, int]:
        """Piece -> id; a piece that is a character is meant before the token of its byte."""
        of_bytes = set(self.byte_ids.values())
        known = [(p, i) for i, p in enumerate(self.pieces) if p is not None]
        out = {p: i for p, i in known if i in of_bytes}
        return out | {p: i for p, i in known if i not in of_bytes}

    def spelled(self, piece: bytes) -> str | None:
        """The piece in this tokenizer's letters; None where it has none for it."""
        if self.spelling == "bytes":
            return "".join(_letters()[b] for b in piece)
        text = _text(piece)
        if self.spelling == "plain":
            return text
        return None if text is None or SPACE in text else text.replace(" ", SPACE)

    def normalised(self, text: str) -> str:
        """What the tokenizer makes of a text before it cuts it, without a space that it puts in front."""
        if self.core.normalizer is None:
            return text
        out, letter = (str(self.core.normalizer.normalize_str(one)) for one in (text, "a"))
        out = out.removeprefix(letter[:-1])
        return out.replace(SPACE, " ") if self.spelling == "space" else out

    def cuts(self, text: str) -> bool:
        """Whether no token can be this text, as it is cut before tokens are looked for."""
        if self.core.pre_tokenizer is None:
            return False
        if self.core.normalizer is not None:
            text = self.core.normalizer.normalize_str(text)
        return len(self.core.pre_tokenizer.pre_tokenize_str(text)) > 1

    def parts(self, pieces: Sequence[bytes]) -> list[list[int]]:
        """Ids that this tokenizer writes each piece with; what it does not know is left out."""
        spelled = [self.spelled(_normal(self, piece)) for piece in pieces]
        found = self._model.encode_batch([s or "" for s in spelled], add_special_tokens=False)
        unknown = self._unknown
        out = []
        for piece, text, one in zip(pieces, spelled, found, strict=True):
            ids = one.ids if text is not None else [self.byte_ids.get(b, unknown) for b in piece]
            out.append([i for i in ids if i != unknown])
        return out

    @cached_property
    def _model(self) -> Any:
        """Without normaliser and pre-tokenizer: a piece may begin inside a word or a character."""
        from tokenizers import Tokenizer

        parts = ("normalizer", "pre_tokenizer", "post_processor", "truncation", "padding")
        alone = {**self.spec, **dict.fromkeys(parts), "added_tokens": []}
        return Tokenizer.from_str(json.dumps(alone))

    @cached_property
    def _unknown(self) -> int:
        """-1 where there is no token for what is unknown."""
        model = self.spec["model"]
        if "unk_id" in model:
            return -1 if model["unk_id"] is None else int(model["unk_id"])
        found = self.core.token_to_id(model["unk_token"]) if model.get("unk_token") else None
        return -1 if found is None else int(found)


def read_vocabulary(folder: Path) -> tuple[Vocabulary, Any]:
    """The vocabulary of a tokenizer's folder, and the tokenizer as transformers has it.

    Raises:
        ModelError: no folder, no tokenizer.json, or see `vocabulary`.
    """
    tokenizer = load_tokenizer(str(folder.resolve()), Path())
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is None:
        raise ModelError(
            expected="a tokenizer with a tokenizer.json",
            found=f"a {type(tokenizer).__name__} without one",
            where=str(folder),
            fix="convert it (transformers writes tokenizer.json for most kinds)",
        )
    named = {role: getattr(tokenizer, f"{role}_token_id") for role in ROLES}
    roles = {role: int(found) for role, found in named.items() if found is not None}
    return vocabulary(json.loads(core.to_str()), roles, str(folder)), tokenizer


def vocabulary(spec: Mapping[str, Any], roles: Mapping[str, int], where: str) -> Vocabulary:
    """The vocabulary of a tokenizer.json.

    Args:
        roles: id of each role that the tokenizer has.

    Raises:
        ModelError: pieces whose text is not known, or ids with gaps.
    """
    spelling = _spelling(spec, where)
    listed = spec["model"]["vocab"]
    by_id = {i: name for name, i in listed.items()} if isinstance(listed, dict) else {}
    by_id = by_id or {i: name for i, (name, _) in enumerate(listed)}
    added = {one["id"]: one for one in spec["added_tokens"]}
    by_id |= {i: one["content"] for i, one in added.items()}
    if sorted(by_id) != list(range(len(by_id))):
        missing = next(i for i in range(len(by_id)) if i not in by_id)
        raise ModelError(
            expected="ids from 0 without gaps",
            found=f"no token with id {missing}",
            where=where,
            fix="give a tokenizer whose ids are rows of a table",
        )
    fallback = bool(spec["model"].get("byte_fallback")) and spelling != "bytes"
    pieces: list[bytes | None] = []
    byte_ids: dict[int, int] = {}
    for i in range(len(by_id)):
        name, one = by_id[i], added.get(i)
        if one is not None:
            no_text = one["special"] or i in roles.values()
            pieces.append(None if no_text else name.encode())
        elif fallback and (match := _BYTE.fullmatch(name)):
            byte_ids[int(match[1], 16)] = i
            pieces.append(bytes([int(match[1], 16)]))
        else:
            pieces.append(None if i in roles.values() else _piece(name, spelling))
    special = {by_id[i]: i for i, piece in enumerate(pieces) if piece is None}
    return Vocabulary(spec, spelling, tuple(pieces), byte_ids, dict(roles), special, where)


def shared_ids(old: Vocabulary, new: Vocabulary) -> NDArray[np.int64]:
    """(n,) id in `old` of every token of `new`, -1 where there is none.

    The same are tokens of one role, special tokens of one name, tokens of one byte, pieces of one text.
    """
    bytes_of = {i: b for b, i in new.byte_ids.items()}
    names = {i: name for name, i in new.special.items()}
    out = np.full(len(new), -1, dtype=np.int64)
    for i, piece in enumerate(new.pieces):
        if piece is not None:
            found = old.byte_ids.get(bytes_of.get(i, -1))
            out[i] = found if found is not None else old.ids.get(piece, -1)
            continue
        own = [old.roles[r] for r in ROLES if new.roles.get(r) == i and r in old.roles]
        out[i] = own[0] if own else old.special.get(names[i], -1)
    return out


def _spelling(spec: Mapping[str, Any], where: str) -> Spelling:
    model = spec["model"]
    if model["type"] == "WordPiece" and model["continuing_subword_prefix"] == "##":
        return "words"
    steps = json.dumps([spec["normalizer"], spec["pre_tokenizer"]], ensure_ascii=False)
    marks = [m for m in ("continuing_subword_prefix", "end_of_word_suffix") if model.get(m)]
    if model["type"] in ("BPE", "Unigram") and not marks:
        if '"ByteLevel"' in steps:
            return "bytes"
        if f'"{SPACE}"' in steps or '"Metaspace"' in steps:
            return "space"
        if model.get("byte_fallback"):  # nothing is written otherwise, and every text can be
            return "plain"
    raise ModelError(
        expected='BPE or Unigram that is byte-level, writes spaces as "▁" or has bytes to fall back on, or '
        'WordPiece with "##"',
        found=f"{model['type']} with {marks[0]}" if marks else f"{model['type']} without them",
        where=where,
        fix="give another tokenizer: of this one it is not known which text a token stands for",
    )


def _piece(name: str, spelling: Spelling) -> bytes | None:
    if spelling == "words":
        return name[2:].encode() if name.startswith("##") else f" {name}".encode()
    if spelling == "space":
        return name.replace(SPACE, " ").encode()
    if spelling == "plain":
        return name.encode()
    of = _bytes()
    return bytes(of[c] for c in name) if all(c in of for c in name) else None


def _normal(tokenizer: Vocabulary, piece: bytes) -> bytes:
    text = _text(piece)
    return piece if text is None else tokenizer.normalised(text).encode()


def _text(piece: bytes) -> str | None:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return None


@cache
def _letters() -> tuple[str, ...]:
    """Byte -> letter: printable Latin-1 stands for itself, the rest for characters from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    of = {b: chr(b) for b in plain} | {b: chr(256 + n) for n, b in enumerate(others)}
    return tuple(of[b] for b in range(256))


@cache
def _bytes() -> Mapping[str, int]:
    return {letter: b for b, letter in enumerate(_letters())}
