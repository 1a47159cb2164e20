"""The affinity of a run: made of its tables or read from a file of the user's, and kept as a stage.

No torch, no model, no data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mishran.affinity import gradient_affinity, jsd_affinity, pmi_affinity, read_matrix
from mishran.config import FitConfig
from mishran.errors import ConfigError
from mishran.pipeline.facts import read_facts
from mishran.pipeline.progress import Progress
from mishran.pipeline.stages import STAGES, TABLES, affinity_stage, matrix_stage, measured
from mishran.pipeline.tables import (
    read_affinity,
    read_divergence,
    read_gradients,
    read_scores,
    write_affinity,
)
from mishran.run import Run, Stage, sha256_file
from mishran.types import Affinity

KINDS = tuple(TABLES)


def run_affinity(run: Run, config: FitConfig, base: Path, progress: Progress) -> Affinity:
    """Make or read the affinity that the configuration asks for.

    Raises:
        ConfigError: the user's matrix is not over the tasks of the run.
    """
    names = [f.name for f in read_facts(run) if not f.eval_only]
    kind, stage = stage_of(run, config, base, names)

    def make(folder: Path) -> None:
        if kind == "matrix":
            found = matrix_over(names, matrix_path(base, config.mixture.affinity))
        else:
            found = made_affinity(run, config)
        write_affinity(folder / f"affinity-{kind}.npz", found)

    run.complete(stage, make, progress.say)
    return read_affinity(run.path(f"affinity-{kind}.npz"))


def made_affinity(run: Run, config: FitConfig) -> Affinity:
    """The affinity that the configuration asks for, from the tables.

    Raises:
        ArtifactError: a table is not as it was written.
    """
    settings, name = config.mixture, TABLES[config.mixture.affinity]
    measured(run, name)
    run.need(STAGES[name], name)
    if settings.affinity.startswith("gradient-"):
        variant = settings.affinity.removeprefix("gradient-")
        return gradient_affinity(
            read_gradients(run.path(name)), variant, settings.replicas, config.seed
        )
    if settings.affinity == "jsd":
        table = read_divergence(run.path(name))
        return jsd_affinity(table, settings.replicas, config.seed)
    scores, variant = read_scores(run.path(name)), settings.affinity.removeprefix("pmi-")
    return pmi_affinity(scores, variant, settings.replicas, config.seed)


def affinity_file(affinity: Affinity) -> dict[str, str]:
    """Name and sha256 of the file that an affinity makes, without making it in a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"affinity-{affinity.kind}.npz"
        write_affinity(path, affinity)
        return {path.name: sha256_file(path)}


def stage_of(run: Run, config: FitConfig, base: Path, names: Sequence[str]) -> tuple[str, Stage]:
    settings = config.mixture
    if settings.affinity in KINDS:
        kind = settings.affinity
        return kind, affinity_stage(run, kind, settings.replicas, config.seed)
    return "matrix", matrix_stage(matrix_path(base, settings.affinity), names)


def matrix_path(base: Path, affinity: str) -> Path:
    """Where the user's own matrix is.

    Raises:
        ConfigError: neither the name of an affinity nor a file.
    """
    path = base / affinity
    if not path.is_file():
        raise ConfigError(
            expected=f"an affinity: {', '.join(KINDS)}, or a CSV file",
            found=f"{affinity!r}, and no such file",
            where="mixture.affinity",
            fix="check the name, or the path relative to the configuration file",
        )
    return path


def matrix_over(names: Sequence[str], path: Path) -> Affinity:
    """The user's matrix over exactly these tasks, in their order.

    Raises:
        ConfigError: a task without a row, or a row without a task. DataError: see `read_matrix`.
    """
    affinity = read_matrix(path)
    strange = [n for n in names if n not in affinity.names]
    extra = [n for n in affinity.names if n not in names]
    if strange or extra:
        raise ConfigError(
            expected="a matrix over the tasks of this mixture",
            found=f"no row for {strange[0]!r}" if strange else f"a row for {extra[0]!r}",
            where=str(path),
            fix=f"give rows and columns for: {', '.join(names[:8])}{', ...' * (len(names) > 8)}",
        )
    index = [affinity.names.index(n) for n in names]
    n = len(names)
    return Affinity(
        tuple(names),
        affinity.matrix[np.ix_(index, index)],
        "matrix",
        np.empty((0, n, n)),
        affinity.repairs,
    )
