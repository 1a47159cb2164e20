"""`mishran fit`: tasks -> specialists -> answers -> affinity -> mixture -> report, in a run directory.

Each stage is made only when its inputs, parameters or code changed, or its files are damaged. The dear
stages (specialists, pool) come first and are files; everything after them is milliseconds.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mishran.config import FitConfig, SpecialistConfig, read_config
from mishran.errors import ArtifactError, MishranError, TrainingError
from mishran.mixture import Mixture
from mishran.pipeline.facts import TaskFacts, write_facts
from mishran.pipeline.prepare import (
    Prepared,
    PreparedTask,
    overlap_warnings,
    prepare,
)
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.solve import run_affinity, run_mixture, run_report
from mishran.pipeline.stages import (
    ADAPTER,
    adapters_sha256,
    evidence_path,
    pool_part_stage,
    pool_stage,
    specialist_stage,
    task_keys,
)
from mishran.pipeline.tables import (
    read_npz,
    write_curves,
    write_divergence,
    write_npz,
    write_scores,
)
from mishran.run import TMP, Run, Stage, atomic_write
from mishran.specialists.adapters import SequentialBank, new_adapter
from mishran.specialists.fit import Evidence, fit_specialist, measure_adapter
from mishran.specialists.probe import answer_pool
from mishran.tasks.load import task_configs
from mishran.train.models import Loaded, load_model, model_commit, resolve_device, resolve_dtype
from mishran.types import DivergenceTable, ScoreTable


@dataclass(frozen=True)
class Fitted:
    """A finished run and its mixture."""

    run: Run
    mixture: Mixture


def read_fit(path: Path, run_dir: Path | None = None) -> tuple[FitConfig, Path, Run]:
    """Configuration, the folder its paths are relative to, and the run directory."""
    config = read_config(path)
    base = path.parent
    default = base / (config.run or f"runs/{path.stem}")
    run = Run(run_dir or default)
    if run.root.exists() and not run.root.is_dir():
        raise ArtifactError(
            expected="a run directory, new or to go on with",
            found="a file",
            where=str(run.root),
            fix="give another directory with --run, or with run: in the configuration",
        )
    found = run.root.iterdir() if run.root.is_dir() else ()
    names = {p.name for p in found if not p.name.startswith(TMP)} - {".lock"}
    if names and not names & {"tasks.json", "run.yaml", "manifests"}:
        raise ArtifactError(
            expected="an empty folder, or a run directory to go on with",
            found=f"a folder with other things in it ({', '.join(sorted(names)[:3])})",
            where=str(run.root),
            fix="give another directory with --run, or with run: in the configuration",
        )
    return config, base, run


def fit(
    config: str | Path,
    *,
    run_dir: Path | None = None,
    online: bool = False,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a mixture; rerunning the same call resumes.

    Args:
        config: path of `mix.yaml`.
        run_dir: where the run lives; by default `run:` of the file, else `runs/<name>` beside it.
        online: allow models and data sets from the hub.

    Raises:
        MishranError: bad input, in one line, or a specialist that failed (the others are kept).
    """
    progress = progress or Silent()
    settings, base, run = read_fit(Path(config), run_dir)
    prepared = prepare(settings, base, progress, online)
    for warning in overlap_warnings(prepared.overlap):
        progress.say(warning)
    device = resolve_device(settings.device)
    dtype = resolve_dtype(settings.dtype, device)
    kind = (device.type, str(dtype).removeprefix("torch."))

    @functools.cache
    def model() -> Loaded:
        loaded = load_model(
            settings.model,
            base,
            device=str(device),
            dtype=kind[1],
            online=online,
            revision=model_commit(settings.model, base, settings.revision),
        )
        for note in loaded.notes:
            progress.say(note)
        return loaded

    if not run.root.exists():
        check_recipe(model(), settings.specialists)  # before anything is written
    with run.locked():
        return _fit(prepared, run, str(device), kind, model, progress)


def _fit(
    prepared: Prepared,
    run: Run,
    device: str,
    kind: tuple[str, str],
    model: Callable[[], Loaded],
    progress: Progress,
) -> Fitted:
    run.sweep()
    stages = [(t, specialist_stage(prepared, t, *kind)) for t in prepared.trained]
    todo = [(t, s) for t, s in stages if run.state(s) != "done"]
    if todo:
        check_recipe(model(), prepared.config.specialists)
    facts = known_facts(prepared, {t.task.name: s for t, s in stages}, kind)
    write_run(resolved(prepared, device, kind[1]), run, facts)
    _specialists(prepared, run, todo, model, progress)
    _pool(prepared, run, facts, kind, model, progress)
    affinity = run_affinity(run, prepared.config, prepared.base, progress)
    mixture = run_mixture(run, prepared.config, affinity, progress)
    run_report(run, mixture, progress)
    return Fitted(run, mixture)


def known_facts(
    prepared: Prepared, specialists: Mapping[str, Stage], kind: tuple[str, str]
) -> tuple[TaskFacts, ...]:
    """What tasks.json says.

    Args:
        specialists: name of a task -> its stage.
        kind: device and dtype.
    """

    def of(task: PreparedTask) -> TaskFacts:
        keys = task_keys(prepared, task, specialists.get(task.task.name), *kind)
        return TaskFacts.of(task, prepared.overlap, keys)

    return tuple(map(of, prepared.tasks))


def resolved(prepared: Prepared, device: str, dtype: str) -> FitConfig:
    """The configuration with what was left open: fitting it makes the same stages."""
    config, shape = prepared.config, prepared.shape
    recipe = {
        "tokens": config.specialists.budget_tokens,
        "learning_rate": config.specialists.lora_learning_rate(shape.hidden_size),
    }
    return config.model_copy(
        update={
            "revision": model_commit(config.model, prepared.base, config.revision),
            "tasks": task_configs(config, prepared.base),
            "specialists": config.specialists.model_copy(update=recipe),
            "max_tokens": prepared.max_tokens,
            "device": device,
            "dtype": dtype,
        }
    )


_HEAD = """\
# What this run was made from, with everything that the file left open. Written by `mishran fit`, never
# read by it. Paths are relative to the folder of the original file.
"""


def write_run(config: FitConfig, run: Run, facts: Sequence[TaskFacts]) -> None:
    """run.yaml (the resolved configuration) and tasks.json (what is known of each task)."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    atomic_write(run.path("run.yaml"), _HEAD + text)
    write_facts(run, facts)


def check_recipe(model: Loaded, recipe: SpecialistConfig) -> None:
    """Put an adapter on the model and take it off again: are there such layers?

    Raises:
        ModelError: see `new_adapter`.
    """
    with new_adapter(model.model, recipe, 0, "check"):
        pass


def _specialists(
    prepared: Prepared,
    run: Run,
    todo: Sequence[tuple[PreparedTask, Stage]],
    model: Callable[[], Loaded],
    progress: Progress,
) -> None:
    recipe = prepared.config.specialists
    failed: list[MishranError] = []
    total = sum(planned_tokens(prepared, t) for t, _ in todo)
    with progress.bar("training specialists", total) as advance:
        for task, stage in todo:

            def make(folder: Path, task: PreparedTask = task) -> dict[str, Any]:
                name = task.task.name
                target = folder / "specialists" / name
                target.mkdir(parents=True)
                seed = prepared.config.seed if recipe.seed is None else recipe.seed
                common = {"seed": seed, "max_tokens": prepared.max_tokens}
                if task.adapter is not None:
                    for file in ADAPTER:
                        (target / file).write_bytes((task.adapter / file).read_bytes())
                    evidence = measure_adapter(
                        name, model(), target, task.held_out.rows, recipe, **common
                    )
                else:
                    fixed = recipe.model_copy(
                        update={
                            "learning_rate": recipe.lora_learning_rate(prepared.shape.hidden_size)
                        }
                    )
                    evidence = fit_specialist(
                        name,
                        model(),
                        task.train.rows,
                        task.held_out.rows,
                        fixed,
                        base_name=base_name(prepared),
                        folder=target,
                        on_tokens=advance,
                        **common,
                    )
                text = json.dumps(evidence.to_dict(), indent=1, ensure_ascii=False)
                (target / "evidence.json").write_text(text + "\n")
                return {}

            try:
                run.complete(stage, make, progress.say)
            except TrainingError as error:
                failed.append(error)
                progress.say(f"{error} (going on with the other tasks)")
    if failed:
        more = f" ({len(failed) - 1} more tasks failed too)" if len(failed) > 1 else ""
        first = failed[0]
        raise TrainingError(
            expected=first.expected,
            found=first.found + more,
            where=first.where,
            fix=f"{first.fix}, or remove the task; the other specialists are kept",
        )


def planned_tokens(prepared: Prepared, task: PreparedTask) -> int:
    """Training tokens of a specialist, to the nearest row."""
    if task.adapter is not None:
        return 0
    recipe = prepared.config.specialists
    return recipe.budget_tokens or round((recipe.epochs or 0) * task.train.tokens)


def base_name(prepared: Prepared) -> str:
    """What adapter_config.json calls the base: a hub name, or the name of a folder wherever it lies.

    PEFT needs no more, as the base is given to it. It is no part of the key: no number depends on it,
    and a folder may be renamed.
    """
    folder = prepared.base / prepared.config.model
    return folder.resolve().name if folder.is_dir() else prepared.config.model


def _pool(
    prepared: Prepared,
    run: Run,
    facts: Sequence[TaskFacts],
    kind: tuple[str, str],
    model: Callable[[], Loaded],
    progress: Progress,
) -> None:
    adapters = adapters_sha256(prepared, run)
    stages = [(t, pool_part_stage(prepared, t, adapters, *kind)) for t in prepared.tasks]
    todo = [(t, s) for t, s in stages if run.state(s) != "done"]
    names = [t.task.name for t in prepared.trained]
    if todo:
        bank = SequentialBank(
            model().model, {name: run.path(f"specialists/{name}") for name in names}
        )
        probes = prepared.config.probes
        with progress.bar("answering probes", sum(len(t.probes.rows) for t, _ in todo)) as advance:
            for task, stage in todo:

                def make(folder: Path, task: PreparedTask = task) -> dict[str, Any]:
                    answers = answer_pool(
                        bank,
                        model(),
                        task.probes.rows,
                        answer_tokens=probes.answer_tokens,
                        batch_size=probes.batch_size,
                        on_rows=advance,
                    )
                    write_npz(
                        folder / "pool" / f"{task.task.name}.npz",
                        nats=answers.nats,
                        base_nats=answers.base_nats,
                        tokens=answers.tokens,
                        jsd=answers.jsd,
                        ids=np.array(task.probes.ids, dtype=np.str_),
                    )
                    return {"rounding": answers.rounding}

                run.complete(stage, make, progress.say)
        bank.close()
    stage = pool_stage(prepared, run, facts)
    run.complete(stage, lambda folder: _join(prepared, run, folder), progress.say)


def _join(prepared: Prepared, run: Run, folder: Path) -> None:
    parts = [(t.task.name, read_npz(run.path(f"pool/{t.task.name}.npz"))) for t in prepared.tasks]
    specialists = tuple(t.task.name for t in prepared.trained)
    probe_task = tuple(name for name, part in parts for _ in part["ids"])
    probe_id = tuple(str(i) for _, part in parts for i in part["ids"])
    write_scores(
        folder / "scores.parquet",
        ScoreTable(
            specialists,
            probe_task,
            probe_id,
            np.concatenate([part["nats"] for _, part in parts], axis=1),
            np.concatenate([part["base_nats"] for _, part in parts]),
            np.concatenate([part["tokens"] for _, part in parts]),
        ),
    )
    write_divergence(
        folder / "divergence.npz",
        DivergenceTable(
            specialists,
            probe_task,
            probe_id,
            np.concatenate([part["jsd"] for _, part in parts]),
        ),
    )
    write_curves(folder / "curves.parquet", [read_evidence(run, name) for name in specialists])


def read_evidence(run: Run, task: str) -> Evidence:
    return Evidence.from_dict(json.loads(evidence_path(run, task).read_text()))
