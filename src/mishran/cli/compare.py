"""`mishran compare`: does a mixture help?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from mishran.cli import plans
from mishran.cli.ui import Bars, out
from mishran.comparison import Comparison
from mishran.errors import ConfigError

_EXAMPLES = """
Examples:

  mishran compare runs/mix --tokens 50K                     the run's mixture and uniform, five seeds

  mishran compare runs/mix --tokens 50K --methods run,proportional,curves,taskpgm:t=1.5:floor=0.3

  mishran compare runs/mix --tokens 50K --seeds 3 --set kind=full --set learning_rate=1e-3

A method is name[:key=value]*; `run` is the mixture that the run found. Uniform comes by itself. Stop it at
any time: the same command goes on.
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(compare)


def compare(
    run: Path = typer.Argument(help="Run directory that fit made."),
    methods: str = typer.Option(
        "run,proportional", "--methods", help="Mixtures to compare with uniform, by commas."
    ),
    seeds: int = typer.Option(5, "--seeds", min=1, help="Trainings of each mixture."),
    first_seed: int = typer.Option(
        0, "--first-seed", min=0, max=2**62, help="Number of the first seed."
    ),
    tokens: str | None = typer.Option(
        None, "--tokens", "--budget", help="Training tokens of each, for example 50K."
    ),
    shares: str = typer.Option(
        "rows", "--shares", help="What weights are shares of: rows or tokens."
    ),
    examples: int = typer.Option(
        64, "--examples", min=2, help="Held-out examples of each task that fit did not read."
    ),
    curve: str = typer.Option(
        "0.5,2",
        "--curve",
        help="Train uniform with these multiples of the tokens too, for the steps to equal loss; "
        "none: leave it out.",
    ),
    groups: list[str] = typer.Option(
        [], "--group", help="Also tell apart: NAME=task,task,... or a group of mix.yaml."
    ),
    primary: str | None = typer.Option(
        None, "--primary", help="Group that the verdict is about; by default all tasks."
    ),
    max_epochs: float | None = typer.Option(
        None, "--max-epochs", help="No task is repeated more often; the others take the rest."
    ),
    model: str | None = typer.Option(
        None,
        "--model",
        help="Train this model instead of the run's; its tokenizer must be the same.",
    ),
    config: Path | None = typer.Option(
        None, "--config", help="YAML file with the settings of training, instead of the run's."
    ),
    set_: list[str] = typer.Option(
        [], "--set", help="One setting of training: --set kind=full; may be repeated."
    ),
    workers: int | None = typer.Option(
        None, "--workers", min=1, help="Processes; one for each processor or GPU."
    ),
    plan: bool = typer.Option(
        False, "--plan", help="Show which methods have a mixture, trainings and cost, and stop."
    ),
    tflops: float = plans.TFLOPS,
    keep_models: bool = typer.Option(False, "--keep-models", help="Keep the trained models."),
    out_: Path | None = typer.Option(
        None, "--out", help="Folder; by default `compare` in the run directory."
    ),
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Train on several mixtures with the same tokens and seeds, and say whether any beats uniform."""
    from mishran.cli.train import changed
    from mishran.config import TrainConfig, read_config
    from mishran.pipeline.compare import compare as run_comparison
    from mishran.pipeline.compare_asked import Asked
    from mishran.pipeline.facts import groups_of, read_facts, read_run
    from mishran.run import Run

    plans.check_options(shares, max_epochs)
    settings = read_run(Run(run))
    if tokens is None:
        budget = settings.mixture.budget
        if budget is None or budget.tokens is None:
            raise ConfigError(
                expected="the training tokens of each mixture",
                found="none",
                where="--tokens",
                fix="add --tokens 50K, say",
            )
        size = budget.tokens
    else:
        size = plans.amount(tokens, "--tokens")
    train = changed(settings.train if config is None else read_config(config, TrainConfig), set_)
    asked = Asked(
        methods=tuple(m for m in methods.split(",") if m.strip()),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        tokens=size,
        shares=shares,
        examples=examples,
        curve=() if curve == "none" else multiples(curve),
        max_epochs=max_epochs,
        groups=named_groups(groups, groups_of(read_facts(Run(run)))),
        primary=primary,
        workers=workers,
        model=model,
        keep_models=keep_models,
    )
    if plan:
        _show_plan(run, asked, train, tflops, out_, json_)
        return
    found = run_comparison(run, asked, out=out_, train=train, progress=Bars(quiet))
    if json_:
        typer.echo(found.to_json())
        return
    folder = out_ or run / "compare"
    out.print(_table(found))
    for one in found.missing:
        out.print(f"missing: {one.method}, seed {one.seed}: {one.reason}", markup=False)
    out.print(found.overall, markup=False)
    out.print(f"{folder / 'report.html'}", markup=False, soft_wrap=True)


def _show_plan(
    run: Path, asked: Any, train: Any, tflops: float, folder: Path | None, json_: bool
) -> None:
    """Methods, trainings and cost."""
    from mishran.pipeline.footprint import memory_words
    from mishran.pipeline.training_plan import plan_comparison

    made = plan_comparison(run, asked, train, tflops, folder)
    if json_:
        typer.echo(json.dumps(made.as_dict(), ensure_ascii=False))
        return
    table = Table(box=None)
    plans.name_columns(table, ("method", "trainings", "trained to find it", "read to find it"))
    for one in made.methods:
        found = (f"{one.trained_to_find:,.0f}", f"{one.read_to_find:,.0f}")
        table.add_row(Text(one.method), f"{one.trainings:,}", *found)
    out.print(table)
    for one in made.methods:
        if one.failed:
            out.print(f"missing: {one.method}: {one.failed}", markup=False)
    if made.trials:
        out.print(f"{made.trials} short mixed runs come first")
    out.print(Text(f"{made.trainings:,} trainings, {made.bill}"))
    out.print(Text(f"each: {memory_words(made.footprint)}"))


def multiples(text: str) -> tuple[float, ...]:
    """Numbers above 0, by commas; 1 is the comparison itself.

    Raises:
        ConfigError: something else.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (0.0,)
    if not all(0 < value < 1e6 and value != 1.0 for value in values) or len(set(values)) < len(
        values
    ):
        raise ConfigError(
            expected="different multiples of the tokens, above 0 and other than 1, by commas",
            found=repr(text),
            where="--curve",
            fix="write --curve 0.5,2, or --curve none",
        )
    return values


def named_groups(texts: list[str], known: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Group -> its tasks.

    Raises:
        ConfigError: a group that mix.yaml does not name.
    """
    out = {}
    for text in texts:
        name, sign, tasks = text.partition("=")
        if sign:
            out[name] = tuple(t.strip() for t in tasks.split(",") if t.strip())
        elif name in known:
            out[name] = known[name]
        else:
            raise ConfigError(
                expected=f"NAME=task,task or one of the groups {', '.join(known) or '(none)'}",
                found=repr(text),
                where="--group",
                fix="write --group bbh=task,task, say",
            )
    return out


def _table(found: Comparison) -> Table:
    """Loss of every method on the primary group, and its difference to uniform."""
    table = Table(box=None)
    plans.name_columns(table, ("method", "loss", "less uniform", "± 95 %", "p"))
    for e in found.effects:
        if e.group != found.setting.primary or e.measure != "loss":
            continue
        d = e.difference
        half = None if d is None or d.low is None or d.high is None else (d.high - d.low) / 2
        table.add_row(
            Text(e.method),
            "missing" if e.mean is None else f"{e.mean:.4f}",
            "-" if d is None else f"{d.mean:+.4f}",
            "-" if half is None else f"{half:.4f}",
            "-" if d is None or d.p_holm is None else f"{d.p_holm:.3f}",
        )
    return table
