"""Byte-pair encoding by Hugging Face's trainer, of characters with byte fallback or of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mishran.config_tokenizer import SPECIAL
from mishran.tokenizer.alphabet import BYTES, Alphabet, check_vocabulary
from mishran.tokenizer.pretokens import PATTERN

_BETWEEN = "\x1f"  # between the words that are handed over: no word holds a control character
_REPEATS = 4096  # of a word in one string


def train_bpe(
    counts: Mapping[str, int],
    alphabet: Alphabet,
    vocabulary: int,
    extra: Sequence[str],
    *,
    by_bytes: bool,
) -> tuple[str, int]:
    """The text of tokenizer.json, and how many tokens it has (fewer where the text has no more).

    The trainer sorts characters that are equally frequent as its hash table has them; it is given the
    alphabet in order instead, so that the same table gives the same bytes everywhere.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet()) if by_bytes else alphabet.characters
    base = [*SPECIAL, *extra, *(() if by_bytes else BYTES)]
    model = Tokenizer(models.BPE())
    cut: Any = pre_tokenizers.Split(_BETWEEN, "removed")
    if by_bytes:
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        cut = pre_tokenizers.Sequence([cut, level])
    model.pre_tokenizer = cut
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(base),
        initial_alphabet=list(letters),
        limit_alphabet=len(letters),
        show_progress=False,
    )
    model.train_from_iterator(_strings(counts, by_bytes), trainer)
    merges = [tuple(pair) for pair in json.loads(model.to_str())["model"]["merges"]]
    return assemble(base, letters, merges, vocabulary, extra, by_bytes=by_bytes)


def _strings(counts: Mapping[str, int], by_bytes: bool) -> Iterator[list[str]]:
    batch: list[str] = []
    for word, count in counts.items():
        if by_bytes and _BETWEEN in word:
            continue
        while count > 0:
            batch.append((word + _BETWEEN) * min(count, _REPEATS))
            count -= _REPEATS
        if len(batch) >= 8192:
            yield batch
            batch = []
    yield batch


def assemble(
    base: Sequence[str],
    letters: Sequence[str],
    merges: Sequence[tuple[str, str]],
    vocabulary: int,
    extra: Sequence[str],
    *,
    by_bytes: bool,
) -> tuple[str, int]:
    """tokenizer.json of the first merges that fill the vocabulary.

    Merges come in the order that they were learned in, so that a smaller vocabulary is the beginning of a
    larger one.

    Args:
        base: special tokens and bytes, ids from 0 on. letters: the alphabet, after them.
    """
    ids = {piece: i for i, piece in enumerate([*base, *letters])}
    kept = []
    for left, right in merges:
        piece = left + right
        if piece not in ids:
            if len(ids) == vocabulary:
                break
            ids[piece] = len(ids)
        kept.append([left, right])
    return whole(merge_model(ids, kept, fallback=not by_bytes), extra, by_bytes=by_bytes), len(ids)


def merge_model(
    ids: Mapping[str, int], merges: Sequence[Sequence[str]], *, fallback: bool
) -> dict[str, Any]:
    """The model in a tokenizer.json of merges."""
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": fallback,
        "ignore_merges": False,
        "vocab": ids,
        "merges": merges,
    }


def whole(model: Mapping[str, Any], extra: Sequence[str], *, by_bytes: bool) -> str:
    """tokenizer.json around a model: cut at pre-tokens, nothing normalised, decoded to what was there."""
    cut: dict[str, Any] = {
        "type": "Split",
        "pattern": {"Regex": PATTERN},
        "behavior": "Isolated",
        "invert": False,
    }
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }
    back = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    special = [
        {
            "id": i,
            "content": text,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i, text in enumerate([*SPECIAL, *extra])
    ]
    data = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, level]} if by_bytes else cut,
        "post_processor": None,
        "decoder": level if by_bytes else back,
        "model": model,
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def truncated_bpe(text: str, vocabulary: int, extra: Sequence[str]) -> str:
    """The tokenizer.json that training would have given for a smaller vocabulary.

    Raises:
        ConfigError: it does not hold the alphabet.
    """
    model = json.loads(text)["model"]
    pieces = list(model["vocab"])
    merged = {left + right for left, right in model["merges"]}
    by_bytes = not model["byte_fallback"]
    base = [*SPECIAL, *extra, *(() if by_bytes else BYTES)]
    letters = [piece for piece in pieces[len(base) :] if piece not in merged]
    check_vocabulary(vocabulary, Alphabet(() if by_bytes else tuple(letters), {}), extra)
    pairs = [(left, right) for left, right in model["merges"]]
    return assemble(base, letters, pairs, vocabulary, extra, by_bytes=by_bytes)[0]
