"""`mishran corpus clean`: raw text -> clean text, with the accounts of everything that was dropped.

Two stages of a run directory: `models` (what is learned from seed text) and `corpus` (clean documents,
dropped ones on request, accounts). The passes of the second work in `work/`, shard by shard with marks of
what is done; killed anywhere, the same command goes on. `work/` goes when the stage is done.
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mishran.config import read_config
from mishran.config_corpus import CorpusConfig
from mishran.corpus.accounts import Accounts, merged
from mishran.corpus.executors import Pass, completed
from mishran.corpus.files import input_files
from mishran.corpus.passes import Work
from mishran.corpus.steps import Models, step_names
from mishran.errors import ArtifactError, DataError
from mishran.pipeline.corpus_inputs import Inputs, find_inputs
from mishran.pipeline.corpus_models import check_rules, make_models, model_files, model_inputs
from mishran.pipeline.corpus_result import Cleaned, open_corpus
from mishran.pipeline.corpus_tokens import TokenCounter, token_counter
from mishran.pipeline.corpus_worker import Task, run_pass
from mishran.pipeline.progress import Progress, Silent
from mishran.report.corpus import render_corpus
from mishran.run import (
    Run,
    Stage,
    atomic_write,
    canonical_json,
    sha256_file,
    sha256_value,
    storage_errors,
)

# Raised whenever the code of a stage changes what it writes.
MODELS = 2
CORPUS = 2
NOTE = "_README"  # no source can be called so, and readers of Parquet folders pass over it
OURS = ".corpus"  # says that a folder is of cleanings, from the first one's beginning
# What a cleaning puts into its folder, and replaces there.
_REPLACED = (
    "clean",
    "dropped",
    "models",
    "work",
    "corpus.json",
    "recipe.yaml",
    "report.html",
)
# Packages whose code decides what the result is.
_DECIDE = (
    "datatrove",
    "ftfy",
    "indic-nlp-library",
    "numba",
    "numpy",
    "pyarrow",
    "regex",
    "scikit-learn",
    "tokenizers",
    "trafilatura",
)


ABOUT = ("sha256", "packed", "unpacked", "problem")  # of a file, in corpus.json


@dataclass(frozen=True)
class Planned:
    """What would be cleaned: the configuration, its files, and where the result goes.

    seeds: sha256 of every file that something is learned from. count: of tokens, if they are counted.
    """

    config: CorpusConfig
    inputs: Inputs
    seeds: dict[str, str]
    count: TokenCounter | None
    folder: Path


@dataclass(frozen=True)
class Submitted:
    """Jobs of a cluster that do the work; the same command collects the result when they are done."""

    folder: Path
    jobs: tuple[str, ...]


def plan_corpus(
    path: str | Path, run: str | Path | None = None, progress: Progress | None = None
) -> Planned:
    """Read a recipe and look at its files.

    Raises:
        MishranError: a recipe or files that cannot be used.
    """
    path = Path(path)
    config: CorpusConfig = read_config(path, CorpusConfig)
    check_rules(config, str(path))
    base = path.resolve().parent
    folder = Path(run) if run is not None else base / config.run
    seeds = model_inputs(config, base)
    count = token_counter(config.tokenizer, base) if config.tokenizer is not None else None
    inputs = find_inputs(config, base, progress or Silent())
    return Planned(config, inputs, seeds, count, folder)


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
    _check_folder(planned, base)
    place = Run(planned.folder)
    with place.locked():
        atomic_write(place.path(OURS), "")
        models = _models_stage(planned)
        stage = _corpus_stage(planned, models, base)
        work = Work(place.path(f"work/{stage.key[:16]}"))
        task = Task(
            config, planned.inputs.shards, Models(place.path("models")), work, planned.count
        )
        if not _submitted(place, task):  # jobs of a cluster have temporary files, too, and no lock
            place.sweep()
        made = place.complete(
            models,
            lambda folder: make_models(config, base, folder / "models", progress),
            progress.say,
        )
        if place.state(stage) != "done":
            made = True
            _forget(place.path("work"), keep=work.folder.name)
            jobs = _run(task, config, progress)
            if jobs is not None:
                return Submitted(planned.folder, jobs)
            place.complete(
                stage,
                lambda folder: _collect(work, task.models, folder, planned, stage),
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


def _check_folder(planned: Planned, base: Path) -> None:
    """Nothing if nobody's files are lost when the result is put into its folder.

    Raises:
        ArtifactError: what lies there is no result of ours, or what is read lies among the result.
    """
    folder = planned.folder
    if not (folder / OURS).exists():  # no cleaning has ever been here
        for name in _REPLACED:
            if (folder / name).exists():
                raise ArtifactError(
                    expected="a folder that is empty, or has a result of an earlier cleaning",
                    found=f"{name}, which no cleaning has put there",
                    where=str(folder),
                    fix="name another folder in run:, or with --run",
                )
    places = [(folder / name).resolve() for name in _REPLACED]
    read = [(f"source {source!r}", Path(file.path)) for source, file in planned.inputs.files]
    read += [(w, path) for w, n in model_files(planned.config) for path in input_files(base / n, w)]
    if planned.config.tokenizer is not None:
        read.append(("tokenizer", base / planned.config.tokenizer))
    for what, path in read:
        if any(path.resolve().is_relative_to(place) for place in places):
            raise ArtifactError(
                expected="input outside of what the result replaces",
                found=str(path),
                where=what,
                fix="move it, or name another folder in run:",
            )


def _submitted(place: Run, task: Task) -> bool:
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


def _missing(task: Task) -> list[Pass]:
    return [one for one in task.passes() if len(completed(one, task.work.logs)) < one.tasks]


def _models_stage(planned: Planned) -> Stage:
    config = planned.config
    params = {
        name: config.model_dump(mode="json")[name]
        for name in ("languages", "mixing", "gibberish", "decontaminate", "facts", "seed")
    }
    for language in params["languages"].values():
        language.pop("rules")  # of no concern to what is learned
        if not config.gibberish:  # only bounds for gibberish are learned of what is kept alone
            language.pop("keep")
    if params["facts"] is not None:
        for seeds in params["facts"]["languages"].values():
            seeds.pop("minimum")
    params["packages"] = _versions()
    return Stage("models", MODELS, params, planned.seeds, ("models/",))


def _corpus_stage(planned: Planned, models: Stage, base: Path) -> Stage:
    params = planned.config.model_dump(mode="json", exclude={"run", "where"})
    params["packages"] = _versions()
    inputs = {f"{source}/{file.name}": file.sha256 for source, file in planned.inputs.files}
    inputs["order"] = sha256_value([f"{s}/{file.name}" for s, file in planned.inputs.files])
    inputs["models"] = models.key
    if planned.config.tokenizer is not None:
        folder = (base / planned.config.tokenizer).resolve()
        inputs["tokenizer"] = sha256_file(folder / "tokenizer.json")
    outputs = ("clean/", "corpus.json") + (("dropped/",) if planned.config.dropped else ())
    return Stage("corpus", CORPUS, params, inputs, outputs)


def _versions() -> dict[str, str]:
    found = {"unicode": unicodedata.unidata_version}
    for name in _DECIDE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def _run(task: Task, config: CorpusConfig, progress: Progress) -> tuple[str, ...] | None:
    """Every pass; the numbers of jobs where a cluster does them and is not done."""
    from mishran.corpus.executors import run_ray

    work, where = task.work, config.where
    passes = task.passes()
    if where.kind == "slurm":
        missing = _missing(task)
        return _submit(missing, work, config) if missing else None
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = where.workers or able or 1
    for one in passes:
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


def _submit(passes: list[Pass], work: Work, config: CorpusConfig) -> tuple[str, ...]:
    from mishran.corpus.executors import submit_slurm

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
    for job in submit_slurm(passes, work.logs, config.where):
        jobs.append(job)
        atomic_write(marks, json.dumps(jobs))  # at once: the next one may be refused
    return tuple(jobs)


def _collect(work: Work, models: Models, folder: Path, planned: Planned, stage: Stage) -> None:
    """Result and accounts of a finished work, into the folder of the stage."""
    parts = [
        Accounts.from_dict(json.loads(path.read_text()))
        for path in sorted(work.accounts.rglob("*.json"))
    ]
    accounts = merged(parts)
    accounts.check()
    _link(work.clean, folder / "clean")
    (folder / "clean").mkdir(exist_ok=True)
    for source in planned.config.sources:  # a source of which nothing is left has a folder, too
        (folder / "clean" / source.name).mkdir(exist_ok=True)
    if planned.config.dropped:
        _link(work.dropped, folder / "dropped")
        (folder / "dropped").mkdir(exist_ok=True)
        (folder / "dropped" / NOTE).write_text("Dropped documents, with step and reason.\n")
    (folder / "clean" / NOTE).write_text(
        "Clean documents: a folder for each source; corpus.json has the accounts.\n"
    )
    facts = {
        "accounts": accounts.as_dict(),
        "files": [
            {"source": source, "path": file.name, **{name: getattr(file, name) for name in ABOUT}}
            for source, file in planned.inputs.files
        ],
        "problems": list(planned.inputs.problems),
        "others": list(planned.inputs.others),
        "sources": [
            {"source": one.name, "provenance": one.provenance, "license": one.license}
            for one in planned.config.sources
        ],
        "packages": stage.params["packages"],
        "tokens": planned.config.tokenizer is not None,
        "steps": list(step_names(planned.config)),
        "checks": json.loads((models.folder / "checks.json").read_text(encoding="utf-8")),
    }
    (folder / "corpus.json").write_text(
        json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _link(source: Path, target: Path) -> None:
    """The same files in another place, without copying where the file system can."""
    if not source.is_dir():
        return
    for path in sorted(source.rglob("*.parquet")):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)


def _forget(folder: Path, keep: str) -> None:
    """Remove work of other recipes; what is kept is gone on with."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)


def _recipe(config: CorpusConfig) -> str:
    import yaml

    return yaml.safe_dump(
        json.loads(canonical_json(config.model_dump(mode="json"))),
        sort_keys=False,
        allow_unicode=True,
    )
