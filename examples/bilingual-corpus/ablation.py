"""Does cleaning help a model? The same small model on raw, cleaned and never dirty text, token for token.

    python examples/bilingual-corpus/ablation.py --raw FOLDER --cleaned FOLDER --real FOLDER [--quick]

Every folder holds text as JSON lines (also .gz) or Parquet, one document per record, in a column `text`.
Arms: `raw` (real text with planted dirt), `cleaned` (what the cleaning left of it), `real` (the real text
under the dirt: the ceiling, as nothing was planted in it). Each arm and seed is one training from new
weights on the same number of tokens by the project's own loop; a seed fixes the weights, and the order of
rows by index. What is reported: bits per byte on the clean validation files of each language, and paired
differences over the seeds with t intervals.

Trade-off: a model of 1.1 million parameters sees at most a few million tokens here. It tells a difference
in text, not what a model of a billion parameters would make of it. An arm with few tokens is read several
times: the epochs of every arm stand in the table, as repeated text is worth less (Muennighoff et al.,
arXiv 2305.16264).
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from mishran.evaluate.held_out import HeldOut
from mishran.evaluate.paired import Paired, paired
from mishran.pipeline.build import plan_from
from mishran.pipeline.ingredients import gather, settings_of
from mishran.pipeline.measured import validation_sets
from mishran.pipeline.progress import Silent
from mishran.pipeline.train import settings_for, start_of, train_model
from mishran.places import data_root, models_root

ARMS = ("raw", "cleaned", "real")
# Of the Llama kind, tied: 8,192 x 96 + 3 layers = 1.1 million parameters. Shape and learning rate are
# assumptions: nothing was searched.
SHAPE = {
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "max_position_embeddings": 512,
}
TRAIN = {
    "kind": "full",
    "packed": 256,
    "batch_size": 16,
    "micro_tokens": 2048,
    "learning_rate": 5e-3,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 0.1,
    "betas": [0.9, 0.95],
    "validations": 0,
    "log_every": 20,
}
VALIDATION = {"en": "en_*.valid.jsonl.gz", "hi": "hi_*.valid.jsonl.gz"}
CONTEXT = 256  # of the validation pieces: no longer than what was trained on


@dataclass(frozen=True)
class Trained:
    """bits: language -> bits per byte. epochs: how often the arm's documents were read."""

    arm: str
    seed: int
    bits: Mapping[str, float]
    tokens: int
    epochs: float
    documents: int
    time_s: float


def documents(folder: Path, pattern: str = "*") -> Iterator[dict[str, Any]]:
    """Records of all JSON-lines and Parquet files of a pattern, in the order of their names.

    Raises:
        FileNotFoundError: none of them is there.
    """
    ends = (".jsonl", ".jsonl.gz", ".parquet")
    files = sorted(p for p in folder.rglob(pattern) if p.name.endswith(ends))
    if not files:
        raise FileNotFoundError(
            f"{folder}: expected .jsonl, .jsonl.gz or .parquet files, found none"
        )
    for file in files:
        if file.suffix == ".parquet":
            for batch in pq.ParquetFile(file).iter_batches(columns=["text"]):
                yield from batch.to_pylist()
            continue
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)


def write_text(records: Iterator[dict[str, Any]], path: Path) -> int:
    """Texts of the records as JSON lines, empty ones left out; how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    num = 0
    with path.open("w", encoding="utf-8") as out:
        for record in records:
            if record["text"].strip():
                out.write(json.dumps({"text": record["text"]}, ensure_ascii=False) + "\n")
                num += 1
    return num


def held_out(folder: Path, tokenizer: Path, pieces: int) -> dict[str, HeldOut]:
    """Clean validation text of each language: the same pieces for every arm."""
    sources = []
    for language, pattern in VALIDATION.items():
        path = folder / f"valid-{language}.jsonl"
        write_text(documents(data_root() / "pretrain", pattern), path)
        sources.append({"name": language, "path": path.name, "valid": path.name})
    data = {"tokenizer": str(tokenizer), "sources": sources, "weights": "uniform", "rows": 2}
    recipe = folder / "valid.yaml"
    recipe.write_text(yaml.safe_dump(data))
    return validation_sets(recipe, gather(settings_of(recipe), Silent()), pieces, CONTEXT)


def prepare(folder: Path, arm: str, text: Path, tokenizer: Path, tokens: int, threads: int) -> Path:
    """The arm's recipe, with its text beside it."""
    place = folder / arm
    place.mkdir(parents=True, exist_ok=True)
    write_text(documents(text), place / "text.jsonl")
    config = json.loads((tokenizer / "config.json").read_text()) | SHAPE
    shape = folder / "shape"
    shape.mkdir(exist_ok=True)
    (shape / "config.json").write_text(json.dumps(config, indent=1))
    recipe = place / "recipe.yaml"
    data = {
        "tokenizer": str(tokenizer),
        "model": str(shape),
        "sources": [{"name": "text", "path": "text.jsonl"}],
        "weights": {"text": 1},
        "tokens": tokens,
        "shares": "tokens",
        "max_epochs": 50,
        "train": TRAIN | {"threads": threads},
    }
    recipe.write_text(yaml.safe_dump(data))
    return recipe


def train(recipe: Path, arm: str, seed: int, held: Mapping[str, HeldOut]) -> Trained:
    """One model from new weights, measured and thrown away."""
    began = time.perf_counter()
    out = recipe.parent / f"seed-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    made = plan_from(recipe, seed=seed)
    start = start_of(recipe, scratch=True)
    done = train_model(made, start, settings_for(recipe), held, out, seed=seed, keep_model=False)
    assert done.answers is not None  # the folder is new
    task = made.plan.tasks[0]
    with (recipe.parent / "text.jsonl").open(encoding="utf-8") as lines:
        num = sum(1 for _ in lines)
    return Trained(
        arm=arm,
        seed=seed,
        bits={name: one.bits_per_byte.mean for name, one in done.answers.items()},
        tokens=done.facts["tokens"],
        epochs=task.epochs,
        documents=num,
        time_s=time.perf_counter() - began,
    )


def differences(found: Sequence[Trained], arm: str, base: str, language: str) -> Paired:
    """Bits per byte of `arm` less those of `base`, seed by seed."""
    bits = {(t.arm, t.seed): t.bits[language] for t in found}
    seeds = sorted({t.seed for t in found if t.arm == arm})
    return paired([bits[arm, s] - bits[base, s] for s in seeds])


def tables(found: Sequence[Trained]) -> str:
    """Markdown: what was reached, and differences."""
    arms = [a for a in ARMS if any(t.arm == a for t in found)]
    languages = sorted(found[0].bits)
    lines = [
        "| text | documents | tokens trained on | epochs | " + " | ".join(languages) + " | s |"
    ]
    lines.append("|---|---" + "|---" * (len(languages) + 3) + "|")
    for arm in arms:
        own = [t for t in found if t.arm == arm]
        means = " | ".join(f"{np.mean([t.bits[g] for t in own]):.4f}" for g in languages)
        lines.append(
            f"| {arm} | {own[0].documents:,} | {own[0].tokens:,} | {own[0].epochs:.2f} | {means} "
            f"| {np.mean([t.time_s for t in own]):.0f} |"
        )
    lines += ["", "| difference in bits per byte | language | mean | 95 % interval | p | seeds |"]
    lines.append("|---|---|---|---|---|---|")
    pairs = [("cleaned", "raw"), ("real", "raw"), ("cleaned", "real")]
    for arm, base in pairs:
        if arm not in arms or base not in arms:
            continue
        for language in languages:
            d = differences(found, arm, base, language)
            span = "-" if d.low is None else f"{d.low:+.4f} to {d.high:+.4f}"
            p = "-" if d.p is None else f"{d.p:.3f}"
            lines.append(f"| {arm} - {base} | {language} | {d.mean:+.4f} | {span} | {p} | {d.n} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for arm in ARMS:
        parser.add_argument(f"--{arm}", type=Path, help=f"folder of the {arm} text")
    parser.add_argument("--out", type=Path, default=Path("build/ablation"), help="work folder")
    parser.add_argument("--tokens", type=int, default=600_000, help="of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--pieces", type=int, default=120, help="validation documents of a language"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokenizer", type=Path, help="default: base-6m of $MISHRAN_MODELS")
    parser.add_argument("--quick", action="store_true", help="a tenth of the tokens, two seeds")
    parser.add_argument("--json", type=Path, help="write every number into this file too")
    asked = parser.parse_args(argv)
    given = {arm: getattr(asked, arm) for arm in ARMS if getattr(asked, arm) is not None}
    if len(given) < 2:
        parser.error("expected at least two of --raw, --cleaned and --real")
    tokens = asked.tokens // 10 if asked.quick else asked.tokens
    seeds = min(asked.seeds, 2) if asked.quick else asked.seeds
    tokenizer = (asked.tokenizer or models_root() / "base-6m").resolve()
    began = time.perf_counter()
    folder = asked.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    held = held_out(folder, tokenizer, asked.pieces)
    recipes = {
        arm: prepare(folder, arm, text, tokenizer, tokens, asked.threads)
        for arm, text in given.items()
    }
    found = []
    for seed in range(seeds):  # arms inside, so that a run that is cut short has whole seeds
        for arm, recipe in recipes.items():
            found.append(train(recipe, arm, seed, held))
            last = found[-1]
            said = ", ".join(f"{k} {v:.4f}" for k, v in sorted(last.bits.items()))
            print(f"{arm} seed {seed}: {said} bits per byte, {last.time_s:.0f} s", file=sys.stderr)
    wall = time.perf_counter() - began
    print(f"{tables(found)}\n\nThreads: {asked.threads}.")
    if asked.json:
        rows = [{**t.__dict__, "bits": dict(t.bits)} for t in found]
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps({"wall_s": wall, "trained": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
