"""What `mishran inspect` shows, from a configuration: tasks described, and texts that tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mishran.config import read_config
from mishran.errors import ConfigError
from mishran.pipeline.prepare import overlap_warnings
from mishran.tasks.duplicates import overlaps
from mishran.tasks.inspect import TaskDescription, describe
from mishran.tasks.load import load_tasks
from mishran.tasks.render import renderer
from mishran.train.models import load_tokenizer, model_shape


@dataclass(frozen=True)
class Inspected:
    """Described tasks, and sentences about texts that they share."""

    tasks: tuple[TaskDescription, ...]
    warnings: tuple[str, ...]


def inspect_config(path: Path, *, online: bool, rows: int, only: Sequence[str]) -> Inspected:
    """Load the tasks of a configuration and render some examples of each."""
    config, base = read_config(path), path.parent
    shape = model_shape(config.model, base, online, config.revision)
    tokenizer = load_tokenizer(config.model, base, online, config.revision)
    tasks = load_tasks(config, base, online)
    strange = [name for name in only if name not in {t.name for t in tasks}]
    if strange:
        raise ConfigError(
            expected=f"a task of {path.name}: {', '.join(t.name for t in tasks)}",
            found=repr(strange[0]),
            where="--task",
            fix="check the name",
        )
    render = renderer(
        tokenizer, config.bos, config.eos, min(shape.context, config.max_tokens or shape.context)
    )
    shown = [t for t in tasks if not only or t.name in only]
    return Inspected(tuple(describe(shown, render, rows)), overlap_warnings(overlaps(tasks)))
