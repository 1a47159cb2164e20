"""How well a tokenizer serves a language: every measure with an interval over the texts.

What each is, and whose:

- fertility: tokens per word (between whitespace). Rust et al. 2021 (arXiv 2012.15613, section 3.1), who
  also have the proportion of continued words: words that are cut into two or more tokens.
- parity: tokens of a language for each token of the reference, on the same content: the tokenization
  premium of Petrov et al. 2023 (arXiv 2305.15425, section 3). 1 is fair, 2 pays twice. The gap is
  |parity - 1|.
- single-token retention rate: share of different words that are one token, each word once and alone,
  with a space in front (STRR, Nayeem et al. 2025, arXiv 2510.09947).
- Renyi efficiency: entropy of order 2.5 of the tokens, over the logarithm of the vocabulary (Zouhar et al.
  2023, arXiv 2306.16842, section 4): low where few tokens do all the work.
- bytes per token: compression; characters per token beside it, since scripts differ in bytes.
- broken aksharas: share of tokens that begin with a dependent vowel sign, virama, nukta or another mark
  (Unicode M); cut characters: share that begin inside a character.

Intervals are percentiles over texts drawn anew (Efron 1979); the single-token rate draws words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mishran.tokenizer.alone import costs
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.open_bytes import whole_text
from mishran.tokenizer.parallel import Parallel
from mishran.tokenizer.tally import Tally, tally

Floats = NDArray[np.float64]
REPLICAS = 1000
_RENYI_REPLICAS = 200  # each is a sum over the vocabulary; assumption
ORDER = 2.5  # of the Renyi entropy: what Zouhar et al. found to go with translation quality
LEVEL = 0.95

# name -> (numerator, denominator), fields of a tally.
RATIOS: Mapping[str, tuple[str, str]] = {
    "fertility": ("num_tokens", "num_words"),
    "continued_words": ("num_split", "num_words"),
    "bytes_per_token": ("num_bytes", "num_tokens"),
    "characters_per_token": ("num_characters", "num_tokens"),
    "broken_aksharas": ("num_broken", "num_tokens"),
    "cut_characters": ("num_inside", "num_tokens"),
}
MEASURES = ("parity", *RATIOS, "single_token_words", "renyi_efficiency")


@final
@dataclass(frozen=True)
class Estimate:
    """A measure with its 95 % interval."""

    value: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class LanguageMeasures:
    """A tokenizer on the texts of one language and domain.

    measures: name -> estimate; "parity" only where the reference language is there, too.
    """

    language: str
    domain: str
    num_texts: int
    num_tokens: int
    num_bytes: int
    measures: Mapping[str, Estimate]


def measure(
    tokenizer: Tokenizer, texts: Parallel, reference: str, seed: int = 0
) -> tuple[LanguageMeasures, ...]:
    """All measures of every language of parallel text.

    Args:
        reference: language that parity is against.
        seed: of the texts that are drawn; the same for every tokenizer, so that they can be compared.
    """
    draws = drawn(texts.num, REPLICAS, seed)
    tallies = {language: tally(tokenizer, lines) for language, lines in texts.texts.items()}
    out = []
    for language, counted in tallies.items():
        found: dict[str, Estimate] = {}
        if reference in tallies:
            base = tallies[reference].num_tokens
            found["parity"] = ratio(counted.num_tokens, base, draws)
        for name, (above, below) in RATIOS.items():
            found[name] = ratio(getattr(counted, above), getattr(counted, below), draws)
        found["single_token_words"] = _retention(tokenizer, texts.texts[language], seed)
        found["renyi_efficiency"] = renyi_efficiency(counted, tokenizer.size, draws)
        tokens, size = int(counted.num_tokens.sum()), int(counted.num_bytes.sum())
        out.append(LanguageMeasures(language, texts.name, texts.num, tokens, size, found))
    return tuple(out)


def drawn(num: int, replicas: int, seed: int) -> Floats:
    """(replicas, num) how often each text is drawn, of as many draws as there are texts."""
    rng = np.random.default_rng([seed, 7])
    return rng.multinomial(num, np.full(num, 1 / num), size=replicas).astype(float)


def ratio(above: NDArray[np.int64], below: NDArray[np.int64], draws: Floats) -> Estimate:
    """Sum over sum, with its interval; not a number where there is nothing below."""

    def sums(of: NDArray[np.int64]) -> Floats:  # not by @, whose threads wait for each other here
        return np.asarray(np.einsum("bn,n->b", draws, of.astype(float)))

    with np.errstate(invalid="ignore", divide="ignore"):
        replicas = sums(above) / sums(below)
        value = float(np.float64(above.sum()) / np.float64(below.sum()))
    return interval(value, replicas)


def interval(value: float, replicas: Floats) -> Estimate:
    """Percentiles."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicas, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def renyi_efficiency(counted: Tally, size: int, draws: Floats) -> Estimate:
    """Renyi entropy of the tokens over the logarithm of the vocabulary."""
    used, columns = np.unique(counted.ids, return_inverse=True)
    ones = np.ones(counted.ids.size)
    shape = (draws.shape[1], used.size)
    matrix = sparse.csr_array((ones, (counted.text, columns)), shape=shape)
    whole = _efficiency(np.asarray(matrix.sum(axis=0), dtype=float)[:, None], size)
    some = sparse.csr_array(matrix.T)
    parts = [
        _efficiency(some @ part.T, size)
        for part in np.array_split(draws[:_RENYI_REPLICAS], max(1, used.size // 2**14))
    ]
    return interval(float(whole[0]), np.concatenate(parts))


def _efficiency(counts: Floats, size: int) -> Floats:
    """(B,) of (U, B) counts. Powers are looked up: a count is a whole number, and few are different."""
    powers = np.arange(counts.max(initial=0) + 1) ** ORDER
    sums = powers[counts.astype(np.int64)].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # no tokens, or a vocabulary of one
        entropy = (np.log(sums) - ORDER * np.log(counts.sum(axis=0))) / (1 - ORDER)
        return np.asarray(entropy / np.log(size), dtype=float)


def _retention(tokenizer: Tokenizer, texts: Sequence[str], seed: int) -> Estimate:
    different = distinct_words(texts)
    if not different:
        return Estimate(np.nan, np.nan, np.nan)
    single = costs(tokenizer, different) == 1
    rng = np.random.default_rng([seed, 8])
    value = float(single.mean())
    replicas = rng.binomial(len(different), value, size=REPLICAS) / len(different)
    return interval(value, replicas)


def distinct_words(texts: Sequence[str]) -> list[str]:
    """Runs of letters and marks, each once, in order."""
    return list(_distinct(tuple(texts)))


@lru_cache(maxsize=64)  # every tokenizer is measured on the same languages
def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    from mishran.tokenizer.pretokens import splitter

    find = splitter().findall
    found = {piece.lstrip(" ") for text in texts for piece in find(whole_text(text))}
    return tuple(sorted(word for word in found if word[:1].isalpha()))
