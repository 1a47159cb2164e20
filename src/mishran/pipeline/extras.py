"""What is measured beside the tables when it is asked for: each a stage and a file of its own.

gradients.npz: of the base at the probes, for an affinity without fine-tuning. embeddings.npz: mean
states of the base. distributions.npz: a sample of what everybody predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mishran.pipeline.facts import TaskFacts
from mishran.pipeline.prepare import Prepared
from mishran.pipeline.progress import Progress
from mishran.pipeline.stages import extra_stage, specialists_sha256
from mishran.pipeline.tables import write_npz
from mishran.run import Run, Stage
from mishran.specialists.gradients import SIZE as GRADIENT_SIZE
from mishran.specialists.gradients import probe_gradients
from mishran.specialists.panel import Panel
from mishran.specialists.samples import mean_states, sample_distributions
from mishran.train.batch import Row
from mishran.train.models import Loaded

Make = Callable[[Callable[[int], None]], dict[str, Any]]


def run_extras(
    prepared: Prepared,
    run: Run,
    facts: Sequence[TaskFacts],
    kind: tuple[str, str],
    model: Callable[[], Loaded],
    panel: Callable[[], Panel],
    progress: Progress,
) -> None:
    """Make what the configuration asks for.

    Args:
        kind: device and dtype. panel: makes everybody who answers.
    """
    probes = prepared.config.probes
    rows = [row for t in prepared.tasks for row in t.probes.rows]
    if probes.gradients or prepared.config.mixture.affinity.startswith("gradient-"):
        stage = extra_stage(prepared, facts, "gradients", {"size": GRADIENT_SIZE}, {}, *kind)
        _run(run, stage, prepared, progress, rows, lambda done: _gradients(prepared, model(), done))
    if probes.embeddings:
        stage = extra_stage(prepared, facts, "embeddings", {}, {}, *kind)

        def states(done: Callable[[int], None]) -> dict[str, Any]:
            return {"states": mean_states(model(), rows, on_rows=done)}

        _run(run, stage, prepared, progress, rows, states)
    if probes.distributions is not None:
        count, limit = probes.distributions, probes.answer_tokens
        stage = extra_stage(
            prepared,
            facts,
            "distributions",
            {"count": count, "answer_tokens": limit},
            specialists_sha256(prepared, run),
            *kind,
        )

        def sample(done: Callable[[int], None]) -> dict[str, Any]:
            asked = panel()
            try:
                found = sample_distributions(
                    asked,
                    model(),
                    rows,
                    answer_tokens=limit,
                    count=count,
                    seed=prepared.config.seed,
                    on_rows=done,
                )
            finally:
                asked.close()
            return {**vars(found), "specialists": np.array(asked.names, dtype=np.str_)}

        _run(run, stage, prepared, progress, rows, sample)


def _gradients(prepared: Prepared, loaded: Loaded, done: Callable[[int], None]) -> dict[str, Any]:
    rows = [row for t in prepared.tasks for row in t.probes.rows]
    return {
        "gradients": probe_gradients(
            loaded, rows, size=GRADIENT_SIZE, seed=prepared.config.seed, on_rows=done
        )
    }


def _run(
    run: Run, stage: Stage, prepared: Prepared, progress: Progress, rows: list[Row], make: Make
) -> None:
    """Complete a stage; every file names its probes."""
    if run.state(stage) == "done":
        return

    def write(folder: Path) -> None:
        with progress.bar(f"measuring {stage.name}", len(rows)) as advance:
            arrays = make(advance)
        names = [t.task.name for t in prepared.tasks for _ in t.probes.ids]
        ids = [i for t in prepared.tasks for i in t.probes.ids]
        write_npz(
            folder / stage.outputs[0],
            **arrays,
            tasks=np.array([t.task.name for t in prepared.trained], dtype=np.str_),
            probe_task=np.array(names, dtype=np.str_),
            probe_id=np.array(ids, dtype=np.str_),
        )

    run.complete(stage, write, progress.say)
