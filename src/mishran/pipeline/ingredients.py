"""What a plan is made of: rows of every task or source, as text and as tokens, and what was asked for.

From a run (its mixture, its tasks and its tokenizer) or from a recipe written by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mishran.config import FitConfig, TaskConfig, read_config
from mishran.config_recipe import PhaseConfig, RecipeConfig, SourceConfig
from mishran.errors import ArtifactError, ConfigError
from mishran.mixture import Mixture
from mishran.pipeline.facts import read_run
from mishran.pipeline.progress import Progress
from mishran.run import Run, sha256_bytes, sha256_value
from mishran.stream.plan import MANY_EPOCHS, TokenizerRecord
from mishran.stream.supply import Supply
from mishran.stream.texts import Kind, TextRows, Texts
from mishran.stream.tokens import TokenRows
from mishran.tasks.load import load_task, task_configs
from mishran.tasks.render import Rendered, Renderer, render_all, renderer
from mishran.tasks.source import Source, load_source
from mishran.tasks.task import Task
from mishran.train.models import load_tokenizer

BASE = "base.json"
PART = (
    1000  # documents tokenised at a time: token ids as Python's numbers take forty times the space
)


@dataclass(frozen=True)
class Settings:
    """How rows are made and what is asked of them, from a run or a recipe.

    base: folder that paths are relative to. tokenizer: folder or hub name, relative to `base` unless it
    was given on the command line. phases: in order. seed: of the order; data_seed: of which rows a `limit`
    keeps. trained: of a run, task -> sha256 of the training rows
    that were measured.
    """

    base: Path
    tokenizer: str
    revision: str | None
    tasks: tuple[TaskConfig, ...]
    sources: tuple[SourceConfig, ...]
    phases: tuple[PhaseConfig, ...]
    shares: str
    max_epochs: float | None
    redistribute: bool
    max_tokens: int | None
    bos: bool
    eos: bool
    seed: int
    data_seed: int
    trained: Mapping[str, str]
    mixture: str | None = None


@dataclass(frozen=True)
class Ingredients:
    """Rows of every task, as text and as tokens, in one numbering.

    bos, eos: what begins a prompt and ends an answer as text, "" where nothing does. notes: what was done
    on the way. too_long: task -> rows left out. tasks: with what is held out; none for sources.
    """

    settings: Settings
    supplies: tuple[Supply, ...]
    texts: TextRows
    tokens: tuple[TokenRows, ...]
    tokenizer: TokenizerRecord
    bos: str
    eos: str
    eos_id: int | None
    notes: tuple[str, ...]
    too_long: Mapping[str, int]
    tasks: tuple[Task, ...]
    render: Renderer


def settings_of(place: Path) -> Settings:
    """What a run directory or a recipe file asks for.

    Raises:
        ConfigError: neither of them, or a recipe that is wrong. ArtifactError: an unfinished run.
    """
    if place.is_dir():
        return _of_run(Run(place))
    if place.suffix in (".yaml", ".yml") or place.is_file():
        return _of_recipe(place)
    raise ConfigError(
        expected="a run directory that `mishran fit` made, or a recipe file",
        found="no such file or folder",
        where=str(place),
        fix="check the path",
    )


def _of_run(run: Run) -> Settings:
    config: FitConfig = read_run(run)
    run.need("mixture")
    mixture = Mixture.read(run.path("mixture.json"))
    size: dict[str, Any] = {}
    if mixture.budget is not None:
        tokens = mixture.budget.tokens
        size = {"tokens": tokens} if tokens is not None else {"rows": mixture.budget.rows}
    base = base_of(run)
    tasks = {task.name: task for task in task_configs(config, base)}
    cap = None if mixture.budget is None else mixture.budget.max_epochs
    trained = {}
    for name in mixture.weights:
        manifest = run.manifest(f"specialists/{name}")
        if manifest is not None and "train" in manifest["inputs"]:
            trained[name] = manifest["inputs"]["train"]
    return Settings(
        base=base,
        tokenizer=config.model,
        revision=config.revision,
        tasks=tuple(tasks[name] for name in mixture.weights),
        sources=(),
        phases=(PhaseConfig(weights=mixture.weights, **size),),
        shares="rows",
        max_epochs=cap or MANY_EPOCHS,
        redistribute=False,
        max_tokens=config.max_tokens,
        bos=config.bos,
        eos=config.eos,
        seed=config.seed,
        data_seed=config.seed,
        trained=trained,
        mixture=sha256_bytes(run.path("mixture.json").read_bytes()),
    )


def base_of(run: Run) -> Path:
    """Folder that the paths of a run's configuration are relative to."""
    path = run.path(BASE)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return run.root / data["base"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            expected="a run that knows where its data lies",
            found=f"no readable {BASE} in it",
            where=str(run.root),
            fix="run `mishran fit` on the same configuration again: nothing is measured twice",
        ) from error


def _of_recipe(path: Path) -> Settings:
    recipe: RecipeConfig = read_config(path, RecipeConfig)
    tasks: tuple[TaskConfig, ...] = ()
    if recipe.tasks is not None:
        tasks = tuple(t for t in task_configs(recipe, path.parent) if not t.eval_only)
    return Settings(
        base=path.parent,
        tokenizer=recipe.tokenizer,
        revision=recipe.revision,
        tasks=tasks,
        sources=recipe.sources or (),
        phases=recipe.all_phases,
        shares=recipe.shares,
        max_epochs=recipe.max_epochs,
        redistribute=recipe.redistribute,
        max_tokens=recipe.max_tokens,
        bos=recipe.bos,
        eos=recipe.eos,
        seed=recipe.seed,
        data_seed=recipe.seed,
        trained={},
    )


def gather(settings: Settings, progress: Progress, online: bool = False) -> Ingredients:
    """Load and tokenise everything.

    Raises:
        MishranError: bad input; or, for a run, rows that are not those that were measured.
    """
    tokenizer = load_tokenizer(settings.tokenizer, settings.base, online, settings.revision)
    longest = settings.max_tokens if settings.tasks else None
    render = renderer(tokenizer, settings.bos, settings.eos, longest or 10**12)
    record = TokenizerRecord(
        name=_name(settings.tokenizer, settings.base),
        sha256=tokenizer_sha256(tokenizer),
        bos=render.bos_id is not None,
        eos=render.eos_id is not None,
        max_tokens=longest,
    )
    made = [
        *_tasks(settings, render, progress, online),
        *_sources(settings, render, progress, online),
    ]
    kinds = {one.kind for one in made}
    notes: list[str] = []
    kind: Kind = next(iter(kinds)) if len(kinds) == 1 else "prompt"
    if len(kinds) > 1:
        notes.append(
            "some tasks have messages and some have prompts: messages were written out with the chat "
            f"template of {record.name}, so that all rows are prompts and answers"
        )
    supplies, texts, tokens = [], [], []
    with progress.bar("hashing rows", len(made)) as advance:
        for one in made:
            values = one.written(render) if one.kind != kind else one.values
            of_tokens = one.rows.content
            supplies.append(
                Supply(
                    name=one.name,
                    lengths=one.rows.lengths,
                    content=sha256_value([of_tokens, one.content]),
                    token_content=of_tokens,
                    groups=one.groups,
                    license=one.license,
                    origin=one.origin,
                )
            )
            texts.append(Texts(one.name, one.ids, values))
            tokens.append(one.rows)
            advance(1)
    return Ingredients(
        settings=settings,
        supplies=tuple(supplies),
        texts=TextRows(kind, tuple(texts)),
        tokens=tuple(tokens),
        tokenizer=record,
        bos=tokenizer.bos_token if record.bos else "",
        eos=tokenizer.eos_token if record.eos else "",
        eos_id=tokenizer.eos_token_id,
        notes=tuple(notes),
        too_long={one.name: one.too_long for one in made if one.too_long},
        tasks=tuple(one.task for one in made if one.task is not None),
        render=render,
    )


@dataclass(frozen=True)
class _Made:
    """Rows of one task or source. examples: of a task, those that are kept."""

    name: str
    kind: Kind
    rows: TokenRows
    ids: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]
    examples: Sequence[Any]
    groups: tuple[str, ...]
    license: str | None
    origin: str | None
    too_long: int
    task: Task | None = None

    @property
    def content(self) -> str:
        """sha256 of ids and texts."""
        digest = hashlib.sha256()
        for identity, value in zip(self.ids, self.values, strict=True):
            digest.update(json.dumps([identity, *value], ensure_ascii=False).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def written(self, render: Renderer) -> list[tuple[Any, ...]]:
        """Prompt and answer of every example; messages by the chat template."""
        return [render.texts(example) for example in self.examples]


def _tasks(settings: Settings, render: Renderer, progress: Progress, online: bool) -> list[_Made]:
    out = []
    with progress.bar("reading tasks", len(settings.tasks)) as advance:
        for config in settings.tasks:
            task: Task = load_task(config, settings.base, settings.data_seed, online)
            rows, too_long = render_all(task.train, render, task.name)
            examples = [task.train[i] for i, _ in rows]
            _check_measured(settings, task.name, [row for _, row in rows])
            chat = bool(examples[0].messages)
            out.append(
                _Made(
                    name=task.name,
                    kind="chat" if chat else "prompt",
                    rows=TokenRows.of([row for _, row in rows]),
                    ids=tuple(example.id for example in examples),
                    values=[
                        (list(e.messages),) if chat else (e.prompt, e.answer) for e in examples
                    ],
                    examples=examples,
                    groups=task.groups,
                    license=config.license,
                    origin=config.origin,
                    too_long=too_long,
                    task=task,
                )
            )
            advance(1)
    return out


def _sources(settings: Settings, render: Renderer, progress: Progress, online: bool) -> list[_Made]:
    out = []
    with progress.bar("reading sources", len(settings.sources)) as advance:
        for config in settings.sources:
            source: Source = load_source(config, settings.base, settings.data_seed, online)
            texts = [document.text for document in source.documents]
            out.append(
                _Made(
                    name=source.name,
                    kind="text",
                    rows=TokenRows.joined(
                        [
                            TokenRows.of(render.documents(texts[start : start + PART]))
                            for start in range(0, len(texts), PART)
                        ]
                    ),
                    ids=tuple(document.id for document in source.documents),
                    values=[(text,) for text in texts],
                    examples=(),
                    groups=source.groups,
                    license=config.license,
                    origin=config.origin,
                    too_long=0,
                )
            )
            advance(1)
    return out


def _check_measured(settings: Settings, name: str, rows: Sequence[Rendered]) -> None:
    """Nothing if the training rows of a run's task are those that were measured."""
    wanted = settings.trained.get(name)
    if wanted is None:
        return
    found = sha256_value([[list(r.input_ids), r.num_prompt_tokens] for r in rows])
    if found != wanted:
        raise ArtifactError(
            expected=f"the rows of task {name!r} that the mixture was measured on",
            found="others: its file, its templates or the tokenizer changed since",
            where=str(settings.base),
            fix="run `mishran fit` on the same configuration again, or bring the old file back",
        )


def _name(tokenizer: str, base: Path) -> str:
    """What people call it: the folder's name, or the hub's."""
    folder = base / tokenizer
    return folder.resolve().name if folder.is_dir() else tokenizer


def tokenizer_sha256(tokenizer: Any) -> str:
    """Of vocabulary and rules."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return sha256_bytes(backend.to_str().encode())
    return sha256_value(sorted(tokenizer.get_vocab().items()))


def weights_of(phase: PhaseConfig, supplies: Sequence[Supply], shares: str) -> np.ndarray:
    """(n,) shares that sum to 1.

    Raises:
        ConfigError: a weight for a name that is none of them.
    """
    names = [supply.name for supply in supplies]
    if phase.weights == "uniform":
        values = np.ones(len(names))
    elif phase.weights == "proportional":
        values = np.array([s.rows if shares == "rows" else s.tokens for s in supplies], dtype=float)
    else:
        assert not isinstance(phase.weights, str)
        strange = [name for name in phase.weights if name not in names]
        if strange:
            import difflib

            near = difflib.get_close_matches(strange[0], names, n=1)
            raise ConfigError(
                expected=f"weights of {', '.join(names[:8])}{', ...' * (len(names) > 8)}",
                found=repr(strange[0]),
                where="weights",
                fix=f"did you mean {near[0]!r}?" if near else "correct the name, or add the data",
            )
        values = np.array([phase.weights.get(name, 0.0) for name in names])
    return values / values.sum()
