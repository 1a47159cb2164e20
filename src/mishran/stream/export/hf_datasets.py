"""Hugging Face `datasets`: Parquet, and a script that loads it.

Materialised: `load.py` reads the rows in their order. Config only: a file per task, and `load.py` calls
`interleave_datasets` with probabilities. Those are drawn at random: shares come out within a few times
sqrt(p (1 - p) / N), which `predict` says. Sources: documentation of `datasets` 5.2,
https://huggingface.co/docs/datasets/process#interleave.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from pathlib import Path
from typing import ClassVar

from mishran.errors import ArtifactError
from mishran.stream.export.target import Job, Prediction
from mishran.stream.files import count_tasks, write_records
from mishran.stream.texts import Kind

_MATERIALISED = '''\
"""Load the mixture: every row of the plan, in its order. Made by `mishran export`."""

from pathlib import Path

from datasets import Dataset, load_dataset


def load() -> Dataset:
    """{rows:,} rows; do not shuffle them without a reason: every prefix has the proportions."""
    files = sorted(str(path) for path in (Path(__file__).parent / "data").glob("*.parquet"))
    return load_dataset("parquet", data_files=files, split="train")


if __name__ == "__main__":
    print(load())
'''

_WEIGHTED = '''\
"""Load the mixture: a file per task, interleaved at random by probabilities. Made by `mishran export`."""

from pathlib import Path

from datasets import Dataset, interleave_datasets, load_dataset

ROWS = {rows}
# Task: probability, and how often its file is read so that it lasts.
TASKS = {tasks}


def load(seed: int = {seed}) -> Dataset:
    folder = Path(__file__).parent / "data"
    parts = [
        load_dataset("parquet", data_files=str(folder / f"{{name}}.parquet"), split="train")
        .shuffle(seed=seed)
        .repeat(times)
        for name, (_, times) in TASKS.items()
    ]
    probabilities = [probability for probability, _ in TASKS.values()]
    mixed = interleave_datasets(
        parts, probabilities=probabilities, seed=seed, stopping_strategy="first_exhausted"
    )
    return mixed.select(range(min(ROWS, len(mixed))))


if __name__ == "__main__":
    print(load())
'''


class HfDatasets:
    """See the module."""

    title: ClassVar[str] = "datasets"
    versions: ClassVar[str] = "5.2.0"
    config_only: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = ("prompt", "chat", "text")

    def predict(self, job: Job) -> Prediction:
        rows = tuple(float(task.rows) for task in job.plan.tasks)
        if not job.config_only:
            return Prediction(rows, exact=True)
        total = job.plan.rows
        spread = max(math.sqrt(r * (1 - r / total)) for r in rows)
        return Prediction(
            rows,
            exact=False,
            note="interleave_datasets draws tasks at random: counts come out within about "
            f"{2 * spread:,.0f} rows of these",
        )

    def write(self, job: Job, folder: Path) -> str:
        data = folder / "data"
        data.mkdir()
        if not job.config_only:
            write_records(data / "train.parquet", job.in_order(), job.kind, "parquet")
            text = _MATERIALISED.format(rows=job.plan.rows)
        else:
            tasks = {}
            total = job.plan.rows
            for i in job.used:
                task = job.plan.tasks[i]
                write_records(data / f"{task.name}.parquet", job.texts.once(i), job.kind, "parquet")
                # Six standard deviations more than expected, so that no task ends the mixture early.
                most = task.rows + 6 * math.sqrt(task.rows * (1 - task.rows / total)) + 6
                tasks[task.name] = (task.rows / total, math.ceil(most / task.available_rows))
            # numpy wants probabilities that sum to 1 to 1e-8: floats of exact ratios do.
            lines = "".join(f"    {name!r}: {pair!r},\n" for name, pair in tasks.items())
            text = _WEIGHTED.format(rows=total, tasks="{\n" + lines + "}", seed=job.plan.seed)
        (folder / "load.py").write_text(text, encoding="utf-8")
        return "python load.py, or: from load import load"

    def count(self, job: Job, folder: Path) -> Counter[str]:
        data = folder / "data"
        if not job.config_only:
            return count_tasks(data / "train.parquet")
        text = (folder / "load.py").read_text(encoding="utf-8")
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for name in values["TASKS"]:
            wanted = {t.name: t.available_rows for t in job.plan.tasks}[name]
            if count_tasks(data / f"{name}.parquet") != Counter({name: wanted}):
                raise ArtifactError(
                    expected=f"{wanted:,} rows of {name} in its file",
                    found="another number when it was read back",
                    where=str(data),
                    fix="make it again; if that does not help, check the disk",
                )
        return Counter({n: round(p * values["ROWS"]) for n, (p, _) in values["TASKS"].items()})
