"""Rows as token ids in Parquet, for trainers that take tokens as they are.

A trainer that tokenises by itself may see other tokens than those that were counted: it joins prompt and
answer first, so that tokens merge across the seam, adds a second BOS or none, and finds the answer again
by its own rules. Ids and labels in the file leave it nothing to decide; `IGNORED` marks what is not
trained on. The price: they hold for one tokenizer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mishran.errors import ArtifactError, first_line
from mishran.stream.batch import IGNORED
from mishran.stream.export.target import Job
from mishran.stream.files import CHUNK
from mishran.stream.order import Order, Phase

PACKED = 2048  # tokens of a packed row of raw text, where the model does not say less (assumption)
IDS = pa.list_(pa.int32())


@dataclass(frozen=True)
class Row:
    """One row of a plan. input_ids, labels: (t,) int32."""

    task: int
    example: int
    epoch: int
    input_ids: np.ndarray
    labels: np.ndarray


def rows_in_order(job: Job) -> Iterator[Row]:
    """Every row of the plan, in its order."""
    return _rows(job, job.plan.order, range(len(job.plan.tasks)))


def rows_once(job: Job, task: int) -> Iterator[Row]:
    """Every row of a task once, in the plan's order of its first epoch: any beginning is a sample."""
    planned = job.plan.tasks[task]
    size = planned.available_rows
    order = Order((planned.name,), (size,), (Phase((size,), size),), job.plan.seed)
    return _rows(job, order, [task])


def _rows(job: Job, order: Order, tasks: Any) -> Iterator[Row]:
    for start in range(0, len(order), CHUNK):
        part = order.rows(start, start + CHUNK)
        places = zip(part.task.tolist(), part.example.tolist(), part.epoch.tolist(), strict=True)
        for number, example, epoch in places:
            rows = job.tokens[tasks[number]]
            ids = np.asarray(
                rows.tokens[rows.offsets[example] : rows.offsets[example + 1]], np.int32
            )
            labels = ids.copy()
            labels[: rows.prompts[example]] = IGNORED
            yield Row(tasks[number], example, epoch, ids, labels)


def write_parquet(path: Path, records: Iterable[dict[str, Any]], schema: pa.Schema) -> None:
    """Write records to a new file. Equal records give equal bytes."""
    rows = iter(records)
    with open(path, "wb") as handle:
        with pq.ParquetWriter(handle, schema, compression="zstd") as writer:
            while chunk := list(islice(rows, CHUNK)):
                writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
        handle.flush()
        os.fsync(handle.fileno())


def read_columns(path: Path, columns: list[str]) -> pa.Table:
    """Columns of a file that was written.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArtifactError(
            expected=f"a file with {', '.join(columns)} that reads back",
            found=first_line(error),
            where=str(path),
            fix="make it again; if that does not help, check the disk",
        ) from error


def packed_length(job: Job, folder: Path) -> int:
    """Tokens of a packed row of raw text: the model's context, at most `PACKED`.

    Args:
        folder: of the export, or one beside it; `job.model` is seen from there.
    """
    try:
        config = json.loads((folder / job.model / "config.json").read_text(encoding="utf-8"))
        context = config["max_position_embeddings"]
    except (OSError, ValueError, KeyError, TypeError):
        return PACKED  # a hub name, a tokenizer alone, or a model without a fixed context
    return min(PACKED, context) if isinstance(context, int) and context > 1 else PACKED
