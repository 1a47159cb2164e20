"""Which held-out rows a training is measured on, along the way and at its end.

Along the way: the rows that `fit` validates specialists on. At the end of a comparison: others, since what
chose a mixture does not measure it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mishran.config import FitConfig, read_config
from mishran.config_recipe import RecipeConfig, SourceConfig
from mishran.evaluate.held_out import HeldOut, held_out
from mishran.pipeline.facts import read_run
from mishran.pipeline.held_out import held_out_rows
from mishran.pipeline.ingredients import Ingredients
from mishran.run import Run
from mishran.tasks.load import load_task, task_configs
from mishran.tasks.render import Rendered, Renderer
from mishran.tasks.source import load_source
from mishran.tasks.splits import by_content
from mishran.tasks.task import Example, Split, Task

FRESH: tuple[Split, ...] = ("test", "valid")


def validation_sets(
    place: Path, found: Ingredients, count: int, context: int, online: bool = False
) -> dict[str, HeldOut]:
    """Up to `count` held-out rows of every task, those that are only evaluated included; of a source,
    pieces of the file `valid`, where it has one.

    Args:
        context: of the model: documents are cut to it, longer examples are left out.
    """
    if not found.tasks:
        return {
            one.name: _pieces(one, found, count, context, online)
            for one in found.settings.sources
            if one.valid is not None
        }
    splits: Sequence[Split] = ("valid",)
    if place.is_dir():
        config: FitConfig = read_run(Run(place))
        splits = config.probes.splits
    render = replace(found.render, max_tokens=min(found.render.max_tokens, context))
    out = {}
    for task in every_task(place, found, online):
        first = next((s for s in splits if getattr(task, s)), "test" if task.test else "valid")
        out[task.name] = held_out(task, (first,), count, found.settings.data_seed, render)
    return out


def fresh_sets(
    place: Path, found: Ingredients, count: int, context: int | None = None, online: bool = False
) -> tuple[dict[str, HeldOut], tuple[str, ...]]:
    """Up to `count` held-out examples of every task that `fit` did not read: test first, then valid.

    Args:
        context: of the model that is measured, where that is another one than the run's.

    Returns:
        They, and the tasks that have no others, which are measured on examples that helped to choose.

    Raises:
        DataError: a task has no held-out example that fits.
    """
    config: FitConfig = read_run(Run(place))
    seed, wanted, render = found.settings.data_seed, read_by_fit(config), found.render
    fits = replace(render, max_tokens=min(render.max_tokens, context or render.max_tokens))
    out, read = {}, []
    for task in every_task(place, found, online):
        used = set(held_out_rows(task, config.probes.splits, seed, wanted, render).ids)
        kept = {s: tuple(e for e in getattr(task, s) if e.id not in used) for s in FRESH}
        held = _both(replace(task, **kept), count, seed, fits)
        if not held.rows:
            read.append(task.name)
            held = _both(task, count, seed, fits)
        out[task.name] = held if held.rows else held_out(task, FRESH, None, seed, fits)
    return out, tuple(read)


def read_by_fit(config: FitConfig) -> int:
    """Held-out examples of each task that `fit` reads at most."""
    return max(config.specialists.validation, config.probes.per_task)


def every_task(place: Path, found: Ingredients, online: bool = False) -> list[Task]:
    """The tasks that are trained on, and those that are only evaluated."""
    known = {task.name for task in found.tasks}
    base, seed = found.settings.base, found.settings.data_seed
    config: FitConfig | RecipeConfig
    config = read_run(Run(place)) if place.is_dir() else read_config(place, RecipeConfig)
    others = [one for one in task_configs(config, base) if one.name not in known]
    return [*found.tasks, *(load_task(one, base, seed, online) for one in others)]


def _both(task: Task, count: int, seed: int, render: Renderer) -> HeldOut:
    """Those that fit, from test, filled up from valid; maybe none."""
    examples = [e for split in FRESH for e in by_content(getattr(task, split), seed)]
    kept: list[tuple[Example, Rendered]] = []
    too_long = 0
    for start in range(0, len(examples), 2 * count):
        part = examples[start : start + 2 * count]
        rows = list(zip(part, render.render_many(part), strict=True))
        fit = [(e, row) for e, row in rows if len(row.input_ids) <= render.max_tokens]
        kept, too_long = kept + fit, too_long + len(rows) - len(fit)
        if len(kept) >= count:
            break
    return HeldOut(
        task=task.name,
        split="test" if task.test else "valid",
        examples=tuple(e for e, _ in kept[:count]),
        rows=tuple(row for _, row in kept[:count]),
        available=len(examples),
        too_long=too_long,
    )


def _pieces(
    config: SourceConfig, found: Ingredients, count: int, context: int, online: bool
) -> HeldOut:
    """Documents cut to the context, in an order of their content."""
    settings = found.settings
    held = config.model_copy(update={"path": config.valid, "limit": None})
    source = load_source(held, settings.base, settings.data_seed, online)
    examples = by_content(
        [Example(d.id, "", d.text, d.where) for d in source.documents], settings.data_seed
    )[:count]
    pieces: list[Example] = []
    rows: list[Rendered] = []
    for example, row in zip(
        examples, found.render.documents([e.answer for e in examples]), strict=True
    ):
        for start in range(0, len(row.input_ids), context):
            ids = row.input_ids[start : start + context]
            if len(ids) < 2:
                continue
            text = found.render.tokenizer.decode(ids, skip_special_tokens=True)
            pieces.append(replace(example, id=f"{example.id}+{start}", answer=text))
            rows.append(Rendered(ids, 0))
    return HeldOut(
        config.name, "valid", tuple(pieces), tuple(rows), len(source.documents), too_long=0
    )
