"""`evaluate`: a model on held-out examples of tasks, by the measures that were asked for.

Everything that can be refused is, before the model works: examples, choices, packages. What comes out is a
value with one JSON form; the same model, tasks and settings give the same bytes on the same machine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from mishran.errors import ConfigError
from mishran.evaluate.choices import Ranked, check_choices, has_choices, rank
from mishran.evaluate.generate import MAX_NEW_TOKENS, Written, write
from mishran.evaluate.harness import HarnessTask, run_harness
from mishran.evaluate.harness_files import check_harness, ready_tasks
from mishran.evaluate.harness_tasks import write_task
from mishran.evaluate.held_out import HeldOut
from mishran.evaluate.json_values import harness_as_dict, task_as_dict
from mishran.evaluate.load import Subject
from mishran.evaluate.losses import Losses, losses
from mishran.evaluate.texts import check_installed
from mishran.tasks.render import Renderer

Measure = Literal["nats", "accuracy", "generate", "harness"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
SCHEMA = 1


@dataclass(frozen=True)
class TaskEvaluation:
    """One task. What was not measured is None."""

    held: HeldOut
    losses: Losses | None = None
    ranked: Ranked | None = None
    written: Written | None = None
    harness: HarnessTask | None = None


@dataclass(frozen=True)
class Evaluation:
    """A model on tasks, in their order. own: what the harness found on task files of the user's own.

    settings: what else decides the numbers, as JSON values.
    """

    subject: Subject
    settings: dict[str, Any]
    tasks: tuple[TaskEvaluation, ...]
    own: tuple[HarnessTask, ...] = ()

    def task(self, name: str) -> TaskEvaluation:
        """One task by name."""
        return next(task for task in self.tasks if task.held.task == name)

    def as_dict(self, examples: bool = True) -> dict[str, Any]:
        """JSON values; with `examples` what was found on each of them too."""
        loaded = self.subject.loaded
        return {
            "schema_version": SCHEMA,
            "model": {
                "name": self.subject.name,
                "base": self.subject.base,
                "sha256": self.subject.sha256,
                "device": loaded.device.type,
                "dtype": str(loaded.dtype).removeprefix("torch."),
            },
            "settings": self.settings,
            "tasks": {t.held.task: task_as_dict(t, examples) for t in self.tasks},
            "harness": {t.task: harness_as_dict(t, examples) for t in self.own},
        }

    def to_json(self) -> str:
        """The same evaluation gives the same bytes."""
        return json.dumps(self.as_dict(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def evaluate(
    subject: Subject,
    render: Renderer,
    held: Sequence[HeldOut],
    *,
    measures: Sequence[str] = ("nats", "accuracy"),
    max_new_tokens: int = MAX_NEW_TOKENS,
    harness_folder: Path | None = None,
    harness_limit: int | None = None,
    settings: dict[str, Any] | None = None,
    on_task: Callable[[float], None] = lambda done: None,
) -> Evaluation:
    """Measure a model on the held-out examples of tasks.

    Accuracy and the harness take the tasks with choices; the others have none of these numbers.

    Args:
        harness_folder: task files of the user's own for the harness, see `ready_tasks`.
        harness_limit: examples of each of those.
        settings: kept in the result beside `measures` and `max_new_tokens`.
        on_task: told of every measure of a task that is done.

    Raises:
        ConfigError: an unknown measure, or one that no task has anything for. DataError: examples that
            cannot be measured. DependencyError: a package is missing. ModelError: numbers that are none.
    """
    wanted = check_measures(measures)
    choosing = {h.task for h in held if has_choices(h.examples)}
    _check(wanted, held, choosing, harness_folder)
    loaded = subject.loaded
    out = []
    for h in held:
        found: dict[str, Any] = {}
        if "nats" in wanted:
            found["losses"] = losses(loaded, h)
            on_task(1)
        if "accuracy" in wanted:
            found["ranked"] = rank(loaded, h, render) if h.task in choosing else None
            on_task(1)
        if "generate" in wanted:
            found["written"] = write(loaded, h, render, max_new_tokens)
            on_task(1)
        if "harness" in wanted and h.task in choosing:
            with tempfile.TemporaryDirectory(prefix="mishran-harness-") as work:
                names = [write_task(Path(work), h, render)]
                (found["harness"],) = run_harness(
                    loaded, Path(work), names, context=render.max_tokens, own_bos=True
                )
        if "harness" in wanted:
            on_task(1)
        out.append(TaskEvaluation(h, **found))
    own: tuple[HarnessTask, ...] = ()
    if harness_folder is not None:
        with tempfile.TemporaryDirectory(prefix="mishran-harness-") as work:
            own = run_harness(
                loaded,
                Path(work),
                ready_tasks(harness_folder, Path(work)),
                context=subject.context,
                own_bos=False,
                limit=harness_limit,
            )
    more = {"measures": list(wanted), "max_new_tokens": max_new_tokens}
    return Evaluation(subject, {**(settings or {}), **more}, tuple(out), own)


def check_measures(measures: Sequence[str]) -> tuple[Measure, ...]:
    """The measures in our order, each once.

    Raises:
        ConfigError: there are none, or one is unknown.
    """
    strange = [name for name in measures if name not in MEASURES]
    if strange or not measures:
        raise ConfigError(
            expected=f"measures among {', '.join(MEASURES)}",
            found=repr(strange[0]) if strange else "none",
            where="--measures",
            fix="write some of them, with commas between: --measures nats,accuracy",
        )
    return tuple(name for name in MEASURES if name in measures)


def _check(
    wanted: Sequence[Measure], held: Sequence[HeldOut], choosing: set[str], folder: Path | None
) -> None:
    """What would stop the work, before it begins."""
    if "generate" in wanted:
        check_installed()
    if "harness" in wanted or folder is not None:
        check_harness()
    for h in held:
        if h.task in choosing and ("accuracy" in wanted or "harness" in wanted):
            check_choices(h)
    chosen = [name for name in wanted if name in ("accuracy", "harness")]
    if held and not choosing and list(wanted) == chosen:
        raise ConfigError(
            expected="at least one task whose records offer choices",
            found="none",
            where=f"--measures {','.join(chosen)}",
            fix="name their field with choices: in the task, or measure nats or generate",
        )
    if folder is not None:
        with tempfile.TemporaryDirectory(prefix="mishran-harness-") as work:
            ready_tasks(folder, Path(work))
