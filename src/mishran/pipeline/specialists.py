"""The specialists of a run: who is trained together, and the training, wave by wave.

A wave is trained whole and then written, a stage per specialist. Kill it anywhere: waves that were
written are kept, the one at work is trained again with the same members, and comes out the same.
Only where memory ran out (another card than the plan was made on, say) is what is left planned anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from mishran.config import SpecialistConfig
from mishran.errors import MishranError, TrainingError, first_line
from mishran.pipeline.prepare import Prepared, PreparedTask
from mishran.pipeline.progress import Progress
from mishran.pipeline.stages import ADAPTER, CURVE, specialist_stage
from mishran.pipeline.tables import write_npz
from mishran.pipeline.waves import (
    Wave,
    kept,
    read_waves,
    split,
    wave_of,
    whole,
    without,
    write_waves,
)
from mishran.run import Run, Stage
from mishran.specialists.adapters import Template, save_adapter, template
from mishran.specialists.course import Trained
from mishran.specialists.evidence import Evidence, Trainee
from mishran.specialists.fit import fit_specialists, measure_adapter
from mishran.specialists.full import check_full, fit_full
from mishran.specialists.sizing import size_waves
from mishran.specialists.whole import save_whole
from mishran.train.batch import TOKENS
from mishran.train.memory import ran_out
from mishran.train.models import Loaded


@dataclass(frozen=True)
class SpecialistPlan:
    """What is to be trained.

    stages: of every trained task. todo: those that are not done. waves: all that the run remembers, or
    for whole models those to do, one task each, which nothing remembers.
    """

    stages: dict[str, Stage]
    todo: frozenset[str]
    waves: tuple[Wave, ...]


def known_stages(
    prepared: Prepared, run: Run, kind: tuple[str, str], waves: Sequence[Wave]
) -> tuple[dict[str, Stage], dict[str, str]]:
    """Stage of every trained task, with its wave where that is recorded; and the keys without it.

    Whole models have no wave: each is trained alone.
    """
    stages: dict[str, Stage] = {}
    keys: dict[str, str] = {}
    for task in prepared.trained:
        name = task.task.name
        stage = specialist_stage(prepared, task, *kind)
        if task.adapter is None and prepared.config.specialists.kind == "lora":
            keys[name] = stage.key
            wave = wave_of(waves, name, stage.key)
            if wave is not None:
                stage = specialist_stage(prepared, task, *kind, wave.name)
        stages[name] = stage
    return stages, keys


def plan_specialists(
    prepared: Prepared, run: Run, kind: tuple[str, str], model: Callable[[], Loaded]
) -> SpecialistPlan:
    """Which specialists are missing, and in which waves they are trained; recorded before they are.

    Raises:
        ModelError: the model cannot be trained by the recipe, see `check_recipe`.
        TrainingError: not even one specialist fits the memory.
    """
    waves = read_waves(run)
    stages, keys = known_stages(prepared, run, kind, waves)
    todo = {name for name, stage in stages.items() if run.state(stage) != "done"}
    if todo:
        check_recipe(model(), prepared.config.specialists)
    new = [name for name in keys if name in todo and not _planned(waves, name, keys)]
    if new:
        loaded, recipe = model(), fixed_recipe(prepared)
        tasks = [t for t in prepared.trained if t.task.name in new]
        rows, held_out = [t.train.rows for t in tasks], [t.held_out.rows for t in tasks]
        sizing = size_waves(
            loaded,
            _template(prepared, loaded),
            recipe,
            rows,
            held_out,
            seed=_seed(prepared),
            max_tokens=prepared.max_tokens,
        )
        waves = (
            *kept(without(waves, new), keys),
            *split(new, keys, sizing.slots, sizing.tokens),
        )
        write_waves(run, waves)
        stages, keys = known_stages(prepared, run, kind, waves)
    if prepared.config.specialists.kind == "full":
        alone = [{name: stage.key} for name, stage in stages.items() if name in todo]
        waves = tuple(Wave(member, TOKENS) for member in alone)
    return SpecialistPlan(stages, frozenset(todo), waves)


def _planned(waves: Sequence[Wave], name: str, keys: Mapping[str, str]) -> bool:
    wave = wave_of(waves, name, keys[name])
    return wave is not None and whole(wave, keys)


def train_specialists(
    prepared: Prepared,
    run: Run,
    plan: SpecialistPlan,
    model: Callable[[], Loaded],
    progress: Progress,
) -> None:
    """Make what is missing.

    Raises:
        TrainingError: one or more failed; the others are kept. Or memory ran out.
    """
    tasks = {t.task.name: t for t in prepared.trained}
    waves = [w for w in plan.waves if any(_awaits(plan, w, name) for name in w.members)]
    total = sum(planned_tokens(prepared, tasks[name]) for w in waves for name in w.members)
    failed: dict[str, MishranError] = {}
    with progress.bar("training specialists", total, "tokens") as advance:
        for wave in waves:
            try:
                failed |= _train_wave(prepared, run, plan, wave, model(), progress, advance)
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                _forget(prepared, run, plan)
                raise _too_large(wave, error, prepared.config.specialists.kind) from error
    if failed and prepared.config.specialists.kind == "lora":
        write_waves(run, without(plan.waves, tuple(failed)))
    for name, task in tasks.items():
        if task.adapter is not None:
            _copy_adapter(prepared, run, plan.stages[name], task, model, progress)
    if failed:
        first = next(iter(failed.values()))
        more = f" ({len(failed) - 1} more tasks failed too)" if len(failed) > 1 else ""
        raise TrainingError(
            expected=first.expected,
            found=first.found + more,
            where=first.where,
            fix=f"{first.fix}, or remove the task; the other specialists are kept",
        )


def _forget(prepared: Prepared, run: Run, plan: SpecialistPlan) -> None:
    """Let all that is not written be planned anew, for the memory that there is then."""
    if prepared.config.specialists.kind != "lora":
        return
    left = [name for name in plan.todo if run.state(plan.stages[name]) != "done"]
    waves = without(plan.waves, left)
    write_waves(run, [wave for wave in waves if any(wave.members.values())])


def _too_large(wave: Wave, error: RuntimeError, kind: str) -> TrainingError:
    again = (
        "run the same command again: what is written is kept, and the rest is planned for the memory "
        "that is free then; where that is too little too, lower max_tokens or specialists.rank"
    )
    return TrainingError(
        expected=f"memory to train {len(wave.members)} specialists at once in batches of "
        f"{wave.tokens:,} tokens",
        found=f"too little ({first_line(error)})",
        where="specialists",
        fix=again if kind == "lora" else "use kind: lora, a smaller model, or lower max_tokens",
    )


def _awaits(plan: SpecialistPlan, wave: Wave, name: str) -> bool:
    """Whether a member is still to be made by this wave (it may have come into another since)."""
    stage = plan.stages.get(name)
    if name not in plan.todo or stage is None:
        return False
    return stage.params.get("wave") == wave.name or wave.members[name] == stage.key


def _train_wave(
    prepared: Prepared,
    run: Run,
    plan: SpecialistPlan,
    wave: Wave,
    loaded: Loaded,
    progress: Progress,
    advance: Callable[[float], None],
) -> dict[str, MishranError]:
    """Train all members, write those that are missing; the errors of those that failed."""
    tasks = {t.task.name: t for t in prepared.trained}
    train, save = _by_kind(prepared, loaded)
    found = train(
        [Trainee(n, tasks[n].train.rows, tasks[n].held_out.rows) for n in wave.members],
        seed=_seed(prepared),
        max_tokens=prepared.max_tokens,
        tokens=wave.tokens,
        on_tokens=advance,
    )
    failed: dict[str, MishranError] = {}
    for name, result in zip(wave.members, found, strict=True):
        if isinstance(result, MishranError):
            failed[name] = result
            progress.say(f"{result} (going on with the other tasks)")
        elif _awaits(plan, wave, name):

            def make(folder: Path, name: str = name, result: Trained = result) -> None:
                target = folder / "specialists" / name
                try:
                    save(result.vector, target)
                except SafetensorError as error:  # what a full disk is called there
                    raise OSError(str(error)) from error
                _write_evidence(target, result.evidence)
                write_npz(
                    target / CURVE,
                    tokens=np.array([p.tokens for p in result.evidence.curve], dtype=np.int64),
                    nats=result.examples,
                )

            run.complete(plan.stages[name], make, progress.say)
    return failed


def _by_kind(
    prepared: Prepared, loaded: Loaded
) -> tuple[Callable[..., list[Trained | MishranError]], Callable[[torch.Tensor, Path], None]]:
    """How specialists are trained, and how one is written."""
    recipe = fixed_recipe(prepared)
    if recipe.kind == "full":
        return partial(fit_full, loaded=loaded, recipe=recipe), partial(save_whole, loaded.model)
    begin = _template(prepared, loaded)
    train = partial(fit_specialists, loaded=loaded, template=begin, recipe=recipe)
    return train, partial(save_adapter, begin)


def _copy_adapter(
    prepared: Prepared,
    run: Run,
    stage: Stage,
    task: PreparedTask,
    model: Callable[[], Loaded],
    progress: Progress,
) -> None:
    """An adapter that the task brings: copied and measured."""
    name, adapter = task.task.name, task.adapter
    assert adapter is not None

    def make(folder: Path) -> None:
        target = folder / "specialists" / name
        target.mkdir(parents=True)
        for file in ADAPTER:
            (target / file).write_bytes((adapter / file).read_bytes())
        evidence = measure_adapter(
            name,
            model(),
            target,
            task.held_out.rows,
            seed=_seed(prepared),
            max_tokens=prepared.max_tokens,
        )
        _write_evidence(target, evidence)

    run.complete(stage, make, progress.say)


def _write_evidence(folder: Path, evidence: Evidence) -> None:
    text = json.dumps(evidence.to_dict(), indent=1, ensure_ascii=False)
    (folder / "evidence.json").write_text(text + "\n")


def check_recipe(model: Loaded, recipe: SpecialistConfig) -> None:
    """Whether the model can be trained so: put an adapter on it and take it off again, or see `check_full`.

    Raises:
        ModelError: there are no such layers, or not all parameters can be trained.
        TrainingError: they do not fit the memory.
    """
    if recipe.kind == "full":
        check_full(model, recipe)
    else:
        template(model.model, recipe, 0, "check")


def fixed_recipe(prepared: Prepared) -> SpecialistConfig:
    """The recipe with its learning rate."""
    recipe = prepared.config.specialists
    rate = recipe.peak_learning_rate(prepared.shape.hidden_size)
    return recipe.model_copy(update={"learning_rate": rate})


def _seed(prepared: Prepared) -> int:
    own = prepared.config.specialists.seed
    return prepared.config.seed if own is None else own


def _template(prepared: Prepared, loaded: Loaded) -> Template:
    recipe = prepared.config.specialists
    return template(loaded.model, recipe, _seed(prepared), base_name(prepared))


def planned_tokens(prepared: Prepared, task: PreparedTask) -> int:
    """Training tokens of a specialist, to the nearest row; of a part of an epoch, a row at least."""
    if task.adapter is not None:
        return 0
    recipe = prepared.config.specialists
    asked = (recipe.epochs or 0) * task.train.tokens
    return recipe.budget_tokens or round(max(asked, task.mean_tokens))


def base_name(prepared: Prepared) -> str:
    """What adapter_config.json calls the base: a hub name, or the name of a folder wherever it lies.

    PEFT needs no more, as the base is given to it. It is no part of the key: no number depends on it,
    and a folder may be renamed.
    """
    folder = prepared.base / prepared.config.model
    return folder.resolve().name if folder.is_dir() else prepared.config.model
