"""Exports, read back by the trainers' own code: `python tools/readback.py --python axolotl=.../bin/python`.

Makes exports of real tasks (a prompt recipe, a chat recipe, raw text; from $MISHRAN_DATA) for every
target that has a script in `tools/readback/`, runs each script with the interpreter of its trainer, and
writes `docs/results/export.md`.

Protocol of `tools/readback/<target, "-" as "_">.py`. It runs in the trainer's environment, where mishran
need not be installed, and imports nothing of ours:

    python -P tools/readback/trl.py FOLDER --reference FILE

-P: without it Python looks for the module `trl` beside the script and finds the script itself.

FOLDER: the export. The script may write below a temporary folder, never into the export; it must not
need a network or an accelerator.

FILE: JSON lines in UTF-8, one for each row of the plan, in the plan's order:

    {"task": "sums", "id": "sums-12", "epoch": 0, "input_ids": [1, 17, 30, 2], "num_prompt_tokens": 2}

`input_ids` are our tokens with BOS and EOS; those from `num_prompt_tokens` on are trained on (for raw
text it is 0). The file is the same for a config-only export, whose order is the trainer's.

The last line of stdout is one JSON object; what comes before is not read:

    trainer       name, as in "TRL"
    version       of the installed package
    what          what was run, one sentence for the table
    tasks         {task: rows} that the trainer's own loader yields in one pass
    rows          their sum
    unit          "rows", or "tokens" where the trainer counts those
    checked       rows whose tokens were compared with the reference
    same_tokens   of those, rows with exactly our token ids and trained positions
    in_order      true if they come in the plan's order, false if not, null where that says nothing

Exit code 0: read back. Exit code 3: the trainer cannot be imported here; the object may then be missing,
and the table says "schema check only". Any other code is a failure, shown with the last line of stderr.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mishran.errors import MishranError
from mishran.pipeline.build import Planned, plan_from
from mishran.pipeline.export import export_from, job_of
from mishran.stream.export import TARGETS, target
from mishran.stream.export.target import Job, Prediction

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/results/export.md"
NO_TRAINER = 3
FAILED = "failed:"
CHATML = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
HEAD = """\
# Exports, read back by the trainers

Made by `python tools/readback.py`: plans of real tasks are exported, and each trainer's own code loads
what was written. "Planned" is what `mishran export` says beforehand, "realised" what the trainer's loader
yields in one pass; the difference is the largest of any task. "Same tokens": rows with exactly the token
ids that were counted, and the loss on exactly the same of them; a dash where the trainer's loader makes no
tokens. "In order": they come as the plan has them; a dash where the trainer mixes. Megatron-LM shuffles,
and has no mask: it trains on prompts too, so that its rows of prompts and chats never count as the same,
though every document has our ids.

"""
COLUMNS = ("trainer", "version", "kind", "form", "planned", "realised", "largest difference")
COLUMNS += ("same tokens", "in order", "what was run")


@dataclass(frozen=True)
class Case:
    """A recipe, and which of both forms it is exported in."""

    kind: str
    recipe: dict[str, Any]


def cases(data: Path, models: Path, work: Path) -> list[Case]:
    """A recipe of prompts, one of chats and one of raw text; each repeats a task."""
    plurals = {"name": "plurals", "path": f"{data}/tasks/ii_singular_to_plural.jsonl.gz"}
    maths = {"name": "gsm8k", "path": f"{data}/tasks/gsm8k.jsonl.gz"}
    hindi = {"name": "hindi_nli", "path": f"{data}/hindi/hi_nli_hda.jsonl.gz"}
    prompts = [
        {**plurals, "prompt": "Plural of {input}:\n", "answer": "{target}"},
        {**maths, "prompt": "{input}\n", "answer": "{target}"},
        {**hindi, "prompt": "निष्कर्ष: {input}\n", "answer": "{target}"},
    ]
    chats = [{"name": t["name"], "path": str(chat_file(t, work))} for t in (plurals, maths, hindi)]
    weights = {"plurals": 0.45, "gsm8k": 0.2, "hindi_nli": 0.35}
    tasks = {"weights": weights, "rows": 4000, "max_tokens": 256, "max_epochs": 4}
    sources = [
        {"name": name, "path": f"{data}/pretrain/{name}.train.jsonl.gz"}
        for name in ("hi_guides", "en_wiki", "en_cli")
    ]
    text = {"weights": {"hi_guides": 0.5, "en_wiki": 0.3, "en_cli": 0.2}, "tokens": 400_000}
    base = str(models / "base-6m")
    return [
        Case("prompt", {"tokenizer": base, "tasks": prompts, **tasks}),
        Case("chat", {"tokenizer": str(chat_model(Path(base), work)), "tasks": chats, **tasks}),
        Case("text", {"tokenizer": base, "sources": sources, "shares": "tokens", **text}),
    ]


def chat_file(task: dict[str, str], work: Path) -> Path:
    """The records of a task as messages; every third with a turn before the last."""
    path = work / f"{task['name']}.jsonl"
    with gzip.open(task["path"], "rt", encoding="utf-8") as lines, open(path, "w") as out:
        for number, line in enumerate(lines):
            record = json.loads(line)
            before = [("user", "Hello."), ("assistant", "What is the question?")]
            turns = [*before] if number % 3 == 0 else []
            turns += [("user", record["input"]), ("assistant", record["target"])]
            messages = [{"role": role, "content": content} for role, content in turns]
            out.write(json.dumps({"messages": messages, "split": record["split"]}) + "\n")
    return path


def chat_model(base: Path, work: Path) -> Path:
    """A copy of a model with a chat template."""
    folder = work / "chat-model"
    shutil.copytree(base, folder)
    (folder / "chat_template.jinja").write_text(CHATML, encoding="utf-8")
    return folder


def reference(planned: Planned, path: Path) -> None:
    """Our tokens of every row of the plan, in its order, as the protocol says."""
    plan, found = planned.plan, planned.ingredients
    rows = plan.order.rows(0, plan.rows)
    places = zip(rows.task.tolist(), rows.example.tolist(), rows.epoch.tolist(), strict=True)
    with open(path, "w", encoding="utf-8") as out:
        for task, example, epoch in places:
            of = found.tokens[task]
            line = {
                "task": plan.tasks[task].name,
                "id": found.texts.tasks[task].ids[example],
                "epoch": epoch,
                "input_ids": of.tokens[of.offsets[example] : of.offsets[example + 1]].tolist(),
                "num_prompt_tokens": int(of.prompts[example]),
            }
            out.write(json.dumps(line) + "\n")


def read_back(name: str, python: str, folder: Path, tokens: Path) -> dict[str, Any] | None:
    """What the trainer found, or {"failed": why}; None where it cannot be imported."""
    script = ROOT / "tools/readback" / f"{name.replace('-', '_')}.py"
    command = [python, "-P", str(script), str(folder), "--reference", str(tokens)]
    # A virtual environment's own scripts come first, as if it were active.
    path = f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {
        **os.environ,
        "PATH": path,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    if done.returncode == NO_TRAINER:
        return None
    if done.returncode:
        return {"failed": (done.stderr.strip() or "?").splitlines()[-1]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def row(job: Job, kind: str, title: str, said: Prediction, found: dict[str, Any] | None) -> str:
    """A line of the table."""
    planned = dict(zip((t.name for t in job.plan.tasks), said.rows, strict=True))
    form = "weights" if job.config_only else "materialised"
    asked = f"{sum(planned.values()):,.0f} {said.unit}"
    if found is not None and "failed" not in found and found["unit"] != said.unit:
        found = {"failed": f"{found['unit']} were counted, {said.unit} were predicted"}
    if found is None or "failed" in found:
        why = "schema check only" if found is None else f"{FAILED} {found['failed']}"
        return f"| {title} | - | {kind} | {form} | {asked} | - | - | - | - | {why} |"
    names = planned.keys() | found["tasks"].keys()
    worst = max(abs(planned.get(n, 0) - found["tasks"].get(n, 0)) for n in names)
    order = {True: "yes", False: "no", None: "-"}[found["in_order"]]
    same = f"{found['same_tokens']:,} of {found['checked']:,}" if found["checked"] else "-"
    return (
        f"| {title} | {found['version']} | {kind} | {form} | {asked} | {found['rows']:,} | {worst:,.0f} "
        f"| {same} | {order} | {found['what']} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="TARGET=INTERPRETER")
    parser.add_argument(
        "--only", choices=TARGETS, help="one target; prints, and leaves the page alone"
    )
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    pythons = dict(one.split("=", 1) for one in given.python)
    data, models = (Path(os.environ[n]).resolve() for n in ("MISHRAN_DATA", "MISHRAN_MODELS"))
    names = [given.only] if given.only else list(TARGETS)
    here = ROOT / "tools/readback"
    names = [name for name in names if (here / f"{name.replace('-', '_')}.py").is_file()]
    lines: dict[str, list[str]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        for case in cases(data, models, work):
            recipe = work / f"{case.kind}.yaml"
            recipe.write_text(yaml.safe_dump(case.recipe, allow_unicode=True), encoding="utf-8")
            planned = plan_from(recipe)
            tokens = work / f"{case.kind}.reference.jsonl"
            reference(planned, tokens)
            for name in names:
                chosen = target(name)
                if case.kind not in chosen.kinds:
                    continue
                for config_only in (False, True) if chosen.config_only else (False,):
                    out = work / f"{case.kind}-{name}{'-weights' if config_only else ''}"
                    job = job_of(planned, name, out, config_only)
                    said = chosen.predict(job)
                    export_from(job, name, out, said)
                    found = read_back(name, pythons.get(name, sys.executable), out, tokens)
                    line = row(job, case.kind, chosen.title, said, found)
                    print(line, flush=True)
                    lines[name].append(line)
                    shutil.rmtree(out)
    if not given.only:
        table = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        table += [line for name in names for line in lines[name]]
        given.page.write_text(HEAD + "\n".join(table) + "\n", encoding="utf-8")
    return int(any(FAILED in line for name in names for line in lines[name]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MishranError as error:
        sys.exit(str(error))
