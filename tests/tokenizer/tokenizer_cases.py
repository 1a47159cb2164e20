"""A small text in two scripts, and a tokenizer of every algorithm that was trained on it."""

from __future__ import annotations

import random
from functools import cache

from corpus_project import document
from hypothesis import strategies as st

from mishran.tokenizer.alphabet import Alphabet, alphabet_of
from mishran.tokenizer.train import ALGORITHMS, Algorithm, Trained, train
from mishran.tokenizer.words import Words, count_words, proportional, weighted

SIZE = 460
EXTRA = ("<|user|>",)
# What breaks tokenizers: marks of many scripts, joiners, SentencePiece's own signs, names of tokens.
HARD = (
    *"▁\uf8fe\uf8ff\x00\t\n\r\x1f\u200c\u200d\u0300ािीुे़्ंँ०९٣éＡ①½ﬁ़़",
    *(
        "<0x41>",
        "<s>",
        "</s>",
        "<unk>",
        "<pad>",
        "<|user|>",
        "क्ष",
        "  ",
        "\u2028",
        "👩‍👩‍👧",
        "\ufeff",
    ),
)
TEXTS = st.lists(
    st.one_of(st.text(max_size=4), st.sampled_from(HARD), st.sampled_from("aक b।1"))
).map("".join)


@cache
def tables() -> dict[str, Words]:
    rng = random.Random(0)
    texts = {tag: [document(tag, rng) for _ in range(n)] for tag, n in (("en", 60), ("hi", 30))}
    texts["hi"].append("क़ीमत १२३ ▁ रुपये — ½")
    return {tag: count_words(lines) for tag, lines in texts.items()}


@cache
def alphabet() -> Alphabet:
    return alphabet_of(tables(), 1.0)


def weights() -> dict[str, float]:
    return weighted(tables(), proportional(tables()))


@cache
def trained(algorithm: Algorithm, size: int = SIZE) -> Trained:
    return train(weights(), alphabet(), algorithm, size, EXTRA)


__all__ = [
    "ALGORITHMS",
    "EXTRA",
    "HARD",
    "SIZE",
    "TEXTS",
    "alphabet",
    "tables",
    "trained",
    "weights",
]
