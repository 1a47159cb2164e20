"""`mishran export`: the mixture for a trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mishran.cli import plans
from mishran.cli.ui import Bars, out
from mishran.errors import ConfigError

_EXAMPLES = """
Examples:

  mishran export runs/mix --to trl --out for-trl            data in its proportions, and a trivial config

  mishran export runs/mix --to llama-factory --tokens 50M --out for-lf

  mishran export runs/mix --to datasets --config-only --out weighted    the trainer mixes by weights

  mishran export recipe.yaml --to megatron --out for-megatron
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(export)


def export(
    place: Path = plans.PLACE,
    to: str = typer.Option(..., "--to", help="axolotl, datasets, llama-factory, megatron or trl."),
    out_: Path | None = typer.Option(None, "--out", help="Folder to make; by default for-TRAINER."),
    config_only: bool = typer.Option(
        False, "--config-only", help="Each task once, mixed by the trainer's own weights."
    ),
    rows: str | None = plans.ROWS,
    tokens: str | None = plans.TOKENS,
    epochs: float | None = plans.EPOCHS,
    shares: str | None = plans.SHARES,
    tokenizer: str | None = plans.TOKENIZER,
    max_epochs: float | None = plans.MAX_EPOCHS,
    redistribute: bool = plans.REDISTRIBUTE,
    seed: int | None = plans.SEED,
    plan: bool = typer.Option(False, "--plan", help="Show what the trainer will see, and stop."),
    online: bool = plans.ONLINE,
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Export the mixture for a trainer: data, a configuration, and the command that trains on it."""
    from mishran.stream.export import target

    chosen = target(to)
    folder = out_ or Path(f"for-{to}")
    if folder.resolve() == place.resolve():
        raise ConfigError(
            expected="a folder of its own",
            found="the run directory",
            where="--out",
            fix="give another folder",
        )
    progress = Bars(quiet)
    asked = plans.options(
        rows, tokens, epochs, shares, tokenizer, max_epochs, redistribute, seed, online
    )
    made = plans.planned(place, asked, progress)
    from mishran.pipeline.export import export_from, job_of

    job = job_of(made, to, folder, config_only)
    prediction = chosen.predict(job)
    if not json_:
        out.print(plans.plan_table(made.plan))
        out.print(_predicted(made.plan, prediction, chosen.title))
    if plan:
        if json_:
            typer.echo(json.dumps(_as_dict(made.plan, prediction), ensure_ascii=False))
        return
    manifest, written = export_from(job, to, folder, prediction, progress)
    if json_:
        said = {**_as_dict(made.plan, prediction), **manifest, "written": written}
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    said = "written and read back" if written else "already there, as planned"
    out.print(
        f"{folder}  {said}; in that folder: {manifest['command']}", markup=False, soft_wrap=True
    )


def _as_dict(plan: Any, prediction: Any) -> dict[str, Any]:
    seen = {t.name: rows for t, rows in zip(plan.tasks, prediction.rows, strict=True)}
    return {
        "plan": plan.model_dump(mode="json"),
        "predicted": {"unit": prediction.unit, "exact": prediction.exact, "tasks": seen},
    }


def _predicted(plan: Any, prediction: Any, title: str) -> Group | Table | Text:
    """What the trainer will see in one pass: length, and epochs of every task."""
    total = sum(prediction.rows)
    if prediction.exact and list(prediction.rows) == [task.rows for task in plan.tasks]:
        note = f"; {prediction.note}" if prediction.note else ""
        return Text(f"{title} will see exactly these {total:,.0f} rows in one pass{note}")
    how = "exactly" if prediction.exact else "about"
    table = Table(
        box=None,
        title=f"{title} will see {how} {total:,.0f} {prediction.unit} in one pass",
        title_justify="left",
    )
    plans.name_columns(table, ("task", prediction.unit, "share", "epochs"))
    for task, rows in sorted(
        zip(plan.tasks, prediction.rows, strict=True), key=lambda pair: -pair[1]
    ):
        has = task.available_rows if prediction.unit == "rows" else task.available_tokens
        if rows:
            values = (task.name, f"{rows:,.0f}", f"{rows / total:.2%}", f"{rows / has:.2f}")
            table.add_row(*map(Text, values))
    return Group(table, Text(f"note: {prediction.note}")) if prediction.note else table
