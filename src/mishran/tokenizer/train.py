"""Training a tokenizer from a weighted table of words, by the libraries' own trainers.

Four algorithms, all with the pre-tokens of `pretokens`, the same alphabet, 256 byte tokens and no
normalisation, so that what differs is the algorithm and every text comes back as it was:

- `bpe`: byte-pair merges of characters, Hugging Face. A rare character costs its bytes.
- `byte-bpe`: byte-pair merges of bytes (GPT-2's way), Hugging Face. Merges are first spent on putting the
  three bytes of a Devanagari letter together.
- `sentencepiece-bpe`: the same merges by SentencePiece, with a model file for what reads only those.
- `sentencepiece-unigram`: pieces of a unigram language model. Pieces are chosen together, not one
  after another, and a text is cut where it is most probable; slower to train and to encode.

Whichever it is, `Trained.json` is a complete Hugging Face tokenizer.

Source: Sennrich et al. 2016 (arXiv 1508.07909), Kudo 2018 (arXiv 1804.10959), Kudo and Richardson 2018
(arXiv 1808.06226), Radford et al. 2019 for bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final, get_args

from mishran.config_tokenizer import Algorithm
from mishran.errors import ConfigError
from mishran.tokenizer.alphabet import Alphabet, check_special, check_vocabulary, inside

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
NESTED: tuple[Algorithm, ...] = ("bpe", "byte-bpe", "sentencepiece-bpe")
# Occurrences that the weights are scaled to: a word of one in 10 million plays no part. Assumption.
OCCURRENCES = 5_000_000
FINEST = (
    16  # occurrences for one in a small text: a sixteenth is lost by rounding at most. Assumption.
)
LONGEST = (
    100  # characters of a word that tokens are learned from; longer ones are no words. Assumption.
)


@final
@dataclass(frozen=True)
class Trained:
    """A trained tokenizer.

    json: the text of tokenizer.json. model: the SentencePiece model, where the algorithm is
    SentencePiece's.
    """

    algorithm: Algorithm
    vocabulary: int
    json: str
    model: bytes | None = None


def train(
    weights: Mapping[str, float],
    alphabet: Alphabet,
    algorithm: Algorithm,
    vocabulary: int,
    extra: Sequence[str] = (),
    where: str = "vocabulary",
) -> Trained:
    """A tokenizer of so many tokens, special ones, bytes and characters counted.

    Args:
        weights: word -> weight, in the scale of counts.
        extra: special tokens beside <pad>, <s>, </s> and <unk>.
        where: what an error about the vocabulary names.

    Raises:
        ConfigError: the vocabulary is too small for the alphabet, the text too small for the vocabulary, or
            a special token is a word that text may hold.
    """
    check_special(extra)
    check_vocabulary(vocabulary, alphabet, extra, where)
    if algorithm in ("bpe", "byte-bpe"):
        from mishran.tokenizer.train_bpe import train_bpe

        whole = weights if algorithm == "byte-bpe" else inside(weights, alphabet)
        json, size = train_bpe(
            occurrences(whole), alphabet, vocabulary, extra, by_bytes=algorithm == "byte-bpe"
        )
        made = Trained(algorithm, size, json)
    else:
        from mishran.tokenizer.train_sentencepiece import train_sentencepiece

        kind: Literal["bpe", "unigram"] = "bpe" if algorithm == "sentencepiece-bpe" else "unigram"
        model, json, size = train_sentencepiece(
            occurrences(inside(weights, alphabet)), alphabet, vocabulary, extra, kind
        )
        made = Trained(algorithm, size, json, model)
    if made.vocabulary < vocabulary:
        raise ConfigError(
            expected=f"text that {vocabulary:,} tokens can be learned from",
            found=f"only {made.vocabulary:,} different ones ({algorithm})",
            where=where,
            fix="give more text, or make the vocabulary smaller",
        )
    return made


def occurrences(weights: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers in proportion to the weights, for the libraries; words that round to 0 are left out."""
    scale = min(FINEST, OCCURRENCES / max(math.fsum(weights.values()), 1e-300))  # in any order
    rounded = {w: round(weights[w] * scale) for w in sorted(weights) if len(w) <= LONGEST}
    return {word: count for word, count in rounded.items() if count}
