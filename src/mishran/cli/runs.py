"""`mishran status`, `mishran report`, `mishran clean`: what is in a run directory."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from mishran.cli.ui import Bars, out
from mishran.pipeline.facts import check_measured, read_facts
from mishran.pipeline.status import StageState, stage_states
from mishran.run import Run, storage_errors


def register(app: typer.Typer) -> None:
    app.command(epilog="Example:  mishran status runs/mix")(status)
    app.command(epilog="Example:  mishran report runs/mix")(report)
    app.command(
        epilog="Examples:  mishran clean runs/mix    mishran clean runs/mix --specialists --yes"
    )(clean)


_RUN = typer.Argument(help="Run directory.")


def status(
    run: Path = _RUN,
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> None:
    """Show which stages of a run are done, missing or damaged, and what they take on disk."""
    states = stage_states(Run(run))
    if json_:
        typer.echo(json.dumps([s.__dict__ for s in states], ensure_ascii=False))
        return
    table = Table(box=None)
    for column, side in (("stage", "left"), ("state", "left"), ("size", "right"), ("note", "left")):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for s in states:
        table.add_row(*map(Text, (s.stage, s.state, _size(s.bytes), s.note)))
    out.print(table)
    out.print(_summary(states), markup=False)


def _summary(states: list[StageState]) -> str:
    done = sum(s.state == "done" for s in states)
    text = f"{done} of {len(states)} stages done"
    return text if done == len(states) else f"{text}; `mishran fit` on the same file makes the rest"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def report(
    run: Path = _RUN,
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> None:
    """Write report.html again and show the mixture of a run."""
    from mishran.cli.show import show_run
    from mishran.mixture import Mixture
    from mishran.pipeline.solve import run_report

    place = Run(run)
    facts = read_facts(place)
    with place.locked():
        check_measured(place, facts)
        place.need("mixture")
        mixture = Mixture.read(place.path("mixture.json"))
        for stage in (f"affinity-{mixture.affinity}", "pool"):
            place.need(stage)
        place.manifest_path("report").unlink(missing_ok=True)  # asked for: make it in any case
        run_report(place, mixture, Bars())
    show_run(place, json_)


def clean(
    run: Path = _RUN,
    specialists: bool = typer.Option(
        False, "--specialists", help="Also delete the specialists: fitting again trains again."
    ),
    everything: bool = typer.Option(False, "--all", help="Delete everything that fit made."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Delete leftovers of interrupted processes; on request the dear stages too."""
    place = Run(run)
    read_facts(place)
    with place.locked():
        doomed = place.leftovers()
        stages: list[str] = []
        if specialists or everything:
            stages += [s.stage for s in stage_states(place) if s.stage.startswith("specialists/")]
        if everything:
            stages = [s.stage for s in stage_states(place)]
        outputs = [p for stage in stages for p in place.stage_files(stage)]
        size = sum(p.stat().st_size for p in [*outputs, *doomed] if p.is_file())
        if stages and not yes:
            typer.confirm(f"delete {len(stages)} stages ({_size(size)}) in {run}?", abort=True)
        place.sweep()
        with storage_errors(place.root):
            for stage in stages:  # manifests first: what has none does not count
                place.manifest_path(stage).unlink(missing_ok=True)
            for path in outputs:
                path.unlink(missing_ok=True)
            if everything:
                for name in ("run.yaml", "base.json", "tasks.json", "waves.json"):
                    place.path(name).unlink(missing_ok=True)
            folders = [p for p in place.root.rglob("*") if p.is_dir() and not p.is_symlink()]
            for folder in sorted(folders, reverse=True):  # the deepest first
                if not any(folder.iterdir()):
                    folder.rmdir()
    out.print(
        f"deleted {len(stages)} stages and {len(doomed)} leftovers ({_size(size)})", markup=False
    )
