"""Records of a shard: texts, and the places that hold none, each with its reason.

Lines are read as bytes, so that one bad line is one refusal and the rest goes on. A line that is longer
than allowed is passed over in pieces and never held. Blank lines are no records. A lone surrogate in
JSON (`"\\ud83d"`) is let in: repairing text is a step of its own.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mishran.corpus.files import Shard, is_text
from mishran.corpus.unpack import damage_errors, open_bytes, reading_errors
from mishran.errors import DataError

_CHUNK = 2**20
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Record:
    """One text. where: "file:line", rows of Parquet counted from 1."""

    id: str
    text: str
    where: str


@dataclass(frozen=True)
class Refused:
    """A line or row without a text that can be used. size: its bytes."""

    where: str
    reason: str
    detail: str
    size: int


def read_shard(shard: Shard, text: str, id_: str, longest: int) -> Iterator[Record | Refused]:
    """Every record of a shard.

    Args:
        text, id_: names of the fields. A record without an id is called "file-name:line".
        longest: bytes of a line.
    """
    path = Path(shard.path)
    if path.name.lower().endswith(".parquet"):
        yield from _parquet(shard, text, id_, longest)
        return
    plain = ".txt" in path.name.lower()[-8:]
    number, place = shard.line, whole(shard.name or str(path))
    last, cause = shard.line + shard.lines, ""
    try:
        with open_bytes(path) as handle:
            _skip(handle, shard.offset)
            for raw, size in _lines(handle, shard.lines, longest):
                number += 1
                where = f"{place}:{number}"
                if raw is None:
                    yield Refused(where, "line-too-long", f"{size:,} bytes", size)
                    continue
                if number == 1:
                    raw = raw.removeprefix(BOM)
                if raw.strip():
                    yield _record(raw, size, where, f"{path.name}:{number}", plain, text, id_)
    except reading_errors() as error:
        if number < last - 1 and not isinstance(error, damage_errors()):
            raise _changed(f"{place}:{number + 1}", str(error)) from error
        cause = str(error) or type(error).__name__
    if number < last and not cause:
        raise _changed(f"{place}:{number + 1}", "its end")
    for lost in range(number + 1, last + 1):  # the survey knows: of a damaged file the last line
        yield Refused(f"{place}:{lost}", "unreadable", cause, 0)


def _changed(where: str, found: str) -> DataError:
    """The survey read this place a moment ago: nothing of it may be lost for good."""
    return DataError(
        expected="what was there when the file was looked at",
        found=found,
        where=where,
        fix="leave the file as it is and see that it can be read, then run the same command",
    )


def whole(text: str) -> str:
    """A name that can be written as UTF-8, whatever a file system or a record calls it."""
    return text.encode("utf-8", "replace").decode()


def _skip(handle: IO[bytes], offset: int) -> None:
    if not hasattr(handle, "seek"):
        while offset > 0:
            piece = handle.read1(min(offset, _CHUNK))  # type: ignore[attr-defined]
            if not piece:
                return
            offset -= len(piece)
    else:
        handle.seek(offset)  # of a gzip file it unpacks what is before, as above


def _lines(handle: IO[bytes], count: int, longest: int) -> Iterator[tuple[bytes | None, int]]:
    """So many lines, each with its size; None in place of one that is too long."""
    done = size = 0
    parts: list[bytes] = []
    while done < count and (chunk := handle.read1(_CHUNK)):  # type: ignore[attr-defined]
        at = 0
        while done < count:
            end = chunk.find(b"\n", at)
            piece = chunk[at:] if end < 0 else chunk[at:end]
            size += len(piece)
            if size <= longest:
                parts.append(piece)
            else:
                parts.clear()
            if end < 0:
                break
            yield (b"".join(parts) if size <= longest else None), size
            done, size, at = done + 1, 0, end + 1
            parts.clear()
    if done < count and size:
        yield (b"".join(parts) if size <= longest else None), size


def _record(
    raw: bytes, size: int, where: str, name: str, plain: bool, text: str, id_: str
) -> Record | Refused:
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = _bad_byte(error)
        if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            detail += "; it begins as UTF-16 does: save the file as UTF-8"
        return Refused(where, "invalid-utf-8", detail, size)
    if plain:
        return Record(name, line, where)
    try:
        fields = _parse(line)
    except (ValueError, RecursionError) as error:
        return Refused(where, "not-json", str(error)[:200] or "nested too deep", size)
    if not isinstance(fields, dict):
        return Refused(where, "not-an-object", type(fields).__name__, size)
    return _from_fields(fields, size, where, name, text, id_)


def _bad_byte(error: UnicodeDecodeError) -> str:
    return f"byte 0x{error.object[error.start]:02x} at position {error.start + 1}"


def _parse(line: str) -> Any:
    try:
        import orjson

        return orjson.loads(line)
    except (
        ImportError,
        ValueError,
    ):  # orjson refuses lone surrogates; the standard library reads them
        return json.loads(line)


def _from_fields(
    fields: dict[str, Any], size: int, where: str, name: str, text: str, id_: str
) -> Record | Refused:
    value = fields.get(text)
    if not isinstance(value, str):
        known = whole(", ".join(sorted(map(str, fields)))[:150])
        found = type(value).__name__ if value is not None else "null" if text in fields else ""
        found = found or "no such field"
        return Refused(where, "no-text", f"field {text!r}: {found}; the record has {known}", size)
    own = fields.get(id_)
    return Record(whole(str(own)) if isinstance(own, str | int) else name, value, where)


def _parquet(shard: Shard, text: str, id_: str, longest: int) -> Iterator[Record | Refused]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, place = Path(shard.path), whole(shard.name or shard.path)
    number = shard.line
    last = shard.line + shard.lines
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows < last:
                raise _changed(f"{place}:{file.metadata.num_rows + 1}", "its end")
            names = file.schema_arrow.names
            columns = [c for c in (text, id_) if c in names]
            group = shard.offset
            while number < last:
                for batch in file.iter_batches(256, row_groups=[group], columns=columns):
                    ids = _values(batch, id_)
                    for value, own in zip(_values(batch, text), ids, strict=True):
                        number += 1
                        where, name = f"{place}:{number}", f"{path.name}:{number}"
                        size = len(value) if isinstance(value, _Utf8) else 0
                        if size > longest:
                            yield Refused(where, "line-too-long", f"{size:,} bytes", size)
                            continue
                        try:
                            row = {text: _decoded(value), id_: _decoded(own)}
                        except UnicodeDecodeError as error:
                            yield Refused(where, "invalid-utf-8", _bad_byte(error), size)
                            continue
                        known = {name: row.get(name) for name in names}
                        yield _from_fields(known, size, where, name, text, id_)
                group += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):  # the storage, not the file
            raise _changed(f"{place}:{number + 1}", str(error)[:200]) from error
        for lost in range(number + 1, last + 1):
            yield Refused(f"{place}:{lost}", "unreadable", str(error)[:200], 0)


class _Utf8(bytes):
    """Bytes of a text column: Parquet does not promise that they are UTF-8."""


def _values(batch: Any, name: str) -> list[Any]:
    """A column as it is, of text the bytes: one bad value would fail the whole batch otherwise."""
    import pyarrow as pa

    if name not in batch.schema.names:
        return [None] * int(batch.num_rows)
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not is_text(column.type):
        found: list[Any] = column.to_pylist()
        return found
    values = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else _Utf8(value) for value in values]


def _decoded(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, _Utf8) else value
