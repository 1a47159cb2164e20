"""Machine gibberish: random letters, keyboard mash, shuffled characters, base64 and hex, broken OCR.

Two kinds of test, cheap before dear:

- Signs that need no model: characters that stand in encoded blobs, Latin words with a run of consonants
  that no mouth can say, vowel signs of Indic scripts that follow no consonant.
- A character n-gram model of the user's own text (`prose_model.py`, or any other): bits per character in
  windows, and whether a quarter of them cost more than a bound that is calibrated on seed text.

The bound stands where seed text does whose words have had their characters shuffled: nine tenths of such
text are beyond it. It never lies below what 99 % of good seed documents cost; that alone would drop what
is merely unlike the seed (per character of an English model code costs 3 to 7 bits, another language and
tables of numbers 7, shuffled words 7.7 and more; measured, docs/log.md).

When: after language identification, with the model of the document's own language, or of all that a corpus
has. The lower bound is conformal: a new document that is exchangeable with the seed documents exceeds it
with probability at most 1 - quantile. So the seed must be *held out* from the model's own training text (a
model knows its own text too well, and the bound comes out too low).

Trade-off: what is locally like the language is not seen: babble of a Markov chain of the model's own order,
real words in random order, OCR that is wrong in less than every fourth character (measured,
docs/results/corpus.md).

Source: split conformal quantile, Vovk et al. 2005, section 4.2, as in Angelopoulos and Bates, arXiv
2107.07511, equation 1. The bounds without a model stand above what was found in real text of 16 kinds
in English and Hindi (but for one page of checksums) and in 12 languages of Indic scripts (measured,
docs/results/corpus.md).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mishran.errors import DataError

WINDOW = 128  # characters; a blob of 192 always covers one whole window. Assumption
QUANTILE = 0.99  # of seed documents that stay below the bound; assumption
SPOILT = (
    0.1  # of garbled seed documents that may stay below it, too: some are hardly words; assumption
)
PART = (
    0.25  # of the windows of a document above the bound, from where on it is gibberish; assumption
)
FEWEST = 20  # texts that a bound is calibrated on at least; assumption

MAX_BLOB_SHARE = 0.25  # characters in blobs / characters; pages of checksums have up to 0.2
MAX_BLOB = 256  # characters of one blob; longer than a SHA-512 in hex (128). Assumption
MAX_UNSAYABLE = (
    0.08  # different Latin words of 5 letters or more with a run of 6 consonants / all such
)
MAX_STRAY_SIGNS = 0.10  # vowel signs that follow no consonant / vowel signs
LEAST = 20  # words or signs below which a share says nothing; assumption

_LONG = 32  # characters of a blob at least; an MD5 in hex has 32
_BLOB = re.compile(rf"[A-Za-z0-9+/=_-]{{{_LONG},}}")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_LATIN = re.compile(r"(?<![A-Za-z])[A-Za-z][a-z]{4,}(?![A-Za-z])")
_UNSAYABLE = re.compile(r"[bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ]{6}")
_CHANGES = (
    0.25  # neighbours of different class (upper, lower, digit) / neighbours, in a blob; assumption
)

Float = NDArray[np.float64]
WindowBits = Callable[[str], Float]


def squeezed(text: str) -> str:
    """The text with every run of white space as one space: what windows are counted in."""
    return " ".join(text.split())


def windows_of(character_bits: Callable[[str], Float]) -> WindowBits:
    """Bits per character of every window, half a window apart.

    character_bits: of a model, which gives the bits of every character of a squeezed text.
    """

    def windowed(text: str) -> Float:
        bits = character_bits(squeezed(text))
        before = np.concatenate(([0.0], np.cumsum(bits)))
        starts = np.array(_starts(len(bits)), dtype=np.intp)
        ends = np.minimum(starts + WINDOW, len(bits))
        found: Float = (before[ends] - before[starts]) / np.maximum(ends - starts, 1)
        return found

    return windowed


def _starts(characters: int) -> list[int]:
    """Half a window apart; the last window ends with the text, one window if the text is shorter."""
    last = max(characters - WINDOW, 0)
    starts = list(range(0, last + 1, WINDOW // 2)) if characters else []
    return starts + [last] * (bool(starts) and starts[-1] != last)


@dataclass(frozen=True)
class Bound:
    """The bits per character above which a window is gibberish.

    quantile: of seed documents with less than a quarter of such windows, at least. documents: seed
    documents that it was calibrated on.
    """

    bits: float
    quantile: float
    documents: int


def sound(texts: Iterable[str]) -> list[str]:
    """Texts that are not empty and no sign condemns: one page of base64 would set the bound for all."""
    return [text for text in texts if text.strip() and verdict(text) is None]


def calibrate(
    window_bits: WindowBits, seed_texts: Iterable[str], quantile: float = QUANTILE, seed: int = 0
) -> Bound:
    """The bound under which most windows of a new document stay with probability `quantile`, or higher:
    as high as nine tenths of the seed documents come when their words are garbled.

    Args:
        seed_texts: `sound` documents that the model was not trained on.
        quantile: of so few documents that they do not have it, the largest that they have.

    Raises:
        DataError: fewer than `FEWEST` documents.
    """
    good = list(seed_texts)
    if len(good) < FEWEST:
        raise DataError(
            expected=f"{FEWEST} texts to calibrate a bound on",
            found=str(len(good)),
            where="gibberish",
            fix="give more seed text, or write gibberish: false",
        )
    worst = [_beyond(bits) for bits in map(window_bits, good)]
    quantile = min(quantile, len(worst) / (len(worst) + 1))
    rank = math.ceil((len(worst) + 1) * quantile - 1e-9)
    rng = np.random.default_rng(seed)
    spoilt = (window_bits(garbled(text, rng)) for text in good)
    levels = sorted(float(np.median(bits)) for bits in spoilt)
    lowest = levels[math.floor(SPOILT * len(levels))]
    return Bound(max(sorted(worst)[rank - 1], lowest), quantile, len(worst))


def garbled(text: str, rng: np.random.Generator) -> str:
    """The text with the characters of every word in random order."""
    return " ".join("".join(rng.permutation(list(word))) for word in text.split())


def _mostly(above: NDArray[np.bool_]) -> bool:
    """Whether so many windows are above their bound that the document is gibberish."""
    return len(above) > 0 and bool(above.mean() >= PART)


def _beyond(bits: Float) -> float:
    """The least bound under which a document is not gibberish."""
    return float(np.sort(bits)[len(bits) - math.ceil(PART * len(bits))])


@dataclass(frozen=True)
class Signs:
    """What is seen without a model; None where there is too little to say it of.

    blob_share: characters in blobs / characters. longest_blob: in characters.
    unsayable: different Latin words of 5 letters or more with a run of 6 consonants (y is none) / all such;
    different ones, since a page about `msmtprc` or `wkhtmltopdf` names it in every line.
    stray_signs: vowel signs of Indic scripts that follow no consonant / vowel signs.
    """

    blob_share: float
    longest_blob: int
    unsayable: float | None
    stray_signs: float | None


def signs(text: str) -> Signs:
    """The signs of gibberish in a text."""
    # A blob has no white space, so that only long words can hold one.
    long = [word for word in text.split() if len(word) >= _LONG]
    blobs = [len(run) for word in long for run in _BLOB.findall(word) if _encoded(run)]
    return Signs(
        sum(blobs) / len(text) if blobs else 0.0,
        max(blobs, default=0),
        _unsayable(text),
        _stray_signs(text),
    )


def _unsayable(text: str) -> float | None:
    if _UNSAYABLE.search(text) is None:  # almost every text, and much faster than finding its words
        return 0.0
    words = set(_LATIN.findall(text))
    if len(words) < LEAST:
        return None
    return sum(_UNSAYABLE.search(word) is not None for word in words) / len(words)


def _encoded(run: str) -> bool:
    """Whether a long run of letters and digits is encoded bytes: hex, or classes that change at random.

    In base64 the classes of neighbours differ in 60 % of places, in names and paths in few.
    """
    if _HEX.fullmatch(run):
        return not run.isalpha()
    classes = [0 if c.isdigit() else 1 if c.isupper() else 2 if c.islower() else 3 for c in run]
    changes = sum(a != b for a, b in pairwise(classes))
    return {0, 1, 2} <= set(classes) and changes > _CHANGES * (len(run) - 1)


def _stray_signs(text: str) -> float | None:
    """Nine Indic blocks of Unicode have the layout of ISCII: what a code point is, is in its last 7 bits.

    Source: The Unicode Standard 15, chapter 12, and its Indic_Syllabic_Category.
    """
    if text.isascii():
        return None
    # Composed: a vowel sign of two parts (Bengali o, say) must not look like one that follows another.
    composed = unicodedata.normalize("NFC", text).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(composed, dtype="<u4")
    indic = (codes >= 0x900) & (codes < 0xD80)  # Devanagari to Malayalam
    place = codes & 0x7F
    sign = indic & (place >= 0x3E) & (place <= 0x4C)
    total = int(np.count_nonzero(sign))
    if total < LEAST:
        return None
    bearer = indic & (
        ((place >= 0x15) & (place <= 0x39))  # consonants
        | (place == 0x3C)  # nukta
        | ((place >= 0x58) & (place <= 0x5F))  # consonants with a nukta of their own
        | (place >= 0x70)  # letters that single scripts add: Assamese, Gurmukhi, Sindhi
    )
    follows = np.zeros(len(codes), dtype=np.bool_)
    follows[1:] = bearer[:-1] & (codes[1:] >> 7 == codes[:-1] >> 7)
    # The English vowels of Marathi and Hindi are written on a vowel: candra e and o after a or aa.
    candra = (place == 0x45) | (place == 0x49)
    follows[1:] |= candra[1:] & ((place[:-1] == 0x05) | (place[:-1] == 0x06))
    return int(np.count_nonzero(sign & ~follows)) / total


def verdict(text: str, models: Iterable[tuple[WindowBits, float]] = ()) -> str | None:
    """The reason to drop a text as gibberish, None to keep it.

    Args:
        models: windows and bound of every language of the corpus, that of the text first. A window counts
            that is beyond all bounds: code in a Hindi page is like English. Without models the signs judge.

    Returns:
        "encoded-blob", "unsayable-words", "stray-vowel-signs", "gibberish" or None.
    """
    seen = signs(text)
    if seen.blob_share > MAX_BLOB_SHARE or seen.longest_blob > MAX_BLOB:
        return "encoded-blob"
    if seen.unsayable is not None and seen.unsayable > MAX_UNSAYABLE:
        return "unsayable-words"
    if seen.stray_signs is not None and seen.stray_signs > MAX_STRAY_SIGNS:
        return "stray-vowel-signs"
    strange: NDArray[np.bool_] | None = None
    for window_bits, bound in models:
        above = window_bits(text) > bound
        strange = above if strange is None else strange & above
        if not _mostly(strange):
            return None
    return None if strange is None else "gibberish"
