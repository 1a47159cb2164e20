"""What one specialist's training showed: held-out nats before, during and after it.

Nothing is selected on the examples that measure: early stopping, where it is asked for, looks at the
second half of the held-out examples, and what is reported comes from the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.specialists.validate import Interval, interval, nats_per_row, prompt_gain
from mishran.train.batch import Row
from mishran.train.models import Loaded


@dataclass(frozen=True)
class CurvePoint:
    """Held-out nats per answer token after `tokens` training tokens, with a 95 % interval if any."""

    step: int
    tokens: int
    nats: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evidence:
    """What one specialist's training showed.

    base, specialist: held-out nats per answer token. gain: base - specialist, paired by example.
    prompt: see `mishran.specialists.validate`. curve: at log-spaced points, the first at 0 tokens.
    own_adapter: the adapter was brought, not trained. steps: taken. kept: the step whose weights were
    kept, an earlier one where early stopping found that later ones were worse.
    """

    task: str
    own_adapter: bool
    train_rows: int
    train_tokens: int
    steps: int
    kept: int
    base: float
    specialist: float
    gain: Interval
    prompt: Interval | None
    curve: tuple[CurvePoint, ...]

    @property
    def status(self) -> str:
        """ "not measured" (too few held-out examples), "no gain", "prompt ignored" or "learned".

        Whether the adapter was brought is `own_adapter`.
        """
        if self.gain.low is None:
            return "not measured"
        if self.gain.low <= 0.0:
            return "no gain"
        if self.prompt is not None and self.prompt.low is not None and self.prompt.low <= 0.0:
            return "prompt ignored"
        return "learned"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Evidence:
        fields = {k: v for k, v in data.items() if k != "status"}
        return cls(
            **{
                **fields,
                "gain": Interval(**data["gain"]),
                "prompt": Interval(**data["prompt"]) if data["prompt"] else None,
                "curve": tuple(CurvePoint(**point) for point in data["curve"]),
            }
        )


def curve_steps(total: int, points: int) -> list[int]:
    """Steps at which to validate: 0, then halvings of the total up to the total."""
    halvings = [round(total / 2**k) for k in range(points - 1)]
    return sorted({0, total, *(s for s in halvings if s > 0)})


@dataclass(frozen=True)
class Trainee:
    """A task to train a specialist for: its training rows and its held-out rows."""

    task: str
    rows: Sequence[Row]
    held_out: Sequence[Row]


@dataclass(frozen=True)
class HeldOut:
    """The held-out examples of a task; those that decide when to stop, if any, are no others' business."""

    trainee: Trainee
    loaded: Loaded
    tokens: int
    max_tokens: int
    seed: int
    patience: int | None

    @property
    def rows(self) -> Sequence[Row]:
        """Those that measure."""
        held = self.trainee.held_out
        return held if self.patience is None else held[: -(-len(held) // 2)]

    def per_token(self, model: Any, slot: int | None = None) -> NDArray[np.float64]:
        """(R,) nats per answer token of each row that measures."""
        return self._of(model, self.rows, slot)

    def stopping(self, model: Any, slot: int) -> NDArray[np.float64]:
        """(R,) the same of each row that decides when to stop."""
        held = self.trainee.held_out
        return self._of(model, held[-(-len(held) // 2) :] or held, slot)

    def _of(self, model: Any, rows: Sequence[Row], slot: int | None) -> NDArray[np.float64]:
        nats, tokens = nats_per_row(model, rows, self.loaded, slot=slot, tokens=self.tokens)
        return nats / tokens

    def prompt(
        self, model: Any, true_per_token: NDArray[np.float64], slot: int | None = None
    ) -> Interval | None:
        return prompt_gain(
            model,
            self.rows,
            true_per_token,
            self.loaded,
            slot=slot,
            tokens=self.tokens,
            max_tokens=self.max_tokens,
            seed=self.seed,
        )


def finite_base(held: HeldOut) -> NDArray[np.float64]:
    """(R,) nats per answer token of the base model."""
    base = held.per_token(held.loaded.model)
    if not np.isfinite(base).all():
        raise ModelError(
            expected="a base model with finite losses",
            found="NaN or infinity on held-out examples, before any training",
            where=f"task {held.trainee.task!r}",
            fix="check the weights of the model, or use dtype: float32",
        )
    return base


def curve_point(step: int, tokens: int, nats: NDArray[np.float64]) -> CurvePoint:
    found = interval(nats)
    return CurvePoint(step, tokens, found.mean, found.low, found.high)
