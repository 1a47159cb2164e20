"""An export for TRL, read back by TRL: its parser, its mixture of data sets, its trainer and its loader.

Protocol: see tools/readback.py. Rows are compared as the training loader yields them, after padding.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

CONFIG = "trl.yaml"
sys.path = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    given = parser.parse_args()
    reference = [json.loads(line) for line in given.reference.read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": f"{work}/cache"}
        try:
            import trl
            import trl.scripts.sft
        except ImportError as error:
            print(f"no TRL here: {error}", file=sys.stderr)
            return 3
        os.chdir(given.folder)  # where the command is run; nothing is written here
        found = read(trl, work, reference)
    print(json.dumps(found))
    return 0


def read(trl: Any, work: str, reference: list[dict[str, Any]]) -> dict[str, Any]:
    whole = {(r["task"], r["id"]): (r["input_ids"], r["num_prompt_tokens"]) for r in reference}
    trainer, args, mixture = build(trl, work, names=True, packing=False)
    names = [
        (row["task"], row["id"]) for row in trainer.train_dataset.select_columns(["task", "id"])
    ]
    seen = [one for batch in trainer.get_train_dataloader() for one in unpadded(batch)]
    stored = [
        (row["input_ids"], row["labels"])
        for row in trainer.train_dataset.select_columns(["input_ids", "labels"])
    ]
    same = sum(row == expected(*whole[name]) for name, row in zip(names, stored, strict=True))
    weighted = mixture.datasets[0].fraction is not None
    what = "trl sft's parser, get_dataset, SFTTrainer on CPU and its training loader"
    if args.packing:
        packed = build(trl, work, names=False, packing=True)[0].train_dataset
        tokens = sum(map(len, packed["input_ids"]))
        if tokens != sum(len(ids) for ids, _ in stored):
            raise SystemExit(f"packing lost tokens: {tokens} of {sum(len(i) for i, _ in stored)}")
        what += f"; with packing {len(packed):,} rows, every token kept"
    return {
        "trainer": "TRL",
        "version": trl.__version__,
        "what": what,
        "tasks": dict(sorted(Counter(task for task, _ in names).items())),
        "rows": len(seen),
        "unit": "rows",
        "checked": len(stored),
        "same_tokens": same,
        "in_order": None
        if weighted
        else seen == [expected(r["input_ids"], r["num_prompt_tokens"]) for r in reference],
    }


def build(trl: Any, work: str, names: bool, packing: bool) -> tuple[Any, Any, Any]:
    """The trainer that `trl sft` makes; with the columns that name a row, where asked for."""
    from trl.scripts.sft import make_parser

    options = ["--config", CONFIG, "--output_dir", f"{work}/out", "--use_cpu", "--bf16", "False"]
    script, args, model, mixture = make_parser().parse_args_and_config(options)
    configured = args.packing
    args.packing = packing
    if names:
        for entry in mixture.datasets:
            entry.columns = [*entry.columns, "task", "id"]
        if configured:
            args.max_length = None  # packing cuts nothing off; its length is no limit of a document
    data = trl.get_dataset(mixture)[script.dataset_train_split]
    trainer = trl.SFTTrainer(model=model.model_name_or_path, args=args, train_dataset=data)
    args.packing = configured
    return trainer, args, mixture


def unpadded(batch: Any) -> list[tuple[list[int], list[int]]]:
    out = []
    for ids, labels, mask in zip(
        batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
    ):
        real = mask.bool()
        out.append((ids[real].tolist(), labels[real].tolist()))
    return out


def expected(ids: list[int], prompt: int) -> tuple[list[int], list[int]]:
    return ids, [-100] * prompt + ids[prompt:]


if __name__ == "__main__":
    sys.exit(main())
