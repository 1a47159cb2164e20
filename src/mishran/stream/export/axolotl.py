"""Axolotl: Parquet with token ids, labels and attention masks, and `axolotl.yaml`.

Axolotl takes a data set with these three columns as it is. Its own types tokenise by their own rules:
`completion` leaves BOS to the tokenizer and ends a document after 64 rows, `chat_template` looks for the
answer among the tokens. With sample packing further columns would reach the collator, so which row is of
which task stands in a file beside, row by row. Raw text is cut into pieces of at most `sequence_len`,
since Axolotl drops longer rows.

No weights: `weight` in an entry passes its check and is dropped (0.19.0), so only materialised data has the
proportions. It shuffles merged data and samples at random unless told otherwise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from mishran.errors import ArtifactError
from mishran.stream.export.target import Job, Prediction
from mishran.stream.export.tokens import (
    IDS,
    Row,
    packed_length,
    read_columns,
    rows_in_order,
    write_parquet,
)
from mishran.stream.texts import Kind

CONFIG = "axolotl.yaml"
TRAIN, ROWS = "data/train.parquet", "data/rows.parquet"

_CONFIG = """\
# Made by `mishran export`. Run in this folder: axolotl train axolotl.yaml
base_model: {model}
output_dir: trained

# Token ids and labels as they were counted: BOS, EOS, and the loss on {trained}. Axolotl tokenises
# nothing then, and needs no type. They hold for this model's tokenizer only. data/rows.parquet has task
# and id of each row.
datasets:
- path: data/train.parquet
  ds_type: parquet
  split: train
dataset_prepared_path: prepared
val_set_size: 0

# The rows lie in the order of the plan: every stretch has its proportions. These two keep them there.
shuffle_merged_datasets: false
curriculum_sampling: true

{length}
# The plan is one pass.
num_epochs: 1
micro_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 0.00002
optimizer: adamw_torch
lr_scheduler: cosine
seed: {seed}
"""
_LENGTH = {
    False: """\
# Tokens of the longest row: Axolotl drops longer ones. sample_packing: true saves padding; with
# sample_packing_sequentially: true it keeps the order.
sequence_len: {length}
sample_packing: false
""",
    True: """\
# Documents were cut into pieces of at most so many tokens: Axolotl drops longer rows, and by default
# those of one token. Sample packing joins short ones, here in their order; the attention keeps them
# apart.
sequence_len: {length}
min_sample_len: 1
sample_packing: true
sample_packing_sequentially: true
attn_implementation: sdpa
""",
}


class Axolotl:
    """See the module."""

    title: ClassVar[str] = "Axolotl"
    versions: ClassVar[str] = "0.19.0"
    config_only: ClassVar[bool] = False
    kinds: ClassVar[tuple[Kind, ...]] = ("prompt", "chat", "text")

    def predict(self, job: Job) -> Prediction:
        if job.kind != "text":
            return Prediction(tuple(float(task.rows) for task in job.plan.tasks), exact=True)
        return Prediction(
            tuple(float(task.tokens) for task in job.plan.tasks),
            exact=True,
            unit="tokens",
            note="long documents are cut into several rows, since Axolotl drops what is longer than "
            "sequence_len; no token is lost",
        )

    def write(self, job: Job, folder: Path) -> str:
        (folder / "data").mkdir()
        text = job.kind == "text"
        length = packed_length(job, folder) if text else job.max_tokens
        tokens = pa.schema([("input_ids", IDS), ("labels", IDS), ("attention_mask", IDS)])
        names = pa.schema([("task", pa.string()), ("id", pa.string()), ("epoch", pa.int32())])
        write_parquet(folder / TRAIN, (piece.tokens for piece in _pieces(job, length)), tokens)
        write_parquet(folder / ROWS, (piece.name for piece in _pieces(job, length)), names)
        config = _CONFIG.format(
            model=json.dumps(job.model, ensure_ascii=False),
            trained="all of a document" if text else "answers only",
            length=_LENGTH[text].format(length=length),
            seed=job.plan.seed % 2**32,
        )
        (folder / CONFIG).write_text(config, encoding="utf-8")
        return f"axolotl train {CONFIG}"

    def count(self, job: Job, folder: Path) -> Counter[str]:
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
        counts: Counter[str] = Counter()
        for entry in config["datasets"]:
            lengths = pc.list_value_length(
                read_columns(folder / entry["path"], ["input_ids"])["input_ids"]
            )
            tasks = read_columns(folder / ROWS, ["task"])["task"]
            if len(tasks) != len(lengths):
                raise ArtifactError(
                    expected=f"as many rows in {ROWS} as in {entry['path']}, {len(lengths):,}",
                    found=f"{len(tasks):,}",
                    where=str(folder),
                    fix="please report this: it is a mistake of ours",
                )
            # What Axolotl keeps; two tokens are its least where the configuration does not say.
            least, most = config.get("min_sample_len") or 2, config["sequence_len"]
            kept = pc.and_(pc.greater_equal(lengths, least), pc.less_equal(lengths, most))
            seen = pa.table({"task": tasks, "length": lengths}).filter(kept).group_by("task")
            how = "sum" if job.kind == "text" else "count"
            for pair in seen.aggregate([("length", how)]).to_pylist():
                counts[pair["task"]] += pair[f"length_{how}"]
        return counts


@dataclass(frozen=True)
class _Piece:
    """A row of the files: what Axolotl reads, and what it is."""

    tokens: dict[str, np.ndarray]
    name: dict[str, Any]


def _pieces(job: Job, length: int) -> Iterator[_Piece]:
    """Every row of the plan, in its order; documents cut where they are longer."""
    for row in rows_in_order(job):
        record = job.texts.record(row.task, row.example, row.epoch)
        name = {key: record[key] for key in ("task", "id", "epoch")}
        for part in _parts(row, length):
            yield _Piece(part, name)


def _parts(row: Row, length: int) -> Iterable[dict[str, np.ndarray]]:
    for start in range(0, len(row.input_ids), length):
        ids = row.input_ids[start : start + length]
        labels = row.labels[start : start + length]
        yield {"input_ids": ids, "labels": labels, "attention_mask": np.ones_like(ids)}
