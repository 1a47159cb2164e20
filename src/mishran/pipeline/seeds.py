"""Runs that differ in the seed of their specialists alone, as one affinity with wider replicas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mishran.affinity import combine_seeds
from mishran.config import FitConfig
from mishran.errors import ConfigError
from mishran.pipeline.affinities import made_affinity
from mishran.pipeline.facts import check_measured, read_facts, read_run
from mishran.pipeline.stages import TABLES, measured
from mishran.pipeline.tables import read_scores
from mishran.run import Run
from mishran.types import Affinity


def with_seeds(
    run: Run, config: FitConfig, own: Affinity, folders: Sequence[Path]
) -> tuple[Affinity, dict[str, str]]:
    """The mean affinity of a run and others of other seeds, and sha256 of the others' tables.

    Args:
        own: affinity of the run. folders: the other runs.

    Raises:
        ConfigError: probes, tasks or model of another run are others, or it is the run itself.
        ArtifactError: another run is not finished.
    """
    probes = _probes(run)
    affinities, inputs = [own], {}
    table = TABLES[config.mixture.affinity]
    seen = {measured(run, table)}
    for folder in folders:
        other = Run(folder)
        facts = read_facts(other)
        check_measured(other, facts)
        if _probes(other) != probes:
            raise ConfigError(
                expected="a run with the same model, tasks and probes",
                found=f"others in {folder}",
                where="--seed-run",
                fix="fit the same configuration with specialists: {seed: 1} and nothing else changed",
            )
        digest = measured(other, table)
        if digest in seen:
            raise ConfigError(
                expected="other runs, each once",
                found=f"{folder}, which measured the same",
                where="--seed-run",
                fix="name runs whose specialists were trained with other seeds",
            )
        seen.add(digest)
        theirs = read_run(other)
        if theirs.specialists.model_copy(update={"seed": None}) != config.specialists.model_copy(
            update={"seed": None}
        ):
            raise ConfigError(
                expected="specialists of the same recipe, only the seed another",
                found=f"another recipe in {folder}",
                where="--seed-run",
                fix="fit the same configuration with specialists: {seed: 1} and nothing else changed",
            )
        same = theirs.model_copy(update={"mixture": config.mixture, "seed": config.seed})
        affinities.append(made_affinity(other, same))
        inputs[f"{table} of seed {len(affinities)}"] = digest
    return combine_seeds(affinities, seed=config.seed), inputs


def _probes(run: Run) -> tuple[object, ...]:
    """What seeds have in common: base model, tasks, and who answers what."""
    run.need("pool", "scores.parquet")
    scores = read_scores(run.path("scores.parquet"))
    return (
        run.finished("pool")["inputs"]["model"],
        scores.specialists,
        scores.probe_task,
        scores.probe_id,
    )
