"""`mishran demo`: see the whole pipeline work, without data, model or network."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from mishran.cli.ui import Bars, out

_EXAMPLES = """
Examples:

  mishran demo                         about two minutes; then open demo/runs/mix/report.html

  mishran demo --folder other --seed 3

  mishran fit demo/mix.yaml            after changing demo/mix.yaml (demo itself never replaces it)
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(demo)


def demo(
    folder: Path = typer.Option(Path("demo"), "--folder", help="Where to work."),
    seed: int = typer.Option(
        0, "--seed", min=0, max=2**63 - 1, help="Of data, model, training and probes."
    ),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress on stderr."),
) -> None:
    """Built-in tasks with planted structure, a small model trained on the spot, and what was found."""
    from mishran.cli.show import show_run
    from mishran.pipeline.demo import run_demo

    fitted, planted = run_demo(folder, seed, Bars(quiet))
    if json_:
        facts = [p.__dict__ for p in planted]
        typer.echo(json.dumps({"run": str(fitted.run.root), "planted": facts}, ensure_ascii=False))
        return
    show_run(fitted.run, False)
    out.print("\nWas it found again?", style="bold")
    for p in planted:
        mark = "[green]yes[/green]" if p.found else "[red]no[/red] "
        out.print(f"  {mark}  {p.name}: ", end="")
        out.print(p.text, markup=False)
