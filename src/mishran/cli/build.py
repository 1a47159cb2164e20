"""`mishran build`: the mixture as data."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from mishran.cli import plans
from mishran.cli.ui import Bars, out
from mishran.errors import ConfigError

_EXAMPLES = """
Examples:

  mishran build runs/mix --out mixed                      the budget of mix.yaml, as Parquet

  mishran build runs/mix --tokens 50M --tokenizer ../models/qwen --out mixed

  mishran build runs/mix --rows 100K --redistribute --plan     how much of which, and stop

  mishran build recipe.yaml --out mixed --format jsonl    weights, sources and phases by hand
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(build)


def build(
    place: Path = plans.PLACE,
    out_: Path | None = typer.Option(None, "--out", help="Folder to make."),
    rows: str | None = plans.ROWS,
    tokens: str | None = plans.TOKENS,
    epochs: float | None = plans.EPOCHS,
    shares: str | None = plans.SHARES,
    tokenizer: str | None = plans.TOKENIZER,
    max_epochs: float | None = plans.MAX_EPOCHS,
    redistribute: bool = plans.REDISTRIBUTE,
    seed: int | None = plans.SEED,
    format_: str = typer.Option(
        "parquet", "--format", help="parquet or jsonl; tokens or ordered for our own loaders."
    ),
    plan: bool = typer.Option(False, "--plan", help="Show the plan, and stop."),
    online: bool = plans.ONLINE,
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Build the training data of a mixture: exact rows per task, shuffled, with a manifest and a card."""
    if out_ is None and not plan:
        raise ConfigError(
            expected="a folder to make",
            found="none",
            where="--out",
            fix="add --out mixed, say, or --plan",
        )
    if format_ not in ("parquet", "jsonl", "tokens", "ordered"):
        raise ConfigError(
            expected="parquet, jsonl, tokens or ordered",
            found=repr(format_),
            where="--format",
            fix="write one of them",
        )
    progress = Bars(quiet)
    asked = plans.options(
        rows, tokens, epochs, shares, tokenizer, max_epochs, redistribute, seed, online
    )
    made = plans.planned(place, asked, progress)
    if not json_:
        out.print(plans.plan_table(made.plan))
    if plan:
        if json_:
            typer.echo(json.dumps(made.plan.model_dump(mode="json"), ensure_ascii=False))
        return
    from mishran.pipeline.build import build_from

    manifest, written = build_from(made, out_, format_, progress)
    if json_:
        typer.echo(json.dumps({**manifest, "written": written}, ensure_ascii=False))
        return
    said = "written and read back" if written else "already there, as planned"
    out.print(f"{out_}  {manifest['rows']:,} rows, {said}", markup=False, soft_wrap=True)
