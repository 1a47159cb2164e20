"""A run or a recipe, and a plan of its rows -> a trained model in a folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mishran.config import FitConfig, read_config
from mishran.config_recipe import RecipeConfig
from mishran.config_train import TrainConfig
from mishran.errors import ArtifactError, ConfigError, ModelError
from mishran.evaluate.held_out import HeldOut
from mishran.evaluate.losses import Losses, losses
from mishran.pipeline.build import Planned
from mishran.pipeline.facts import read_run
from mishran.pipeline.ingredients import tokenizer_sha256
from mishran.pipeline.mixture_file import versions
from mishran.pipeline.progress import Progress, Silent
from mishran.run import TMP, Run, Stage, atomic_write, sha256_value
from mishran.stream.plan import Plan
from mishran.train.checkpoint import discard
from mishran.train.checkpointing import checkpointed
from mishran.train.feed import feed
from mishran.train.metrics import sinks_for
from mishran.train.models import (
    Loaded,
    Quantize,
    load_model,
    model_commit,
    model_content,
    model_shape,
    new_model,
    resolve_device,
    resolve_dtype,
)
from mishran.train.threads import using_threads
from mishran.train.trainable import Trainable
from mishran.train.trainer import Trained, run_training
from mishran.train.world import World, own_device, world

Measure = Callable[[Trainable, Loaded, dict[str, Losses], Path], None]
VERSION = 1
STAGE = "train"
LOCK = ".lock"  # of a folder that a training was begun in, see `Run.locked`


@dataclass(frozen=True)
class Start:
    """The model that training starts from.

    name: folder or hub name, relative to `base`. scratch: its config.json only, with new weights.
    """

    name: str
    base: Path
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantize: Quantize | None = None
    online: bool = False
    scratch: bool = False

    def load(self, seed: int, tokenizer: str | None = None) -> Loaded:
        """Ready to use; with `scratch`, new weights drawn from the seed."""
        device = own_device(self.device)
        if self.scratch:
            return new_model(
                self.name,
                self.base,
                seed,
                tokenizer or self.name,
                device=device,
                dtype=self.dtype,
            )
        return load_model(
            self.name,
            self.base,
            device=device,
            dtype=self.dtype,
            online=self.online,
            revision=model_commit(self.name, self.base, self.revision),
            quantize=self.quantize,
        )

    @property
    def context(self) -> int:
        """Tokens that it reads at a time."""
        return model_shape(self.name, self.base, self.online, self.revision).context

    def content(self, seed: int) -> str:
        """sha256 that names it."""
        if self.scratch:
            config = (self.base / self.name / "config.json").read_bytes()
            return sha256_value(["scratch", config.decode(), seed])
        return model_content(self.name, self.base, self.revision, self.quantize)


def start_of(place: Path, model: str | None = None, scratch: bool = False) -> Start:
    """The model of a run directory or a recipe file, or another one that was asked for.

    Args:
        model: folder (relative to where we are) or hub name instead.

    Raises:
        ConfigError: a recipe without a model.
    """
    more: dict[str, Any] = {}
    if place.is_dir():
        config: FitConfig = read_run(Run(place))
        from mishran.pipeline.ingredients import settings_of

        base, name = settings_of(place).base, config.model
        more = {
            "revision": config.revision,
            "device": config.device,
            "dtype": config.dtype,
            "quantize": config.quantize,
        }
    else:
        recipe: RecipeConfig = read_config(place, RecipeConfig)
        base, name = place.parent, recipe.model or ""
    if model is not None:
        local = Path(model)
        name = str(local.resolve()) if local.is_dir() else model
        more = {k: v for k, v in more.items() if k in ("device", "dtype", "quantize")}
    if not name:
        raise ConfigError(
            expected="a model to train",
            found="none",
            where=str(place),
            fix="give --model, or write model: into the recipe",
        )
    return Start(name=name, base=base, scratch=scratch, **more)


def settings_for(place: Path) -> TrainConfig:
    """`train:` of a run's configuration or of a recipe."""
    if place.is_dir():
        run: FitConfig = read_run(Run(place))
        return run.train
    recipe: RecipeConfig = read_config(place, RecipeConfig)
    return recipe.train


def answers_to(model: Any, loaded: Loaded, held: Mapping[str, HeldOut]) -> dict[str, Losses]:
    """Every task's held-out examples under a model."""
    return {name: losses(replace(loaded, model=model), one) for name, one in held.items()}


def mean_losses(answers: Mapping[str, Losses]) -> dict[str, float]:
    """Task -> mean over its examples of nats per answer token."""
    return {name: float((a.nats / a.tokens).mean()) for name, a in answers.items()}


def train_key(start: Start, plan: Plan, recipe: TrainConfig, kind: Sequence[str], seed: int) -> str:
    """Names everything that decides the weights that training ends with."""
    return sha256_value(
        [VERSION, start.content(seed), plan.fingerprint, recipe.decides, list(kind), seed]
    )


@dataclass(frozen=True)
class Finished:
    """A trained model: its folder, what its training did, and its answers at the end (None where this
    process did not train it, since it was there)."""

    folder: Path
    facts: dict[str, Any]
    answers: dict[str, Losses] | None


def train_model(
    planned: Planned,
    start: Start,
    recipe: TrainConfig,
    held: Mapping[str, HeldOut],
    out: Path,
    *,
    seed: int,
    progress: Progress | None = None,
    keep_model: bool = True,
    measure: Measure | None = None,
    measure_key: Mapping[str, Any] | None = None,
) -> Finished:
    """Train on the rows of a plan; the same call goes on where it was, or finds it done.

    The folder gets `model/`, `training.json` (what was done), `plan.json`, `metrics.jsonl` and, while it
    is not finished, `checkpoints/`.

    Args:
        held: rows that are validated on.
        seed: of new weights, of the adapter and of dropout; the order is the plan's.
        keep_model: False leaves the weights away, for those who want the answers alone.
        measure: writes more about the trained model into the folder, as `answers.npz`; measure_key: what
            decides it beside the model and `held`.

    Raises:
        MishranError: bad input, another training's folder, or a loss that is not finite.
    """
    progress = progress or Silent()
    if start.scratch and recipe.kind == "lora":
        raise ConfigError(
            expected="kind: full with new weights",
            found="kind: lora, which keeps the adapter and not what is under it",
            where="train.kind",
            fix="add --kind full, or leave --scratch away",
        )
    device = resolve_device(own_device(start.device))
    dtype = resolve_dtype(start.dtype, device)
    kind = (device.type, str(dtype).removeprefix("torch."))
    _check_tokenizer(planned, start)
    run, key = Run(out), train_key(start, planned.plan, recipe, kind, seed)
    manifest = run.manifest(STAGE)
    kept = manifest is not None and any(p.startswith("model/") for p in manifest["outputs"])
    keep_model |= kept  # more than was asked for is there
    outputs = ("training.json", "plan.json")
    outputs += (("model/",) if keep_model else ()) + (("answers.npz",) if measure else ())
    rows = sha256_value(
        {
            name: [[list(r.input_ids), r.num_prompt_tokens] for r in one.rows]
            for name, one in held.items()
        }
    )
    params = {"key": key, "held_out": rows, "measure": dict(measure_key or {})}
    stage = Stage(STAGE, VERSION, params, {}, outputs)
    _check_folder(run, stage)
    found: dict[str, Losses] = {}
    with using_threads(recipe.threads), world(device) as ranks:
        if run.state(stage) == "done":
            if ranks.leads:  # killed before it came to that
                discard(out / "checkpoints")
            return Finished(out, _facts(out), None)
        ranks.wait()

        def make(folder: Path | None) -> None:
            loaded = start.load(seed, str(_tokenizer(planned)))
            for note in loaded.notes:
                progress.say(note)
            trained, model = _train(
                planned, start, loaded, recipe, held, out, key, seed, ranks, progress
            )
            if folder is None:
                return
            model.finish()
            found.update(answers_to(model, loaded, held))
            if measure is not None:
                measure(model, loaded, found, folder)
            if keep_model:
                model.save(folder / "model", loaded.tokenizer)
            facts = _described(planned.plan, start, recipe, kind, seed, trained, found)
            atomic_write(folder / "training.json", json.dumps(facts, indent=1) + "\n")
            atomic_write(folder / "plan.json", planned.plan.to_json())

        if not ranks.leads:
            make(None)
            ranks.wait()
            return Finished(out, {}, None)
        with run.locked():
            run.sweep()
            if keep_model and manifest is not None and not kept:
                progress.say("the weights were not kept: training again")
                run.manifest_path(STAGE).unlink(missing_ok=True)
            run.complete(stage, make, progress.say)
        discard(out / "checkpoints")
        ranks.wait()
    return Finished(out, _facts(out), found)


def _train(
    planned: Planned,
    start: Start,
    loaded: Loaded,
    recipe: TrainConfig,
    held: Mapping[str, HeldOut],
    out: Path,
    key: str,
    seed: int,
    ranks: World,
    progress: Progress,
) -> tuple[Trained, Trainable]:
    plan = planned.plan
    shape = model_shape(start.name, start.base, start.online, start.revision)
    context = checkpointed(loaded.model, recipe.checkpointing, "train.checkpointing")
    with contextlib.ExitStack() as stack:
        stack.enter_context(context)
        model = Trainable(loaded, recipe, seed, start.name)
        if recipe.compile:
            model.compile_layers()
        steps = feed(
            plan,
            planned.ingredients.tokens,
            recipe,
            pad_id=loaded.pad_id,
            packs=loaded.packs,
            world=ranks,
            context=shape.context,
        )
        sinks = sinks_for(out, recipe.metrics) if ranks.leads else []
        for sink in sinks:
            stack.callback(sink.close)

        def validate(now: Trainable) -> dict[str, float]:
            return mean_losses(answers_to(now, loaded, held))

        advance: Callable[[int], None] = lambda tokens: None  # noqa: E731
        if ranks.leads:
            bar = progress.bar(f"training {out.name}", plan.tokens, "tokens")
            advance = stack.enter_context(bar)
        trained = run_training(
            model,
            plan,
            steps,
            recipe,
            key=key,
            seed=seed,
            hidden_size=shape.hidden_size,
            device=loaded.device,
            checkpoints=out / "checkpoints",
            sinks=sinks,
            validate=validate if held and recipe.validations else None,
            world=ranks,
            on_tokens=advance,
            say=progress.say,
        )
        return trained, model


def _described(
    plan: Plan,
    start: Start,
    recipe: TrainConfig,
    kind: tuple[str, str],
    seed: int,
    trained: Trained,
    answers: Mapping[str, Losses],
) -> dict[str, Any]:
    losses = mean_losses(answers)
    return {
        "model": Path(start.name).name,
        "plan": plan.fingerprint,
        "recipe": recipe.model_dump(mode="json"),
        "device": kind[0],
        "dtype": kind[1],
        "threads": torch.get_num_threads(),
        "seed": seed,
        "steps": trained.steps,
        "tokens": sum(trained.tokens),
        "tasks": {
            task.name: {"rows": task.rows, "tokens": tokens}
            for task, tokens in zip(plan.tasks, trained.tokens, strict=True)
        },
        "validation": [
            {"step": p.step, "tokens": p.tokens, "loss": p.loss, "tasks": dict(p.tasks)}
            for p in trained.points
        ],
        "loss": sum(losses.values()) / len(losses) if losses else None,
        "losses": losses,
        "versions": versions(),
    }


def _facts(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "training.json").read_text(encoding="utf-8"))
    return data


def _check_folder(run: Run, stage: Stage) -> None:
    """Nothing if the folder is new, or this training's own.

    Raises:
        ArtifactError: it holds something else.
    """
    if run.root.is_file():
        found = "a file"
    elif run.state(stage) == "stale":
        found = "a model of another training: its plan, model, settings or held-out examples differ"
    elif run.root.is_dir():
        names = {p.name for p in run.root.iterdir() if not p.name.startswith(TMP)}
        own = {LOCK, "checkpoints", "manifests"}
        begun = LOCK in names and (names <= own or "metrics.jsonl" in names)
        if not names or begun or run.manifest(STAGE) is not None:
            return  # what else somebody put there stays
        found = f"a folder with other things in it ({', '.join(sorted(names - {LOCK})[:3])})"
    else:
        return
    raise ArtifactError(
        expected="a new folder, or the one of this training",
        found=found,
        where=str(run.root),
        fix="give another folder with --out, or delete this one",
    )


def _tokenizer(planned: Planned) -> Path:
    settings = planned.ingredients.settings
    return settings.base / settings.tokenizer


def _check_tokenizer(planned: Planned, start: Start) -> None:
    """Nothing if the rows were cut by the model's own tokenizer.

    Raises:
        ModelError: it is another one.
    """
    if start.scratch:
        return
    from mishran.train.models import load_tokenizer

    own = load_tokenizer(start.name, start.base, start.online, start.revision)
    record = planned.plan.tokenizer
    if record is not None and tokenizer_sha256(own) != record.sha256:
        raise ModelError(
            expected=f"the tokenizer that the rows were cut with ({record.name})",
            found="another one: model and tokenizer disagree",
            where=start.name,
            fix="plan with the model's own: --tokenizer MODEL",
        )
