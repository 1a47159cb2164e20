"""One of the processes that clean a corpus: told recipe and shards once, then one task after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mishran.config import parse_config
from mishran.config_corpus import CorpusConfig
from mishran.corpus.executors import Pass, completed, run_task
from mishran.corpus.files import Shard
from mishran.corpus.passes import PER_SHARD, Work, plan_passes
from mishran.corpus.steps import Models
from mishran.engine.local import run_jobs, serve
from mishran.errors import DataError
from mishran.pipeline.corpus_tokens import TokenCounter
from mishran.pipeline.progress import Progress
from mishran.quiet import quiet_libraries
from mishran.run import storage_errors

# Bytes of input for which a process is worth starting in a pass over duplicates; assumption.
WORTH = 2**25


@dataclass(frozen=True)
class Task:
    """All that a process has to know, as values that travel as JSON."""

    config: CorpusConfig
    shards: tuple[Shard, ...]
    models: Models
    work: Work
    count: TokenCounter | None

    def passes(self, report: Callable[[float], None] | None = None) -> list[Pass]:
        return plan_passes(self.config, self.shards, self.models, self.work, self.count, report)

    def as_dict(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(mode="json"),
            "shards": [asdict(shard) for shard in self.shards],
            "models": str(self.models.folder),
            "work": str(self.work.folder),
            "tokenizer": self.count.folder if self.count is not None else None,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Task:
        return cls(
            parse_config(data["config"], "recipe", CorpusConfig),
            tuple(Shard(**shard) for shard in data["shards"]),
            Models(Path(data["models"])),
            Work(Path(data["work"])),
            TokenCounter(data["tokenizer"]) if data["tokenizer"] is not None else None,
        )


def run_pass(task: Task, one: Pass, workers: int, progress: Progress) -> None:
    """The tasks of a pass that are not done, in so many processes; in this one where it is one.

    Raises:
        DataError: a task failed; the others are done all the same.
    """
    logs = task.work.logs
    missing = sorted(set(range(one.tasks)) - completed(one, logs))
    in_bytes = one.name == "clean"
    total = sum(task.shards[rank].size for rank in missing) if in_bytes else len(missing)
    if not in_bytes:  # seconds for each of them to start, for a hundredth of the work
        workers = min(workers, 1 + sum(shard.size for shard in task.shards) // WORTH)
    failed: list[tuple[int, str]] = []
    with progress.bar(one.name, total, "B" if in_bytes else "") as advance:
        jobs = [[one.name, rank] for rank in missing]
        told = advance if in_bytes else (lambda amount: None)
        if min(workers, len(missing)) == 1:
            for job in jobs:
                _work(task, job, told)
                advance(0 if in_bytes else 1)
            return
        answers = run_jobs(__name__, task.as_dict(), jobs, workers, on_progress=told)
        for done in answers:
            if done.failed:
                failed.append((missing[done.index], done.failed))
            if not in_bytes:
                advance(1)
    if failed:
        rank, why = min(failed)
        shard = task.shards[rank] if one.name in PER_SHARD else None
        raise DataError(
            expected=f"pass {one.name!r} to end",
            found=f"{len(failed)} of {one.tasks} tasks that failed, the first: {why}",
            where=f"{shard.path}, from line {shard.line + 1}" if shard else str(task.work.folder),
            fix="with the cause removed, the same command goes on with what is missing",
        )


def _begin(setup: dict[str, Any]) -> Task:
    quiet_libraries()
    return Task.from_dict(setup)


def _work(task: Task, job: list[Any], report: Callable[[float], None]) -> None:
    name, rank = job
    one = next(p for p in task.passes(report) if p.name == name)
    with storage_errors(task.work.folder):
        run_task(one, rank, task.work.logs)


if __name__ == "__main__":
    serve(_begin, _work)
