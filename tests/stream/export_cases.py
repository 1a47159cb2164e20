"""Recipes of every kind with a tiny tokenizer, and the job that an export gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tiny_project import rows, save_model, write_rows
from tiny_tokenizers import CHATML

from mishran.errors import MishranError
from mishran.pipeline.build import plan_from
from mishran.pipeline.export import export_from, job_of
from mishran.stream.export import target
from mishran.stream.export.target import Job

KINDS = ("prompt", "chat", "text")
# sums is repeated, none is left over, and turned gets nothing at all.
WEIGHTS = {"sums": 0.61, "capitals": 0.29, "capitals_hi": 0.1, "turned": 0.0}
ROWS = 180


def recipe(folder: Path, kind: str, **changes: Any) -> Path:
    """A recipe of a kind, its data and its model."""
    if not (folder / "model").exists():
        save_model(folder / "model", chat_template=CHATML)
    entries = []
    for name in sorted(WEIGHTS):
        path = write_rows(folder / f"{name}-{kind}.jsonl", records(name, kind))
        entry = {"name": name, "path": path.name}
        entries.append(entry | ({"text": "{text}"} if kind == "text" else {}))
    whole: dict[str, Any] = {"tokenizer": "model", "weights": WEIGHTS, "rows": ROWS, "seed": 3}
    whole |= {"sources" if kind == "text" else "tasks": entries, "max_epochs": 9, **changes}
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path


def records(name: str, kind: str) -> list[dict[str, Any]]:
    plain = rows(name)  # 40 to train on, and 12 to hold out
    if kind == "prompt":
        return plain
    if kind == "text":
        return [
            {"text": f"{r['input']} {r['target']}\n" * (1 + i % 9)}
            for i, r in enumerate(plain[:40])
        ]
    out = []
    for i, row in enumerate(plain):
        before = [("user", "hello"), ("assistant", "what is asked?")] if i % 3 == 0 else []
        turns = [*before, ("user", row["input"]), ("assistant", row["target"])]
        messages = [{"role": role, "content": content} for role, content in turns]
        out.append({"messages": messages, "split": row["split"]})
    return out


def job(folder: Path, kind: str, to: str, config_only: bool = False, **changes: Any) -> Job:
    return job_of(
        plan_from(recipe(folder, kind, **changes)), to, folder / "out" / "for", config_only
    )


def written(made: Job, to: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The export in a folder, as `mishran export` makes it, and its manifest."""
    out = folder / "out" / "for"
    manifest, new = export_from(made, to, out, target(to).predict(made))
    if not new:
        raise MishranError(expected="a new folder", found="an old one", where=str(out), fix="")
    return out, manifest


def expected(made: Job) -> list[tuple[str, list[int], list[int]]]:
    """(task, ids, labels) of every row of the plan, in its order."""
    order = made.plan.order.rows(0, made.plan.rows)
    out = []
    for task, example in zip(order.task.tolist(), order.example.tolist(), strict=True):
        of = made.tokens[task]
        ids = of.tokens[of.offsets[example] : of.offsets[example + 1]].tolist()
        prompt = int(of.prompts[example])
        out.append((made.plan.tasks[task].name, ids, [-100] * prompt + ids[prompt:]))
    return out


def planned(made: Job) -> dict[str, int]:
    return {task.name: task.rows for task in made.plan.tasks if task.rows}


_EXPORTS = """
import json, sys
from pathlib import Path
from mishran.pipeline.build import plan_from
from mishran.pipeline.export import export_from, job_of
from mishran.stream.export import target
recipe, out, to, *forms = sys.argv[1:]
made = plan_from(Path(recipe))
files = {}
for form in forms:
    place = Path(out, form)
    job = job_of(made, to, place, form == "weights")
    files[form] = export_from(job, to, place, target(to).predict(job))[0]["files"]
print(json.dumps(files))
"""


def hashes(folder: Path, kind: str, to: str, *forms: str) -> tuple[Any, Any]:
    """{form: {file: sha256}} of exports by two processes, each with a PYTHONHASHSEED of its own.

    forms: "materialised", "weights".
    """
    place = recipe(folder, kind)
    out = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", _EXPORTS, str(place), str(folder / f"seed-{seed}"), to]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([*command, *forms], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        out.append(json.loads(done.stdout.splitlines()[-1]))
    return out[0], out[1]
