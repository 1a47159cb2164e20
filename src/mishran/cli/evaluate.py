"""`mishran evaluate`: a model on held-out examples, with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from mishran.cli.plans import JSON, ONLINE, QUIET, name_columns
from mishran.cli.ui import Bars, out

_EXAMPLES = """
Examples:

  mishran evaluate models/base mix.yaml                     nats, bits per byte, accuracy on test

  mishran evaluate runs/mix/trained runs/mix --split valid  what `mishran train` made, on its own tasks

  mishran evaluate adapter/ data/ --base models/base --measures nats,generate --out found.json

  mishran evaluate models/base mix.yaml --measures accuracy,harness --limit 200

  mishran evaluate models/base --harness mmlu/              task files of lm-evaluation-harness
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(evaluate)


def evaluate(
    model: str = typer.Argument(
        help="Folder of a model or of a LoRA adapter, or one that train wrote."
    ),
    tasks: Path | None = typer.Argument(
        None, help="Configuration file, folder of data files, or run directory."
    ),
    measures: str = typer.Option(
        "nats,accuracy", "--measures", help="Some of nats, accuracy, generate, harness."
    ),
    split: str = typer.Option(
        "test", "--split", help="test, valid or train; of several the first that a task has."
    ),
    task: list[str] = typer.Option([], "--task", help="Only this task; may be repeated."),
    limit: int | None = typer.Option(None, "--limit", help="Examples of each task at most."),
    max_new_tokens: int | None = typer.Option(
        None, "--max-new-tokens", help="Longest text that generate lets the model write; 128."
    ),
    base: Path | None = typer.Option(
        None, "--base", help="Base model of an adapter, if it is not that of the tasks."
    ),
    harness: Path | None = typer.Option(
        None, "--harness", help="Folder of task files of lm-evaluation-harness."
    ),
    device: str | None = typer.Option(None, "--device", help="auto, cpu, cuda, cuda:N."),
    dtype: str | None = typer.Option(None, "--dtype", help="auto, float32, bfloat16 or float16."),
    out_: Path | None = typer.Option(
        None, "--out", help="JSON file to write, with what was found on every example."
    ),
    online: bool = ONLINE,
    json_: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Measure a model on held-out examples: nats, bits per byte, accuracy, written answers, the harness."""
    from mishran.pipeline.evaluate import evaluate_model
    from mishran.run import atomic_write

    found = evaluate_model(
        model,
        tasks,
        measures=_names(measures),
        splits=_names(split),
        only=task,
        limit=limit,
        max_new_tokens=max_new_tokens,
        base=base,
        harness=harness,
        device=device,
        dtype=dtype,
        online=online,
        progress=Bars(quiet),
    )
    if out_ is not None:
        atomic_write(out_, found.to_json())
    data = found.as_dict(examples=False)
    if json_:
        typer.echo(json.dumps(data, ensure_ascii=False))
        return
    for shown in tables(data):
        out.print(shown)
    if out_ is not None:
        out.print(str(out_), markup=False, soft_wrap=True)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def tables(data: Mapping[str, Any]) -> Iterator[Table | Text]:
    """What was found, a table for each measure; data: see `Evaluation.as_dict`."""
    model, tasks = data["model"], data["tasks"]
    on = f" on {model['base']}" if model["base"] else ""
    yield Text(f"{model['name']}{on}, {model['dtype']} on {model['device']}")
    yield from _wide("nats", ("nats per token", "bits per byte"), tasks, _of_nats)
    yield from _wide("accuracy", ("accuracy", "per byte", "chance"), tasks, _of_choices)
    written = {
        n: (_count(t), _of_texts(t["generate"])) for n, t in tasks.items() if "generate" in t
    }
    yield from _long("generate", written)
    found = {name: t["harness"] for name, t in tasks.items() if "harness" in t} | data["harness"]
    yield from _long("harness", {n: (f"{t['examples']:,}", t["metrics"]) for n, t in found.items()})
    notes = [f"{n}: {t['too_long']:,} too long" for n, t in tasks.items() if t["too_long"]]
    if notes:
        yield Text(f"left out: {', '.join(notes)}")


def _wide(measure: str, columns: tuple[str, ...], tasks: Any, cells: Any) -> Iterator[Table]:
    """A row a task with 95 % intervals, and the mean of tasks, each weighing the same."""
    found = {name: task for name, task in tasks.items() if measure in task}
    if not found:
        return
    table = Table(box=None, title=measure, title_justify="left")
    name_columns(table, ("task", "examples", *columns))
    means: list[list[float]] = []
    for name, task in found.items():
        values = cells(task[measure])
        means.append([v["mean"] if isinstance(v, dict) else v for v in values])
        table.add_row(*map(Text, (name, _count(task), *map(_shown, values))))
    if len(found) > 1:
        mean = [f"{sum(column) / len(column):.3f}" for column in zip(*means, strict=True)]
        table.add_row(*(Text(text, "bold") for text in ("mean of tasks", "", *mean)))
    yield table


def _long(measure: str, tasks: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[Table]:
    """A row for every number of a task; tasks: name -> examples, numbers."""
    if not tasks:
        return
    table = Table(box=None, title=measure, title_justify="left")
    name_columns(table, ("task", "examples", "measure", "value"))
    for name, (count, values) in tasks.items():
        for i, (what, value) in enumerate(values.items()):
            head = ("", "") if i else (name, count)
            table.add_row(*map(Text, (*head, what.removesuffix(",none"), _shown(value))))
    yield table


def _count(task: Mapping[str, Any]) -> str:
    return f"{task['examples']:,} {task['split']}"


def _of_nats(found: Mapping[str, Any]) -> list[Any]:
    return [found["per_token"], found["bits_per_byte"]]


def _of_choices(found: Mapping[str, Any]) -> list[Any]:
    return [found["by"]["sum"], found["by"]["byte"], found["chance"]]


def _of_texts(found: Mapping[str, Any]) -> dict[str, Any]:
    names = {"exact": "exact", "normalised": "normalised", "ROUGE-L": "rouge_l", "chrF": "chrf"}
    return {name: found[key] for name, key in (names | {"ended itself": "ended"}).items()}


def _shown(value: Any) -> str:
    """A number, with its interval where it has one."""
    if not isinstance(value, dict):
        return f"{value:.3f}"
    if value["low"] is None:
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
