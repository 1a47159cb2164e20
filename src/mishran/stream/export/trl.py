"""TRL: Parquet with token ids and labels, and `trl.yaml` for `trl sft`.

TRL tokenises nothing where a data set has `input_ids`, and masks nothing where it has `labels`; its own way
joins prompt and completion before it tokenises and leaves BOS to the tokenizer. The text stays beside the
tokens for people, and for who wants TRL to tokenise: `columns` says what is used.

Config only: TRL mixes by `fraction`. It normalises them, takes the first round(fraction x N) rows of each
entry for the largest N that repeats nothing, and puts one behind the other. So a task that the plan
repeats lists its file several times, and one entry is cut to its planned rows, which makes N the plan's
number. Source: `get_dataset` of TRL 1.16, executed; `fraction` came with 1.8.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import yaml

from mishran.errors import ArtifactError
from mishran.stream.export.target import Job, Prediction
from mishran.stream.export.tokens import (
    IDS,
    Row,
    packed_length,
    read_columns,
    rows_in_order,
    rows_once,
    write_parquet,
)
from mishran.stream.texts import Kind

CONFIG = "trl.yaml"

_HEAD = """\
# Made by `mishran export`. Run in this folder: trl sft --config trl.yaml
model_name_or_path: {model}
output_dir: trained

# Token ids and labels as they were counted: BOS, EOS, and the loss on {trained}. TRL
# tokenises nothing then. They hold for this model's tokenizer only.
{more}datasets:
"""
_ORDER = {
    False: """\
# The rows lie in the order of the plan: every stretch has its proportions. This keeps them there; the
# default is random.
train_sampling_strategy: sequential
shuffle_dataset: false
""",
    True: """\
# TRL puts one task behind the other; this mixes them, before rows are packed too.
train_sampling_strategy: random
shuffle_dataset: true
""",
}
_LENGTH = {
    False: """\
# Tokens of the longest row: nothing is cut. Rows are padded; TRL's packing would sort each 1,000 of them by
# length and wants flash attention.
max_length: {length}
packing: false
""",
    True: """\
# Documents behind each other, cut into rows of so many tokens, with a shorter one after each 1,000
# documents. TRL's default packing (bfd) would drop what a document has beyond one row.
max_length: {length}
packing: true
packing_strategy: wrapped
""",
}
_WEIGHTS = """\
# fraction: shares of rows. TRL repeats nothing by itself, so a file that the plan repeats is listed again;
# train[:N] of the first entry makes the total the plan's.
"""
_END = """\
# The plan is one pass; TRL's default is 3.
num_train_epochs: 1
seed: {seed}
"""


@dataclass(frozen=True)
class _Entry:
    """One of `datasets`: a task's file, how often it is read, and where it is cut (None: not)."""

    name: str
    times: int
    cut: int | None
    rows: int
    fraction: float | None

    def as_dict(self) -> dict[str, Any]:
        file = f"data/{self.name}.parquet"
        out: dict[str, Any] = {
            "path": "parquet",
            "data_files": file if self.times == 1 else [file] * self.times,
            "split": "train" if self.cut is None else f"train[:{self.cut}]",
            "columns": ["input_ids", "labels"],
        }
        return out if self.fraction is None else {**out, "fraction": self.fraction}


class Trl:
    """See the module."""

    title: ClassVar[str] = "TRL"
    versions: ClassVar[str] = "1.16.0"
    config_only: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = ("prompt", "chat", "text")

    def predict(self, job: Job) -> Prediction:
        if not job.config_only:
            return Prediction(tuple(float(task.rows) for task in job.plan.tasks), exact=True)
        entries = _entries(job)
        fractions = [entry.fraction or 0.0 for entry in entries]
        rows = _mixed([entry.rows for entry in entries], fractions)
        seen = dict(zip((entry.name for entry in entries), rows, strict=True))
        return Prediction(
            tuple(float(seen.get(task.name, 0)) for task in job.plan.tasks), exact=True
        )

    def write(self, job: Job, folder: Path) -> str:
        data = folder / "data"
        data.mkdir()
        schema = _schema(job)
        for entry, rows in _files(job):
            write_parquet(data / f"{entry.name}.parquet", _records(job, rows, schema), schema)
        (folder / CONFIG).write_text(_config(job, folder, schema), encoding="utf-8")
        return f"trl sft --config {CONFIG}"

    def count(self, job: Job, folder: Path) -> Counter[str]:
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
        columns, fractions = [], []
        for entry in config["datasets"]:
            files = entry["data_files"]
            files = [files] if isinstance(files, str) else files
            parts = {file: read_columns(folder / file, ["task"])["task"] for file in set(files)}
            tasks = pa.chunked_array([c for file in files for c in parts[file].chunks], pa.string())
            columns.append(tasks.slice(0, _cut(entry["split"], folder)))
            fractions.append(entry.get("fraction"))
        if None not in fractions:
            rows = _mixed([len(column) for column in columns], fractions)
            columns = [column.slice(0, n) for column, n in zip(columns, rows, strict=True)]
        counts: Counter[str] = Counter()
        for column in columns:
            for pair in column.value_counts().to_pylist():
                counts[pair["values"]] += pair["counts"]
        return counts


def _entries(job: Job) -> list[_Entry]:
    if not job.config_only:
        return [_Entry("train", 1, None, job.plan.rows, None)]
    out: list[_Entry] = []
    for i in job.used:
        task = job.plan.tasks[i]
        times = -(-task.rows // task.available_rows)
        # The first one is cut to its planned rows, so that N is the plan's; it takes none from the others.
        cut = None if out else task.rows
        rows = task.rows if cut is not None else times * task.available_rows
        out.append(_Entry(task.name, times, cut, rows, task.rows / job.plan.rows))
    return out


def _mixed(lengths: Sequence[int], fractions: Sequence[float]) -> list[int]:
    """Rows that TRL takes of each entry, by its own rule and rounding."""
    weights = [fraction / sum(fractions) for fraction in fractions]
    pairs = list(zip(lengths, weights, strict=True))
    total = min(length / weight for length, weight in pairs if weight > 0)
    return [round(weight * total) for _, weight in pairs]


def _cut(split: str, folder: Path) -> int | None:
    """Rows that a split keeps of the beginning; None for all."""
    found = re.fullmatch(r"train(?:\[:(\d+)\])?", split)
    if found is None:
        raise ArtifactError(
            expected="train, or train[:N]",
            found=repr(split),
            where=f"split in {folder / CONFIG}",
            fix="please report this: it is a mistake of ours",
        )
    return None if found[1] is None else int(found[1])


def _files(job: Job) -> Iterator[tuple[_Entry, Iterator[Row]]]:
    entries = _entries(job)
    if not job.config_only:
        yield entries[0], rows_in_order(job)
        return
    for entry, task in zip(entries, job.used, strict=True):
        yield entry, rows_once(job, task)


def _schema(job: Job) -> pa.Schema:
    """Columns of the files; text that people can read as far as Parquet can hold it."""
    message = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    text = {
        "prompt": [("prompt", pa.string()), ("completion", pa.string())],
        "chat": [("prompt", message), ("completion", message)],
        "text": [("text", pa.string())],
    }[job.kind]
    if job.kind == "chat" and not _plain(job):
        text = []
    names = [("task", pa.string()), ("id", pa.string()), ("epoch", pa.int32())]
    return pa.schema([*names, ("input_ids", IDS), ("labels", IDS), *text])


def _plain(job: Job) -> bool:
    """Whether all messages are a role and a text. Others stay tokens: a table would add keys to some."""
    return all(
        set(message) == {"role", "content"} and isinstance(message["content"], str)
        for i in job.used
        for (messages,) in job.texts.tasks[i].values
        for message in messages
    )


def _records(job: Job, rows: Iterable[Row], schema: pa.Schema) -> Iterator[dict[str, Any]]:
    for row in rows:
        record = job.texts.record(row.task, row.example, row.epoch)
        if job.kind == "prompt":
            record["completion"] = record.pop("answer")
        elif job.kind == "chat" and "prompt" in schema.names:
            *record["prompt"], last = record.pop("messages")
            record["completion"] = [last]
        yield {**record, "input_ids": row.input_ids, "labels": row.labels}


def _config(job: Job, folder: Path, schema: pa.Schema) -> str:
    text = job.kind == "text"
    length = packed_length(job, folder) if text else job.max_tokens
    head = _HEAD.format(
        model=json.dumps(job.model, ensure_ascii=False),
        trained="all of a document" if text else "answers only",
        more=_other(schema) + (_WEIGHTS if job.config_only else ""),
    )
    entries = [entry.as_dict() for entry in _entries(job)]
    return "".join(
        [
            head,
            yaml.safe_dump(entries, sort_keys=False, allow_unicode=True),
            "\n",
            _ORDER[job.config_only],
            "\n",
            _LENGTH[text].format(length=length),
            "\n",
            _END.format(seed=job.plan.seed % 2**32),
        ]
    )


def _other(schema: pa.Schema) -> str:
    """How to have TRL tokenise instead, where the files hold text."""
    names = [name for name in schema.names if name in ("prompt", "completion", "text")]
    own = "it would, by its own rules, and leaves BOS to the tokenizer"
    return f"# With columns: [{', '.join(names)}] {own}.\n" if names else ""
