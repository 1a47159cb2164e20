"""`mishran solve RUN`: the cheap stages again, with some settings changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mishran.config import FitConfig, MixtureConfig, parse_config
from mishran.config_mixture import DEFAULT
from mishran.errors import ArtifactError, ConfigError
from mishran.mixture import Mixture
from mishran.pipeline.affinities import KINDS, affinity_file, made_affinity, run_affinity
from mishran.pipeline.facts import check_measured, read_facts, read_run
from mishran.pipeline.mix_by_method import ENERGY, OF_ENERGY
from mishran.pipeline.progress import Progress
from mishran.pipeline.report import Tried
from mishran.pipeline.seeds import with_seeds
from mishran.pipeline.solve import mixture_inputs, run_mixture, run_report, solved
from mishran.pipeline.tables import read_affinity
from mishran.run import Run
from mishran.types import Affinity


def changed(settings: MixtureConfig, changes: dict[str, Any]) -> MixtureConfig:
    """The settings with some replaced.

    What only the energy has takes the place of the default method. t, effective_tasks and a unary other
    than coverage exclude each other: the new one wins. Floors and caps are changed one by one; a floor of
    0 or a cap of 1 takes away the one that was there. So are quotas and limits, see `_merged`. Taking away
    max_tasks or robust takes what belongs to it.
    """
    changes = dict(changes)
    if settings.method == DEFAULT and {"affinity", *OF_ENERGY} & changes.keys():
        changes = {"method": ENERGY, **changes}
    if changes.get("method", ENERGY) != ENERGY:
        changes = {
            **{
                key: MixtureConfig.model_fields[key].get_default(call_default_factory=True)
                for key in OF_ENERGY
            },
            **changes,
        }
    if changes.get("max_tasks", 0) is None:
        changes |= {"min_tasks": {}, "least_share": 0.0}
    if changes.get("robust", "") is None:
        changes |= {"kappa": 1.0}
    data = settings.model_dump(mode="json")
    for bound, nothing in (("floors", 0.0), ("caps", 1.0)):
        old, new = data[bound], changes.get(bound, {})
        gone = {name for name, share in new.items() if share == nothing and name in old}
        data[bound] = {k: v for k, v in {**old, **new}.items() if k not in gone}
    if {"t", "effective_tasks", "unary"} & changes.keys():
        data.update(t=None, effective_tasks=None, side="diverse", unary={"kind": "coverage"})
    for kind in ("quotas", "limits"):
        data[kind] = _merged(data[kind], changes.get(kind, {}))
    merged = ("floors", "caps", "quotas", "limits")
    others = {k: v for k, v in changes.items() if k not in merged}
    return parse_config({**data, **others}, "options", MixtureConfig)


def _merged(
    old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any] | None]
) -> dict[str, dict[str, Any]]:
    """Quotas or limits with what is new: bound by bound where the sum is the same.

    A smallest quota of 0 and a largest of 1 take away the bound that was there, None the limit.
    """
    out = dict(old)
    for name, change in new.items():
        if change is None:
            if name not in out:
                raise ConfigError(
                    expected="a limit that the run has",
                    found=repr(name),
                    where="--limit",
                    fix=f"its limits: {', '.join(old) or 'none'}",
                )
            del out[name]
            continue
        before = out.get(name, {})
        same = all(before.get(key) == change.get(key) for key in ("unit", "values"))
        one = {**before, **change} if same else dict(change)
        if "unit" in one:
            idle = {"min": 0.0, "max": 1.0}
            gone = [k for k, bound in idle.items() if one.get(k) == bound and k in before]
            one = {k: v for k, v in one.items() if k not in gone}
        if one.get("min") is None and one.get("max") is None:
            out.pop(name, None)
        else:
            out[name] = one
    return out


def resolve_run(run: Run, changes: dict[str, Any], progress: Progress) -> Mixture:
    """Solve a run again and replace its mixture and report.

    Args:
        changes: fields of `mixture:` to replace.

    Raises:
        MishranError: settings that are impossible, or a run that is not finished.
    """
    read_facts(run)  # before the lock makes a folder
    with run.locked():
        run.sweep()
        config = _settled(run, changes)
        affinity = _own(run, config) or run_affinity(run, config, Path(), progress)
        mixture = run_mixture(run, config, affinity, progress)
        run_report(run, mixture, progress)
    return mixture


def try_run(
    run: Run,
    changes: dict[str, Any],
    progress: Progress,
    seed_runs: Sequence[Path] = (),
    explain: bool = True,
    start: Mapping[str, float] | None = None,
) -> Tried:
    """The same without writing anything into the run.

    Args:
        seed_runs: runs of other seeds of the specialists; the affinity is the mean of all.
        explain: say why too. start: weights to start from.
    """
    read_facts(run)
    with run.locked():
        config = _settled(run, changes)
        own = _own(run, config)
        affinity = own or made_affinity(run, config)
        files = run.outputs("affinity-matrix") if own else affinity_file(affinity)
        if seed_runs and config.mixture.method != ENERGY:
            raise ConfigError(
                expected="the method taskpgm beside --seed-run",
                found=config.mixture.method,
                where="--seed-run",
                fix="add --method taskpgm",
            )
        if seed_runs:
            if own is not None:
                raise ConfigError(
                    expected="a measured affinity beside --seed-run",
                    found="a matrix of your own",
                    where="--seed-run",
                    fix="add --affinity jsd",
                )
            affinity, others = with_seeds(run, config, affinity, seed_runs)
            files = {**affinity_file(affinity), **others}
        mixed = solved(
            run,
            config,
            affinity,
            [f for f in read_facts(run) if not f.eval_only],
            mixture_inputs(run, config.mixture, files),
            explain,
            start,
        )
    return Tried(mixed, affinity)


def _settled(run: Run, changes: dict[str, Any]) -> FitConfig:
    """The configuration of a run with the changes, once its tables are there."""
    config = read_run(run)
    check_measured(run, read_facts(run))
    settings = changed(config.mixture, changes)
    if settings.affinity not in (*KINDS, config.mixture.affinity):
        raise ConfigError(
            expected=f"an affinity that can be had from a run: {', '.join(KINDS)}",
            found=repr(settings.affinity),
            where="--affinity",
            fix="choose one of these; for a matrix of your own, `mishran solve matrix.csv`",
        )
    return config.model_copy(update={"mixture": settings})


def _own(run: Run, config: FitConfig) -> Affinity | None:
    """The user's matrix as it was copied into the run, None where the affinity is a measured one."""
    if config.mixture.affinity in KINDS:
        return None
    run.need("affinity-matrix")
    affinity = read_affinity(run.path("affinity-matrix.npz"))
    names = tuple(f.name for f in read_facts(run) if not f.eval_only)
    if affinity.names != names:
        raise ArtifactError(
            expected=f"an affinity over {', '.join(names)}",
            found="one from before the list of tasks changed",
            where=str(run.root),
            fix="run `mishran fit` on the same configuration to the end first",
        )
    return affinity
