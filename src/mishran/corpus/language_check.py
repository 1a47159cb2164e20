"""How well an identifier does on held-out sentences: by language, by length, and what it confuses.

When: before a threshold is set, on text that is not among the seeds and not a translation of them.

Trade-off: sentences are taken as drawn independently; sentences of one document are alike, and intervals
then too narrow. Take few sentences from each of many documents where that matters.

Source: score interval, Wilson, JASA 22, 1927; expected calibration error, Guo et al., arXiv 1706.04599,
equation 5, with ten bins of equal width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from mishran.config_corpus import UNDETERMINED
from mishran.corpus.identify import THRESHOLD, Identifier
from mishran.errors import ConfigError

LENGTHS = (
    0,
    20,
    50,
    100,
    200,
)  # characters at which a bucket begins; assumption
Z = 1.959963984540054  # of 95 %
BINS = 10


@final
@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval; n: of so many. All None where n is 0: not measured, not zero."""

    share: float | None
    low: float | None
    high: float | None
    n: int


def wilson(num_right: int, n: int) -> Rate:
    """Share num_right / n with its score interval, which holds near 0 and 1 and for few examples."""
    if n == 0:
        return Rate(None, None, None, 0)
    share = num_right / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    low = 0.0 if num_right == 0 else middle - half  # exactly, where rounding would leave 1e-18
    high = 1.0 if num_right == n else middle + half
    return Rate(share, low, high, n)


@final
@dataclass(frozen=True)
class LanguageCheck:
    """What `check` measured. Keys of by_length are "<20", "20-50", ..., "200+" (characters).

    confusion: sentences by true language, then by answer ("und": undetermined). accepted: sentences that
    are answered with at least the threshold; right_accepted: of those, answered right. calibration_error:
    mean distance between probability and accuracy over ten bins.
    """

    accuracy: Rate
    by_language: dict[str, Rate]
    by_length: dict[str, Rate]
    by_language_and_length: dict[str, dict[str, Rate]]
    confusion: dict[str, dict[str, int]]
    threshold: float
    accepted: Rate
    right_accepted: Rate
    calibration_error: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check(
    identifier: Identifier, held_out: Mapping[str, Sequence[str]], threshold: float = THRESHOLD
) -> LanguageCheck:
    """Identify held-out sentences.

    Args:
        identifier: trained on other text.
        held_out: sentences by their true language; "und" is allowed: right is then to answer "und".
        threshold: of the probability from which on an answer would be used.

    Raises:
        ConfigError: no sentences, or a language that the identifier does not know.
    """
    known = {*identifier.languages, UNDETERMINED}
    unknown = sorted(set(held_out) - known)
    if unknown or not any(held_out.values()):
        raise ConfigError(
            expected=f"held-out sentences in {', '.join(identifier.languages)}",
            found=f"sentences in {', '.join(unknown)}" if unknown else "no sentences",
            where="language check",
            fix="give seed text of every language that is checked, and sentences to check it on",
        )
    truth = [tag for tag in sorted(held_out) for _ in held_out[tag]]
    texts = [text for tag in sorted(held_out) for text in held_out[tag]]
    codes, probabilities = identifier.identify(texts)
    answers = [identifier.tag(code) for code in codes.tolist()]
    top = probabilities.max(axis=1)
    right = np.array([a == b for a, b in zip(answers, truth, strict=True)])
    of = np.array(truth, dtype=np.str_)
    length = np.searchsorted(LENGTHS, [len(text) for text in texts], side="right") - 1
    names = bucket_names()

    def rate(where: NDArray[np.bool_]) -> Rate:
        return wilson(int(right[where].sum()), int(where.sum()))

    everything = np.ones(len(right), dtype=bool)
    confusion: dict[str, dict[str, int]] = {tag: {} for tag in sorted(held_out)}
    for true, answer in zip(truth, answers, strict=True):
        confusion[true][answer] = confusion[true].get(answer, 0) + 1
    sure = top >= threshold
    return LanguageCheck(
        accuracy=rate(everything),
        by_language={tag: rate(of == tag) for tag in sorted(held_out)},
        by_length={name: rate(length == i) for i, name in enumerate(names)},
        by_language_and_length={
            tag: {name: rate((of == tag) & (length == i)) for i, name in enumerate(names)}
            for tag in sorted(held_out)
        },
        confusion={tag: dict(sorted(row.items())) for tag, row in confusion.items()},
        threshold=threshold,
        accepted=wilson(int(sure.sum()), len(sure)),
        right_accepted=rate(sure),
        calibration_error=calibration_error(top[top > 0], right[top > 0]),
    )


def bucket_names() -> list[str]:
    """Of the lengths, in order."""
    between = [f"{a}-{b}" for a, b in pairwise(LENGTHS[1:])]
    return [f"<{LENGTHS[1]}", *between, f"{LENGTHS[-1]}+"]


def calibration_error(
    probability: NDArray[np.floating[Any]], right: NDArray[np.bool_]
) -> float | None:
    """Mean over answers of the distance between accuracy and probability of their bin; None of none."""
    if not len(right):
        return None
    which = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(which, right.astype(np.float64) - probability, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))
