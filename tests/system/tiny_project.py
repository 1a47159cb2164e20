"""A whole project of a few kilobytes: model, tokenizer, tasks and mix.yaml, made in a second."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

CAPITALS = ["Paris", "Delhi", "Rome", "Cairo", "Lima", "Oslo", "Quito", "Bern"]
LANDS = ["France", "India", "Italy", "Egypt", "Peru", "Norway", "Ecuador", "Swiss"]
HINDI = ["दिल्ली", "आगरा", "पटना", "लखनऊ", "जयपुर", "भोपाल", "रांची", "शिमला"]


def _capitals(i: int) -> dict[str, str]:
    return {"input": f"{i}: capital of {LANDS[i % 8]}?", "target": CAPITALS[i % 8]}


def _capitals_hi(i: int) -> dict[str, str]:
    return {"input": f"{i}: {HINDI[i % 8]} कहाँ है?", "target": HINDI[(i + 1) % 8]}


def _sums(i: int) -> dict[str, str]:
    return {"input": f"{i % 13} + {i // 13} =", "target": str(i % 13 + i // 13)}


def _turned(i: int) -> dict[str, str]:
    word = f"{CAPITALS[i % 8]}{i}"
    return {"input": f"turn {word}", "target": word[::-1]}


TASKS = {"capitals": _capitals, "capitals_hi": _capitals_hi, "sums": _sums, "turned": _turned}
GROUPS = {
    "capitals": ["facts", "english"],
    "capitals_hi": ["facts", "hindi"],
    "sums": ["skills"],
    "turned": ["skills", "english"],
}


def save_model(folder: Path, hidden: int = 32, context: int = 64, **tokens: Any) -> Path:
    """A Llama with random weights and a byte-level BPE, as `save_pretrained` writes them."""
    from tiny_models import tiny_llama
    from tiny_tokenizers import byte_level

    tokenizer = byte_level(**tokens)
    model = tiny_llama(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_attention_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows(task: str, train: int = 40, valid: int = 12) -> list[dict[str, Any]]:
    make = TASKS[task]
    return [{**make(i), "split": "train" if i < train else "valid"} for i in range(train + valid)]


def write_rows(path: Path, records: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    path.write_text(text, encoding="utf-8")
    return path


def settings() -> dict[str, Any]:
    """mix.yaml as a mapping, for tests to change."""
    tasks: list[dict[str, Any]] = [
        {"name": n, "path": f"data/{n}.jsonl", "prompt": "{input}", "answer": "{target}"}
        | {"groups": GROUPS[n]}
        for n in TASKS
    ]
    tasks[0] = {"name": "capitals", "path": "data/capitals.jsonl", "groups": GROUPS["capitals"]}
    exam = {"name": "exam", "path": "data/exam.jsonl", "eval_only": True, "groups": ["english"]}
    return {
        "model": "model",
        "tasks": [*tasks, exam],
        "specialists": {"tokens": 400, "rank": 2, "batch_size": 8, "curve_points": 3}
        | {"validation": 8, "learning_rate": 0.01},
        "probes": {"per_task": 4},
        "mixture": {"t": 0.6, "floors": {"hindi": 0.2}, "budget": {"rows": 100}, "replicas": 20},
    }


def write_mix(folder: Path, mix: dict[str, Any]) -> Path:
    path = folder / "mix.yaml"
    path.write_text(yaml.safe_dump(mix, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def make_project(folder: Path, model: Path | None = None, **changes: Any) -> Path:
    """Everything that `mishran fit` needs, in a folder; returns its mix.yaml."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    if model is None:
        save_model(folder / "model")
    else:
        shutil.copytree(model, folder / "model", dirs_exist_ok=True)
    for name in TASKS:
        write_rows(folder / "data" / f"{name}.jsonl", rows(name))
    exam = [{"input": f"Is {c} a city?", "target": "yes", "split": "valid"} for c in CAPITALS]
    write_rows(folder / "data" / "exam.jsonl", exam)
    return write_mix(folder, settings() | changes)


def digests(run: Path) -> dict[str, str]:
    """sha256 of every file of a run directory, the empty lock file aside."""
    return {
        p.relative_to(run).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(run.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }
