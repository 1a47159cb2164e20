"""`mishran train`: a model on the mixture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from mishran.cli import plans
from mishran.cli.ui import Bars, out
from mishran.config import TrainConfig, parse_config, read_config
from mishran.errors import ConfigError

_EXAMPLES = """
Examples:

  mishran train runs/mix                                  the budget and the settings of mix.yaml

  mishran train runs/mix --tokens 2M --kind full --out models/mixed

  mishran train runs/mix --plan                           rows, steps and settings, and stop

  mishran train recipe.yaml --model ../models/base --set schedule=wsd --set packed=512 --out out

  torchrun --nproc-per-node 2 -m mishran train runs/mix   on two processors or GPUs, the same result
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(train)


def train(
    place: Path = plans.PLACE,
    out_: Path | None = typer.Option(
        None, "--out", help="Folder for the model; by default `trained` in the run directory."
    ),
    model: str | None = typer.Option(
        None, "--model", help="Start from this model instead of the run's."
    ),
    scratch: bool = typer.Option(
        False, "--scratch", help="Start from new weights, of the shape that its config.json says."
    ),
    config: Path | None = typer.Option(
        None, "--config", help="YAML file with the settings, instead of `train:` of the run."
    ),
    set_: list[str] = typer.Option(
        [], "--set", help="One setting: --set learning_rate=1e-4; may be repeated."
    ),
    kind: str | None = typer.Option(None, "--kind", help="lora or full."),
    rows: str | None = plans.ROWS,
    tokens: str | None = plans.TOKENS,
    epochs: float | None = plans.EPOCHS,
    shares: str | None = plans.SHARES,
    tokenizer: str | None = plans.TOKENIZER,
    max_epochs: float | None = plans.MAX_EPOCHS,
    redistribute: bool = plans.REDISTRIBUTE,
    seed: int | None = typer.Option(
        None,
        "--seed",
        min=0,
        max=2**63 - 1,
        help="Of order, adapter and new weights; by default the run's.",
    ),
    plan: bool = typer.Option(
        False, "--plan", help="Show what would be trained on and its cost, and stop."
    ),
    tflops: float = plans.TFLOPS,
    online: bool = plans.ONLINE,
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Train a model on the mixture: LoRA or all parameters; run it again and it goes on where it was."""
    asked = plans.options(
        rows, tokens, epochs, shares, tokenizer, max_epochs, redistribute, seed, online
    )
    if kind is not None:
        set_ = [*set_, f"kind={kind}"]
    folder = _folder(place, out_)
    from mishran.pipeline.measured import validation_sets
    from mishran.pipeline.train import settings_for, start_of, train_model
    from mishran.train.world import ranks_asked

    leads = ranks_asked()[0] == 0
    progress = Bars(quiet or not leads)
    given = None if config is None else read_config(config, TrainConfig)
    recipe = changed(given or settings_for(place), set_)
    start = replace(start_of(place, model, scratch), online=online)
    made = plans.planned(place, asked, progress)
    if not json_ and leads:
        out.print(plans.plan_table(made.plan))
    if plan:
        from mishran.pipeline.footprint import memory_words
        from mishran.pipeline.training_plan import plan_training

        used = [i for i, task in enumerate(made.plan.tasks) if task.rows]
        longest = max(int(made.ingredients.tokens[i].lengths.max()) for i in used)
        cost = plan_training(start, made.plan, recipe, longest, tflops)
        if leads and not json_:
            out.print(Text(f"{cost.steps:,} steps, {cost.bill}"))
            out.print(Text(memory_words(cost.footprint)))
        if json_ and leads:
            typer.echo(
                json.dumps(
                    {
                        "plan": made.plan.model_dump(mode="json"),
                        "train": recipe.model_dump(mode="json"),
                        **cost.as_dict(),
                    },
                    ensure_ascii=False,
                )
            )
        return
    held = validation_sets(place, made.ingredients, recipe.validation, start.context, online)
    done = train_model(made, start, recipe, held, folder, seed=made.plan.seed, progress=progress)
    if not leads:
        return
    if json_:
        typer.echo(json.dumps(done.facts, ensure_ascii=False))
        return
    out.print(loss_table(done.facts))
    news = "trained" if done.answers is not None else "already there, as asked"
    text = f"{folder / 'model'}  {done.facts['tokens']:,} tokens in {done.facts['steps']:,} steps, {news}"
    out.print(text, markup=False, soft_wrap=True)


def changed(recipe: TrainConfig, settings: list[str]) -> TrainConfig:
    """Settings with some of them written as name=value.

    Raises:
        ConfigError: no such setting, or a value that it cannot have.
    """
    import yaml

    fields: dict[str, Any] = recipe.model_dump(mode="json", exclude_unset=True)
    for text in settings:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(
                expected="NAME=VALUE",
                found=repr(text),
                where="--set",
                fix="write --set learning_rate=1e-4, say",
            )
        try:
            fields[name.strip()] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            fields[name.strip()] = value
    if "kind" in fields and fields["kind"] == "full":
        asked = {text.partition("=")[0].strip() for text in settings}
        of_adapters = ("rank", "alpha", "dropout", "targets")
        fields = {k: v for k, v in fields.items() if k not in of_adapters or k in asked}
    return parse_config(fields, "train", TrainConfig)


def loss_table(facts: dict[str, Any]) -> Table:
    """Validation loss of every task before and after."""
    table = Table(box=None)
    plans.name_columns(table, ("task", "tokens", "nats before", "nats after"))
    points = facts["validation"]
    before = points[0]["tasks"] if points else {}
    for name, after in facts["losses"].items():
        seen = facts["tasks"].get(name, {}).get("tokens")
        table.add_row(
            Text(name),
            f"{seen:,}" if seen is not None else "-",
            f"{before[name]:.3f}" if name in before else "-",
            f"{after:.3f}",
        )
    return table


def _folder(place: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    if place.is_dir():
        return place / "trained"
    raise ConfigError(
        expected="a folder for the model",
        found="none",
        where="--out",
        fix="add --out models/mixed, say",
    )
