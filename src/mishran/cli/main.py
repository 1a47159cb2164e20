"""The command line: one file per noun, errors as one line and exit code 2."""

from __future__ import annotations

import json
import os
import sys
import warnings

import typer

from mishran.cli import demo, fit, inspect, runs, solve
from mishran.errors import MishranError

app = typer.Typer(
    name="mishran",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="In what proportions to mix training data, why, and whether it helped.",
    epilog="Start with [bold]mishran demo[/bold]; then [bold]mishran fit mix.yaml[/bold] on your own.",
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"mishran {version('mishran')}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


demo.register(app)
fit.register(app)
solve.register(app)
inspect.register(app)
runs.register(app)


def main() -> None:
    """Run the command line; the only place where errors become text."""
    if "--online" not in sys.argv:  # read by the hub client when it is imported
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", module=r"(peft|transformers|torch)\b")
    try:
        app()
    except MishranError as error:
        if "--json" in sys.argv:
            typer.echo(json.dumps(error.as_dict(), ensure_ascii=False))
        typer.echo(f"mishran: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("mishran: interrupted; run the same command to go on from here", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
