"""The command line: one file per noun, errors as one line and exit code 2."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from typing import Any, NoReturn

import typer

from mishran.cli import (
    build,
    compare,
    corpus,
    demo,
    evaluate,
    export,
    fit,
    inspect,
    runs,
    solve,
    tokenizer,
    train,
)
from mishran.errors import ArtifactError, ConfigError, MishranError, missing_package
from mishran.quiet import quiet_libraries

_NO_MEMORY = "out of memory|can't allocate memory|not enough memory"
_UsageError = typer.BadParameter.__mro__[1]  # typer brings a copy of click, older ones import it

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
build.register(app)
export.register(app)
train.register(app)
compare.register(app)
evaluate.register(app)
inspect.register(app)
runs.register(app)
corpus.register(app)
tokenizer.register(app)


def main() -> None:
    """Run the command line; the only place where errors become text."""
    quiet_libraries(online="--online" in sys.argv)
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="mishran", standalone_mode=False)
    except MishranError as error:
        _fail(error)
    except _UsageError as error:
        _fail(_usage(error))
    except typer.Abort as error:
        code = 130 if isinstance(error.__cause__, KeyboardInterrupt) else 1
        if code == 1:
            typer.echo("mishran: nothing was done", err=True)
    except KeyboardInterrupt:
        code = 130
    except ImportError as error:
        missing = missing_package(error)
        if missing is None:
            raise
        _fail(missing)
    except (MemoryError, RuntimeError) as error:
        # torch has no class of its own for memory of the CPU.
        if not isinstance(error, MemoryError) and not re.search(_NO_MEMORY, str(error)):
            raise
        _fail(
            ConfigError(
                expected="work that fits into memory",
                found="not enough of it",
                fix="lower batch sizes, mixture.replicas or max_tokens, or use a larger machine",
            )
        )
    except OSError as error:
        _fail(
            ArtifactError(
                expected="files that can be read and written",
                found=error.strerror or str(error),
                where=str(error.filename or ""),
                fix="check the path, its permissions and the space that is left, and try again",
            )
        )
    if code == 130:
        typer.echo("mishran: interrupted; run the same command to go on from here", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: MishranError) -> NoReturn:
    if "--json" in sys.argv:
        typer.echo(json.dumps(error.as_dict(), ensure_ascii=False))
    typer.echo(f"mishran: {error}", err=True)
    sys.exit(2)


def _usage(error: Any) -> ConfigError:
    """Wrong arguments, as the parser puts it, in one line."""
    command = error.ctx.command_path if error.ctx else "mishran"
    text = error.format_message().rstrip(".").removeprefix("Got ")
    return ConfigError(
        expected=f"arguments of `{command}`",
        found=text[:1].lower() + text[1:],
        where="command line",
        fix=f"see `{command} --help`",
    )


def script() -> NoReturn:
    """What the installed command runs: `main`, and then the end of the process at once.

    Native thread pools of the libraries (torch, Arrow, tokenizers) now and then abort while the
    interpreter is taken down ("terminate called without an active exception", exit code 134), after
    all work was done and written. Everything of ours is on disk by then, so nothing is taken down.
    """
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    script()
