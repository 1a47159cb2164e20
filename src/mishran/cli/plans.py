"""Options that `build` and `export` share, and the plan as a table: rows and tokens side by side."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mishran.errors import ConfigError
from mishran.pipeline.progress import Progress
from mishran.stream.plan import Plan

PLACE = typer.Argument(help="Run directory that fit made, or a recipe file.")
ROWS = typer.Option(None, "--rows", help="Size of the whole: rows, for example 25000 or 25K.")
TOKENS = typer.Option(None, "--tokens", help="Size of the whole: tokens, for example 50M.")
EPOCHS = typer.Option(None, "--epochs", help="Size of the whole: so often everything there is.")
SHARES = typer.Option(
    None, "--shares", help="What weights are shares of: rows (default) or tokens."
)
TOKENIZER = typer.Option(
    None, "--tokenizer", help="Count and cut with this tokenizer: of the model you will train."
)
MAX_EPOCHS = typer.Option(
    None, "--max-epochs", help="No task is repeated more often; 4, or what the run says."
)
REDISTRIBUTE = typer.Option(
    False, "--redistribute", help="Where --max-epochs binds, the other tasks take the rest."
)
SEED = typer.Option(
    None, "--seed", min=0, max=2**63 - 1, help="Of the order; by default the one of the run."
)
ONLINE = typer.Option(False, "--online", help="Allow models and data from the hub.")
TFLOPS = typer.Option(
    125.0,
    "--tflops",
    min=1e-6,
    help="With --plan: 10^12 operations a second that a device does; an A100 at 40 % by default.",
)
JSON = typer.Option(False, "--json", help="Print one JSON object on stdout.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress on stderr.")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}


def amount(text: str, option: str) -> int:
    """50M and the like."""
    number = r"(\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)([kmbgt]?)"
    match = re.fullmatch(number, text.strip().lower())
    exact = Fraction(match[1].replace(",", "")) * _UNITS[match[2]] if match else Fraction(0)
    value = int(exact) if exact.denominator == 1 else 0
    if not 1 <= value <= 10**15:
        raise ConfigError(
            expected="a whole number of at least 1, with K, M or B for thousands, millions or billions",
            found=repr(text),
            where=option,
            fix=f"write {option} 50M, say",
        )
    return value


def budget(rows: str | None, tokens: str | None, epochs: float | None) -> dict[str, float] | None:
    """The size that was asked for, None where none was."""
    given: dict[str, float] = {}
    if rows is not None:
        given["rows"] = amount(rows, "--rows")
    if tokens is not None:
        given["tokens"] = amount(tokens, "--tokens")
    if epochs is not None:
        if not 0 < epochs <= 1e9:
            raise ConfigError(
                expected="a number above 0",
                found=f"{epochs:g}",
                where="--epochs",
                fix="write 1, say",
            )
        given["epochs"] = epochs
    if len(given) > 1:
        raise ConfigError(
            expected="one of --rows, --tokens and --epochs",
            found=" and ".join(f"--{name}" for name in given),
            where="command line",
            fix="leave one of them away",
        )
    return given or None


def check_options(shares: str | None, max_epochs: float | None) -> None:
    if shares not in (None, "rows", "tokens"):
        raise ConfigError(
            expected="rows or tokens", found=repr(shares), where="--shares", fix="write one of them"
        )
    if max_epochs is not None and not 0 < max_epochs <= 1e9:
        raise ConfigError(
            expected="a number above 0",
            found=f"{max_epochs:g}",
            where="--max-epochs",
            fix="write 4, say",
        )


def plan_table(plan: Plan) -> Group:
    """Every task with rows and tokens, and both shares."""
    table = Table(box=None)
    name_columns(table, ("task", "asked", "rows", "of rows", "tokens", "of tokens", "epochs"))
    for t in sorted(plan.tasks, key=lambda t: -(t.rows if plan.shares == "rows" else t.tokens)):
        style = "" if t.rows else "dim"
        values = (
            t.name,
            f"{t.weight:.2%}",
            f"{t.rows:,}",
            f"{t.row_share:.2%}",
            f"{t.tokens:,}",
            f"{t.token_share:.2%}",
            f"{t.epochs:.2f}",
        )
        table.add_row(*(Text(v, style) for v in values))
    lines = [
        f"{plan.rows:,} rows, {plan.tokens:,} tokens"
        + (f" of {plan.tokenizer.name}" if plan.tokenizer else "")
        + f"; weights are shares of {plan.shares}; plan {plan.fingerprint[:12]}"
    ]
    if len(plan.phases) > 1:
        lines += [
            f"phase {i}: {p.rows:,} rows, {p.tokens:,} tokens" for i, p in enumerate(plan.phases, 1)
        ]
    lines += [f"note: {note}" for note in plan.notes]
    return Group(table, *(Text(line) for line in lines))


def name_columns(table: Table, names: tuple[str, ...]) -> None:
    """Columns of which only the first, a name, is on the left; names are never cut."""
    for number, name in enumerate(names):
        table.add_column(name, justify="right" if number else "left", no_wrap=True, overflow="fold")


def planned(place: Path, options: dict[str, Any], progress: Progress) -> Any:
    """See `mishran.pipeline.build.plan_from`."""
    from mishran.pipeline.build import plan_from

    return plan_from(place, **options, progress=progress)


def options(
    rows: str | None,
    tokens: str | None,
    epochs: float | None,
    shares: str | None,
    tokenizer: str | None,
    max_epochs: float | None,
    redistribute: bool,
    seed: int | None,
    online: bool,
) -> dict[str, Any]:
    """Arguments of `plan_from`."""
    check_options(shares, max_epochs)
    return {
        "budget": budget(rows, tokens, epochs),
        "shares": shares,
        "tokenizer": tokenizer,
        "max_epochs": max_epochs,
        "redistribute": redistribute,
        "seed": seed,
        "online": online,
    }
