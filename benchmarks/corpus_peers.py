"""datatrove's own steps, the peers of benchmarks/corpus.py: unmodified, but for the words they count.

Words are what whitespace separates, on both sides: datatrove's tokenizer for English is spaCy's, which
alone takes longer than all rules together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.decont.n_grams import (
    NGramsDecontConfig,
    NGramsDecontFilter,
    NGramsDecontIndexer,
)
from datatrove.pipeline.dedup.exact_dedup import ExactDedupConfig, ExactDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.text import TextNormConfig, split_into_parts
from datatrove.utils.word_tokenizers import WordTokenizer
from loguru import logger

from mishran.corpus.contamination_index import Item


class Words(WordTokenizer):
    """Words between whitespace."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        raise AssertionError("no step of these asks for sentences")

    span_tokenize = sent_tokenize  # type: ignore[assignment]


WORDS = Words()
logger.disable("datatrove")  # its news on stderr


def gopher() -> tuple[GopherRepetitionFilter, GopherQualityFilter]:
    """Both filters with their defaults, without the stop words: English ones, and ours has no such rule."""
    repetition = GopherRepetitionFilter(language=WORDS)
    return repetition, GopherQualityFilter(min_stop_words=None, language=WORDS)


def keeps(filters: Sequence[GopherRepetitionFilter | GopherQualityFilter]) -> Callable[[str], bool]:
    """Whether a text passes all, asked in this order; its words are split once, as datatrove does."""

    def kept(text: str) -> bool:
        document = Document(text=text, id="")
        return all(one.filter(document) is True for one in filters)

    split_into_parts.cache_clear()
    return kept


def pii() -> Callable[[str], str]:
    return PIIFormatter().format


def ftfy() -> Callable[[str], str]:
    return FTFYFormatter().format


def trafilatura() -> Callable[[str], str]:
    """Its extractor, called directly: in a pipeline it runs in a process of its own, with a time limit.

    With our options; its own default is precision, which does other work. `deduplicate` would forget a
    page on its second reading.
    """
    return Trafilatura(
        favour_precision=False, favor_recall=True, include_tables=True, deduplicate=False
    ).extract


def contamination(items: Sequence[Item], n: int, folder: Path) -> Callable[[str], bool]:
    """Whether its filter finds an item: prompts and answers, and n-grams across the two.

    The index is written here, by the indexer's own hashes: the step itself needs lighteval.
    """
    config = NGramsDecontConfig(n_grams=n, find_query_ngrams=True)
    step = NGramsDecontFilter(str(folder), config=config, language=WORDS)
    maker = SimpleNamespace(config=config, tokenizer=WORDS, hash_func=step.hash_func)
    sets: dict[str, set[int]] = {}
    for item in items:
        hashes = NGramsDecontIndexer.compute_hashes(maker, item.answer, item.prompt)  # type: ignore[arg-type]
        sets.setdefault(item.set, set()).update(hashes)
    folder.mkdir(parents=True, exist_ok=True)
    for name, hashes in sets.items():
        array = np.array(sorted(hashes), dtype=config.hash_config.np_descr)
        array.tofile(folder / f"{name}.index.hashes")
    step.load_index_hashes()
    return lambda text: step.filter(Document(text=text, id="")) is not True


def minhash(folder: Path, config: MinhashConfig | None = None) -> MinhashDedupSignature:
    """config: None for its defaults, with which vowel signs go and every number is 0."""
    return MinhashDedupSignature(str(folder), config=config or MinhashConfig(), language=WORDS)


def like_ours(numbers: bool) -> MinhashConfig:
    """Its configuration for the same words as ours."""
    norm = TextNormConfig(norm_unicode_diacritics=False, norm_numbers=not numbers)
    return MinhashConfig(norm_config=norm)


def exact(folder: Path, content: Callable[[Document], str]) -> ExactDedupSignature:
    """content: what exact duplicates share; it has no default."""
    return ExactDedupSignature(str(folder), config=ExactDedupConfig(content))


def pipeline(file: Path, folder: Path, compression: str | None) -> list[PipelineStep]:
    """Read, judge and write, in the order of its example for FineWeb."""
    return [
        JsonlReader(str(file.parent), glob_pattern=file.name),
        *gopher(),
        JsonlWriter(str(folder), compression=compression),
    ]


def classifier(seeds: Mapping[str, Sequence[str]]) -> Callable[[Sequence[str]], list[str]]:
    """The language of sentences, by scikit-learn: tf-idf of n-grams of 1 to 3, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3)), LogisticRegression(max_iter=200)
    )
    model.fit([s for of in seeds.values() for s in of], [t for t, of in seeds.items() for _ in of])
    return lambda sentences: model.predict(sentences).tolist()
