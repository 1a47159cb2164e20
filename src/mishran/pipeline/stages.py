"""What a run consists of: every stage with the content that decides it.

The list is made before anything runs, so that `--plan` and `status` see the same stages as `fit`. A
stage whose inputs are not made yet has no key yet; it is made when its inputs are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mishran.errors import ArtifactError
from mishran.mixture import Mixture
from mishran.pipeline.facts import TaskFacts, measured_keys
from mishran.run import Run, Stage, sha256_file, sha256_value

if TYPE_CHECKING:  # the real import would load torch
    from mishran.pipeline.prepare import Prepared, PreparedTask

# Raised whenever the code of a stage changes what it writes.
SPECIALIST = 4
POOL_PART = 4
POOL = 2
EXTRA = 2
AFFINITY = 2
MIXTURE = 4
REPORT = 5

# Affinity -> the table that it is made from.
TABLES = {
    "jsd": "divergence.npz",
    "pmi-mean": "scores.parquet",
    "pmi-sum": "scores.parquet",
    "pmi-base": "scores.parquet",
    "gradient-kernel": "gradients.npz",
    "gradient-cosine": "gradients.npz",
    "gradient-centred": "gradients.npz",
}
# Table -> the stage that writes it.
STAGES = {
    "divergence.npz": "pool",
    "scores.parquet": "pool",
    "curves.parquet": "pool",
    "gradients.npz": "gradients",
    "embeddings.npz": "embeddings",
    "distributions.npz": "distributions",
}
CURVE = "curve.npz"  # of a specialist: every held-out example at every point of its curve
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
# Kind of specialists -> the files that answer.
WEIGHTS = {"lora": ADAPTER, "full": ("model.safetensors",)}


def specialist_stage(
    prepared: Prepared, task: PreparedTask, device: str, dtype: str, wave: str | None = None
) -> Stage:
    """Weights, evidence and curve of one task.

    Args:
        wave: the name of those it is trained with; None while that is not known.
    """
    config = prepared.config
    inputs = {"model": prepared.model_sha256, "held_out": task.held_out.sha256}
    recipe: dict[str, Any] = {}
    if task.adapter is not None:
        inputs["adapter"] = sha256_value([sha256_file(task.adapter / f) for f in ADAPTER])
    else:
        inputs["train"] = task.train.sha256
        recipe = config.specialists.model_dump(mode="json", exclude={"tokens", "seed"})
        if config.specialists.seed is not None:
            recipe["seed"] = config.specialists.seed
        recipe["tokens"] = config.specialists.budget_tokens
        recipe["learning_rate"] = config.specialists.peak_learning_rate(prepared.shape.hidden_size)
    name = task.task.name
    return Stage(
        name=f"specialists/{name}",
        version=SPECIALIST,
        params={
            "recipe": recipe,
            "seed": config.seed,
            "max_tokens": prepared.max_tokens,
            "device": device,
            "dtype": dtype,
            **({} if wave is None else {"wave": wave}),
        },
        inputs=inputs,
        outputs=(f"specialists/{name}/",),
    )


def task_keys(
    prepared: Prepared, task: PreparedTask, specialist: Stage | None, device: str, dtype: str
) -> dict[str, str]:
    """What measuring a task depends on, known before anything is measured.

    content: its rows. answers: its probes and how they are asked. specialist: key of that stage.
    """
    train = specialist.inputs.get("train") if specialist else None  # hashing all rows takes a while
    rows = [train or task.train.sha256, task.held_out.sha256, task.probes.sha256]
    keys = {
        "content": sha256_value(rows),
        "answers": pool_part_stage(prepared, task, {}, device, dtype).key,
    }
    return keys | ({"specialist": specialist.key} if specialist else {})


def specialists_sha256(prepared: Prepared, run: Run) -> dict[str, str]:
    """Who answers the pool; needs all specialists."""
    found = {}
    files = WEIGHTS[prepared.config.specialists.kind]
    for t in prepared.trained:
        folder = f"specialists/{t.task.name}"
        outputs = run.outputs(folder)
        found[f"specialist {t.task.name}"] = sha256_value(
            [outputs.get(f"{folder}/{f}") for f in files]
        )
    return found


def pool_part_stage(
    prepared: Prepared, task: PreparedTask, answerers: dict[str, str], device: str, dtype: str
) -> Stage:
    """Everybody's answers to the probes of one task."""
    probes = prepared.config.probes
    inputs = {"model": prepared.model_sha256, "probes": task.probes.sha256, **answerers}
    name = task.task.name
    return Stage(
        name=f"pool/{name}",
        version=POOL_PART,
        params={
            "answer_tokens": probes.answer_tokens,
            "device": device,
            "dtype": dtype,
            "order": [t.task.name for t in prepared.trained],
            "ids": list(task.probes.ids),
        },
        inputs=inputs,
        outputs=(f"pool/{name}.npz",),
    )


def pool_stage(prepared: Prepared, run: Run, facts: Sequence[TaskFacts]) -> Stage:
    """scores.parquet, divergence.npz and curves.parquet, put together from the parts."""
    inputs = {"model": prepared.model_sha256}
    for t in prepared.tasks:
        inputs[f"pool {t.task.name}"] = sha256_value(run.outputs(f"pool/{t.task.name}"))
    for t in prepared.trained:
        folder = f"specialists/{t.task.name}"
        inputs[f"evidence {t.task.name}"] = run.outputs(folder)[f"{folder}/evidence.json"]
    return Stage(
        name="pool",
        version=POOL,
        params=measured_keys(facts),
        inputs=inputs,
        outputs=("scores.parquet", "divergence.npz", "curves.parquet"),
    )


def extra_stage(
    prepared: Prepared,
    facts: Sequence[TaskFacts],
    name: str,
    params: dict[str, Any],
    answerers: dict[str, str],
    device: str,
    dtype: str,
) -> Stage:
    """A file that is measured on all probes beside the tables: `<name>.npz`.

    Args:
        answerers: who answers, where it is not the base alone (see `specialists_sha256`).
    """
    common = {
        "seed": prepared.config.seed,
        "device": device,
        "dtype": dtype,
        "contents": contents(measured_keys(facts)["keys"]),
        "trained": [t.task.name for t in prepared.trained],
    }
    return Stage(
        name=name,
        version=EXTRA,
        params={**params, **common},
        inputs={"model": prepared.model_sha256, **answerers},
        outputs=(f"{name}.npz",),
    )


def contents(keys: dict[str, dict[str, str]]) -> dict[str, str]:
    """Task -> key of its rows, of what `measured_keys` says."""
    return {task: own["content"] for task, own in keys.items()}


def measured(run: Run, table: str) -> str:
    """sha256 of a table of the tasks as they are now.

    Raises:
        ArtifactError: nobody asked for it to be measured, or tasks changed since.
    """
    stage = STAGES[table]
    if stage == "pool":
        return run.outputs(stage)[table]
    manifest = run.manifest(stage)
    now = contents(run.finished("pool")["params"]["keys"])
    if manifest is None or manifest["params"].get("contents") != now:
        raise ArtifactError(
            expected=f"a run that measured {table}",
            found="measurements from before a task changed" if manifest else f"no {stage} in it",
            where=str(run.root),
            fix=f"set probes: {{{stage}: {2048 if stage == 'distributions' else 'true'}}} in the "
            "configuration and run `mishran fit` again",
        )
    return manifest["outputs"][table]


def affinity_stage(run: Run, kind: str, replicas: int, seed: int) -> Stage:
    """affinity-<kind>.npz from the tables."""
    table = TABLES[kind]
    return Stage(
        name=f"affinity-{kind}",
        version=AFFINITY,
        params={"kind": kind, "replicas": replicas, "seed": seed},
        inputs={table: measured(run, table)},
        outputs=(f"affinity-{kind}.npz",),
    )


def matrix_stage(matrix: Path, names: Sequence[str]) -> Stage:
    """affinity-matrix.npz: the user's own matrix, over the tasks in their order."""
    return Stage(
        name="affinity-matrix",
        version=AFFINITY,
        params={"names": list(names)},
        inputs={"matrix": sha256_file(matrix)},
        outputs=("affinity-matrix.npz",),
    )


def mixture_stage(inputs: dict[str, str], params: dict[str, Any], explained: bool = True) -> Stage:
    """mixture.json, path.npz (the solution along t), and of an energy explanation.json."""
    outputs = ("mixture.json", *(("explanation.json",) if explained else ()), "path.npz")
    return Stage("mixture", MIXTURE, params, inputs, outputs)


def report_stage(run: Run, mixture: Mixture, model: str, facts: Sequence[TaskFacts]) -> Stage:
    """report.html and report.md from everything above."""
    inputs = {
        **run.outputs("mixture"),
        **mixture.inputs,
        "scores.parquet": run.outputs("pool")["scores.parquet"],
        "tasks": sha256_value([asdict(f) for f in facts]),
    }
    for task in mixture.tasks:
        path = evidence_path(run, task.name)
        if path.is_file():
            inputs[f"evidence {task.name}"] = sha256_file(path)
    params = {"title": report_title(run), "model": Path(model).name}
    return Stage("report", REPORT, params, inputs, ("report.html", "report.md"))


def report_title(run: Run) -> str:
    return run.root.resolve().name


def evidence_path(run: Run, task: str) -> Path:
    return run.path(f"specialists/{task}/evidence.json")
