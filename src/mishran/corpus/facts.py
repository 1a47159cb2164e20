"""How fact-rich a document is, by the user's own examples: a linear model over named features.

Positive and negative seeds say what "fact-rich" means; the model is a logistic regression on standardised
features (`fact_features`), so every score can be taken apart into what each feature added
(`fact_training` fits it).

When to use: to look at a corpus, to sort it, to choose a minimum by hand. A score is a statement about
likeness to the seeds, not about truth; it never drops a document by itself. Trade-off against a large
classifier: explained and fast, but it reads form, and a story with many dates looks like facts.

Two kinds: "shared" has one set of weights for all languages, each standardised by its own seeds; "separate"
fits each language alone. Shared is the default: it agrees far better on translated pairs and does better on
domains that no seed came from, since an accident of the seeds of one language is rarely one of the other
too (measured, docs/results/corpus.md). Ranks agree across languages, levels only roughly: choose a
minimum per language.

Source: a linear classifier of quality trained on seeds is Brown et al. 2020 (arXiv 2005.14165, appendix A);
the features are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from mishran.corpus.fact_features import FEATURES, Reference, fact_features, vector
from mishran.corpus.fact_files import read_scorer, write_scorer
from mishran.corpus.fact_patterns import PATTERNS
from mishran.corpus.tags import lookup
from mishran.errors import ConfigError

Kind = Literal["shared", "separate"]
Float = NDArray[np.float64]

# Standard deviations; beyond, a feature counts as much as there: an outlier is no proof. Assumption.
WIDEST = 4.0


@final
@dataclass(frozen=True)
class FactDocument:
    """One document with its language.

    Args:
        group: the source document that this is a piece of (a book); pieces of one group are never on both
            sides of a split. The id itself where empty.
        domain: the kind of source (encyclopaedia, abstracts); seeds of two or more domains on each side
            let training leave out whole domains.
    """

    id: str
    text: str
    language: str
    group: str = ""
    domain: str = ""

    @property
    def source(self) -> str:
        return self.group or self.id


@final
@dataclass(frozen=True)
class LanguageModel:
    """The numbers of one language: arrays in the order of FEATURES."""

    reference: Reference
    mean: Float
    scale: Float
    weights: Float
    intercept: float

    def standardised(self, values: Float) -> Float:
        return standardise(values, self.mean, self.scale)


@final
@dataclass(frozen=True)
class Contribution:
    """What one feature added to the log-odds: weight x standardised value."""

    feature: str
    value: float | None
    standardised: float
    log_odds: float


@final
@dataclass(frozen=True)
class FactScorer:
    """A trained scorer.

    Args:
        models: by language.
        kind: weights shared by the languages, or separate ones.
        penalty: inverse strength of the L2 penalty that cross-validation chose, by language.
        trained_on: documents per language: (positive, negative).
    """

    models: dict[str, LanguageModel]
    kind: Kind
    penalty: dict[str, float]
    trained_on: dict[str, tuple[int, int]]

    @staticmethod
    def train(
        positive: Iterable[FactDocument],
        negative: Iterable[FactDocument],
        languages: Sequence[str],
        seed: int,
        kind: Kind = "shared",
        features: Sequence[str] = tuple(FEATURES),
    ) -> FactScorer:
        """Fit a scorer to seeds; see `fact_training.train`."""
        from mishran.corpus.fact_training import train

        return train(positive, negative, languages, seed, kind, features)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.models)

    def features(self, text: str, language: str) -> dict[str, float]:
        """What can be measured of a text; a feature that cannot is not in it.

        Raises:
            ConfigError: a language that the scorer was not trained on.
        """
        return fact_features(text, self._model(language).reference)

    def score(self, text: str, language: str) -> float | None:
        """Probability of the positive side, seeds of both sides taken as equally frequent.

        None for a text without words: nothing was measured.
        """
        measured = self.features(text, language)
        if not measured:
            return None
        model = self._model(language)
        return _logistic(model.intercept + float(self._terms(measured, model).sum()))

    def explain(self, text: str, language: str) -> tuple[Contribution, ...]:
        """What every feature added, the largest first; with the intercept they sum to the log-odds."""
        model = self._model(language)
        measured = self.features(text, language)
        z = model.standardised(vector(measured))
        terms = z * model.weights
        found = [
            Contribution(name, measured.get(name), float(z[i]), float(terms[i]))
            for i, name in enumerate(FEATURES)
        ]
        return tuple(sorted(found, key=lambda c: -abs(c.log_odds)))

    def save(self, folder: Path) -> None:
        """Write facts.json and one prose-<language>.npz per language; equal scorers, equal bytes."""
        parts = {
            language: {
                "mean": m.mean.tolist(),
                "scale": m.scale.tolist(),
                "weights": m.weights.tolist(),
                "intercept": m.intercept,
                "penalty": self.penalty[language],
                "trained_on": list(self.trained_on[language]),
                "function_words": list(m.reference.function_words),
                "common_words": list(m.reference.common_words),
            }
            for language, m in self.models.items()
        }
        prose = {language: m.reference.model for language, m in self.models.items()}
        write_scorer(folder, self.kind, tuple(FEATURES), parts, prose)

    @staticmethod
    def load(folder: Path) -> FactScorer:
        """Raises DataError: files that are missing, damaged, changed or of other features."""
        kind, parts, prose = read_scorer(folder, tuple(FEATURES))
        models = {
            language: LanguageModel(
                Reference(
                    lookup(PATTERNS, language),
                    prose[language],
                    tuple(p["function_words"]),
                    tuple(p["common_words"]),
                ),
                np.array(p["mean"], float),
                np.array(p["scale"], float),
                np.array(p["weights"], float),
                p["intercept"],
            )
            for language, p in parts.items()
        }
        return FactScorer(
            models,
            kind,
            {language: p["penalty"] for language, p in parts.items()},
            {language: tuple(p["trained_on"]) for language, p in parts.items()},
        )

    def _model(self, language: str) -> LanguageModel:
        if language not in self.models:
            raise ConfigError(
                expected=f"a language that the fact scorer was trained on ({', '.join(self.models)})",
                found=repr(language),
                fix="give seeds of that language, or leave its documents unscored",
            )
        return self.models[language]

    @staticmethod
    def _terms(measured: dict[str, float], model: LanguageModel) -> Float:
        return model.standardised(vector(measured)) * model.weights


def standardise(values: Float, mean: Float, scale: Float) -> Float:
    """(..., f) in standard deviations of the seeds, within ±WIDEST; what is absent adds nothing."""
    safe = np.where(scale > 0, scale, np.inf)  # what was constant in the seeds says nothing
    return np.nan_to_num(np.clip((values - mean) / safe, -WIDEST, WIDEST))


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
