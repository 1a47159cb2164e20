"""Input files, looked at once before anything is cleaned: whole or damaged, how large, cut into shards.

One pass over the bytes of a file gives its sha256, the place of every shard, and whether it can be read to
the end; a file that unpacks to far more than it is (a compression bomb) is refused with the ratio before
any of it is used. Shards are stretches of 4 to 256 MiB of unpacked text, cut between lines (or row groups
of Parquet), so that one large file is work for many processes and memory does not grow with its size. How
long they are depends on the input alone, so that the result does not depend on the machine. A compressed
file is unpacked from its beginning for each of its shards: unpacking is a hundred times faster than what
is done to the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mishran.corpus.unpack import damage_errors, open_bytes
from mishran.errors import DataError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".txt", ".txt.gz", ".txt.zst", ".parquet")
# Small: what dies loses little; large: marks and files are few. Assumption.
SMALLEST, LARGEST, SHARDS = 4 * 2**20, 256 * 2**20, 64
_CHUNK = 2**20
# A ratio says nothing about the first kilobytes; below this a file may unpack as it likes; assumption.
_HARMLESS = 16 * 2**20


@dataclass(frozen=True)
class Shard:
    """A stretch of one file: work for one process.

    offset, line: where it begins, in unpacked bytes and in lines before it; of Parquet, the row group and
    the rows before it. lines: how many, with the rest of one where a file was cut. size: unpacked bytes.
    name: of the file for people, from the folder of its source on.
    """

    source: str
    path: str
    offset: int
    line: int
    lines: int
    size: int
    name: str = ""


@dataclass(frozen=True)
class Surveyed:
    """What one file is. problem: why it cannot be read beyond its shards, or "" when it is whole."""

    path: str
    sha256: str
    packed: int
    unpacked: int
    shards: tuple[Shard, ...]
    problem: str = ""
    name: str = ""


def input_files(path: Path, where: str) -> list[Path]:
    """The file, or the files in a folder and below, by name.

    Raises:
        DataError: there is none, or a file is of no kind that can be read.
    """
    found = _input_files(path, where)
    for one in found:
        try:
            str(one).encode()
        except UnicodeEncodeError as error:  # reports and manifests are UTF-8 and name it
            raise DataError(
                expected="paths in UTF-8",
                found=ascii(one.name),
                where=f"{where}: {str(one.parent)!a}",
                fix="rename it",
            ) from error
    return found


def _input_files(path: Path, where: str) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and is_input(p))
        if not found:
            raise DataError(
                expected=f"files that end in {', '.join(SUFFIXES)}",
                found="none in that folder",
                where=f"{where}: {path}",
                fix="check the path",
            )
        return found
    if not path.is_file():
        raise DataError(
            expected="a file or a folder of files",
            found="no such file",
            where=f"{where}: {path}",
            fix="check the path; paths are relative to the recipe",
        )
    if not is_input(path):
        raise DataError(
            expected=f"a file that ends in {', '.join(SUFFIXES)}",
            found=repr(path.name),
            where=where,
            fix="rename or convert it",
        )
    return [path]


def is_input(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def shard_size(packed: int) -> int:
    """Unpacked bytes of a shard for input of so many bytes on disk."""
    return min(LARGEST, max(SMALLEST, packed // SHARDS))


def survey(path: Path, source: str, ratio: float, shard: int = SMALLEST) -> Surveyed:
    """Read a file once and cut it into shards.

    Args:
        ratio: largest allowed ratio of unpacked to packed bytes.
        shard: unpacked bytes of a shard, about.

    Raises:
        DataError: the storage fails, or forbids to read it; a damaged file is an answer.
    """
    try:
        if path.name.lower().endswith(".parquet"):
            return _survey_parquet(path, source, ratio, shard)
        return _survey_lines(path, source, ratio, shard)
    except OSError as error:  # of the storage: the file may be whole, and nothing of it may be lost
        raise DataError(
            expected="a file that can be read",
            found=error.strerror or str(error),
            where=f"{source}: {path}",
            fix="see to its storage and permissions, or take it out, then run the same command",
        ) from error


def _survey_lines(path: Path, source: str, ratio: float, shard: int) -> Surveyed:
    packed = path.stat().st_size
    compressed = path.name.lower().endswith((".gz", ".zst"))
    digest = hashlib.sha256()
    if compressed:
        with path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256")
    cuts = _Cuts(source, str(path), shard)
    problem = ""
    try:
        with open_bytes(path) as handle:
            while chunk := handle.read1(_CHUNK):  # type: ignore[attr-defined]
                if not compressed:
                    digest.update(chunk)
                cuts.feed(chunk)
                if compressed and cuts.total > max(_HARMLESS, ratio * packed):
                    return Surveyed(
                        str(path),
                        digest.hexdigest(),
                        packed,
                        cuts.total,
                        (),
                        _bomb(cuts.total, packed, ratio),
                    )
    except damage_errors() as error:
        problem = f"damaged after {cuts.line:,} lines: {_words(error)}"
    return Surveyed(str(path), digest.hexdigest(), packed, cuts.total, cuts.done(), problem)


def _bomb(unpacked: int, packed: int, ratio: float) -> str:
    return (
        f"unpacks to more than {unpacked / packed:,.0f} times its size (limits.ratio is {ratio:,.0f}): "
        "refused whole"
    )


def _words(error: BaseException) -> str:
    text = str(error).strip().rstrip(".")
    return text[:200] if text else type(error).__name__


class _Cuts:
    """Shards of a stream of bytes, cut after the first line end beyond each multiple of the size."""

    def __init__(self, source: str, path: str, size: int) -> None:
        self._source, self._path, self._size = source, path, size
        self._shards: list[Shard] = []
        self._start = self._start_line = 0
        self.total = self.line = 0
        self._open = False  # whether the last line has no end yet

    def feed(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            room = self._start + self._size - self.total
            if room > len(chunk) - at:
                self._take(chunk[at:])
                return
            end = chunk.find(b"\n", at + max(0, room - 1))
            if end < 0:
                self._take(chunk[at:])
                return
            self._take(chunk[at : end + 1])
            self._cut()
            at = end + 1

    def _take(self, piece: bytes) -> None:
        self.total += len(piece)
        self.line += piece.count(b"\n")
        self._open = not piece.endswith(b"\n")

    def _cut(self) -> None:
        if self.total > self._start:
            lines = self.line - self._start_line
            size = self.total - self._start
            self._shards.append(
                Shard(self._source, self._path, self._start, self._start_line, lines, size)
            )
            self._start, self._start_line = self.total, self.line

    def done(self) -> tuple[Shard, ...]:
        if self._open:
            self.line += 1
        self._cut()
        return tuple(self._shards)


def _survey_parquet(path: Path, source: str, ratio: float, shard: int) -> Surveyed:
    import pyarrow as pa
    import pyarrow.parquet as pq

    packed = path.stat().st_size
    with path.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    shards: list[Shard] = []
    total = rows = 0
    most = max(_HARMLESS, ratio * packed)
    try:
        with pq.ParquetFile(path) as file:
            texts = [f.name for f in file.schema_arrow if is_text(f.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            for group in range(file.num_row_groups):
                size = 0
                for batch in file.iter_batches(1024, row_groups=[group], columns=texts):
                    size += sum(map(_text_bytes, batch.columns))
                    if total + size > most:
                        return Surveyed(
                            str(path), digest, packed, total, (), _bomb(total + size, packed, ratio)
                        )
                lines = file.metadata.row_group(group).num_rows
                shards.append(Shard(source, str(path), group, rows, lines, size))
                rows, total = rows + lines, total + size
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        return Surveyed(str(path), digest, packed, 0, (), f"no Parquet file: {_words(error)}")
    return Surveyed(str(path), digest, packed, total, tuple(_joined(shards, shard)))


def is_text(kind: Any) -> bool:
    """Whether a type of Arrow is text, in any of its forms."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _text_bytes(column: Any) -> int:
    """Bytes of the texts of a column: of a dictionary each as often as it stands for a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_binary())
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    words = pc.binary_length(column.dictionary)
    return int(pc.sum(words.take(column.indices)).as_py() or 0)


def _joined(groups: list[Shard], size: int) -> Iterator[Shard]:
    """Row groups are the grain; small ones next to each other are one shard of several groups."""
    held: Shard | None = None
    for group in groups:
        if held is not None and held.size + group.size <= size:
            held = Shard(
                held.source,
                held.path,
                held.offset,
                held.line,
                held.lines + group.lines,
                held.size + group.size,
            )
        else:
            if held is not None:
                yield held
            held = group
    if held is not None:
        yield held
