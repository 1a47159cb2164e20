"""The steps that run inside datatrove: read a shard, clean it, hold it between passes, write it.

Each is a `PipelineStep`, so they stand beside datatrove's own (its MinHash stages, filters of yours). All
files are written beside their place and renamed when a shard is done: a killed process leaves nothing that
counts, and the executor does the shard again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from mishran.config_corpus import UNDETERMINED
from mishran.corpus.accounts import Accounts, Drop, Kind, Refusal
from mishran.corpus.files import Shard
from mishran.corpus.records import Record, read_shard
from mishran.corpus.steps import Editing, Judging, Step
from mishran.corpus.tables import Table, renamed

Counter = Callable[[str], int]


def utf8(text: str) -> int:
    """Bytes of a text, lone surrogates included."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Origin:
    """What is known of the documents of a source before they are read."""

    name: str
    provenance: str
    languages: tuple[str, ...]
    text: str
    id: str

    @property
    def language(self) -> str:
        return self.languages[0] if len(self.languages) == 1 else UNDETERMINED


class Books:
    """Accounts of one shard while it is worked on, and the file they end up in."""

    def __init__(self, folder: Path, count: Counter | None) -> None:
        self.folder, self.count = folder, count
        self.accounts = Accounts()

    def start(self) -> None:
        """Empty them, in place: the steps behind the reader hold them already."""
        for part in (vars(self.accounts)).values():
            part.clear()

    def tokens(self, text: str) -> int:
        return self.count(text) if self.count is not None else 0

    def drop(self, step: str, reason: str, document: Document, bytes_: int, tokens: int) -> None:
        facts = document.metadata
        drop = Drop(step, reason, facts["source"], facts["language"], facts["provenance"])
        self.accounts.drop(drop, bytes_, tokens)

    def close(self, rank: int) -> None:
        text = json.dumps(self.accounts.as_dict(), ensure_ascii=True, sort_keys=True)
        with renamed(self.folder / f"{rank:05d}.json") as path:
            path.write_text(text)


class Read(PipelineStep):
    """The records of a shard as documents; what cannot be read is counted, with its place."""

    type = "reader"
    name = "records"

    def __init__(
        self, shards: tuple[Shard, ...], origins: dict[str, Origin], longest: int, books: Books
    ) -> None:
        super().__init__()
        self._shards, self._origins, self._longest, self._books = shards, origins, longest, books

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        self._books.start()
        shard = self._shards[rank]
        origin = self._origins[shard.source]
        accounts = self._books.accounts
        for record in read_shard(shard, origin.text, origin.id, self._longest):
            if isinstance(record, Record):
                yield _document(record, origin)
            else:
                accounts.arrive(origin.name, record.size, 0)
                drop = Drop("read", record.reason, origin.name, origin.language, origin.provenance)
                accounts.drop(drop, record.size, 0)
                accounts.refuse(Refusal(record.where, record.reason, record.detail))


def _document(record: Record, origin: Origin) -> Document:
    return Document(
        text=record.text,
        id=record.id,
        metadata={
            "source": origin.name,
            "provenance": origin.provenance,
            "origin": record.where,
            "language": origin.language,
            "script": "",
        },
    )


class Clean(PipelineStep):
    """Every document through every step, in order, until one drops it; all of it accounted for."""

    type = "filter"
    name = "clean"

    def __init__(
        self,
        make_steps: Callable[[], tuple[Step, ...]],
        books: Books,
        dropped: Path | None,
        report: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__()
        self._make, self._books, self._dropped, self._report = make_steps, books, dropped, report

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        steps = self._make()
        accounts = self._books.accounts
        ticker = _Ticker(self._report)
        with Dropped(self._dropped, rank) as dropped:
            for document in data:
                source = document.metadata["source"]
                arrived = utf8(document.text)
                first = document.text
                tokens = self._books.tokens(first)
                accounts.arrive(source, arrived, tokens)
                reason, step = self._through(steps, document)
                if document.text is not first and document.text != first:
                    now = self._books.tokens(document.text)
                    if now != tokens:
                        accounts.edited_tokens(source, tokens - now)
                    tokens = now
                document.metadata["tokens"] = tokens
                ticker.add(arrived)
                if reason is None:
                    yield document
                else:
                    self._books.drop(step, reason, document, utf8(document.text), tokens)
                    dropped.add(document, step, reason)
        ticker.done()
        self._books.close(rank)

    def _through(self, steps: tuple[Step, ...], document: Document) -> tuple[str | None, str]:
        """The reason for dropping it and the step; its text and metadata change on the way."""
        for step in steps:
            if isinstance(step, Editing):
                before = document.text
                edited = step.edit(before, document.metadata["language"])
                if edited.counts:
                    document.text = edited.text
                    lost = utf8(before) - utf8(edited.text)
                    source = document.metadata["source"]
                    self._books.accounts.edit(step.name, source, edited.counts, lost)
            else:
                assert isinstance(step, Judging)
                reason = step.judge(document)
                if reason is not None:
                    return reason, step.name
        return None, ""


class _Ticker:
    """Says how many bytes are done, once a mebibyte."""

    def __init__(self, report: Callable[[float], None] | None) -> None:
        self._report, self._new = report, 0

    def add(self, amount: int) -> None:
        self._new += amount
        if self._new >= 2**20:
            self.done()

    def done(self) -> None:
        if self._report is not None:
            self._report(self._new)
        self._new = 0


class Dropped:
    """Documents that were dropped, as Parquet with step and reason; nothing where nobody asked."""

    def __init__(self, folder: Path | None, rank: int) -> None:
        self._table = None if folder is None else Table(folder / f"{rank:05d}.parquet", True)

    def __enter__(self) -> Dropped:
        if self._table is not None:
            self._table.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._table is not None:
            self._table.__exit__(*error)

    def add(self, document: Document, step: str, reason: str) -> None:
        if self._table is not None:
            self._table.add(document, step, reason)


class Exclusion:
    """What datatrove's duplicate filters hand their documents to: books and dropped documents."""

    def __init__(self, step: str, reason: str, books: Books | None, dropped: Path | None) -> None:
        self._step, self._reason, self._books, self._folder = step, reason, books, dropped
        self._dropped: Dropped | None = None

    def __enter__(self) -> Exclusion:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._dropped is not None:
            self._dropped.__exit__(*error)
            self._dropped = None

    def write(self, document: Document, rank: int = 0) -> None:
        if self._books is None:
            return
        tokens = document.metadata["tokens"]
        self._books.drop(self._step, self._reason, document, utf8(document.text), tokens)
        if self._dropped is None:
            self._dropped = Dropped(self._folder, rank).__enter__()
        self._dropped.add(document, self._step, self._reason)


class Hold(PipelineStep):
    """Documents of a shard on disk until the next pass, passed on as well."""

    type = "writer"
    name = "hold"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        import orjson
        import zstandard

        with (
            renamed(_held(self._folder, rank)) as path,
            path.open("wb") as file,
            zstandard.ZstdCompressor(level=3).stream_writer(file) as packed,
        ):
            for document in data:
                row = [document.id, document.text, document.metadata]
                packed.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                yield document


class Held(PipelineStep):
    """What `Hold` wrote of a shard."""

    type = "reader"
    name = "held"

    def __init__(self, folder: Path, books: Books | None = None) -> None:
        super().__init__()
        self._folder, self._books = folder, books

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        import io

        import orjson
        import zstandard

        if self._books is not None:
            self._books.start()
        with _held(self._folder, rank).open("rb") as file:
            packed = zstandard.ZstdDecompressor().stream_reader(file)
            for line in io.BufferedReader(packed, 2**20):
                id_, text, metadata = orjson.loads(line)
                yield Document(text=text, id=id_, metadata=metadata)


class Write(PipelineStep):
    """The clean documents of a shard, as Parquet in a folder per source; and the books are closed."""

    type = "writer"
    name = "clean documents"

    def __init__(self, folder: Path, sources: tuple[str, ...], books: Books) -> None:
        super().__init__()
        self._folder, self._sources, self._books = folder, sources, books

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        path = self._folder / self._sources[rank] / f"{rank:05d}.parquet"
        accounts = self._books.accounts
        with Table(path, False) as table:
            for document in data:
                facts = document.metadata
                kind = Kind(
                    facts["source"], facts["language"], facts["script"], facts["provenance"]
                )
                accounts.keep(kind, utf8(document.text), facts["tokens"])
                table.add(document)
                yield document
        self._books.close(rank)


def _held(folder: Path, rank: int) -> Path:
    return folder / f"{rank:05d}.jsonl.zst"
