"""`mishran fit mix.yaml`: the main job."""

from __future__ import annotations

from pathlib import Path

import typer

from mishran.cli.plans import TFLOPS
from mishran.cli.ui import Bars, out

_EXAMPLES = """
Examples:

  mishran fit mix.yaml                      everything; run it again to resume

  mishran fit mix.yaml --plan               what it would do and cost, without doing it

  mishran fit mix.yaml --json > mix.json    the mixture and its evidence for a program
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(fit)


def fit(
    config: Path = typer.Argument(help="Configuration file, see the README."),
    run: Path | None = typer.Option(
        None, "--run", help="Run directory, or runs/NAME beside CONFIG."
    ),
    plan: bool = typer.Option(False, "--plan", help="Show stages and cost, and stop."),
    tflops: float = TFLOPS,
    online: bool = typer.Option(False, "--online", help="Allow models and data from the hub."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress on stderr."),
) -> None:
    """Fit a mixture: specialists, answers, affinity, weights, report."""
    progress = Bars(quiet)
    if plan:
        from mishran.pipeline.plan import make_plan

        made = make_plan(config, run_dir=run, online=online, progress=progress, tflops=tflops)
        if json_:
            typer.echo(made.to_json())
        else:
            out.print(made.table())
        return
    from mishran.cli.show import show_run
    from mishran.pipeline.fit import fit as fit_run

    fitted = fit_run(config, run_dir=run, online=online, progress=progress)
    show_run(fitted.run, json_)
