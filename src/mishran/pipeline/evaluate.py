"""A model and tasks, wherever they are -> `Evaluation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mishran.config import FitConfig, TaskConfig, read_config
from mishran.errors import ConfigError
from mishran.evaluate.generate import MAX_NEW_TOKENS
from mishran.evaluate.held_out import held_out
from mishran.evaluate.load import load_subject
from mishran.evaluate.run import Evaluation, check_measures, evaluate
from mishran.pipeline.facts import read_run
from mishran.pipeline.ingredients import base_of
from mishran.pipeline.mixture_file import versions
from mishran.pipeline.progress import Progress, Silent
from mishran.run import Run
from mishran.tasks.load import load_task, task_configs
from mishran.tasks.render import renderer
from mishran.tasks.splits import named_split
from mishran.tasks.task import Split
from mishran.train.quantize import Quantize


@dataclass(frozen=True)
class Asked:
    """Tasks, how their examples become tokens, and the model that they were made for.

    base: folder that the paths of `tasks` are relative to. model: folder, or None where there is none.
    """

    tasks: tuple[TaskConfig, ...]
    base: Path
    model: Path | None = None
    max_tokens: int | None = None
    bos: bool = True
    eos: bool = True
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    quantize: Quantize | None = None


@dataclass(frozen=True)
class _Folder:
    tasks: str


def asked_of(place: Path) -> Asked:
    """What a mix.yaml, a run directory or a folder of data files says.

    Raises:
        ConfigError: none of them, or a configuration that is wrong. DataError: no data files.
    """
    if place.is_dir() and not (place / "tasks.json").is_file():
        return Asked(task_configs(_Folder(str(place.resolve())), Path()), Path())
    if place.is_dir():
        run = Run(place)
        config: FitConfig = read_run(run)
        base = base_of(run)
    elif place.is_file():
        config, base = read_config(place), place.parent
    else:
        raise ConfigError(
            expected="a mix.yaml, a folder of data files, or a run directory",
            found="no such file or folder",
            where=str(place),
            fix="check the path",
        )
    model = base / config.model
    return Asked(
        tasks=task_configs(config, base),
        base=base,
        model=model if model.is_dir() else None,
        max_tokens=config.max_tokens,
        bos=config.bos,
        eos=config.eos,
        seed=config.seed,
        device=config.device,
        dtype=config.dtype,
        quantize=config.quantize,
    )


def evaluate_model(
    model: str | Path,
    tasks: str | Path | None = None,
    *,
    measures: Sequence[str] = ("nats", "accuracy"),
    splits: Sequence[str] = ("test",),
    only: Sequence[str] = (),
    limit: int | None = None,
    max_new_tokens: int | None = None,
    base: str | Path | None = None,
    harness: str | Path | None = None,
    device: str | None = None,
    dtype: str | None = None,
    online: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on held-out examples.

    Args:
        model: folder of a model or of a LoRA adapter, or one that `mishran train` wrote.
        tasks: mix.yaml, folder of data files, or run directory; None with `harness` alone.
        splits: the first of these that a task has. only: some of the tasks, by name.
        limit: examples of each task at most, drawn by their content.
        max_new_tokens: of what `generate` lets the model write, 128 by default.
        base: of an adapter, where it is not the model of `tasks`.
        harness: folder of task files of lm-evaluation-harness.

    Raises:
        MishranError: bad input, before the model works.
    """
    progress = progress or Silent()
    wanted = check_measures(measures)
    chosen = _splits(splits)
    _positive("--limit", limit)
    _positive("--max-new-tokens", max_new_tokens)
    if tasks is None and harness is None:
        raise ConfigError(
            expected="tasks to measure the model on",
            found="none",
            where="command line",
            fix="name a mix.yaml, a folder of data files or a run after the model, or --harness FOLDER",
        )
    asked = Asked((), Path()) if tasks is None else asked_of(Path(tasks))
    configs = _some(asked.tasks, only)
    subject = load_subject(
        model,
        base=None if base is None else Path(base),
        otherwise=asked.model,
        device=device or asked.device,
        dtype=dtype or asked.dtype,
        quantize=asked.quantize,
        online=online,
    )
    for note in subject.loaded.notes:
        progress.say(note)
    longest = min(subject.context, asked.max_tokens or subject.context)
    render = renderer(subject.loaded.tokenizer, asked.bos, asked.eos, longest)
    held = []
    with progress.bar("reading tasks", len(configs)) as advance:
        for config in configs:
            task = load_task(config, asked.base, asked.seed, online, trained=False)
            held.append(held_out(task, chosen, limit, asked.seed, render))
            advance(1)
    settings = {
        "splits": list(chosen),
        "limit": limit,
        "max_tokens": longest,
        "bos": asked.bos,
        "eos": asked.eos,
        "seed": asked.seed,
        "versions": versions(),
    }
    with progress.bar("measuring", len(held) * len(wanted)) as advance:
        return evaluate(
            subject,
            render,
            held,
            measures=wanted,
            max_new_tokens=max_new_tokens or MAX_NEW_TOKENS,
            harness_folder=None if harness is None else Path(harness),
            harness_limit=limit,
            settings=settings,
            on_task=advance,
        )


def _splits(names: Sequence[str]) -> tuple[Split, ...]:
    if not names:
        raise ConfigError(
            expected="a split: test, valid or train",
            found="none",
            where="--split",
            fix="write --split test, or several with commas: the first that a task has is used",
        )
    return tuple(dict.fromkeys(named_split(name, "--split") for name in names))


def _positive(option: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(
            expected="a whole number of at least 1",
            found=str(value),
            where=option,
            fix=f"write {option} 64, say",
        )


def _some(configs: tuple[TaskConfig, ...], only: Sequence[str]) -> tuple[TaskConfig, ...]:
    names = [config.name for config in configs]
    strange = [name for name in only if name not in names]
    if strange:
        raise ConfigError(
            expected=f"a task among {', '.join(names) or 'none'}",
            found=repr(strange[0]),
            where="--task",
            fix="check the name",
        )
    return tuple(config for config in configs if not only or config.name in only)
