"""Records to Parquet or JSONL, and back to counts: what is written is read again before it counts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from mishran.errors import ArtifactError, DataError, first_line
from mishran.stream.texts import Kind

Format = Literal["parquet", "jsonl"]  # of text
CHUNK = 20_000  # rows of a row group, and held at a time


def write_records(
    path: Path, records: Iterable[dict[str, Any]], kind: Kind, format_: Format
) -> int:
    """Write records to a new file; the number written. Equal records give equal bytes.

    Raises:
        DataError: a record that Parquet cannot hold.
    """
    rows = iter(records)
    write = _parquet if format_ == "parquet" else _jsonl
    with open(path, "wb") as handle:
        count = write(handle, rows, kind)
        handle.flush()
        os.fsync(handle.fileno())
    return count


def _jsonl(handle: Any, rows: Iterator[dict[str, Any]], _: Kind) -> int:
    count = 0
    while chunk := list(islice(rows, CHUNK)):
        lines = (json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) for row in chunk)
        handle.write(("\n".join(lines) + "\n").encode())
        count += len(chunk)
    return count


def _parquet(handle: Any, rows: Iterator[dict[str, Any]], kind: Kind) -> int:
    count, writer = 0, None
    schema = schema_of(kind)
    try:
        while chunk := list(islice(rows, CHUNK)):
            try:
                _check_messages(chunk, kind)
                table = pa.Table.from_pylist(chunk, schema=schema)
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise DataError(
                    expected="rows that fit into the columns of a Parquet file",
                    found=first_line(error),
                    where=f"rows {count + 1} to {count + len(chunk)}",
                    fix="write JSON lines instead, `mishran build --format jsonl`, or remove it",
                ) from error
            writer = writer or pq.ParquetWriter(handle, schema, compression="zstd")
            writer.write_table(table)
            count += len(chunk)
        if writer is None:
            writer = pq.ParquetWriter(handle, schema, compression="zstd")
    finally:
        if writer is not None:
            writer.close()
    return count


def _check_messages(rows: list[dict[str, Any]], kind: Kind) -> None:
    for row in rows if kind == "chat" else ():
        for message in row["messages"]:
            if set(message) - {"role", "content"}:
                names = ", ".join(sorted(set(message) - {"role", "content"}))
                raise TypeError(f"a message of {row['task']} with {names} beside role and content")


def schema_of(kind: Kind) -> pa.Schema:
    """Columns of a Parquet file. Messages hold role and content; what else they may hold needs JSONL."""
    values = {
        "prompt": [("prompt", pa.string()), ("answer", pa.string())],
        "chat": [
            ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
        ],
        "text": [("text", pa.string())],
    }[kind]
    return pa.schema([("task", pa.string()), ("id", pa.string()), ("epoch", pa.int32()), *values])


def count_tasks(path: Path) -> Counter[str]:
    """Rows of each task in a file that was written, read from the file.

    Raises:
        ArtifactError: it cannot be read.
    """
    counts: Counter[str] = Counter()
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(columns=["task"]):
                    for pair in batch.column(0).value_counts().to_pylist():
                        counts[pair["values"]] += pair["counts"]
        else:
            with open(path, encoding="utf-8") as handle:
                for line in handle:
                    counts[json.loads(line)["task"]] += 1
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArtifactError(
            expected="a file that reads back",
            found=first_line(error),
            where=str(path),
            fix="make it again; if that does not help, check the disk",
        ) from error
    return counts
