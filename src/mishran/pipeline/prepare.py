"""From a configuration to rows of tokens: load tasks, render, choose held-out examples and probes.

Everything here is cheap and is done again on every command; the hashes made here are the keys of the
dear stages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mishran.config import FitConfig
from mishran.errors import DataError
from mishran.pipeline.affinities import KINDS, matrix_over, matrix_path
from mishran.pipeline.check import check_settings
from mishran.pipeline.facts import TaskFacts
from mishran.pipeline.held_out import Rows, held_out_rows
from mishran.pipeline.mix_by_method import check_method
from mishran.pipeline.progress import Progress
from mishran.specialists.adapters import check_adapter
from mishran.tasks.duplicates import Overlap, overlaps
from mishran.tasks.load import load_tasks
from mishran.tasks.render import Renderer, render_all, renderer
from mishran.tasks.task import Example, Task
from mishran.train.models import (
    Shape,
    check_vocabulary,
    load_tokenizer,
    model_content,
    model_shape,
)


@dataclass(frozen=True)
class PreparedTask:
    """A task as rows of tokens.

    train: training rows (empty for eval_only). held_out: validation rows, in an order decided by their
    content. probes: the first of them. adapter: the adapter that the task brings, or None.
    """

    task: Task
    train: Rows
    held_out: Rows
    probes: Rows
    adapter: Path | None

    @property
    def mean_tokens(self) -> float:
        return self.train.tokens / max(1, len(self.train.rows))


@dataclass(frozen=True)
class Prepared:
    """All that a run needs before anything dear starts."""

    config: FitConfig
    base: Path
    online: bool
    tasks: tuple[PreparedTask, ...]
    overlap: Overlap
    shape: Shape
    max_tokens: int
    model_sha256: str

    @property
    def trained(self) -> tuple[PreparedTask, ...]:
        """The tasks that a mixture is over."""
        return tuple(t for t in self.tasks if not t.task.eval_only)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Group -> trained tasks, in order of first use."""
        out: dict[str, list[str]] = {}
        for t in self.trained:
            for group in t.task.groups:
                out.setdefault(group, []).append(t.task.name)
        return {group: tuple(names) for group, names in out.items()}


def prepare(config: FitConfig, base: Path, progress: Progress, online: bool = False) -> Prepared:
    """Load, check and tokenise everything.

    Args:
        base: folder that the paths of the configuration are relative to.

    Raises:
        MishranError: any of the errors of bad input; nothing has been written yet.
    """
    check_method(config)
    shape = model_shape(config.model, base, online, config.revision)
    tokenizer = load_tokenizer(config.model, base, online, config.revision)
    if shape.vocabulary is not None:
        check_vocabulary(tokenizer, shape.vocabulary, str(base / config.model))
    max_tokens = min(shape.context, config.max_tokens or shape.context)
    tasks = load_tasks(config, base, online)
    render = renderer(tokenizer, config.bos, config.eos, max_tokens)
    adapters = _adapters(config, base)
    prepared = []
    with progress.bar("reading tasks", len(tasks)) as advance:
        for task in tasks:
            prepared.append(_prepare(task, render, config, adapters.get(task.name)))
            advance(1)
    trained = [t for t in prepared if not t.task.eval_only]
    if len(trained) < 2:
        raise DataError(
            expected="at least two tasks to mix",
            found=f"{len(trained)} that may be trained on",
            where="tasks",
            fix="add tasks, or remove eval_only from one",
        )
    facts = [TaskFacts.of(t) for t in prepared]
    check_settings(config.mixture, facts)
    if config.mixture.affinity not in KINDS:
        matrix_over(
            [f.name for f in facts if not f.eval_only], matrix_path(base, config.mixture.affinity)
        )
    return Prepared(
        config=config,
        base=base,
        online=online,
        tasks=tuple(prepared),
        overlap=overlaps(tasks),
        shape=shape,
        max_tokens=max_tokens,
        model_sha256=model_content(config.model, base, config.revision, config.quantize),
    )


def overlap_warnings(overlap: Overlap) -> tuple[str, ...]:
    """One sentence per pair of tasks that share texts."""
    shared = tuple(
        f"{s.tasks[0]} and {s.tasks[1]} have {s.num:,} texts in common" for s in overlap.shared
    )
    leaks = tuple(
        f"{leak.num:,} training examples of {leak.trained} are held out in {leak.held_out}: "
        f"its numbers flatter mixtures that use {leak.trained}"
        for leak in overlap.leaks
    )
    return shared + leaks


def _adapters(config: FitConfig, base: Path) -> dict[str, Path]:
    if isinstance(config.tasks, str):
        return {}
    found = {t.name: base / t.adapter for t in config.tasks if t.adapter is not None}
    for name, folder in found.items():
        check_adapter(folder, f"task {name!r}")
    return found


def _prepare(task: Task, render: Renderer, config: FitConfig, adapter: Path | None) -> PreparedTask:
    wanted = max(config.specialists.validation, config.probes.per_task)
    held_out = held_out_rows(task, config.probes.splits, config.seed, wanted, render)
    return PreparedTask(
        task=replace(task, counts={**task.counts, "too_long_held_out": held_out.too_long}),
        train=_rows(task.train, render, task.name) if task.train else Rows((), (), 0),
        held_out=held_out.first(config.specialists.validation),
        probes=held_out.first(config.probes.per_task),
        adapter=adapter,
    )


def _rows(examples: list[Example] | tuple[Example, ...], render: Renderer, name: str) -> Rows:
    rows, too_long = render_all(examples, render, name)
    return Rows(tuple(row for _, row in rows), tuple(examples[i].id for i, _ in rows), too_long)
