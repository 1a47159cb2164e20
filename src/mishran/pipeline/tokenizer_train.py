"""Training of the candidates: tables of words, cut where morphemes end, at any shares and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mishran.config_tokenizer import Algorithm, BoundariesConfig, TokenizerConfig
from mishran.errors import ConfigError
from mishran.tokenizer.alphabet import Alphabet, alphabet_of
from mishran.tokenizer.boundaries import (
    cut,
    keep_aksharas,
    learned_cuts,
    read_cuts,
    suffix_lemmas,
    table_cuts,
)
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.inflection import read_inflections
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.open_sentencepiece import SentencePiece
from mishran.tokenizer.stems import find_stems
from mishran.tokenizer.train import NESTED, Trained, train
from mishran.tokenizer.train_bpe import truncated_bpe
from mishran.tokenizer.train_sentencepiece import (
    hugging_face,
    parsed,
    truncated_sentencepiece,
)
from mishran.tokenizer.words import Words, load_words, weighted


@dataclass(frozen=True)
class Material:
    """What candidates are trained from.

    tables: language -> words, cut at boundaries where the recipe has them.
    """

    tables: Mapping[str, Words]
    alphabet: Alphabet
    extra: tuple[str, ...]

    def train(self, shares: Mapping[str, float], algorithm: Algorithm, vocabulary: int) -> Trained:
        """One tokenizer."""
        where = f"vocabularies: {vocabulary}"
        weights = weighted(self.tables, shares)
        return train(weights, self.alphabet, algorithm, vocabulary, self.extra, where)

    def train_sizes(
        self, shares: Mapping[str, float], algorithm: Algorithm, vocabularies: Sequence[int]
    ) -> list[Trained]:
        """One of every size, in order; merges are learned once, for the largest."""
        if algorithm not in NESTED:
            return [self.train(shares, algorithm, size) for size in vocabularies]
        largest = self.train(shares, algorithm, max(vocabularies))
        return [self._smaller(largest, size) for size in vocabularies]

    def _smaller(self, trained: Trained, size: int) -> Trained:
        if size == trained.vocabulary:
            return trained
        if trained.model is None:
            json = truncated_bpe(trained.json, size, self.extra)
            return replace(trained, vocabulary=size, json=json)
        model = truncated_sentencepiece(trained.model, size)
        json = hugging_face(parsed(model), self.extra)
        return replace(trained, vocabulary=size, json=json, model=model)


def material(config: TokenizerConfig, folder: Path, base: Path, tags: Sequence[str]) -> Material:
    """From the tables of words in a run.

    Raises:
        ConfigError: a vocabulary that is too small for the alphabet, a language of boundaries that is none.
    """
    tables = {tag: load_words(folder / f"{tag}.parquet") for tag in tags}
    alphabet = alphabet_of(tables, config.character_coverage)
    for tag, boundaries in (config.boundaries or {}).items():
        if tag not in tables:
            raise ConfigError(
                expected=f"a language of the text ({', '.join(tables)})",
                found=repr(tag),
                where="boundaries",
                fix="change it",
            )
        tables[tag] = _cut(tables[tag], boundaries, base)
    return Material(tables, alphabet, config.special_tokens)


def _cut(words: Words, config: BoundariesConfig, base: Path) -> Words:
    counts = {word: float(count) for word, count in words.counts.items()}
    if config.path is not None:
        cuts = read_cuts(base / config.path, config.separator)
    else:
        stems = find_stems(read_inflections(base / str(config.inflections)).forms)
        cuts = {**learned_cuts(counts, suffix_lemmas(stems)), **table_cuts(stems).cuts}
    parts = cut(counts, keep_aksharas(cuts) if config.aksharas else cuts)
    whole = {word: round(count) for word, count in parts.items()}
    return replace(words, counts=whole)


def opened(trained: Trained) -> Tokenizer:
    """To be measured, by what is fastest."""
    name = f"{trained.algorithm} {trained.vocabulary:,}"
    if trained.model is not None:
        return SentencePiece(trained.model, name)
    return HuggingFace(trained.json, name)


def about(shares: Mapping[str, float], trained: Trained, **more: Any) -> dict[str, Any]:
    """How a tokenizer was trained, for its folder."""
    return {
        "algorithm": trained.algorithm,
        "vocabulary": trained.vocabulary,
        "shares": dict(shares),
        **more,
    }
