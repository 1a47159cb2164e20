"""`mishran solve`: again in milliseconds, from a run or from a bare matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from mishran.cli.bounds import LIMIT, QUOTA, limits, quotas
from mishran.cli.ui import Bars, out
from mishran.config import MixtureConfig, parse_config
from mishran.errors import ConfigError

_EXAMPLES = """
Examples:

  mishran solve runs/mix --t 0.8 --floor hindi=0.25

  mishran solve runs/mix --affinity pmi --effective-tasks 12 --out other.json

  mishran solve matrix.csv --t 0.6 --group hindi=a,b --floor hindi=0.3 --json

  mishran solve matrix.csv --target xnli_hi --strength 0.5

  mishran solve runs/mix --quota 'hindi<=0.5' --limit 'cost: 3*facts + 5*exam <= 4'
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(solve)


def solve(
    source: Path = typer.Argument(help="Run directory, or CSV file with a header of task names."),
    t: float | None = typer.Option(None, "--t", help="0 least redundant, 1 uniform, > 1 central."),
    effective_tasks: float | None = typer.Option(
        None, "--effective-tasks", help="Wished 1 / sum of squared weights, instead of t."
    ),
    side: str | None = typer.Option(None, "--side", help="diverse (t < 1) or central (t > 1)."),
    affinity: str | None = typer.Option(
        None, "--affinity", help="jsd, pmi, pmi-sum, pmi-base; for a run."
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
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> None:
    """Solve for a mixture again, with other settings; only what is given changes."""
    changes: dict[str, Any] = {
        key: value
        for key, value in {
            "t": t,
            "effective_tasks": effective_tasks,
            "side": side,
            "affinity": affinity,
            "max_epochs": max_epochs,
            "ridge": ridge,
            "repair": repair,
            "solution": solution,
        }.items()
        if value is not None
    }
    if target or value or utility or strength is not None:
        changes["unary"] = _unary(target, value, utility, strength)
    if floor:
        changes["floors"] = _shares(floor, "--floor")
    if cap:
        changes["caps"] = _shares(cap, "--cap")
    if quota:
        changes["quotas"] = quotas(quota)
    if limit:
        changes["limits"] = limits(limit)
    if rows is not None or tokens is not None:
        given = {"rows": rows, "tokens": tokens}
        changes["budget"] = {key: value for key, value in given.items() if value is not None}
    if out_file is not None and out_file.is_dir():
        raise ConfigError(
            expected="a file to write the mixture to",
            found="a folder",
            where=f"--out {out_file}",
            fix=f"write --out {out_file / 'mixture.json'}",
        )
    if out_file is not None and out_file.exists() and _is_ours(out_file, source):
        raise ConfigError(
            expected="a file of its own to write the mixture to",
            found="one that it is computed from, or that belongs to the run",
            where=f"--out {out_file}",
            fix="write --out mixture-2.json, or leave --out away to replace the run's mixture",
        )
    if source.is_dir():
        if group:
            raise ConfigError(
                expected="--group with a bare matrix only",
                found=f"a run directory, {source}",
                where="--group",
                fix="groups of a run come from its configuration",
            )
        _solve_run(source, changes, out_file, json_)
    elif not source.exists():
        raise ConfigError(
            expected="a run directory, or a CSV file with a header of task names",
            found="no such file or folder",
            where=str(source),
            fix="check the path; `mishran fit` makes run directories",
        )
    else:
        groups = _once([_members(item) for item in group], "--group")
        _solve_matrix(source, changes, groups, out_file, json_)


def _solve_run(source: Path, changes: dict[str, Any], out_file: Path | None, json_: bool) -> None:
    from mishran.cli.show import show_data, show_run
    from mishran.pipeline.report import report_data
    from mishran.pipeline.resolve import resolve_run, try_run
    from mishran.run import Run, atomic_write

    run = Run(source)
    if out_file is None:
        resolve_run(run, changes, Bars())
        show_run(run, json_)
        return
    mixed = try_run(run, changes, Bars())
    atomic_write(out_file, mixed.mixture.to_json())
    show_data(report_data(run, mixed), json_)
    if not json_:
        out.print(f"mixture  {out_file}", markup=False, soft_wrap=True)


def _solve_matrix(
    source: Path,
    changes: dict[str, Any],
    groups: dict[str, tuple[str, ...]],
    out_file: Path | None,
    json_: bool,
) -> None:
    from mishran.affinity import read_matrix
    from mishran.cli.show import show_data
    from mishran.pipeline.mix import mix
    from mishran.pipeline.report import matrix_data
    from mishran.run import atomic_write, sha256_file

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
    mixed = mix(affinity, settings, groups=groups, inputs={source.name: sha256_file(source)})
    if out_file is not None:
        atomic_write(out_file, mixed.mixture.to_json())
    show_data(matrix_data(source.name, mixed, affinity), json_)
    if out_file is not None and not json_:
        out.print(f"mixture  {out_file}", markup=False, soft_wrap=True)


def _is_ours(file: Path, source: Path) -> bool:
    """The matrix itself, or a file inside the run directory."""
    path, start = file.resolve(), source.resolve()
    return path == start or (start.is_dir() and path.is_relative_to(start))


def _unary(
    targets: list[str], values: list[str], utility: bool, strength: float | None
) -> dict[str, Any]:
    """The `unary:` that the options mean."""
    if values and (targets or utility):
        raise ConfigError(
            expected="--value, or --target, or --utility with or without --target",
            found="--value beside another",
            where="mishran solve",
            fix="leave one of them away",
        )
    if not (values or targets or utility):
        raise ConfigError(
            expected="--target, --value or --utility beside --strength",
            found="none of them",
            where="--strength",
            fix="with the unary coverage the dial is --t",
        )
    kind = "given" if values else "utility" if utility else "target"
    out: dict[str, Any] = {"kind": kind}
    if targets:
        out["targets"] = targets
    if values:
        out["values"] = _numbers(values, "--value", "TASK=NUMBER", "capitals=1.5, say")
    if strength is not None:
        out["strength"] = strength
    return out


def _pair(item: str, option: str, shape: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not (name and equals and value):
        raise ConfigError(expected=shape, found=repr(item), where=option, fix=f"write {shape}")
    return name, value


def _shares(items: list[str], option: str) -> dict[str, float]:
    return _numbers(items, option, "NAME=SHARE", "hindi=0.25 for 25 %")


def _numbers(items: list[str], option: str, shape: str, example: str) -> dict[str, float]:
    pairs = [_pair(item, option, shape) for item in items]
    return _once(
        [(name, _number(value, f"{option} {name}", example)) for name, value in pairs], option
    )


def _number(text: str, where: str, example: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            expected="a number", found=repr(text), where=where, fix=f"write {example}"
        ) from error


def _once(pairs: list[tuple[str, Any]], option: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in pairs:
        if name in out:
            raise ConfigError(
                expected="every name once",
                found=f"{name!r} twice",
                where=option,
                fix="remove one of them",
            )
        out[name] = value
    return out


def _members(item: str) -> tuple[str, tuple[str, ...]]:
    name, value = _pair(item, "--group", "NAME=TASK,TASK")
    return name, tuple(part for part in value.split(",") if part)
