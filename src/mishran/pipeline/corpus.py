"""`mishran corpus clean`: raw text -> clean text, with the accounts of everything that was dropped.

Two stages of a run directory: `models` (what is learned from seed text) and `corpus` (clean documents,
dropped ones on request, accounts). The passes of the second work in `work/`, shard by shard with marks of
what is done; killed anywhere, the same command goes on. `work/` goes when the stage is done.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from mishran.config_corpus import CorpusConfig
from mishran.corpus.passes import Work
from mishran.corpus.steps import Models
from mishran.pipeline.corpus_collect import collect
from mishran.pipeline.corpus_models import make_models
from mishran.pipeline.corpus_plan import OURS, check_folder, corpus_stage, models_stage, plan_corpus
from mishran.pipeline.corpus_result import Cleaned, open_corpus
from mishran.pipeline.corpus_run import forget, run_passes, submitted
from mishran.pipeline.corpus_worker import Task
from mishran.pipeline.progress import Progress, Silent
from mishran.report.corpus import render_corpus
from mishran.run import Run, atomic_write, canonical_json


@dataclass(frozen=True)
class Submitted:
    """Jobs of a cluster that do the work; the same command collects the result when they are done."""

    folder: Path
    jobs: tuple[str, ...]


def clean_corpus(
    path: str | Path, run: str | Path | None = None, progress: Progress | None = None
) -> Cleaned | Submitted:
    """Clean what a recipe names; run again, it goes on where it was.

    Args:
        path: the recipe, see `docs/reference/corpus.md`.
        run: folder of the result instead of the recipe's.

    Raises:
        MishranError: bad input; one line that says what to do.
    """
    progress = progress or Silent()
    planned = plan_corpus(path, run, progress)
    config, base = planned.config, Path(path).resolve().parent
    for line in (*planned.inputs.problems, *planned.inputs.others):
        progress.say(line)
    check_folder(planned, base)
    place = Run(planned.folder)
    with place.locked():
        atomic_write(place.path(OURS), "")
        models = models_stage(planned)
        stage = corpus_stage(planned, models, base)
        work = Work(place.path(f"work/{stage.key[:16]}"))
        task = Task(
            config, planned.inputs.shards, Models(place.path("models")), work, planned.count
        )
        if not submitted(place, task):  # jobs of a cluster have temporary files, too, and no lock
            place.sweep()
        made = place.complete(
            models,
            lambda folder: make_models(config, base, folder / "models", progress),
            progress.say,
        )
        if place.state(stage) != "done":
            made = True
            forget(place.path("work"), keep=work.folder.name)
            jobs = run_passes(task, progress)
            if jobs is not None:
                return Submitted(planned.folder, jobs)
            place.complete(
                stage,
                lambda folder: collect(work, task.models, folder, planned, stage),
                progress.say,
            )
        shutil.rmtree(place.path("work"), ignore_errors=True)
        if not config.dropped:  # of an earlier recipe
            shutil.rmtree(place.path("dropped"), ignore_errors=True)
        atomic_write(place.path("recipe.yaml"), _recipe(config))
        done = open_corpus(planned.folder, made)
        page = render_corpus(done.facts, planned.folder.resolve().name)
        atomic_write(place.path("report.html"), page)
    return done


def _recipe(config: CorpusConfig) -> str:
    import yaml

    return yaml.safe_dump(
        json.loads(canonical_json(config.model_dump(mode="json"))),
        sort_keys=False,
        allow_unicode=True,
    )
