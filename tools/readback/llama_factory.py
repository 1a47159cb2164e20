"""LLaMA-Factory: an export through its own arguments, loader, template and collator.

    python -P tools/readback/llama_factory.py FOLDER --reference FILE

See `tools/readback.py` for what comes out. `train.yaml` is read as `llamafactory-cli train` does; the data
set is what its trainer would get, and the labels are those that its collator makes. Where torchaudio is not
installed an empty module stands in for it: nothing here has sound.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import shutil
import sys
import tempfile
import types
from collections import Counter
from importlib.metadata import version
from pathlib import Path

STAND_INS = []


def stand_in(name: str) -> None:
    """An empty module where a package is missing; only after transformers has looked for it."""
    try:
        __import__(name)
    except ImportError:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module
        STAND_INS.append(name)


os.environ["LLAMAFACTORY_VERBOSITY"] = "ERROR"
os.environ["HF_HUB_OFFLINE"] = "1"
try:
    import peft  # noqa: F401
    import trl  # noqa: F401
    from transformers import DataCollatorForLanguageModeling, PreTrainedModel  # noqa: F401

    stand_in("torchaudio")
    from llamafactory.data import (
        SFTDataCollatorWith4DAttentionMask,
        get_dataset,
        get_template_and_fix_tokenizer,
    )
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer
    from omegaconf import OmegaConf
except ImportError as error:
    print(f"LLaMA-Factory cannot be imported: {error}", file=sys.stderr)
    sys.exit(3)


Row = tuple[list[int], list[bool]]  # ids, and whether each is trained on


def arguments(folder: Path, work: Path) -> tuple:
    """What `llamafactory-cli train train.yaml` would make of it; but nothing may be written beside it."""
    os.chdir(folder)
    settings = OmegaConf.to_container(OmegaConf.load("train.yaml"))
    settings |= {"output_dir": str(work / "output"), "report_to": "none", "use_cpu": True}
    made = get_train_args(settings)
    made[0].cache_dir = str(work / "cache")
    return made


def rows_of(made: tuple) -> list[Row]:
    """Every row of one pass."""
    model_args, data_args, training_args, finetuning_args, _ = made
    module = load_tokenizer(model_args)
    tokenizer, stage = module["tokenizer"], finetuning_args.stage
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage=stage, **module)
    if stage == "pt":
        collate = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm=False)
    else:
        collate = SFTDataCollatorWith4DAttentionMask(
            template=template, model=None, tokenizer=tokenizer, label_pad_token_id=-100
        )
    rows = []
    for row in data["train_dataset"]:
        batch = collate([row])
        num = len(row["input_ids"])
        ids, labels = (batch[name][0].tolist()[:num] for name in ("input_ids", "labels"))
        rows.append((ids, [label != -100 for label in labels]))
    return rows


def key(row: Row) -> tuple:
    """What must be equal; the first token is predicted from nothing."""
    ids, trained = row
    return tuple(ids), tuple(trained[1:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    given = parser.parse_args()
    reference = [json.loads(line) for line in given.reference.open(encoding="utf-8")]
    ours = [
        key((r["input_ids"], [i >= r["num_prompt_tokens"] for i in range(len(r["input_ids"]))]))
        for r in reference
    ]
    folder, work = given.folder.resolve(), Path(tempfile.mkdtemp())
    os.environ["HF_DATASETS_CACHE"] = str(work / "cache")
    made = arguments(folder, work)
    data_args, finetuning_args = made[1], made[3]
    rows = rows_of(made)
    info = json.loads((folder / "data/dataset_info.json").read_text(encoding="utf-8"))
    how = "get_train_args on train.yaml, load_tokenizer, get_dataset, its collator"
    how += f"; stage {finetuning_args.stage}"
    if all("num_samples" not in entry for entry in info.values()):
        assert finetuning_args.disable_shuffling
        assert len(rows) == len(reference), f"{len(rows)} rows, {len(reference)} planned"
        counts = Counter(row["task"] for row in reference)
        same = sum(key(row) == want for row, want in zip(rows, ours, strict=True))
        in_order = True if same == len(rows) else None
    else:
        # Concatenated in the order of `dataset:`, so the task of a row is known by its place.
        names = [name for name in data_args.dataset for _ in range(info[name]["num_samples"])]
        assert len(names) == len(rows), f"{len(rows)} rows, {len(names)} asked for"
        counts, in_order = Counter(names), None
        # It draws rows of its own; whether the planned ones are there is seen when it reads all, once.
        copy = work / "data"
        shutil.copytree(folder / "data", copy)
        every = {n: {k: v for k, v in e.items() if k != "num_samples"} for n, e in info.items()}
        (copy / "dataset_info.json").write_text(json.dumps(every), encoding="utf-8")
        data_args.dataset_dir = str(copy)
        found = set(map(key, rows_of(made)))
        assert found >= set(map(key, rows))
        same = sum(want in found for want in ours)
        how += "; compared without num_samples"
    shutil.rmtree(work, ignore_errors=True)
    out = {
        "trainer": "LLaMA-Factory",
        "version": version("llamafactory"),
        "what": how + "".join(f"; {name} is an empty module here" for name in STAND_INS),
        "tasks": dict(sorted(counts.items())),
        "rows": len(rows),
        "unit": "rows",
        "checked": len(ours),
        "same_tokens": same,
        "in_order": in_order,
    }
    print(json.dumps(out, ensure_ascii=False))


if __name__ == "__main__":
    main()
