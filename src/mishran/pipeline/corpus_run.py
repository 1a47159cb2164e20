"""The passes over a corpus, one after another, where the recipe says: this machine, Slurm, Ray."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from mishran.corpus.executors import Pass, completed, run_ray, submit_slurm
from mishran.errors import ArtifactError, DataError
from mishran.pipeline.corpus_worker import Task, run_pass
from mishran.pipeline.progress import Progress
from mishran.run import Run, atomic_write, storage_errors


def run_passes(task: Task, progress: Progress) -> tuple[str, ...] | None:
    """Every pass; the numbers of jobs where a cluster does them and is not done."""
    work, where = task.work, task.config.where
    if where.kind == "slurm":
        missing = _missing(task)
        return _submit(missing, task) if missing else None
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = where.workers or able or 1
    for one in task.passes():
        if len(completed(one, work.logs)) == one.tasks:
            continue
        with storage_errors(work.folder):
            if where.kind == "ray":
                with progress.bar(one.name, one.tasks):
                    run_ray(one, work.logs, where)
            else:
                run_pass(task, one, workers, progress)
        left = one.tasks - len(completed(one, work.logs))
        if left:  # Ray's executor says so in its log only
            raise DataError(
                expected=f"pass {one.name!r} to end",
                found=f"{left} of {one.tasks} tasks that did not",
                where=str(work.logs / one.name),
                fix="the logs there say why; with the cause removed, the same command goes on",
            )
    return None


def _missing(task: Task) -> list[Pass]:
    return [one for one in task.passes() if len(completed(one, task.work.logs)) < one.tasks]


def _submit(passes: list[Pass], task: Task) -> tuple[str, ...]:
    work = task.work
    marks = work.folder / "jobs.json"
    if marks.is_file():
        raise ArtifactError(
            expected="jobs that are done",
            found=f"jobs {', '.join(json.loads(marks.read_text()))}, submitted and not done",
            where=str(marks),
            fix="wait for them (squeue), or delete that file to submit what is missing again",
        )
    work.folder.mkdir(parents=True, exist_ok=True)
    jobs: list[str] = []
    for job in submit_slurm(passes, work.logs, task.config.where):
        jobs.append(job)
        atomic_write(marks, json.dumps(jobs))  # at once: the next one may be refused
    return tuple(jobs)


def submitted(place: Run, task: Task) -> bool:
    """Whether jobs of a cluster are at this very work.

    Raises:
        ArtifactError: they are at other work in this folder, or this one is to be done elsewhere now.
    """
    for marks in sorted(place.path("work").glob("*/jobs.json")):
        same = marks.parent == task.work.folder
        if not same or (task.config.where.kind != "slurm" and _missing(task)):
            raise ArtifactError(
                expected="no other work in this folder while jobs are at it",
                found=f"jobs {', '.join(json.loads(marks.read_text()))} of "
                + ("this recipe" if same else "another recipe"),
                where=str(marks),
                fix="wait for them, or cancel them (scancel) and delete that file; or name another "
                "folder with --run",
            )
        return True
    return False


def forget(folder: Path, keep: str) -> None:
    """Remove work of other recipes; what is kept is gone on with."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
