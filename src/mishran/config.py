"""The YAML schema of `mix.yaml`: strict, complete, and saved resolved with every run.

A field that does not exist is an error that names the nearest one. Paths are relative to the file.
Defaults live here and in `config_mixture`, nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import yaml
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from mishran.config_errors import FieldProblem, duplicate_key, shown, translate
from mishran.config_fields import (
    Number,
    Positive,
    Settings,
    Share,
    Whole,
    default_learning_rate,
)
from mishran.config_mixture import (
    DEFAULT,
    OF_ENERGY,
    BudgetConfig,
    LimitConfig,
    MixtureConfig,
    QuotaConfig,
    UnaryConfig,
)
from mishran.config_train import TrainConfig
from mishran.errors import ConfigError
from mishran.places import check_name, expand

__all__ = [
    "BudgetConfig",
    "FitConfig",
    "LimitConfig",
    "MixtureConfig",
    "ProbeConfig",
    "QuotaConfig",
    "SpecialistConfig",
    "TaskConfig",
    "TrainConfig",
    "UnaryConfig",
    "parse_config",
    "read_config",
]


class TaskConfig(Settings):
    """A named set of prompt/answer examples.

    path: `.jsonl`, `.jsonl.gz`, `.json`, `.parquet`, a folder written by `datasets.save_to_disk`,
    or a hub name (with --online). prompt, answer: templates over the record's fields, `{field}`;
    without them the usual field names are tried. separator: goes between prompt and answer where
    neither has whitespace at the seam, so that they do not become one word; "" joins them as they
    are. messages: field with chat messages, rendered by the model's chat template; the last
    assistant message is the answer. choices: field with the list of answers that a record offers, by
    default `choices` where the answer is a bare field, see `mishran.tasks.choices`. splits: split ->
    file (or split of the data set); without it a `split` field wins; without that a hash of the
    content decides. eval_only: probed, never trained. adapter: a PEFT LoRA folder to use instead of
    training. limit: use at most so many training rows.
    """

    name: str
    path: str | None = None
    prompt: str | None = None
    answer: str | None = None
    separator: str = "\n"
    messages: str | None = None
    choices: str | None = None
    groups: tuple[str, ...] = ()
    splits: dict[Literal["train", "valid", "test"], str] | None = None
    subset: str | None = None
    revision: str | None = None
    eval_only: bool = False
    adapter: str | None = None
    limit: Annotated[Whole, Field(ge=1)] | None = None
    license: str | None = None
    origin: str | None = None

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)

    @model_validator(mode="after")
    def _fields(self) -> TaskConfig:
        if self.messages is not None and (self.prompt is not None or self.answer is not None):
            other = "prompt" if self.prompt is not None else "answer"
            raise FieldProblem(
                "either messages, or prompt and answer",
                f"messages and {other}",
                "remove one of them",
            )
        if (self.prompt is None) != (self.answer is None):
            has, lacks = ("answer", "prompt") if self.prompt is None else ("prompt", "answer")
            raise FieldProblem(
                "prompt and answer together, or neither", f"only {has}", f"add {lacks}: ..."
            )
        if self.path is None and not self.splits:
            raise FieldProblem(
                "a path, or splits with a file for each", "neither", "add path: FILE"
            )
        if self.eval_only and self.adapter is not None:
            raise FieldProblem(
                "no adapter in a task that is only evaluated",
                "eval_only and adapter",
                "remove one of them",
            )
        return self


class Named(Protocol):
    """What has a name and groups: a task, a source."""

    @property
    def name(self) -> str: ...

    @property
    def groups(self) -> tuple[str, ...]: ...


OF_ADAPTERS = ("rank", "alpha", "dropout", "targets", "adapter_dtype", "fast")


class SpecialistConfig(Settings):
    """One specialist per task, all with the same recipe.

    kind: lora, an adapter per task, or full, all parameters of the model per task: for small models.
    tokens: training tokens per task (prompt and answer, without padding); short tasks are repeated.
    epochs: instead of tokens, passes over each task's own training rows.
    rank, alpha, dropout, targets: of adapters. learning_rate: by default from the model's width, see
    `default_learning_rate`.
    curve_points: how often to validate, at 0 and at halvings of the budget. validation: held-out
    examples per task for that. seed: of the training, by default the run's, which also draws the
    probes; runs that differ in nothing else tell how much of an affinity is chance of the training.
    checkpointing: compute the layers again for their gradients instead of keeping what is in them.
    adapter_dtype: of adapters, their gradients and the optimizer's moments.
    fast: adapters in the upper half of the layers only; the lower half is shared by all when the pool
    is answered. Rank correlation of the affinity 0.94, of another seed 0.98
    (docs/results/fast.md).
    patience: stop a task after so many points of the curve without a lower loss on half of its held-out
    examples, and keep the best weights; the other half measures. By default every task uses its budget.
    """

    kind: Literal["lora", "full"] = "lora"
    seed: Annotated[Whole, Field(ge=0, le=2**63 - 1)] | None = None
    tokens: Annotated[Whole, Field(ge=1)] | None = None
    epochs: Positive | None = None
    rank: Annotated[Whole, Field(ge=1)] = 16
    alpha: Positive = 32.0
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    targets: str | tuple[str, ...] = "all-linear"
    learning_rate: Positive | None = None
    warmup: Share = 0.05
    batch_size: Annotated[Whole, Field(ge=1)] = 16
    weight_decay: Annotated[Number, Field(ge=0)] = 0.0
    clip: Positive = 1.0
    curve_points: Annotated[Whole, Field(ge=2)] = 5
    validation: Annotated[Whole, Field(ge=2)] = 64
    patience: Annotated[Whole, Field(ge=1)] | None = None
    checkpointing: bool = False
    adapter_dtype: Literal["float32", "bfloat16"] = "float32"
    fast: bool = False

    @model_validator(mode="after")
    def _budget(self) -> SpecialistConfig:
        if self.tokens is not None and self.epochs is not None:
            raise FieldProblem("tokens or epochs", "both", "remove one of them")
        of_adapters = [name for name in OF_ADAPTERS if name in self.model_fields_set]
        if self.kind == "full" and of_adapters:
            raise FieldProblem(
                f"no {of_adapters[0]} with kind: full, which has no adapters",
                "both",
                "remove one of them",
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_it_has_not(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is written can be read again, and the key of a stage holds what decides it."""
        out = handler(self)
        return {k: v for k, v in out.items() if self.kind == "lora" or k not in OF_ADAPTERS}

    def peak_learning_rate(self, hidden_size: int) -> float:
        """The given learning rate, else that of the kind for a width."""
        return self.learning_rate or default_learning_rate(self.kind, hidden_size)

    @property
    def budget_tokens(self) -> int | None:
        """Tokens per task, 50,000 unless epochs were asked for."""
        return None if self.epochs is not None else (self.tokens or 50_000)


class ProbeConfig(Settings):
    """The pool that every specialist and the base answer.

    per_task: held-out examples of each task. answer_tokens: longest answer prefix whose
    distributions are compared; scores always use the whole answer. splits: where probes and
    validation examples come from, in this order; test fills up tasks whose valid split is small.
    gradients, embeddings, distributions: also write gradients.npz (of the base, for the affinities
    gradient-*), embeddings.npz (mean states of the base), distributions.npz (of all specialists at so
    many answer tokens).
    """

    per_task: Annotated[Whole, Field(ge=2)] = 32
    answer_tokens: Annotated[Whole, Field(ge=1)] = 64
    splits: Annotated[tuple[Literal["valid", "test"], ...], Field(min_length=1)] = ("valid",)
    gradients: bool = False
    embeddings: bool = False
    distributions: Annotated[Whole, Field(ge=1)] | None = None


class FitConfig(Settings):
    """`mix.yaml`.

    model: local folder of a causal LM, or a hub name with --online. tasks: a list, or a folder of
    `*.jsonl`. run: run directory, by default `runs/<name of the file>`. max_tokens: longest
    example, by default the model's context. train: how `mishran train` and `compare` train. bos, eos:
    begin every prompt, end every answer with the model's special token when it has one. quantize: the
    linear layers of the base in 4 bits, see `mishran.train.quantize`; for adapters only.
    """

    model: str
    revision: str | None = None
    quantize: Literal["4bit"] | None = None
    tasks: str | tuple[TaskConfig, ...]
    run: str | None = None
    specialists: SpecialistConfig = SpecialistConfig()
    probes: ProbeConfig = ProbeConfig()
    mixture: MixtureConfig = MixtureConfig()
    train: TrainConfig = TrainConfig()
    max_tokens: Annotated[Whole, Field(ge=8)] | None = None
    bos: bool = True
    eos: bool = True
    seed: Annotated[Whole, Field(ge=0, le=2**63 - 1)] = 0
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    @field_validator("tasks")
    @classmethod
    def _unique(cls, tasks: str | tuple[TaskConfig, ...]) -> str | tuple[TaskConfig, ...]:
        if not isinstance(tasks, str):
            check_names(tasks, "task")
        return tasks

    @model_validator(mode="after")
    def _by_default(self) -> FitConfig:
        """See `MixtureConfig`."""
        said = self.mixture.model_fields_set & {"method", "affinity", *OF_ENERGY}
        brought = not isinstance(self.tasks, str) and any(t.adapter for t in self.tasks)
        curves = self.specialists.curve_points >= 3 and not brought
        if self.mixture.budget is not None and not said and curves:
            mixture = self.mixture.model_copy(update={"method": DEFAULT})
            object.__setattr__(self, "mixture", mixture)
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> FitConfig:
        if self.quantize is not None and self.specialists.kind == "full":
            raise FieldProblem(
                "specialists of kind: lora on a quantized base, whose own weights cannot be trained",
                f"quantize: {self.quantize} and kind: full",
                "remove one of them",
            )
        if self.specialists.kind == "full" and not isinstance(self.tasks, str):
            brought = next((task.name for task in self.tasks if task.adapter is not None), None)
            if brought is not None:
                raise FieldProblem(
                    "no task with an adapter where specialists are of kind: full",
                    f"adapter in task {brought!r}",
                    "remove it, or kind: full",
                )
        return self


def check_names(tasks: Sequence[Named], what: str) -> None:
    """Nothing if there are some, with names that can tell them, and their groups, apart.

    Raises:
        FieldProblem: there are none, or two of a name.
    """
    if not tasks:
        raise FieldProblem(f"at least one {what}", "an empty list", f"add {what}s")
    names = [task.name for task in tasks]
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        j = first.setdefault(name.casefold(), i)
        if j < i and names[j] == name:
            raise FieldProblem(
                f"{what} names that differ",
                f"{name!r} in entries {j + 1} and {i + 1}",
                "rename one",
            )
        if j < i:
            raise FieldProblem(
                f"{what} names that differ by more than case",
                f"{names[j]!r} and {name!r}, which share a folder on some file systems",
                "rename one",
            )
    clash = sorted(set(names) & {g for task in tasks for g in task.groups})
    if clash:
        raise FieldProblem(
            f"names of groups and {what}s that differ",
            f"{clash[0]!r} as both",
            "rename the group: floors and caps could mean either",
        )


def read_config(path: Path, model: type[Settings] = FitConfig) -> Any:
    """Read and check `mix.yaml`, or another file by its schema.

    Raises:
        ConfigError: no such file, not YAML, an unknown field (the nearest is named), a field given
            twice, or a wrong value.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            expected="a configuration file",
            found="no such file",
            where=str(path),
            fix="check the path; `mishran demo` writes one to start from",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            expected="a UTF-8 text file",
            found=getattr(error, "strerror", None) or str(error),
            where=str(path),
            fix="check the path" if isinstance(error, OSError) else "save the file as UTF-8",
        ) from error
    try:
        data = yaml.safe_load(text)
        twice = duplicate_key(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: a date that is none, such as 2024-13-01, which YAML tries to read.
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            expected="valid YAML",
            found=str(getattr(error, "problem", None) or error),
            where=f"{path}:{mark.line + 1}" if mark else str(path),
            fix="mend that line (a missing space after ':' or an unclosed bracket is usual)",
        ) from error
    if twice is not None:
        raise ConfigError(
            expected="every field once",
            found=f"{twice[0]!r} twice in one place",
            where=f"{path}:{twice[1]}",
            fix="remove one of them",
        )
    return parse_config(expand(data, str(path)), str(path), model, text)


def parse_config(
    data: Any, where: str, model: type[Settings] = FitConfig, text: str | None = None
) -> Any:
    """Validate a mapping against a schema; errors name the field, the value and the nearest name.

    text: the YAML that data came from, so that errors name the line.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            expected="a mapping of fields (model: ..., tasks: ...)",
            found=shown(data) if data is not None else "an empty file",
            where=where,
            fix="see the smallest file in the README",
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise translate(error, data, where, model, text) from error
