"""lm-evaluation-harness on local files, with the model that is loaded.

For numbers that others publish: same prompts, same scoring, same metrics, their code. Also a second opinion
on our own ranking of choices: it tokenises prompt and choice together and counts whitespace at the end of
a prompt as part of the choice, which changes no sum's order and may change that of nats per byte.

Source: Gao et al., "A framework for few-shot language model evaluation", 2024; the library is `lm_eval`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mishran.errors import DataError, ModelError, first_line
from mishran.evaluate.harness_files import check_harness
from mishran.evaluate.intervals import wilson
from mishran.specialists.validate import Interval, interval
from mishran.train.batch import MEMORY
from mishran.train.models import Loaded

SEED = 1234  # of the examples that few-shot prompts are made of; the harness's own default


@dataclass(frozen=True)
class HarnessMetric:
    """A metric of a task or group, behind one of the harness's filters.

    value: as the harness aggregates it; an interval over examples where that is a mean of them: Wilson
    for 0 and 1, else t. values: (m,) of each example, None where there is no number for each.
    """

    name: str
    filter: str
    value: Interval
    values: NDArray[np.float64] | None


@dataclass(frozen=True)
class HarnessTask:
    """What the harness found on a task (or group of tasks). num: examples."""

    task: str
    num: int
    metrics: tuple[HarnessMetric, ...]

    def metric(self, name: str) -> HarnessMetric:
        """The first metric of a name."""
        return next(metric for metric in self.metrics if metric.name == name)


def run_harness(
    loaded: Loaded,
    work: Path,
    names: Sequence[str],
    *,
    context: int,
    own_bos: bool,
    limit: int | None = None,
) -> tuple[HarnessTask, ...]:
    """Run tasks that lie ready in a folder, see `harness_files` and `harness_tasks`.

    Args:
        context: longest input in tokens. own_bos: prompts say themselves whether they begin with BOS;
            else the tokenizer's own rule decides.

    Raises:
        DependencyError: it is not installed. ModelError: a model that the harness would change.
        DataError: tasks that it cannot run.
    """
    check_harness()
    from lm_eval import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    _check_tied(loaded.model)
    vocabulary = loaded.model.get_output_embeddings().weight.shape[0]
    try:
        with _quietly():
            manager = TaskManager(include_path=str(work / "tasks"), include_defaults=False)
            tasks = manager.load(list(names))
            # As its `simple_evaluate` does, which also asks git and pip who we are.
            for task in tasks["tasks"].values():
                if task.get_config("num_fewshot") is None:
                    task.set_config(key="num_fewshot", value=0)
                task.set_fewshot_seed(seed=SEED)
            model = HFLM(
                pretrained=loaded.model,
                tokenizer=copy.deepcopy(loaded.tokenizer),  # it sets a pad token
                batch_size=min(16, max(1, MEMORY // (4 * context * vocabulary))),
                add_bos_token=False if own_bos else None,
                max_length=context,
            )
            found: Any = evaluate(model, tasks, limit=limit, bootstrap_iters=0, log_samples=True)
    except Exception as error:
        # Templates and metrics of a task raise errors of any kind.
        raise DataError(
            expected="tasks that lm-evaluation-harness can run",
            found=first_line(error),
            where=", ".join(names),
            fix="mend the task file; `lm_eval --include_path FOLDER --tasks NAME` shows more",
        ) from error
    return tuple(_task(name, found) for name in found["results"])


def _task(name: str, found: Any) -> HarnessTask:
    result = found["results"][name]
    samples = sorted(found["samples"].get(name, ()), key=lambda s: s["doc_id"])
    metrics = []
    for key, value in result.items():
        metric, comma, kept = str(key).partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        if not isinstance(value, int | float) or not math.isfinite(value):
            continue  # not measured is absent
        each = [s[metric] for s in samples if s["filter"] == kept and metric in s["metrics"]]
        metrics.append(_metric(metric, kept, float(value), each))
    num = len({s["doc_id"] for s in samples}) or int(result.get("sample_len", 0))
    return HarnessTask(name, num, tuple(metrics))


def _metric(name: str, kept: str, value: float, each: list[Any]) -> HarnessMetric:
    if not each or not all(isinstance(v, int | float) for v in each):
        return HarnessMetric(name, kept, Interval(value, None, None, len(each)), None)
    values = np.array(each, dtype=np.float64)
    found = wilson(values == 1) if set(values.tolist()) <= {0.0, 1.0} else interval(values)
    if not math.isclose(found.mean, value, rel_tol=1e-9, abs_tol=1e-12):
        found = Interval(value, None, None, len(each))
    return HarnessMetric(name, kept, found, values)


def _check_tied(model: Any) -> None:
    """Nothing if the output head is the embedding where config.json says so; the harness ties them.

    Raises:
        ModelError: it has weights of its own.
    """
    tied = getattr(model.config.get_text_config(), "tie_word_embeddings", False)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if tied and head.weight.data_ptr() != embedding.weight.data_ptr():
        raise ModelError(
            expected="an output head that is the embedding, as config.json says",
            found="one with weights of its own",
            where="measure harness",
            fix="set tie_word_embeddings: false in config.json",
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the harness's bars and warnings: what went wrong comes as an error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
