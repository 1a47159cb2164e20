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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pyarrow as pa
import pyarrow.parquet as pq

from mishran.errors import ArtifactError, first_line
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

    counts: Mapping[str, int]
    num_bytes: int
    documents: int
    forgotten: int = 0

    @property
    def counted_bytes(self) -> int:
        """Bytes of all that is in the table."""
        return sum(len(word.encode()) * count for word, count in self.counts.items())


def count_words(texts: Iterable[str], limit: int = LIMIT) -> Words:
    """The table of these texts, read once."""
    find = splitter().findall
    counts: Counter[str] = Counter()
    num_bytes = documents = forgotten = 0
    for text in texts:
        documents += 1
        whole = text.encode("utf-8", "replace").decode()
        num_bytes += len(whole.encode())
        counts.update(find(whole))
        while len(counts) > limit:
            forgotten += 1
            counts = Counter({word: n - 1 for word, n in counts.items() if n > 1})
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return Words(dict(ordered), num_bytes, documents, forgotten)


def weighted(tables: Mapping[str, Words], shares: Mapping[str, float]) -> dict[str, float]:
    """One table in which each language has its share of the bytes.

    Args:
        tables: language -> table. shares: language -> share of bytes; they sum to 1.

    Returns:
        word -> weight; the weights times the words' bytes sum to the bytes of all tables together.
    """
    total = sum(table.counted_bytes for table in tables.values())
    out: dict[str, float] = {}
    for language, table in tables.items():
        share = shares.get(language, 0.0)
        if share <= 0:
            continue
        factor = share * total / table.counted_bytes
        for word, count in table.counts.items():
            out[word] = out.get(word, 0.0) + count * factor
    return out


def proportional(tables: Mapping[str, Words]) -> dict[str, float]:
    """Shares of bytes as the text has them."""
    total = sum(table.counted_bytes for table in tables.values())
    return {language: table.counted_bytes / total for language, table in tables.items()}


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
