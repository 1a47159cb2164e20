"""An export for Axolotl, read back by Axolotl: its configuration, its data preparation and its loader.

Protocol: see tools/readback.py. The prepared data carries no names; data/rows.parquet of the export has
them, row by row. Where the trainer cannot be built (it imports bitsandbytes and triton even on a CPU),
only the prepared data is compared, and `what` says so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

CONFIG = "axolotl.yaml"
sys.path = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    given = parser.parse_args()
    reference = [json.loads(line) for line in given.reference.read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": f"{work}/cache"}
        os.environ |= {"AXOLOTL_DO_NOT_TRACK": "1"}
        try:
            importlib.import_module("axolotl.common.datasets")
        except ImportError as error:
            print(f"no Axolotl here: {error}", file=sys.stderr)
            return 3
        os.chdir(given.folder)  # where the command is run; nothing is written here
        found = read(work, reference)
    print(json.dumps(found))
    return 0


def read(work: str, reference: list[dict[str, Any]]) -> dict[str, Any]:
    from importlib.metadata import version

    import pyarrow.parquet as pq
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets

    places = {"dataset_prepared_path": f"{work}/prepared", "output_dir": f"{work}/out"}
    cfg = load_cfg(CONFIG, **places, dataset_num_proc=1)
    made = load_datasets(cfg=cfg)
    rows = [
        (row["input_ids"], row["labels"])
        for row in made.train_dataset.select_columns(["input_ids", "labels"])
    ]
    tasks = pq.read_table("data/rows.parquet", columns=["task"])["task"].to_pylist()
    if len(tasks) != len(rows):
        raise SystemExit(f"Axolotl kept {len(rows)} of {len(tasks)} rows")
    what = "load_cfg (its schema) and load_datasets"
    loaded, why = loader_rows(cfg, made)
    if loaded is None:
        what += f"; the trainer's loader could not be built ({why})"
    elif loaded == join(rows, loaded):
        what += (
            f"; the trainer's loader yields the same, in the same order, in {len(loaded):,} rows"
        )
    else:
        raise SystemExit("the trainer's loader yields other tokens than the prepared data")
    same, pieces = compare(rows, reference)
    tokens = pieces != len(reference)  # documents were cut: counts of rows say nothing
    counts: Counter[str] = Counter()
    for task, (ids, _) in zip(tasks, rows, strict=True):
        counts[task] += len(ids) if tokens else 1
    return {
        "trainer": "Axolotl",
        "version": version("axolotl"),
        "what": what,
        "tasks": dict(sorted(counts.items())),
        "rows": sum(counts.values()),
        "unit": "tokens" if tokens else "rows",
        "checked": len(reference),
        "same_tokens": same,
        "in_order": same == len(reference),
    }


def compare(rows: list[Any], reference: list[dict[str, Any]]) -> tuple[int, int]:
    """How many rows of the reference come in their place, possibly in several pieces; how many pieces."""
    same, at = 0, 0
    for wanted in reference:
        whole, prompt = wanted["input_ids"], wanted["num_prompt_tokens"]
        ids: list[int] = []
        labels: list[int] = []
        while at < len(rows) and len(ids) < len(whole):
            ids += rows[at][0]
            labels += rows[at][1]
            at += 1
        same += ids == whole and labels == [-100] * prompt + whole[prompt:]
    return same, at


def loader_rows(cfg: Any, made: Any) -> tuple[list[Any] | None, str]:
    """(ids, labels) of every row that the trainer's loader yields, unpadded; or why there are none."""
    try:
        from axolotl.train import setup_model_and_trainer

        trainer = setup_model_and_trainer(cfg, made)[0]
    except ImportError as error:
        return None, str(error)
    out = []
    for batch in trainer.get_train_dataloader():
        # Packed rows of raw text come without a mask; all of a document is trained on, padding is not.
        masks = batch.get("attention_mask", batch["labels"] != -100)
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], masks, strict=True):
            real = mask != 0
            out.append((ids[real].tolist(), labels[real].tolist()))
    return out, ""


def join(rows: list[Any], like: list[Any]) -> list[Any]:
    """Rows behind each other, cut where those of `like` end."""
    ids = [token for row in rows for token in row[0]]
    labels = [label for row in rows for label in row[1]]
    out, at = [], 0
    for row in like:
        end = at + len(row[0])
        out.append((ids[at:end], labels[at:end]))
        at = end
    return out if at == len(ids) else []


if __name__ == "__main__":
    sys.exit(main())
