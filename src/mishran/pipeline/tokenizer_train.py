"""Training of the candidates: tables of words, cut where morphemes end, at any shares and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mishran.config_tokenizer import Algorithm, BoundariesConfig, TokenizerConfig
from mishran.pipeline.tokenizer_inputs import Texts
from mishran.tokenizer.alphabet import Alphabet, alphabet_of
from mishran.tokenizer.boundaries import (
    Cuts,
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
from mishran.tokenizer.words import Words, blended, load_words, proportional, weighted


@dataclass(frozen=True)
class Material:
    """What candidates are trained from.

    sources: language -> tables of words. cuts: language -> where its words are cut before merges are
    learned.
    """

    sources: Mapping[str, Sequence[Words]]
    alphabet: Alphabet
    extra: tuple[str, ...]
    cuts: Mapping[str, Cuts]

    @property
    def proportional(self) -> dict[str, float]:
        """Shares of bytes as the text has them."""
        return proportional({tag: blended(tables) for tag, tables in self.sources.items()})

    def train(
        self,
        shares: Mapping[str, float],
        algorithm: Algorithm,
        vocabulary: int,
        temperature: float = 1.0,
    ) -> Trained:
        """One tokenizer.

        Raises:
            ConfigError: see `mishran.tokenizer.train.train`. DataError: a language with a share and no
            text.
        """
        tables = {tag: self._table(tag, temperature) for tag in self.sources}
        where = f"vocabularies: {vocabulary}"
        weights = weighted(tables, shares)
        return train(weights, self.alphabet, algorithm, vocabulary, self.extra, where)

    def _table(self, tag: str, temperature: float) -> Words:
        table = blended(self.sources[tag], temperature)
        cuts = self.cuts.get(tag)
        return table if cuts is None else replace(table, counts=cut(table.counts, cuts))

    def train_sizes(
        self,
        shares: Mapping[str, float],
        algorithm: Algorithm,
        vocabularies: Sequence[int],
        temperature: float,
    ) -> list[Trained]:
        """One of every size, in order; merges are learned once, for the largest."""
        if algorithm not in NESTED:
            return [self.train(shares, algorithm, size, temperature) for size in vocabularies]
        largest = self.train(shares, algorithm, max(vocabularies), temperature)
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


def material(config: TokenizerConfig, folder: Path, base: Path, texts: Texts) -> Material:
    """From the tables of words in a run.

    Raises:
        ConfigError, DataError: boundaries that cannot be used.
    """
    sources = {
        tag: [load_words(folder / f"{tag}-{i}.parquet") for i in range(len(own))]
        for tag, own in texts.items()
    }
    merged = {tag: blended(tables) for tag, tables in sources.items()}
    alphabet = alphabet_of(merged, config.character_coverage)
    cuts = {
        tag: _cuts(merged[tag].counts, boundaries, base)
        for tag, boundaries in (config.boundaries or {}).items()
    }
    return Material(sources, alphabet, config.special_tokens, cuts)


def _cuts(counts: Mapping[str, float], config: BoundariesConfig, base: Path) -> Cuts:
    cuts: Cuts
    if config.path is not None:
        cuts = read_cuts(base / config.path, config.separator)
    else:
        stems = find_stems(read_inflections(base / str(config.inflections)).forms)
        cuts = {**learned_cuts(counts, suffix_lemmas(stems)), **table_cuts(stems).cuts}
    return keep_aksharas(cuts) if config.aksharas else cuts


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
