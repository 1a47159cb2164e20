"""`mishran solve RUN`: the cheap stages again, with some settings changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mishran.config import FitConfig, MixtureConfig, parse_config
from mishran.errors import ArtifactError
from mishran.mixture import Mixture
from mishran.pipeline.facts import read_facts
from mishran.pipeline.mix import Mixed, mix
from mishran.pipeline.progress import Progress
from mishran.pipeline.solve import (
    KINDS,
    mixture_inputs,
    run_affinity,
    run_gains,
    run_mixture,
    run_report,
)
from mishran.pipeline.tables import read_affinity
from mishran.run import Run
from mishran.types import Affinity


def read_run(run: Run) -> FitConfig:
    """The configuration that a run was made from.

    Raises:
        ArtifactError: the folder is not a run. ConfigError: its run.yaml was damaged.
    """
    read_facts(run)
    path = run.path("run.yaml")
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ArtifactError(
            expected="a run directory with its run.yaml",
            found=str(error).splitlines()[0],
            where=str(path),
            fix="run `mishran fit` on the same configuration again",
        ) from error
    return parse_config(data, str(path))


def changed(settings: MixtureConfig, changes: dict[str, Any]) -> MixtureConfig:
    """The settings with some replaced; t and effective_tasks exclude each other, the new one wins."""
    data = settings.model_dump(mode="json")
    if "t" in changes:
        data["effective_tasks"] = None
    if "effective_tasks" in changes:
        data["t"] = None
    return parse_config({**data, **changes}, "options", MixtureConfig)


def resolve_run(run: Run, changes: dict[str, Any], progress: Progress) -> Mixture:
    """Solve a run again and replace its mixture and report.

    Args:
        changes: fields of `mixture:` to replace.

    Raises:
        MishranError: settings that are impossible, or a run that is not finished.
    """
    with run.locked():
        settings, affinity = _settled(run, changes, progress)
        mixture = run_mixture(run, settings, affinity, progress)
        run_report(run, mixture, progress)
    return mixture


def try_run(run: Run, changes: dict[str, Any], progress: Progress) -> Mixed:
    """The same without writing a mixture or a report."""
    with run.locked():
        settings, affinity = _settled(run, changes, progress)
    facts = [f for f in read_facts(run) if not f.eval_only]
    return mix(
        affinity,
        settings,
        facts,
        gains=run_gains(run, settings, affinity),
        inputs=mixture_inputs(run, settings, affinity),
    )


def _settled(
    run: Run, changes: dict[str, Any], progress: Progress
) -> tuple[MixtureConfig, Affinity]:
    config = read_run(run)
    settings = changed(config.mixture, changes)
    if settings.affinity not in KINDS:  # the user's matrix was copied into the run
        return settings, read_affinity(run.path("affinity-matrix.npz"))
    config = config.model_copy(update={"mixture": settings})
    return settings, run_affinity(run, config, Path(), progress)
