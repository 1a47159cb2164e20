"""Where passes over the shards run: this machine, Slurm, Ray. The executors are datatrove's.

A pass is a list of pipeline steps and a number of tasks; passes depend on each other in order. Each keeps
completion marks, so that the same command goes on where it was, and where it was on another executor.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from mishran.config_corpus import WhereConfig
from mishran.errors import ConfigError, DependencyError, first_line


@dataclass(frozen=True)
class Pass:
    """One pass: a name, its steps, and how many tasks it has (shards, or buckets of hashes)."""

    name: str
    steps: list[PipelineStep]
    tasks: int


class Local(LocalPipelineExecutor):
    """datatrove's executor for one task at a time, in this process.

    Its pool of processes is not used: it waits for ever for a worker that was killed, and a script that
    calls it without `if __name__ == "__main__"` never ends. `mishran.engine` starts the processes instead.
    """

    def run_task(self, rank: int) -> None:
        """One task, unless its completion mark is there."""
        logger.disable("datatrove")  # what matters is in the accounts
        with contextlib.redirect_stderr(io.StringIO()):  # its bars
            self._run_for_rank(rank)


def run_task(one: Pass, rank: int, logs: Path) -> None:
    """One task of a pass, here."""
    Local(list(one.steps), one.tasks, 1, str(logs / one.name)).run_task(rank)


def completed(one: Pass, logs: Path) -> set[int]:
    """The tasks of a pass that are done."""
    folder = logs / one.name / "completions"
    return {int(path.name) for path in folder.iterdir()} if folder.is_dir() else set()


def submit_slurm(passes: Sequence[Pass], logs: Path, where: WhereConfig) -> Iterator[str]:
    """Passes as jobs of Slurm that wait for each other; gives the number of each once it is submitted.

    Raises:
        ConfigError: there is no Slurm here, or it refuses a job.
    """
    from datatrove.executor.slurm import SlurmPipelineExecutor

    if shutil.which("sbatch") is None:
        raise _refused("no command sbatch", "run it where jobs are submitted, or use kind: local")
    logger.disable("datatrove")
    last: Any = None
    for one in passes:
        last = SlurmPipelineExecutor(
            list(one.steps),
            tasks=one.tasks,
            time=where.time,
            partition=where.partition,
            workers=where.workers or -1,
            mem_per_cpu_gb=where.memory_gb,
            job_name=f"mishran-{one.name}",
            sbatch_args=dict(where.options),
            logging_dir=str(logs / one.name),
            slurm_logs_folder=str(logs / one.name / "slurm"),
            depends=last,
            mail_type="NONE",
        )
        try:
            last.run()
        except Exception as error:  # sbatch's exit code, as subprocess puts it
            if last.job_id:  # refused was only the job after it, which sums up its log
                yield str(last.job_id)
            raise _refused(
                first_line(error), "see `where:` in the recipe, and sbatch's words"
            ) from error
        yield str(last.job_id)


def _refused(found: str, fix: str) -> ConfigError:
    return ConfigError(expected="a Slurm that takes jobs", found=found, where="where", fix=fix)


def run_ray(one: Pass, logs: Path, where: WhereConfig) -> None:
    """A pass on the Ray cluster that this process is connected to (or starts on this machine).

    Raises:
        DependencyError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise DependencyError(
            expected="the package ray, for where: {kind: ray}",
            found="it is not installed",
            fix='pip install "ray[default]", or use kind: local',
        ) from error
    from datatrove.executor.ray import RayPipelineExecutor

    logger.disable("datatrove")
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False)
    RayPipelineExecutor(
        list(one.steps),
        tasks=one.tasks,
        workers=where.workers or -1,
        mem_per_cpu_gb=where.memory_gb,
        logging_dir=str(logs / one.name),
    ).run()
