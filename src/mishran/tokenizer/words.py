"""Word tables: how often each pre-token stands in the text of a language, the one dear pass over a corpus.

Every tokenizer of every vocabulary, algorithm and language share is trained from these tables in seconds,
since byte-pair merges and unigram pieces depend on the text through its pre-tokens alone. Shares become
weights of the tables, exact and without drawing documents.

A table that grows beyond `limit` words loses its rarest ones, again and again (Manku and Motwani's lossy
counting): what is left is counted too low by at most `forgotten`, and so rare that no token comes of it.

Source: training from counts of words is Sennrich et al. 2016 (arXiv 1508.07909, algorithm 1); lossy
counting is Manku and Motwani, VLDB 2002.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pyarrow as pa
import pyarrow.parquet as pq

from mishran.errors import ArtifactError, DataError, first_line
from mishran.tokenizer.open_bytes import whole_text
from mishran.tokenizer.pretokens import splitter

LIMIT = 4_000_000  # words of a table while it is counted, some 500 MB; assumption


@final
@dataclass(frozen=True)
class Words:
    """The table of one language.

    counts: pre-token -> how often, most frequent first, equal ones in the order of their code points.
    num_bytes: of the text that was counted, in UTF-8. documents: of it. forgotten: most that a count may
    be too low.
    """

    counts: Mapping[str, float]
    num_bytes: int
    documents: int
    forgotten: int = 0

    @property
    def counted_bytes(self) -> float:
        """Bytes of all that is in the table."""
        return sum(len(word.encode()) * count for word, count in self.counts.items())


def count_words(texts: Iterable[str], limit: int = LIMIT) -> Words:
    """The table of these texts, read once."""
    find = splitter().findall
    counts: Counter[str] = Counter()
    num_bytes = documents = forgotten = 0
    for text in texts:
        documents += 1
        whole = whole_text(text)
        num_bytes += len(whole.encode())
        counts.update(find(whole))
        while len(counts) > limit:
            forgotten += 1
            counts = Counter({word: n - 1 for word, n in counts.items() if n > 1})
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return Words(dict(ordered), num_bytes, documents, forgotten)


def blended(sources: Sequence[Words], temperature: float = 1.0) -> Words:
    """One table of several sources, in which a source of n bytes weighs as n^(1 / temperature).

    Args:
        temperature: 1 keeps their sizes; more gives small sources a larger part, without end each the same.

    Returns:
        A table of as many bytes as all sources together; at 1 its counts are sums.

    Source: Devlin et al. 2019, multilingual BERT, who smooth languages so; here it is the sources of one.
    """
    sizes = [table.counted_bytes for table in sources]
    total = sum(sizes)
    powers = [(size / total) ** (1 / temperature) if size else 0.0 for size in sizes]
    counts: dict[str, float] = {}
    for table, size, power in zip(sources, sizes, powers, strict=True):
        factor = 1 if temperature == 1 or not size else power / sum(powers) * total / size
        for word, count in table.counts.items():
            counts[word] = counts.get(word, 0) + count * factor
    return Words(
        counts,
        sum(table.num_bytes for table in sources),
        sum(table.documents for table in sources),
        sum(table.forgotten for table in sources),
    )


def weighted(tables: Mapping[str, Words], shares: Mapping[str, float]) -> dict[str, float]:
    """One table in which each language has its share of the bytes.

    Args:
        tables: language -> table. shares: language -> share of bytes; they sum to 1.

    Returns:
        word -> weight; the weights times the words' bytes sum to the bytes of all tables together.

    Raises:
        DataError: a language has a share and no text.
    """
    sizes = {language: table.counted_bytes for language, table in tables.items()}
    total = sum(sizes.values())
    out: dict[str, float] = {}
    for language, share in shares.items():
        if share <= 0:
            continue
        if not sizes.get(language):
            raise _no_text(language)
        factor = share * total / sizes[language]
        for word, count in tables[language].counts.items():
            out[word] = out.get(word, 0.0) + count * factor
    return out


def proportional(tables: Mapping[str, Words]) -> dict[str, float]:
    """Shares of bytes as the text has them.

    Raises:
        DataError: no language has text.
    """
    sizes = {language: table.counted_bytes for language, table in tables.items()}
    total = sum(sizes.values())
    if not total:
        raise _no_text(", ".join(tables) or "any language")
    return {language: size / total for language, size in sizes.items()}


def _no_text(language: str) -> DataError:
    return DataError(
        expected=f"text in {language}",
        found="none",
        where="words",
        fix="check its files, or leave the language out",
    )


def save_words(words: Words, path: Path) -> None:
    """As Parquet, with the rest in its metadata."""
    table = pa.table({"word": list(words.counts), "count": list(words.counts.values())})
    about = {
        "bytes": str(words.num_bytes),
        "documents": str(words.documents),
        "forgotten": str(words.forgotten),
    }
    pq.write_table(table.replace_schema_metadata(about), path, compression="zstd")


def load_words(path: Path) -> Words:
    """What `save_words` wrote.

    Raises:
        ArtifactError: the file is damaged.
    """
    try:
        table = pq.read_table(path)
        about = {k.decode(): int(v) for k, v in table.schema.metadata.items() if k != b"pandas"}
        counts = dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))
        return Words(counts, about["bytes"], about["documents"], about["forgotten"])
    except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException) as error:
        raise ArtifactError(
            expected="a table of words",
            found=first_line(error),
            where=str(path),
            fix="delete it and run the command again",
        ) from error
