"""`recipe.yaml`: data and proportions that are known already, for `mishran build` and `mishran export`.

What a run finds for tasks can also be written down by hand, for tasks or for sources of raw text, and in
several phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from mishran.config import TaskConfig, check_names
from mishran.config_errors import FieldProblem
from mishran.config_fields import Number, Settings, Whole
from mishran.config_train import TrainConfig
from mishran.places import check_name

Amount = Annotated[Whole, Field(ge=1, le=10**15)]
Weight = Annotated[Number, Field(ge=0, le=1e12)]
Epochs = Annotated[Number, Field(gt=0, le=1e9)]


class SourceConfig(Settings):
    """A named body of raw text: a file or data set of documents.

    path: as of a task. valid: another file of it that is not trained on, for its validation loss. text:
    template over a record's fields. groups: names for people. subset, revision: of a hub data set.
    limit: use at most so many documents, drawn by hash. license, origin: of the text, for the card of
    what is built from it.
    """

    name: str
    path: str
    valid: str | None = None
    text: str = "{text}"
    groups: tuple[str, ...] = ()
    subset: str | None = None
    revision: str | None = None
    limit: Annotated[Whole, Field(ge=1)] | None = None
    license: str | None = None
    origin: str | None = None

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)


class PhaseConfig(Settings):
    """A stretch of training with its own proportions.

    weights: name -> share, in any scale; what is not named gets nothing. uniform: the same for each;
    proportional: by size. rows, tokens, epochs: its size, one of them; epochs count everything that has
    a weight once.
    """

    weights: dict[str, Weight] | Literal["uniform", "proportional"]
    rows: Amount | None = None
    tokens: Amount | None = None
    epochs: Epochs | None = None

    @model_validator(mode="after")
    def _one(self) -> PhaseConfig:
        given = [k for k in ("rows", "tokens", "epochs") if getattr(self, k) is not None]
        if len(given) > 1:
            raise FieldProblem("one of rows, tokens and epochs", " and ".join(given), "remove one")
        if isinstance(self.weights, Mapping) and not sum(self.weights.values()) > 0:
            raise FieldProblem(
                "weights of which one is above 0", "none", "write {name: share, ...}"
            )
        return self


class RecipeConfig(Settings):
    """The file.

    tokenizer: folder of a tokenizer, or of a model; a hub name with --online. tasks or sources: one of
    them. weights with rows, tokens or epochs: one phase; phases: several. shares: what weights are shares
    of. max_epochs: nothing is repeated more often. redistribute: where that binds, others take the rest.
    model, train: for `mishran train`.
    max_tokens: longest example of a task; bos, eos: as in mix.yaml, of documents too. seed: of the order.
    """

    tokenizer: str
    revision: str | None = None
    model: str | None = None
    tasks: str | tuple[TaskConfig, ...] | None = None
    sources: tuple[SourceConfig, ...] | None = None
    weights: dict[str, Weight] | Literal["uniform", "proportional"] | None = None
    rows: Amount | None = None
    tokens: Amount | None = None
    epochs: Epochs | None = None
    phases: tuple[PhaseConfig, ...] | None = None
    shares: Literal["rows", "tokens"] = "rows"
    max_epochs: Epochs = 4.0
    redistribute: bool = False
    train: TrainConfig = TrainConfig()
    max_tokens: Annotated[Whole, Field(ge=8)] | None = None
    bos: bool = True
    eos: bool = True
    seed: Annotated[Whole, Field(ge=0, le=2**63 - 1)] = 0

    @model_validator(mode="after")
    def _whole(self) -> RecipeConfig:
        if (self.tasks is None) == (self.sources is None):
            found = "neither" if self.tasks is None else "both"
            raise FieldProblem("tasks or sources", found, "give one of them")
        if isinstance(self.tasks, tuple):
            check_names(self.tasks, "task")
        if self.sources is not None:
            check_names(self.sources, "source")
        if (self.weights is None) == (self.phases is None):
            found = "neither" if self.weights is None else "both"
            raise FieldProblem(
                "weights, or phases with weights", found, "write weights: {name: share}, or uniform"
            )
        if self.phases is not None:
            if not self.phases:
                raise FieldProblem("at least one phase", "an empty list", "add a phase")
            size = next((k for k in ("rows", "tokens", "epochs") if getattr(self, k)), None)
            if size is not None:
                raise FieldProblem(
                    f"{size} in each phase", f"{size} beside phases", "move it into the phases"
                )
        else:
            self._phases()  # checks weights and size
        return self

    def _phases(self) -> tuple[PhaseConfig, ...]:
        assert self.weights is not None
        return (
            PhaseConfig(
                weights=self.weights, rows=self.rows, tokens=self.tokens, epochs=self.epochs
            ),
        )

    @property
    def all_phases(self) -> tuple[PhaseConfig, ...]:
        """The phases; the one of a recipe without."""
        return self.phases if self.phases is not None else self._phases()
