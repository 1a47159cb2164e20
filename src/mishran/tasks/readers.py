"""Records from files, folders and the hub, each with the place it came from.

JSONL (also gzip), a JSON list and Parquet are read here, with errors that name the line. A folder
written by `datasets.save_to_disk`, a folder of data files and a hub name go through `datasets`, the
library people know, never with remote code. Blank lines and a byte order mark are no data.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mishran.config_errors import shown
from mishran.errors import DataError, DependencyError, first_line

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")


@dataclass(frozen=True)
class Record:
    """One row. where: "file:line" (row number for Parquet and data sets), counted from 1."""

    fields: dict[str, Any]
    where: str


def is_data_file(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def read_file(path: Path) -> list[Record]:
    """All records of one `.jsonl`, `.jsonl.gz`, `.json` or `.parquet` file.

    Raises:
        DataError: an unknown kind of file, one that cannot be read, or a line that is no object.
    """
    name = path.name.lower()
    try:
        if name.endswith((".jsonl", ".jsonl.gz")):
            return list(_jsonl(path))
        if name.endswith(".json"):
            return _json_list(path)
        if name.endswith(".parquet"):
            return list(_parquet(path))
    except OSError as error:
        raise DataError(
            expected="a file that can be read",
            found=error.strerror or str(error),
            where=str(path),
            fix="check its permissions, or copy it again",
        ) from error
    raise DataError(
        expected=f"a file that ends in {', '.join(SUFFIXES)}",
        found=repr(path.name),
        where=str(path),
        fix="convert it, for example with pandas: read_csv(...).to_parquet(...)",
    )


def _jsonl(path: Path) -> Iterator[Record]:
    packed = path.name.lower().endswith(".gz")
    number = 0
    with gzip.open(path) if packed else path.open("rb") as handle:
        try:
            for number, raw in enumerate(handle, start=1):
                where = f"{path}:{number}"
                text = _decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, where)
                if text.strip():
                    yield Record(
                        _object(_parse(text, where, "one JSON object per line"), where), where
                    )
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                expected="a whole gzip file",
                found=f"{str(error).rstrip('.')}, after {number} lines",
                where=str(path),
                fix="copy or download it again; if it is not compressed, name it .jsonl",
            ) from error


def _json_list(path: Path) -> list[Record]:
    text = _decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), str(path))
    if not text.strip():
        return []
    data = _parse(text, str(path), "a JSON list of objects")
    if not isinstance(data, list):
        raise DataError(
            expected="a JSON list of objects",
            found=_kind(data),
            where=str(path),
            fix="put the records into a list [...], or write one per line and name the file .jsonl",
        )
    places = [f"{path}:{i}" for i in range(1, len(data) + 1)]
    return [Record(_object(row, where), where) for row, where in zip(data, places, strict=True)]


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield Record(row, f"{path}:{number}")
    except (pa.ArrowException, ValueError, OverflowError) as error:
        # The last two: text that is no UTF-8, times that Python cannot express.
        raise DataError(
            expected="a Parquet file",
            found=_cause(error),
            where=str(path),
            fix="write or copy it again",
        ) from error


def _decode(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            expected="UTF-8 text",
            found=f"byte 0x{raw[error.start]:02x} at position {error.start + 1}",
            where=where,
            fix="save the file as UTF-8 (iconv -f ... -t utf-8)",
        ) from error


def _parse(text: str, where: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = (
            f"line {error.lineno}, column {error.colno}"
            if error.lineno > 1
            else f"column {error.colno}"
        )
        several = error.msg == "Extra data" and expected.startswith("a JSON list")
        raise DataError(
            expected=expected,
            found=f"{error.msg[:1].lower()}{error.msg[1:]} at {place}",
            where=where,
            fix="name it .jsonl if it has one object per line" if several else "mend that line",
        ) from error
    except (RecursionError, ValueError) as error:
        # ValueError: an integer of more digits than Python reads.
        deep = isinstance(error, RecursionError)
        raise DataError(
            expected=expected,
            found="brackets nested too deep" if deep else _cause(error),
            where=where,
            fix="remove the record",
        ) from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise DataError(
        expected='a JSON object such as {"input": ..., "target": ...}',
        found=_kind(value),
        where=where,
        fix="write each record as an object with named fields",
    )


def read_dataset(
    path: str, *, subset: str | None, revision: str | None, split: str | None, online: bool
) -> dict[str, list[Record]]:
    """Splits of a `save_to_disk` folder, a folder of data files, or a hub data set (online).

    split: one of its splits, or None for all. A data set saved without splits is called "train", as
    `load_dataset` calls it.

    Raises:
        DataError: no such data set, subset or split, or files in it that cannot be read.
        DependencyError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise DependencyError(
            expected="the package datasets, for folders and hub names",
            found="it is not installed",
            where=path,
            fix="pip install 'mishran[torch]', or give a .jsonl or .parquet file",
        ) from error
    folder = Path(path)
    saved = any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    if folder.is_dir() and not online:
        _refuse_addresses(folder)
    try:
        with _quiet(datasets, online):
            if saved:
                loaded = datasets.load_from_disk(path)
            else:
                loaded = datasets.load_dataset(path, subset, revision=revision, split=split)
        alone = "train" if saved or split is None else split
        parts = {alone: loaded} if isinstance(loaded, datasets.Dataset) else dict(loaded)
        read = {
            name: [Record(dict(row), f"{path} ({name}):{i}") for i, row in enumerate(part, start=1)]
            for name, part in parts.items()
            if split in (None, name)
        }
    except Exception as error:
        # `datasets` raises its own, builtin and Arrow errors; all of them are about the data here.
        raise DataError(
            expected="a data set that `datasets` can load",
            found=_cause(error),
            where=path,
            fix="check its files"
            if folder.exists()
            else "check the name, subset, revision and connection",
        ) from error
    if not read:
        raise DataError(
            expected=f"a split {split!r}",
            found=f"the splits {', '.join(parts)}",
            where=path,
            fix="correct splits: in the task",
        )
    return read


@contextlib.contextmanager
def _quiet(datasets: Any, online: bool) -> Iterator[None]:
    """No log lines of `datasets`: its errors become ours. Progress bars for downloads only."""
    level = datasets.logging.get_verbosity()
    hide = not online and not datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if hide:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if hide:
            datasets.enable_progress_bars()


def _refuse_addresses(folder: Path) -> None:
    """A data set card may list files on the net; without --online nothing of ours connects."""
    card = folder / "README.md"
    if not card.is_file():
        return
    head = card.read_text(encoding="utf-8", errors="replace").split("---")
    try:
        data = yaml.safe_load(head[1]) if len(head) > 2 and not head[0].strip() else None
    except yaml.YAMLError:
        return  # `datasets` will refuse it, in words of its own
    if isinstance(data, dict) and "://" in str(data.get("configs")):
        raise DataError(
            expected="data files in the folder",
            found="addresses on the net in its data set card",
            where=str(card),
            fix="use --online to let them be fetched",
        )


def _cause(error: BaseException) -> str:
    """The innermost cause says what happened; `datasets` wraps it in "An error occurred"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, list(value)[:5])) or 'no fields'}"
    return shown(value)
