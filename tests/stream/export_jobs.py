"""Jobs for exports, made in memory: three tasks, of which one is repeated and one gets nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tiny_tokenizers as tiny
from pytest import approx

from mishran.stream.apportion import Wish
from mishran.stream.export import target
from mishran.stream.export.target import Job
from mishran.stream.plan import make_plan
from mishran.stream.supply import Supply
from mishran.stream.texts import Kind, TextRows, Texts
from mishran.stream.tokens import TokenRows
from mishran.tasks.render import renderer
from mishran.tasks.task import Example

NAMES = ("सवाल-1.x+", "1e5", "zero")  # what a reader of YAML, of a list or of a path could mistake
SIZES = (7, 23, 5)
WEIGHTS = (0.7, 0.3, 0.0)
ROWS = 60
KINDS: tuple[Kind, ...] = ("prompt", "chat", "text")
TOKENIZER = tiny.byte_level(chat_template=tiny.CHATML)


def value(kind: Kind, task: int, i: int) -> tuple[Any, ...]:
    """What the columns of the kind hold; dates, which a reader of JSON could take for something else."""
    if kind == "prompt":
        return f"{task}: what day is {i}?\n", f"2020-01-{i + 1:02d}"
    if kind == "text":
        return (f"Document {i} of {task}. दिल्ली " + "fox " * (i % 4),)
    system = [{"role": "system", "content": "Be brief."}] if i % 3 == 0 else []
    turns = [
        {"role": role, "content": f"{role} {task} {i} {turn}"}
        for turn in range(1 + i % 2)
        for role in ("user", "assistant")
    ]
    return ([*system, *turns],)


def job(
    kind: Kind = "prompt",
    config_only: bool = False,
    bos: bool = True,
    eos: bool = True,
    rows: int = ROWS,
    weights: Sequence[float] = WEIGHTS,
    tokenizer: Any = TOKENIZER,
    values: Sequence[Sequence[tuple[Any, ...]]] | None = None,
    model: str = "../model",
) -> Job:
    """What `mishran export` would make of the tasks. values: instead of those of `value`."""
    render = renderer(tokenizer, bos, eos, 10**6)
    if values is None:
        values = [[value(kind, t, i) for i in range(size)] for t, size in enumerate(SIZES)]
    tokens = []
    for of in values:
        if kind == "text":
            tokens.append(TokenRows.of(render.documents([text for (text,) in of])))
        elif kind == "prompt":
            examples = [Example(str(i), *v, where="x:1") for i, v in enumerate(of)]
            tokens.append(TokenRows.of(render.render_many(examples)))
        else:
            examples = [Example(str(i), "", "", "x:1", tuple(m)) for i, (m,) in enumerate(of)]
            tokens.append(TokenRows.of(render.render_many(examples)))
    supplies = [Supply(n, t.lengths, t.content) for n, t in zip(NAMES, tokens, strict=False)]
    shares = np.array(weights[: len(supplies)]) / sum(weights[: len(supplies)])
    plan = make_plan(supplies, [Wish(shares, rows, "rows", "rows")], max_epochs=None, seed=3)
    texts = tuple(
        Texts(name, tuple(f"{name}-{i}" for i in range(len(of))), of)
        for name, of in zip(NAMES, values, strict=False)
    )
    return Job(
        plan=plan,
        texts=TextRows(kind, texts),
        tokens=tuple(tokens),
        model=model,
        bos=tokenizer.bos_token if bos else "",
        eos=tokenizer.eos_token if eos else "",
        eos_id=tokenizer.eos_token_id,
        config_only=config_only,
    )


def planned(made: Job) -> dict[str, int]:
    """Rows of each task that has some."""
    return {task.name: task.rows for task in made.plan.tasks if task.rows}


def ids(made: Job) -> list[tuple[str, list[int]]]:
    """Task and tokens of every row of the plan, in its order."""
    order = made.plan.order.rows(0, made.plan.rows)
    out = []
    for task, example in zip(order.task.tolist(), order.example.tolist(), strict=True):
        rows = made.tokens[task]
        row = rows.tokens[rows.offsets[example] : rows.offsets[example + 1]]
        out.append((made.plan.tasks[task].name, row.tolist()))
    return out


def written(name: str, made: Job, folder: Path) -> Path:
    """The folder of an export, whose counts are as predicted."""
    folder.mkdir(parents=True)
    chosen = target(name)
    said = chosen.predict(made)
    chosen.write(made, folder)
    counts = chosen.count(made, folder)
    names = [task.name for task in made.plan.tasks]
    expected = dict(zip(names, said.rows, strict=True))
    assert {n: counts[n] for n in names} == approx(expected, abs=1)
    assert set(counts) <= set(planned(made))
    return folder


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
