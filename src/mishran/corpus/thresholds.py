"""The bounds of the quality rules, per language, each with where it comes from.

A bound that is None is switched off. Units, once and for all: characters are Unicode code points (a
Devanagari vowel sign is one of its own), words are separated by white space, a share is of the whole
document, and every rule drops what is *beyond* its bound, never what is on it.

Where the defaults come from:

- N: the continued pretraining of PARAM-1 (words 50 to 10,000, digits 0.15, URLs 0.2, symbols 0.1, white
  space 0.25, top 2-gram 0.20 and 3-gram 0.18). It publishes no units. But for the 10,000 the numbers are
  the defaults of NeMo Curator's heuristic filters (`heuristic_filter.py`), and we take its units: digits,
  characters of URLs and white space are counted in characters of the document.
- G: Gopher, arXiv 2112.11446, section A1.1 (mean word length 3 to 10, "#" or "..." at most 0.1 per word,
  80 % of words with a letter, bullets, ellipses) and table A1 (repetition). Read as datatrove reads it: the
  ratio of symbols is the larger one of "#" and of ellipses; the mean is over words with a letter or digit.
- F: FineWeb-2, arXiv 2506.20920, `configs/<language>_<script>.yml` of its repository: chosen there from the
  distribution of each language, over the words of that language's tokenizer. Ours are separated by white
  space, which makes words longer and letters more frequent: their lower bounds bind less here.

When to leave them: all of this was set for running text from the web. Command pages, dialogue turns and
lists are short and repetitive and fall in great numbers (measured, docs/results/corpus.md); give such a
source its own thresholds, or None.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from mishran.corpus.tags import lookup
from mishran.errors import ConfigError


@dataclass(frozen=True)
class Thresholds:
    """Bounds of the rules, in the order in which they are asked (source letters: module docstring).

    min_words, max_words: words with a letter or digit (N; Gopher's upper bound is 100,000).
    max_digits: digits of any script / characters (N).
    max_urls: characters in URLs / characters (N).
    max_symbols: the larger of "#" and of ellipses ("..." or "…") / words (N, G).
    max_whitespace: white space / characters (N).
    min_word_length, max_word_length: mean characters of words with a letter or digit (G).
    min_with_letter: words with at least one letter / words (G).
    max_bullet_lines: lines that start with "•" or "-" / lines (G).
    max_ellipsis_lines: lines that end in an ellipsis / lines (G).
    max_repeated_lines, max_repeated_paragraphs: those that stood before / all (G).
    max_repeated_line_characters, max_repeated_paragraph_characters: their characters / characters (G).
    max_top_2_gram, max_top_3_gram (N, G), max_top_4_gram (G): characters of all occurrences of the most
    frequent n-gram / characters.
    max_duplicate_5_grams to max_duplicate_10_grams: characters of n-grams that stood before, counted
    without overlap / characters (G).
    """

    min_words: int | None = 50
    max_words: int | None = 10_000
    max_digits: float | None = 0.15
    max_urls: float | None = 0.2
    max_symbols: float | None = 0.1
    max_whitespace: float | None = 0.25
    min_word_length: float | None = 3.0
    max_word_length: float | None = 10.0
    min_with_letter: float | None = 0.8
    max_bullet_lines: float | None = 0.9
    max_ellipsis_lines: float | None = 0.3
    max_repeated_lines: float | None = 0.30
    max_repeated_line_characters: float | None = 0.20
    max_repeated_paragraphs: float | None = 0.30
    max_repeated_paragraph_characters: float | None = 0.20
    max_top_2_gram: float | None = 0.20
    max_top_3_gram: float | None = 0.18
    max_top_4_gram: float | None = 0.16
    max_duplicate_5_grams: float | None = 0.15
    max_duplicate_6_grams: float | None = 0.14
    max_duplicate_7_grams: float | None = 0.13
    max_duplicate_8_grams: float | None = 0.12
    max_duplicate_9_grams: float | None = 0.11
    max_duplicate_10_grams: float | None = 0.10

    def __post_init__(self) -> None:
        for field in fields(self):
            bound = getattr(self, field.name)
            if bound is None:
                continue
            number = isinstance(bound, int | float) and not isinstance(bound, bool)
            if not number or not math.isfinite(bound) or bound < 0:
                raise ConfigError(
                    expected="a number from 0, or nothing to switch the rule off",
                    found=repr(bound),
                    where=f"threshold {field.name}",
                    fix=f"the default is {field.default}",
                )
        for low, high in (("min_words", "max_words"), ("min_word_length", "max_word_length")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ConfigError(
                    expected=f"{low} at most {high}",
                    found=f"{least:g} and {most:g}",
                    where=f"threshold {low}",
                    fix="swap them, or leave one out",
                )


NAMES = tuple(field.name for field in fields(Thresholds))
NOTHING = Thresholds(**dict.fromkeys(NAMES))  # no rule at all


def _fineweb(
    lines: float, top: tuple[float, ...], duplicate: tuple[float, ...], length: tuple[float, float]
) -> dict[str, float]:
    """dup_line_frac, top_n_grams, dup_n_grams and avg_word_length of one file of FineWeb-2."""
    return {
        "max_repeated_lines": lines,
        **{f"max_top_{n}_gram": bound for n, bound in zip((2, 3, 4), top, strict=True)},
        **{f"max_duplicate_{n}_grams": b for n, b in zip(range(5, 11), duplicate, strict=True)},
        "min_word_length": length[0],
        "max_word_length": length[1],
    }


# F, but for the top 2-gram and 3-gram of Hindi, where N publishes bounds for Hindi itself. FineWeb-2's file
# for romanised Hindi is left out: its bounds (top 3-gram 1.154, mean word length from 4) come from very
# little text and would switch rules off, or drop real Hinglish. hi-Latn keeps the defaults.
BY_LANGUAGE: Mapping[str, Mapping[str, float]] = {
    "hi": {
        **_fineweb(
            0.206, (0.208, 0.198, 0.161), (0.135, 0.125, 0.116, 0.108, 0.099, 0.09), (2, 21)
        ),
        "max_top_2_gram": 0.20,
        "max_top_3_gram": 0.18,
    },
    "mr": _fineweb(
        0.239, (0.068, 0.085, 0.101), (0.138, 0.127, 0.119, 0.111, 0.105, 0.097), (2, 35)
    ),
    "ne": _fineweb(
        0.155, (0.114, 0.103, 0.091), (0.098, 0.09, 0.083, 0.076, 0.069, 0.062), (3, 37)
    ),
    "bho": _fineweb(
        0.375, (0.164, 0.174, 0.223), (0.194, 0.148, 0.132, 0.121, 0.116, 0.089), (3, 13)
    ),
    "bn": _fineweb(
        0.165, (0.084, 0.103, 0.134), (0.099, 0.083, 0.069, 0.058, 0.048, 0.04), (4, 24)
    ),
    "ta": _fineweb(
        0.302, (0.087, 0.109, 0.134), (0.144, 0.126, 0.113, 0.101, 0.091, 0.08), (5, 37)
    ),
    "ur": _fineweb(
        0.182, (0.074, 0.082, 0.093), (0.115, 0.099, 0.087, 0.077, 0.07, 0.064), (3, 31)
    ),
}


def of(language: str) -> Thresholds:
    """The defaults for a language tag; a language without published bounds has the general ones."""
    return Thresholds(**(lookup(BY_LANGUAGE, language) or {}))  # type: ignore[arg-type]


def changed(thresholds: Thresholds, bounds: Mapping[str, float | None]) -> Thresholds:
    """The thresholds with some bounds replaced, as a recipe writes them.

    Raises:
        ConfigError: a name that is no threshold (the nearest one is named), or an impossible bound.
    """
    for name in bounds:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
            raise ConfigError(
                expected="the name of a threshold",
                found=repr(name),
                where="thresholds",
                fix=f"did you mean {near}?",
            )
    return replace(thresholds, **bounds)  # type: ignore[arg-type]
