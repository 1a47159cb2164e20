"""`mishran fit`: tasks -> specialists -> answers -> affinity -> mixture -> report, in a run directory.

Each stage is made only when its inputs, parameters or code changed, or its files are damaged. The dear
stages (specialists, pool) come first and are files; everything after them is milliseconds.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mishran.config import FitConfig, read_config
from mishran.errors import ArtifactError
from mishran.mixture import Mixture
from mishran.pipeline.affinities import run_affinity
from mishran.pipeline.extras import run_extras
from mishran.pipeline.facts import TaskFacts, write_facts
from mishran.pipeline.prepare import (
    Prepared,
    PreparedTask,
    overlap_warnings,
    prepare,
)
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.solve import run_mixture, run_report
from mishran.pipeline.specialists import check_recipe, plan_specialists, train_specialists
from mishran.pipeline.stages import (
    evidence_path,
    pool_part_stage,
    pool_stage,
    specialists_sha256,
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
from mishran.specialists.evidence import Evidence
from mishran.specialists.panel import Panel, panel
from mishran.specialists.probe import answer_pool, worth_compiling
from mishran.specialists.whole_panel import WholePanel
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
    if names and not names & {"base.json", "tasks.json", "run.yaml", "manifests", "waves.json"}:
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
            quantize=settings.quantize,
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
    plan = plan_specialists(prepared, run, kind, model)
    facts = known_facts(prepared, plan.stages, kind)
    write_run(resolved(prepared, device, kind[1]), run, facts, prepared.base)
    train_specialists(prepared, run, plan, model, progress)
    _pool(prepared, run, facts, kind, model, progress)
    run_extras(prepared, run, facts, kind, model, lambda: _panel(prepared, run, model()), progress)
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
        "learning_rate": config.specialists.peak_learning_rate(shape.hidden_size),
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


def write_run(config: FitConfig, run: Run, facts: Sequence[TaskFacts], base: Path) -> None:
    """run.yaml (the resolved configuration), base.json (the folder that its paths are relative to, seen
    from the run) and tasks.json (what is known of each task)."""
    where = Path(os.path.relpath(base.resolve(), run.root.resolve())).as_posix()
    atomic_write(run.path("base.json"), json.dumps({"base": where}) + "\n")
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    atomic_write(run.path("run.yaml"), _HEAD + text)
    write_facts(run, facts)


def _pool(
    prepared: Prepared,
    run: Run,
    facts: Sequence[TaskFacts],
    kind: tuple[str, str],
    model: Callable[[], Loaded],
    progress: Progress,
) -> None:
    answerers = specialists_sha256(prepared, run)
    stages = [(t, pool_part_stage(prepared, t, answerers, *kind)) for t in prepared.tasks]
    todo = [(t, s) for t, s in stages if run.state(s) != "done"]
    if todo:
        asked = _panel(prepared, run, model())
        probes = prepared.config.probes
        # Of all tasks, so that a run that goes on computes as it began.
        fused = worth_compiling(
            (row for t in prepared.tasks for row in t.probes.rows),
            probes.answer_tokens,
            len(prepared.trained),
            model().model.get_output_embeddings().weight.shape[0],
        )
        with progress.bar("answering probes", sum(len(t.probes.rows) for t, _ in todo)) as advance:
            for task, stage in todo:

                def make(folder: Path, task: PreparedTask = task) -> dict[str, Any]:
                    answers = answer_pool(
                        asked,
                        model(),
                        task.probes.rows,
                        answer_tokens=probes.answer_tokens,
                        fused=fused,
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
        asked.close()
    stage = pool_stage(prepared, run, facts)
    run.complete(stage, lambda folder: _join(prepared, run, folder), progress.say)


def _panel(prepared: Prepared, run: Run, loaded: Loaded) -> Panel:
    """Everybody who answers."""
    names = [t.task.name for t in prepared.trained]
    folders = {name: run.path(f"specialists/{name}") for name in names}
    full = prepared.config.specialists.kind == "full"
    return WholePanel(loaded.model, folders) if full else panel(loaded.model, folders)


def _join(prepared: Prepared, run: Run, folder: Path) -> None:
    specialists = tuple(t.task.name for t in prepared.trained)
    n, m = len(specialists), sum(len(t.probes.ids) for t in prepared.tasks)
    # With many specialists these are gigabytes, so no more than one part lies beside the whole.
    jsd = np.empty((m, n * (n - 1) // 2), dtype=np.float32)
    parts: list[tuple[str, dict[str, np.ndarray]]] = []
    end = 0
    for t in prepared.tasks:
        part = read_npz(run.path(f"pool/{t.task.name}.npz"))
        start, end = end, end + len(part["ids"])
        jsd[start:end] = part.pop("jsd")
        parts.append((t.task.name, part))
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
        folder / "divergence.npz", DivergenceTable(specialists, probe_task, probe_id, jsd)
    )
    write_curves(folder / "curves.parquet", [read_evidence(run, name) for name in specialists])


def read_evidence(run: Run, task: str) -> Evidence:
    return Evidence.from_dict(json.loads(evidence_path(run, task).read_text()))
