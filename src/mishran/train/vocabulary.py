"""Another vocabulary for a model that exists: which rows of its embedding stay, and which are new.

*Replace*: the model gets the new tokenizer as it is; tokens that are in both keep their rows. Use it where
the new tokenizer is better everywhere, and some training follows. *Extend*: the old tokenizer gets the
pieces of another one that it lacks; every old id stays. Use it to add a language and keep the others.

An extended BPE is its old merges, then one new merge for each new piece, joining what the tokenizer so far
makes of that piece. Old merges come first, so a text is cut as before, and only then are neighbours joined:
whatever a new token stands for is a run of the old tokens, in place. Merges of the other tokenizer,
appended as they are, would not do: the old ones cut a piece elsewhere than the other tokenizer did, and
some pieces could never come up. A piece that two tokens do not make is left out and counted; only letters
and characters are always made, whatever tokens that takes, as the other pieces are made of them.

Source: unreachable tokens of naive extension, Purason et al. 2025, arXiv 2512.03989.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.train.pieces import Vocabulary, shared_ids, vocabulary

HOW = ("replace", "extend")


@dataclass(frozen=True)
class Change:
    """From one vocabulary to another.

    kept: (n,) old id whose row a token keeps, -1 for a new one. left_out: why a piece of the other
    tokenizer was not added -> how many; empty for `replace`.
    """

    old: Vocabulary
    new: Vocabulary
    kept: NDArray[np.int64]
    left_out: Mapping[str, int]

    @property
    def added(self) -> NDArray[np.int64]:
        """Ids without an old row, in order."""
        return np.flatnonzero(self.kept < 0)


def replace(old: Vocabulary, new: Vocabulary) -> Change:
    """The new tokenizer in place of the old one.

    Raises:
        ModelError: the old one is WordPiece, which cannot write a part of a word by itself.
    """
    if old.spelling == "words":
        raise ModelError(
            expected='a model with a tokenizer that is byte-level or writes spaces as "▁"',
            found="WordPiece",
            where=old.where,
            fix="give another model",
        )
    return Change(old, new, shared_ids(old, new), {})


def extend(old: Vocabulary, other: Vocabulary) -> Change:
    """The old tokenizer with the pieces of another one that it lacks; ids of the old one stay.

    Left out: *alphabet*, what the old tokenizer has no letters for; *normalised*, what it changes before
    it cuts; *cut*, what it cuts before it looks for tokens; *unreachable*, what no merge of two tokens
    makes; *special*, tokens of the other one without text.

    Raises:
        ModelError: pieces that cannot be combined.
    """
    if old.kind not in ("BPE", "Unigram") or other.kind not in ("BPE", "Unigram"):
        raise _refused("two tokenizers that are BPE or Unigram", old, other)
    if old.kind == "Unigram" and other.kind != "Unigram":
        raise _refused("a Unigram beside a Unigram, as its pieces need probabilities", old, other)
    left: Counter[str] = Counter()
    known = old.ids
    wanted: dict[bytes, tuple[str, float]] = {}
    for piece, score in _ranked(other):
        if piece not in known and piece not in wanted:
            spelled, reason = _spelled(old, piece)
            if spelled is None:
                left[reason] += 1
            else:
                wanted[piece] = (spelled, score)
    left["special"] = sum(1 for i in shared_ids(old, other)[_no_text(other)] if i < 0)
    spec = json.loads(json.dumps(old.spec))
    _pin_added(spec)
    if old.kind == "Unigram":
        spec["model"]["vocab"] += [[spelled, score] for spelled, score in wanted.values()]
    else:
        left["unreachable"] = _add_merges(
            spec["model"], [(piece, spelled) for piece, (spelled, _) in wanted.items()], len(old)
        )
    new = vocabulary(spec, old.roles, old.where)
    kept = np.concatenate([np.arange(len(old)), np.full(len(new) - len(old), -1)])
    return Change(old, new, kept, {reason: n for reason, n in sorted(left.items()) if n})


def _refused(expected: str, old: Vocabulary, other: Vocabulary) -> ModelError:
    return ModelError(
        expected=expected,
        found=f"{old.kind} and {other.kind}",
        where=other.where,
        fix="use replace, or a tokenizer of the model's kind",
    )


def _no_text(tokenizer: Vocabulary) -> list[int]:
    return [i for i, piece in enumerate(tokenizer.pieces) if piece is None]


def _ranked(other: Vocabulary) -> Iterator[tuple[bytes, float]]:
    """Pieces and scores: what the other tokenizer learned first (BPE) or finds likeliest (Unigram)."""
    model = other.spec["model"]
    of_bytes = set(other.byte_ids.values())
    rank: dict[int, float] = {}
    if other.kind == "Unigram":
        rank = {i: -score for i, (_, score) in enumerate(model["vocab"])}
    else:
        for n, (a, b) in enumerate(model["merges"], start=1):
            rank.setdefault(model["vocab"][a + b], n)
    for i in sorted(range(len(other)), key=lambda i: (rank.get(i, 0), i)):
        piece = other.pieces[i]
        if piece and i not in of_bytes:
            yield piece, -rank.get(i, 0.0)


def _spelled(old: Vocabulary, piece: bytes) -> tuple[str | None, str]:
    """The piece in the old tokenizer's letters, or None and why it can never come up."""
    spelled = old.spelled(piece)
    if spelled is None:
        return None, "alphabet"
    whole = piece.decode(errors="ignore")  # of a piece that ends inside a character: what is whole
    if old.normalised(whole) != whole:
        return None, "normalised"
    return (None, "cut") if old.cuts(whole) else (spelled, "")


def _pin_added(spec: dict[str, Any]) -> None:
    """Give added tokens their ids in the model itself; else they are counted from its size, which grows."""
    vocab = spec["model"]["vocab"]
    if isinstance(vocab, dict):
        for one in spec["added_tokens"]:
            vocab.setdefault(one["content"], one["id"])
        return
    least = min(score for _, score in vocab)
    vocab += [
        [one["content"], least]
        for one in sorted(spec["added_tokens"], key=lambda one: one["id"])
        if one["id"] >= len(vocab)
    ]


def _add_merges(model: dict[str, Any], wanted: list[tuple[bytes, str]], first: int) -> int:
    """Append pieces and merges to a BPE, ids from `first` on; how many pieces could not be reached.

    First letters that the pieces are written with, then characters, by as many merges as they have bytes;
    then the others, again and again, since a piece may become reachable by one that came after its turn.
    """
    vocab, merges = model["vocab"], model["merges"]
    ranks = {(a, b): n for n, (a, b) in enumerate(merges)}

    def add(parts: Sequence[str]) -> None:
        vocab["".join(parts)] = first + len(added)
        added.append("".join(parts))
        if len(parts) == 2:
            ranks[parts[0], parts[1]] = len(merges)
            merges.append(list(parts))

    added: list[str] = []
    todo, before = [], -1
    for letter in (letter for _, spelled in wanted for letter in spelled):
        if letter not in vocab:
            add([letter])
    for piece, spelled in wanted:
        if not _is_character(piece):
            todo.append(spelled)
            continue
        while spelled not in vocab:
            add(_merged(spelled, ranks)[:2])
    while len(todo) != before:
        before, left = len(todo), []
        for spelled in todo:
            parts = _merged(spelled, ranks)
            if len(parts) == 2:
                add(parts)
            elif spelled not in vocab:
                left.append(spelled)
        todo = left
    return len(todo)


def _is_character(piece: bytes) -> bool:
    try:
        return len(piece.decode()) == 1
    except UnicodeDecodeError:
        return False


def _merged(text: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """What BPE makes of a text that nothing cuts: the earliest merge first, leftmost first."""
    parts = list(text)
    while len(parts) > 1:
        found = [(ranks.get(pair, len(ranks)), i) for i, pair in enumerate(pairwise(parts))]
        rank, i = min(found)
        if rank == len(ranks):
            break
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts
