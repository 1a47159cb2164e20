"""From seeds to a fact scorer: features, folds, the strength of the penalty, the fit.

Two traps are avoided here, both seen in measurements (docs/results/corpus.md). What a training document is
compared with (model of prose, word lists) is made without the documents of its fold: otherwise the
positives, which the model of prose has read, look far better than any new text can. And seeds of different
sources are told apart almost perfectly by many accidents of form, so cross-validation over documents asks
for hardly any penalty and gives scores of 0 and 1. Where the seeds name their domains (two at least on
each side of some language), a fold is a domain, and the penalty is the one with the least log-loss on pairs
of a positive and a negative domain that were both left out. Without domains folds are source documents.

Every language and side weighs the same, however many documents it has. When to use: through
`FactScorer.train`. Source: cross-fitting as in Chernozhukov et al. 2018 (arXiv 1608.00060, section 3); the
regression is scikit-learn's, L2 penalty, its `C` from PENALTIES.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mishran.corpus.fact_features import (
    COMMON_WORDS,
    FEATURES,
    FUNCTION_WORDS,
    Reference,
    fact_features,
    prose_of,
    vector,
    widespread_words,
    words_of,
)
from mishran.corpus.fact_patterns import PATTERNS
from mishran.corpus.facts import FactDocument, FactScorer, Float, Kind, LanguageModel, standardise
from mishran.corpus.prose_model import train_prose_model
from mishran.corpus.tags import lookup
from mishran.errors import ConfigError, DataError

FOLDS = 5  # of source documents; assumption, the usual number
PENALTIES = tuple(10.0**k for k in range(-4, 3))  # C of scikit-learn, strongest first; assumption


@dataclass(frozen=True)
class Seed:
    """A training document, read once: its words and the prose of it."""

    document: FactDocument
    words: list[str]
    prose: str


@dataclass(frozen=True)
class Prepared:
    """The training documents of one language as numbers.

    rows: (n, f) features under a reference without the document's fold; labels: 1 positive; folds: (n,);
    domains: folds are domains of their side, not source documents.
    """

    language: str
    reference: Reference
    mean: Float
    scale: Float
    rows: Float
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    domains: bool

    def standardised(self) -> Float:
        return standardise(self.rows, self.mean, self.scale)


def train(
    positive: Iterable[FactDocument],
    negative: Iterable[FactDocument],
    languages: Sequence[str],
    seed: int,
    kind: Kind = "shared",
    features: Sequence[str] = tuple(FEATURES),
) -> FactScorer:
    """Fit a scorer to seeds.

    Args:
        positive, negative: documents of both sides, in these languages only.
        languages: each with both sides, of at least FOLDS source documents.
        seed: of the folds.
        kind: weights shared by the languages, or separate ones.
        features: what may have a weight; the others get 0.

    Raises:
        DataError: a language with too few source documents on a side.
        ConfigError: an unknown kind or feature, no language, or a document of one that is not asked for.
    """
    unknown = [f for f in features if f not in FEATURES]
    if unknown or not features:
        raise ConfigError(
            expected=f"features among {', '.join(FEATURES)}",
            found=", ".join(map(repr, unknown)) or "none",
            where="features",
            fix="correct the name, or leave features out",
        )
    if kind not in ("shared", "separate"):
        raise ConfigError(
            expected="shared or separate", found=repr(kind), where="kind", fix="write shared"
        )
    sides = (list(positive), list(negative))
    _check(sides, languages)
    rng = np.random.default_rng(seed)
    prepared = [
        _prepare([[d for d in side if d.language == language] for side in sides], language, rng)
        for language in sorted(set(languages))
    ]
    models, penalties = {}, {}
    for group in [prepared] if kind == "shared" else [[one] for one in prepared]:
        weights, intercept, penalty = _fit(group, [f in features for f in FEATURES])
        for p in group:
            models[p.language] = LanguageModel(p.reference, p.mean, p.scale, weights, intercept)
            penalties[p.language] = penalty
    counts = {p.language: (int(p.labels.sum()), int((1 - p.labels).sum())) for p in prepared}
    return FactScorer(models, kind, penalties, counts)


def _check(sides: tuple[list[FactDocument], ...], languages: Sequence[str]) -> None:
    if not languages:
        raise ConfigError(
            expected="a language", found="none", fix="name the languages of the seeds"
        )
    for name, side in zip(("positive", "negative"), sides, strict=True):
        for one in side:
            if one.language not in languages:
                raise ConfigError(
                    expected=f"seeds in {', '.join(languages)}",
                    found=f"{one.id} in {one.language!r}",
                    where=f"{name} seeds",
                    fix="add the language, or take the document out",
                )
        for language in languages:
            n = len({d.source for d in side if d.language == language and words_of(d.text)})
            if n < FOLDS:
                raise DataError(
                    expected=f"at least {FOLDS} source documents with words",
                    found=str(n),
                    where=f"{name} seeds in {language}",
                    fix="give more seeds, or leave the language out",
                )


def _prepare(sides: list[list[FactDocument]], language: str, rng: np.random.Generator) -> Prepared:
    """Features of every document under a reference made without the documents of its fold."""
    seeds = [
        [Seed(d, words, prose_of(d.text)) for d in side if (words := words_of(d.text))]
        for side in sides
    ]
    domains = all(len({s.document.domain for s in side}) > 1 for side in seeds)
    folds = [_domain_folds(side) if domains else _source_folds(side, rng) for side in seeds]
    found: list[list[Float | None]] = [[None] * len(side) for side in seeds]
    for fold in range(max(int(f.max()) for f in folds) + 1):
        reference = _reference(
            [
                [s for s, f in zip(side, of, strict=True) if f != fold]
                for side, of in zip(seeds, folds, strict=True)
            ],
            language,
        )
        for side, of, into in zip(seeds, folds, found, strict=True):
            for i in np.flatnonzero(of == fold):
                into[i] = vector(fact_features(side[i].document.text, reference))
    rows = np.array(found[0] + found[1], float)
    labels = np.repeat([1, 0], [len(side) for side in seeds])
    mean, scale = _moments(rows, _balanced(labels))
    reference = _reference(seeds, language)
    return Prepared(language, reference, mean, scale, rows, labels, np.concatenate(folds), domains)


def _reference(sides: Sequence[Sequence[Seed]], language: str) -> Reference:
    """Model of prose of the positive side; words that are widespread on both."""
    words = widespread_words([[s.words for s in side] for side in sides], COMMON_WORDS)
    model = train_prose_model(s.prose for s in sides[0])
    return Reference(lookup(PATTERNS, language), model, words[:FUNCTION_WORDS], words)


def _source_folds(side: Sequence[Seed], rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for every document, the same for all of one source."""
    sources = sorted({s.document.source for s in side})
    order = rng.permutation(len(sources))
    fold = {source: int(order[i]) % FOLDS for i, source in enumerate(sources)}
    return np.array([fold[s.document.source] for s in side])


def _domain_folds(side: Sequence[Seed]) -> NDArray[np.int64]:
    domains = sorted({s.document.domain for s in side})
    return np.array([domains.index(s.document.domain) for s in side])


def _balanced(labels: NDArray[np.int64]) -> Float:
    """Weights that give both sides the same total, 1 on average."""
    n, ups = len(labels), int(labels.sum())
    out: Float = np.where(labels == 1, n / (2 * ups), n / (2 * (n - ups)))
    return out


def _moments(rows: Float, weights: Float) -> tuple[Float, Float]:
    """Weighted mean and standard deviation of what was measured; 0 where nothing was."""
    w = weights[:, None] * np.isfinite(rows)
    total = np.maximum(w.sum(0), np.finfo(float).tiny)
    mean = (w * np.nan_to_num(rows)).sum(0) / total
    variance = (w * np.nan_to_num(rows - mean) ** 2).sum(0) / total
    # Rounding leaves a constant feature a variance of about 1e-32 times its square.
    return mean, np.where(variance > 1e-24 * (1 + mean**2), np.sqrt(variance), 0.0)


def _fit(group: list[Prepared], used: list[bool]) -> tuple[Float, float, float]:
    """Weights, intercept and penalty: every language and side counts the same."""
    x = np.concatenate([p.standardised() for p in group]) * np.array(used)  # 0 gets a weight of 0
    y = np.concatenate([p.labels for p in group])
    language = np.repeat(np.arange(len(group)), [len(p.labels) for p in group])
    folds = np.concatenate([p.folds for p in group])
    if any(p.domains for p in group):
        held_out = [
            (language == k) & (folds == np.where(y == 1, up, down))
            for k, p in enumerate(group)
            if p.domains
            for up, down in itertools.product(
                np.unique(p.folds[p.labels == 1]), np.unique(p.folds[p.labels == 0])
            )
        ]
    else:
        held_out = [folds == k for k in range(FOLDS)]
    losses = [np.mean([_loss(x, y, language, out, c) for out in held_out]) for c in PENALTIES]
    penalty = PENALTIES[int(np.argmin(losses))]  # ties to the stronger penalty
    weights, intercept = _regression(x, y, _weights(y, language), penalty)
    return weights, intercept, penalty


def _weights(y: NDArray[np.int64], language: NDArray[np.int64]) -> Float:
    out = np.zeros(len(y))
    for k in np.unique(language):
        inside = language == k
        out[inside] = _balanced(y[inside]) / inside.sum()
    out *= len(y) / out.sum()
    return out


def _loss(
    x: Float,
    y: NDArray[np.int64],
    language: NDArray[np.int64],
    out: NDArray[np.bool_],
    penalty: float,
) -> float:
    """Log-loss on the documents that are left out, both sides of each language weighing the same."""
    weights, intercept = _regression(x[~out], y[~out], _weights(y[~out], language[~out]), penalty)
    z = intercept + x[out] @ weights
    each = np.logaddexp(0.0, np.where(y[out] == 1, -z, z))
    return float(np.average(each, weights=_weights(y[out], language[out])))


def _regression(
    x: Float, y: NDArray[np.int64], weights: Float, penalty: float
) -> tuple[Float, float]:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=penalty, max_iter=1000).fit(x, y, sample_weight=weights)
    return fitted.coef_[0], float(fitted.intercept_[0])
