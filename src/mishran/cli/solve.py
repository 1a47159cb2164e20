"""`mishran solve`: again in milliseconds, from a run or from a bare matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mishran.cli.asked import pair_effect, pair_sentence, sensitivity_table, start_weights
from mishran.cli.bounds import LIMIT, QUOTA, limits, quotas
from mishran.cli.options import members, once, shares, unary, whole
from mishran.cli.ui import Bars, out
from mishran.config import MixtureConfig, parse_config
from mishran.errors import ConfigError

if TYPE_CHECKING:  # loaded when needed, as they load NumPy
    from mishran.pipeline.mix import Mixed
    from mishran.report.data import ReportData

_EXAMPLES = """
Examples:

  mishran solve runs/mix --t 0.8 --floor hindi=0.25

  mishran solve runs/mix --affinity pmi --effective-tasks 12 --out other.json

  mishran solve matrix.csv --t 0.6 --group hindi=a,b --floor hindi=0.3 --json

  mishran solve matrix.csv --target xnli_hi --strength 0.5

  mishran solve runs/mix --quota 'hindi<=0.5' --limit 'cost: 3*facts + 5*exam <= 4'

  mishran solve runs/mix --max-tasks 12 --min-tasks hindi=3 --out few.json

  mishran solve runs/mix --method curves:transfer=scores --floor hindi=0.25 --out by-curves.json

  mishran solve matrix.csv --effective-tasks 12 --side central --html report.html
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(solve)


def solve(
    source: Path = typer.Argument(help="Run directory, or CSV file with a header of task names."),
    method: str | None = typer.Option(
        None,
        "--method",
        help="Of a run: taskpgm, curves, mixmin:per=token ...; docs/guide/methods.md.",
    ),
    t: float | None = typer.Option(None, "--t", help="0 least redundant, 1 uniform, > 1 central."),
    effective_tasks: float | None = typer.Option(
        None, "--effective-tasks", help="Wished 1 / sum of squared weights, instead of t."
    ),
    side: str | None = typer.Option(None, "--side", help="diverse (t < 1) or central (t > 1)."),
    affinity: str | None = typer.Option(
        None, "--affinity", help="jsd, pmi, pmi-sum, pmi-base, gradient-kernel ...; for a run."
    ),
    target: list[str] = typer.Option(
        [], "--target", help="Instead of t: reward similarity to this task; may be repeated."
    ),
    value: list[str] = typer.Option(
        [], "--value", help="Instead of t: TASK=NUMBER, its worth; one for every task."
    ),
    utility: bool = typer.Option(
        False, "--utility", help="Instead of t: reward measured gains (on --target tasks); a run."
    ),
    strength: float | None = typer.Option(
        None, "--strength", help="Factor of target, value or utility."
    ),
    floor: list[str] = typer.Option(
        [], "--floor", help="NAME=SHARE of a group or task; 0 takes it away."
    ),
    cap: list[str] = typer.Option(
        [], "--cap", help="NAME=SHARE of a group or task; 1 takes it away."
    ),
    quota: list[str] = typer.Option(
        [], "--quota", help=f"{QUOTA}: a group's share of the tokens; a run."
    ),
    limit: list[str] = typer.Option(
        [], "--limit", help=f"{LIMIT}: a bound on a weighted sum of the shares."
    ),
    max_tasks: int | None = typer.Option(
        None, "--max-tasks", help="At most so many tasks get a share; 0 takes the limit away."
    ),
    min_tasks: list[str] = typer.Option(
        [], "--min-tasks", help="GROUP=NUMBER of its tasks that are chosen at least."
    ),
    least_share: float | None = typer.Option(
        None, "--least-share", help="What a chosen task gets at least."
    ),
    robust: str | None = typer.Option(
        None, "--robust", help="Least regret over the replicas: worst, mean-variance, or off."
    ),
    kappa: float | None = typer.Option(
        None, "--kappa", help="Standard deviations of the regret in --robust mean-variance."
    ),
    without: list[str] = typer.Option(
        [], "--without", help="Leave this task out; of a bare matrix, may be repeated."
    ),
    seed_run: list[Path] = typer.Option(
        [],
        "--seed-run",
        help="Run (or matrix) of other specialist seeds; the affinity is the mean; a run: with --out.",
    ),
    start: Path | None = typer.Option(
        None, "--start", help="Mixture file to start from: faster with hundreds of tasks, no more."
    ),
    pair: str | None = typer.Option(
        None, "--pair", help="TASK,TASK: what moves if these two are found 0.01 more alike."
    ),
    sensitivity: Path | None = typer.Option(
        None, "--sensitivity", help="Write dp/du here, CSV: change of weights per worth of a task."
    ),
    group: list[str] = typer.Option([], "--group", help="NAME=TASK,TASK; for a bare matrix."),
    rows: int | None = typer.Option(None, "--rows", help="Budget in rows."),
    tokens: int | None = typer.Option(None, "--tokens", help="Budget in tokens."),
    max_epochs: float | None = typer.Option(None, "--max-epochs", help="Most repeats of a task."),
    ridge: float | None = typer.Option(None, "--ridge", help="Pull to uniform, in units of D."),
    repair: str | None = typer.Option(None, "--repair", help="shift, nearest or refuse."),
    solution: str | None = typer.Option(
        None, "--solution", help="exact, paper-clip or paper-project."
    ),
    out_file: Path | None = typer.Option(
        None, "--out", help="Write the mixture here and leave the run as it is."
    ),
    html: Path | None = typer.Option(None, "--html", help="Write a report of it here."),
    explain: bool = typer.Option(
        True, "--explain/--no-explain", help="Say why: prices, clusters, substitutes, path."
    ),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> None:
    """Solve for a mixture again, with other settings; only what is given changes.

    Of a run, what is not given is as it was fitted (run.yaml), not as it was solved last.
    """
    changes: dict[str, Any] = {
        key: value
        for key, value in {
            "method": method,
            "t": t,
            "effective_tasks": effective_tasks,
            "side": side,
            "affinity": affinity,
            "max_epochs": max_epochs,
            "ridge": ridge,
            "repair": repair,
            "solution": solution,
            "least_share": least_share,
            "kappa": kappa,
        }.items()
        if value is not None
    }
    if max_tasks is not None:
        changes["max_tasks"] = max_tasks or None
    if min_tasks:
        changes["min_tasks"] = whole(min_tasks, "--min-tasks")
    if robust is not None:
        changes["robust"] = None if robust == "off" else robust
    if target or value or utility or strength is not None:
        changes["unary"] = unary(target, value, utility, strength)
    if floor:
        changes["floors"] = shares(floor, "--floor")
    if cap:
        changes["caps"] = shares(cap, "--cap")
    if quota:
        changes["quotas"] = quotas(quota)
    if limit:
        changes["limits"] = limits(limit)
    if rows is not None or tokens is not None:
        given = {"rows": rows, "tokens": tokens}
        changes["budget"] = {key: value for key, value in given.items() if value is not None}
    targets = {"--out": out_file, "--html": html, "--sensitivity": sensitivity}
    for option, file in targets.items():
        if file is not None:
            _check_target(file, source, option)
            if file.resolve() in {f.resolve() for o, f in targets.items() if f and o != option}:
                raise ConfigError(
                    expected="a file of its own for everything that is written",
                    found=f"{file} twice",
                    where=option,
                    fix="give one of them another name",
                )
    if html is not None and not explain:
        raise ConfigError(
            expected="--html with its explanation",
            found="--no-explain",
            where="--html",
            fix="leave one of the two out",
        )
    wanted = _Wanted(out_file, html, sensitivity, pair, start, explain, json_)
    if source.is_dir():
        for option, given in (("--group", group), ("--without", without)):
            if given:
                fix = {
                    "--group": "groups of a run come from its configuration",
                    "--without": f"write --cap {given[0]}=0",
                }[option]
                raise ConfigError(
                    expected=f"{option} with a bare matrix only",
                    found=f"a run directory, {source}",
                    where=option,
                    fix=fix,
                )
        _solve_run(source, changes, seed_run, wanted)
    elif not source.exists():
        raise ConfigError(
            expected="a run directory, or a CSV file with a header of task names",
            found="no such file or folder",
            where=str(source),
            fix="check the path; `mishran fit` makes run directories",
        )
    else:
        groups = once([members(item) for item in group], "--group")
        _solve_matrix(source, changes, groups, without, seed_run, wanted)


@dataclass(frozen=True)
class _Wanted:
    """What is to be written and shown."""

    out: Path | None
    html: Path | None
    sensitivity: Path | None
    pair: str | None
    start: Path | None
    explain: bool
    json: bool

    @property
    def keeps_run(self) -> bool:
        """Whether a run stays as it is: something else was asked for than to replace its mixture."""
        return any(x is not None for x in (self.out, self.html, self.sensitivity, self.pair))


def _solve_run(
    source: Path, changes: dict[str, Any], seed_runs: list[Path], wanted: _Wanted
) -> None:
    from mishran.cli.show import show_run
    from mishran.pipeline.report import report_data
    from mishran.pipeline.resolve import resolve_run, try_run
    from mishran.run import Run

    run = Run(source)
    if not wanted.keeps_run:
        if seed_runs:
            raise ConfigError(
                expected="--out or --html beside --seed-run, as a run keeps to its own seed",
                found="neither",
                where="--seed-run",
                fix="add --out mixture.json",
            )
        resolve_run(run, changes, Bars())
        show_run(run, wanted.json)
        return
    start = None if wanted.start is None else start_weights(wanted.start)
    tried = try_run(run, changes, Bars(), seed_runs, wanted.explain, start)
    _deliver(tried.mixed, report_data(run, tried), wanted)


def _solve_matrix(
    source: Path,
    changes: dict[str, Any],
    groups: dict[str, tuple[str, ...]],
    gone: list[str],
    seeds: list[Path],
    wanted: _Wanted,
) -> None:
    from mishran.affinity import combine_seeds, read_matrix
    from mishran.energy import without
    from mishran.pipeline.mix import mix
    from mishran.pipeline.report import matrix_data
    from mishran.run import sha256_file

    if changes.get("method", "taskpgm") != "taskpgm":
        raise ConfigError(
            expected="--method with a run directory, which has the measurements",
            found=f"a matrix, {source}",
            where="--method",
            fix="leave it out",
        )
    if "affinity" in changes:
        raise ConfigError(
            expected="--affinity with a run directory only",
            found=f"a matrix, {source}",
            where="--affinity",
            fix="leave it out: the matrix is the affinity",
        )
    off = [name for name, limit in changes.get("limits", {}).items() if limit is None]
    if off:
        raise ConfigError(
            expected="NAME: off with a run directory only",
            found=f"a matrix, {source}, which has no limits",
            where=f"--limit {off[0]}",
            fix="leave it out",
        )
    settings: MixtureConfig = parse_config(changes, "options", MixtureConfig)
    affinity = read_matrix(source)
    inputs = {source.name: sha256_file(source)}
    if seeds:
        others = [read_matrix(file) for file in seeds]
        if len({sha256_file(file) for file in (source, *seeds)}) <= len(seeds):
            raise ConfigError(
                expected="other matrices, each once",
                found=", ".join(map(str, seeds)),
                where="--seed-run",
                fix="name matrices measured with other seeds of the specialists",
            )
        affinity = combine_seeds([affinity, *others], settings.replicas)
        inputs |= {f"{f.name} of seed {k}": sha256_file(f) for k, f in enumerate(seeds, 2)}
    if gone:
        affinity = without(affinity, gone)
        groups = {
            group: kept
            for group, tasks in groups.items()
            if (kept := tuple(task for task in tasks if task not in gone))
        }
    start = None if wanted.start is None else start_weights(wanted.start)
    mixed = mix(
        affinity, settings, groups=groups, inputs=inputs, explain=wanted.explain, start=start
    )
    _deliver(mixed, matrix_data(source.name, mixed, affinity), wanted)


def _deliver(mixed: Mixed, data: ReportData, wanted: _Wanted) -> None:
    """Write what was asked for, then show it."""
    from mishran.cli.show import show_data
    from mishran.run import atomic_write

    effect = None if wanted.pair is None else pair_effect(mixed, wanted.pair)
    table = None if wanted.sensitivity is None else sensitivity_table(mixed)
    written = []
    if wanted.out is not None:
        atomic_write(wanted.out, mixed.mixture.to_json())
        written.append(("mixture", wanted.out))
    if wanted.html is not None:
        from mishran.report.html import render_html

        atomic_write(wanted.html, render_html(data))
        written.append(("report ", wanted.html))
    if wanted.sensitivity is not None and table is not None:
        atomic_write(wanted.sensitivity, table)
        written.append(("dp/du  ", wanted.sensitivity))
    show_data(data, wanted.json, {} if effect is None else {"pair": effect})
    if effect is not None and not wanted.json:
        out.print(pair_sentence(effect), markup=False)
    for what, file in written if not wanted.json else ():
        out.print(f"{what}  {file}", markup=False, soft_wrap=True)


def _check_target(file: Path, source: Path, option: str) -> None:
    """Refuse a folder, and a file that belongs to the run or is what is solved."""
    name, end = {
        "--out": ("mixture", ".json"),
        "--html": ("report", ".html"),
        "--sensitivity": ("sensitivity", ".csv"),
    }[option]
    if file.is_dir():
        raise ConfigError(
            expected=f"a file to write the {name} to",
            found="a folder",
            where=f"{option} {file}",
            fix=f"write {option} {file / name}{end}",
        )
    if file.exists() and _is_ours(file, source):
        raise ConfigError(
            expected=f"a file of its own to write the {name} to",
            found="one that it is computed from, or that belongs to the run",
            where=f"{option} {file}",
            fix=f"write {option} {name}-2{end}"
            + (
                f", or leave {option} away to replace the run's {name}"
                if name != "sensitivity"
                else ""
            ),
        )


def _is_ours(file: Path, source: Path) -> bool:
    """The matrix itself, or a file inside the run directory."""
    path, start = file.resolve(), source.resolve()
    return path == start or (start.is_dir() and path.is_relative_to(start))
