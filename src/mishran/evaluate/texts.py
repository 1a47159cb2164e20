"""How like the true answer a written one is: the same, or much of it.

- exact: the same text. normalised: the same but for case, runs of whitespace and closing punctuation.
- rouge_l: F measure of the longest common subsequence of words. By `rouge-score`; its own word splitter
  keeps nothing but a-z and 0-9, so that any Hindi text would score 0: ours takes the letters, marks and
  digits of all scripts, and is the same on English.
- chrf: F2 of character n-grams up to 6, by `sacrebleu`, of each example (not of the corpus at once), so
  that it has a spread over examples.

All are shares of 1. Sources: Lin, "ROUGE", 2004; Popovic, "chrF", 2015.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mishran.errors import DependencyError

CLOSING = ".,;:!?।॥ \t\n"


@dataclass(frozen=True)
class Likeness:
    """(m,) of each pair of texts."""

    exact: NDArray[np.bool_]
    normalised: NDArray[np.bool_]
    rouge_l: NDArray[np.float64]
    chrf: NDArray[np.float64]


def likeness(written: Sequence[str], answers: Sequence[str]) -> Likeness:
    """Compare what was written with the true answers, one by one.

    Raises:
        DependencyError: rouge-score or sacrebleu is not installed.
    """
    rouge, chrf = _scorers()
    pairs = list(zip(written, answers, strict=True))
    return Likeness(
        exact=np.array([w == a for w, a in pairs], dtype=bool),
        normalised=np.array([normalised(w) == normalised(a) for w, a in pairs], dtype=bool),
        rouge_l=np.array([rouge.score(a, w)["rougeL"].fmeasure for w, a in pairs], dtype=float),
        chrf=np.array([chrf.sentence_score(w, [a]).score / 100 for w, a in pairs], dtype=float),
    )


def check_installed() -> None:
    """Raises DependencyError where a package is missing, before anything is generated."""
    _scorers()


def normalised(text: str) -> str:
    """NFC, lower case, single spaces, no closing punctuation."""
    folded = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    return folded.rstrip(CLOSING)


class Words:
    """Splits as rouge-score's own tokenizer does, in all scripts: runs of letters, marks and digits."""

    def tokenize(self, text: str) -> list[str]:
        """Joiners, which are written inside words of Indic scripts, are dropped."""
        kept = (c for c in unicodedata.normalize("NFC", text).lower() if c not in "\u200c\u200d")
        return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in kept).split()


def _scorers() -> tuple[Any, Any]:
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import CHRF
    except ImportError as error:
        raise DependencyError(
            expected=f"the package {(error.name or '').split('.')[0].replace('_', '-')}",
            found="it is not installed",
            where="measure generate",
            fix='pip install "mishran[evaluate]"',
        ) from error
    return RougeScorer(["rougeL"], tokenizer=Words()), CHRF()
