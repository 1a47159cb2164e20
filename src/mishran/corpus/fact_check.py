"""Is a fact scorer any good: ROC on held-out documents, agreement on translations, examples to read.

Every number has an interval from a bootstrap over source documents, not over pieces: pieces of one book are
one piece of evidence. Beside the scorer stands what it has to beat (number of words, digits, word length,
the model of prose alone); `fact_controls` changes documents so that tricks show.

When to use: after every training, on documents of sources that no seed came from. Trade-off: AUC says how
well two sets are told apart; whether their difference is richness in facts is for a person to say, who
has the examples at each decile for it.

Source: AUC as the Mann-Whitney statistic (Hanley and McNeil 1982); percentile bootstrap (Efron and
Tibshirani 1993, section 13.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.corpus.facts import Contribution, FactDocument, FactScorer
from mishran.errors import DataError

Float = NDArray[np.float64]

REPLICAS = 1000  # of the bootstrap; assumption
LEVEL = 0.95
POINTS = 101  # of a ROC curve that is kept, at even steps of the false-positive rate
CHARACTERS = 200  # of an example
TOP = 4  # contributions of an example


@final
@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval."""

    value: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class Roc:
    """How well scores tell positive from negative documents.

    Args:
        auc: probability that a positive document scores above a negative one, ties half.
        positive, negative: documents; positive_sources, negative_sources: source documents among them.
        unscored: documents without a score (no word, or a baseline that was not measured), left out.
        points: (false-positive rate, true-positive rate, threshold) of scores at or above the threshold.
    """

    auc: Interval
    positive: int
    negative: int
    positive_sources: int
    negative_sources: int
    unscored: int
    points: tuple[tuple[float, float, float], ...]


@final
@dataclass(frozen=True)
class Agreement:
    """Scores of translated pairs.

    Args:
        spearman: rank correlation.
        same_side: share of pairs whose members are on the same side of the median of their language.
        difference: mean score of the first members less that of the second; off 0, one minimum for both
            languages keeps more of one.
    """

    pairs: int
    spearman: Interval
    same_side: Interval
    difference: Interval


@final
@dataclass(frozen=True)
class Example:
    """A document at a decile of the scores, for reading."""

    decile: int
    id: str
    score: float
    text: str
    contributions: tuple[Contribution, ...]


def area(scores: Float, positive: NDArray[np.bool_], weights: Float | None = None) -> float:
    """AUC of weighted documents; NaN where a side has no weight."""
    w = np.ones(len(scores)) if weights is None else weights
    _, level = np.unique(scores, return_inverse=True)
    up = np.bincount(level, w * positive)
    down = np.bincount(level, w * ~positive)
    total = up.sum() * down.sum()
    return float((up * (np.cumsum(down) - down / 2)).sum() / total) if total else float("nan")


def roc(
    scores: Sequence[float | None],
    positive: Sequence[bool],
    sources: Sequence[str],
    rng: np.random.Generator,
    replicas: int = REPLICAS,
) -> Roc:
    """ROC of scored documents, with a bootstrap over the sources of each side.

    Raises:
        DataError: a side without a scored document.
    """
    kept = [i for i, s in enumerate(scores) if s is not None]
    s = np.array([scores[i] for i in kept], float)
    y = np.array([positive[i] for i in kept], bool)
    if not y.any() or y.all():
        raise DataError(
            expected="scored documents on both sides",
            found=f"{int(y.sum())} positive and {int((~y).sum())} negative",
            fix="give held-out documents of both sides",
        )
    # A source may have documents on both sides (a pair of translations does not): one number per side.
    names = [(bool(y[j]), sources[i]) for j, i in enumerate(kept)]
    order = sorted(set(names))
    index = {name: i for i, name in enumerate(order)}
    group = np.array([index[name] for name in names])
    ups = sum(side for side, _ in order)
    downs = len(order) - ups
    draws = [
        area(s, y, np.concatenate([_times(downs, rng), _times(ups, rng)])[group])
        for _ in range(replicas)
    ]
    return Roc(
        _interval(area(s, y), draws),
        int(y.sum()),
        int((~y).sum()),
        ups,
        downs,
        len(scores) - len(kept),
        _points(s, y),
    )


def agreement(
    first: Sequence[float],
    second: Sequence[float],
    sources: Sequence[str],
    rng: np.random.Generator,
    replicas: int = REPLICAS,
) -> Agreement:
    """How alike the scores of the two members of each pair are.

    Args:
        first, second: scores, in the same order of pairs.
        sources: of each pair; the bootstrap draws these.

    Raises:
        DataError: fewer than three pairs.
    """
    a, b = np.array(first, float), np.array(second, float)
    if len(a) < 3:
        raise DataError(
            expected="at least 3 translated pairs", found=str(len(a)), fix="give more pairs"
        )
    names = sorted(set(sources))
    members = {n: [i for i, s in enumerate(sources) if s == n] for n in names}
    side = (a > np.median(a)) == (b > np.median(b))
    rank, same, apart = [], [], []
    for _ in range(replicas):
        drawn = rng.integers(len(names), size=len(names))
        rows = np.array([i for j in drawn for i in members[names[j]]])
        rank.append(_spearman(a[rows], b[rows]))
        same.append(float(side[rows].mean()))
        apart.append(float((a - b)[rows].mean()))
    return Agreement(
        len(a),
        _interval(_spearman(a, b), rank),
        _interval(float(side.mean()), same),
        _interval(float((a - b).mean()), apart),
    )


def deciles(
    scorer: FactScorer, documents: Sequence[FactDocument], each: int = 1
) -> tuple[Example, ...]:
    """Documents at the middle of every tenth of the scores, the lowest tenth first.

    Args:
        each: documents per decile, the ones nearest to its middle.
    """
    scored = [(scorer.score(d.text, d.language), d) for d in documents]
    order = sorted(
        ((score, d) for score, d in scored if score is not None),
        key=lambda found: (found[0], found[1].id),
    )
    out = []
    for decile in range(1, 11):
        low, high = len(order) * (decile - 1) // 10, len(order) * decile // 10
        middle = low + max(high - low - each, 0) // 2
        for score, one in order[middle : min(middle + each, high)]:
            text = " ".join(one.text.split())[:CHARACTERS]
            why = scorer.explain(one.text, one.language)[:TOP]
            out.append(Example(decile, one.id, score, text, why))
    return tuple(out)


def scores_of(scorer: FactScorer, documents: Sequence[FactDocument]) -> list[float | None]:
    return [scorer.score(d.text, d.language) for d in documents]


def baselines(
    scorer: FactScorer, documents: Sequence[FactDocument]
) -> dict[str, list[float | None]]:
    """What a scorer has to beat: each a score of every document, higher for the positive side."""
    measured = [scorer.features(d.text, d.language) for d in documents]
    return {
        "number of words": [float(len(d.text.split())) for d in documents],
        "share of digits": [m.get("digits") for m in measured],
        "word length": [m.get("word_length") for m in measured],
        "model of prose": [
            -m["bits_per_character"] if "bits_per_character" in m else None for m in measured
        ],
    }


def _times(n: int, rng: np.random.Generator) -> Float:
    """How often each of n sources is drawn."""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype(float)


def _spearman(a: Float, b: Float) -> float:
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else float("nan")


def _interval(value: float, draws: Sequence[float]) -> Interval:
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def _points(scores: Float, positive: NDArray[np.bool_]) -> tuple[tuple[float, float, float], ...]:
    thresholds = np.unique(scores)[::-1]
    up = np.sort(scores[positive])
    down = np.sort(scores[~positive])
    true = 1 - np.searchsorted(up, thresholds) / len(up)
    false = 1 - np.searchsorted(down, thresholds) / len(down)
    # Of the points with the same rounded false-positive rate the best one is kept.
    best: dict[int, tuple[float, float, float]] = {}
    for f, t, threshold in zip(false, true, thresholds, strict=True):
        best[round(f * (POINTS - 1))] = (float(f), float(t), float(threshold))
    return tuple(best.values())
