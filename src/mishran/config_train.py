"""`train:` of a configuration: how a model is trained on a mixture.

The same settings train one model (`mishran train`) and every model of a comparison (`mishran compare`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mishran.config_errors import FieldProblem
from mishran.config_fields import (
    Number,
    Positive,
    Settings,
    Share,
    Whole,
    default_learning_rate,
)

OF_ADAPTERS = ("rank", "alpha", "dropout", "targets")


class TrainConfig(Settings):
    """The file's section, or a file of its own for `--config`.

    kind: lora, an adapter in PEFT format, or full, all parameters. rank, alpha, dropout, targets: of
    adapters. learning_rate: peak; by default from the model's width as for specialists. schedule: of the
    learning rate over the planned tokens: linear, cosine, wsd (warm-up, stable, decay) or constant, all
    after a linear warm-up over the share `warmup`; decay: share of the tokens at the end that wsd decays
    over; final: what is left at the end, as a share of the peak. batch_size: rows of a step, over all
    ranks. packed: cut the rows into sequences of so many tokens instead, as raw text is (batch_size
    counts sequences then); None keeps examples whole. micro_tokens: go through the model at a time; a
    step that is larger is accumulated. weight_decay (of matrices), betas, epsilon, clip: of AdamW and
    the norm of the gradient. compile: torch.compile of each layer. checkpointing: compute layers again
    for their gradients instead of keeping what is in them. checkpoint_every: steps between checkpoints,
    by default ten minutes; keep: so many of them. validations: points, log-spaced, at which held-out
    examples are measured; validation: of each task so many. log_every: steps between lines of
    metrics.jsonl. metrics: further sinks, tensorboard or names of the entry points mishran.metrics.
    threads: of the processor, None for all that there are; a number makes results independent of the
    machine's.
    """

    kind: Literal["lora", "full"] = "lora"
    rank: Annotated[Whole, Field(ge=1)] = 16
    alpha: Positive = 32.0
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    targets: str | tuple[str, ...] = "all-linear"
    learning_rate: Positive | None = None
    schedule: Literal["linear", "cosine", "wsd", "constant"] = "cosine"
    warmup: Share = 0.05
    decay: Share = 0.2
    final: Share = 0.0
    batch_size: Annotated[Whole, Field(ge=1)] = 16
    packed: Annotated[Whole, Field(ge=2)] | None = None
    micro_tokens: Annotated[Whole, Field(ge=1)] = 1024
    weight_decay: Annotated[Number, Field(ge=0)] = 0.0
    betas: tuple[Share, Share] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    clip: Positive = 1.0
    compile: bool = False
    checkpointing: bool = False
    checkpoint_every: Annotated[Whole, Field(ge=1)] | None = None
    keep: Annotated[Whole, Field(ge=1)] = 2
    validations: Annotated[Whole, Field(ge=0)] = 5
    validation: Annotated[Whole, Field(ge=2)] = 64
    log_every: Annotated[Whole, Field(ge=1)] = 1
    metrics: tuple[str, ...] = ()
    threads: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        of_adapters = [name for name in OF_ADAPTERS if name in self.model_fields_set]
        if self.kind == "full" and of_adapters:
            raise FieldProblem(
                f"no {of_adapters[0]} with kind: full, which has no adapters",
                "both",
                "remove one of them",
            )
        if max(self.betas) >= 1.0:
            raise FieldProblem("betas below 1", str(max(self.betas)), "write [0.9, 0.999], say")
        if self.warmup + (self.decay if self.schedule == "wsd" else 0.0) > 1.0:
            raise FieldProblem(
                "warmup and decay that leave room for each other",
                f"{self.warmup:g} and {self.decay:g} of all tokens",
                "make one of them smaller",
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_it_has_not(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is written can be read again."""
        out = handler(self)
        return {k: v for k, v in out.items() if self.kind == "lora" or k not in OF_ADAPTERS}

    def peak_learning_rate(self, hidden_size: int) -> float:
        """The given learning rate, else that of the kind for a width."""
        return self.learning_rate or default_learning_rate(self.kind, hidden_size)

    @property
    def decides(self) -> dict[str, Any]:
        """What decides the weights that training ends with: all but what is only watched or kept."""
        watched = {"checkpoint_every", "keep", "validations", "validation", "log_every", "metrics"}
        return self.model_dump(mode="json", exclude=watched)
