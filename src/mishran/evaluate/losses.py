"""What it costs a model to write the true answers: nats per answer token, and bits per byte.

Nats per token are what training lowers; they compare models that share a tokenizer. Bits per byte do not
depend on how a text is cut into tokens, so they compare any two models. The end of an answer, where the
model writes one, is part of both: its nats count, and it has no bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import ModelError
from mishran.evaluate.held_out import HeldOut
from mishran.specialists.validate import Interval, interval, nats_per_row
from mishran.tasks.task import Example
from mishran.train.batch import TOKENS
from mishran.train.models import Loaded

GPU_TOKENS = 16 * TOKENS  # that go through the model at a time on a GPU (assumption)


@dataclass(frozen=True)
class Losses:
    """Every held-out example of a task.

    nats: (m,) -log p of the whole answer. tokens: (m,) of the answer, its end included. bytes: (m,) of
    the answer as UTF-8 text.
    """

    ids: tuple[str, ...]
    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    bytes: NDArray[np.int64]

    @property
    def nats_per_token(self) -> Interval:
        """Mean over examples of each one's mean over its answer tokens; t interval over examples."""
        return interval(self.nats / self.tokens)

    @property
    def bits_per_byte(self) -> Interval:
        """All bits by all bytes; t interval of the ratio by linearisation.

        Not a mean of ratios: an answer of one byte would weigh what an essay does. Source: Cochran,
        Sampling Techniques, 1977, section 6.3.
        """
        bits = self.nats / math.log(2)
        ratio = float(bits.sum() / self.bytes.sum())
        return interval(ratio + (bits - ratio * self.bytes) / self.bytes.mean())


def losses(loaded: Loaded, held: HeldOut) -> Losses:
    """Score the true answers of all examples.

    Raises:
        ModelError: the model gives values that are not finite.
    """
    nats, tokens = nats_per_row(loaded.model, held.rows, loaded, tokens=at_a_time(loaded.device))
    check_finite(nats, f"task {held.task!r}")
    return Losses(held.ids, nats, tokens, np.array([num_bytes(e) for e in held.examples]))


def num_bytes(example: Example) -> int:
    """Of its answer as UTF-8 text."""
    return len(example.answer_text.encode())


def at_a_time(device: torch.device) -> int:
    """Tokens that go through the model in one batch."""
    return TOKENS if device.type == "cpu" else GPU_TOKENS


def check_finite(nats: NDArray[np.float64], where: str) -> None:
    """Raises ModelError where a number is none."""
    if not np.isfinite(nats).all():
        raise ModelError(
            expected="finite log-probabilities",
            found="NaN or infinity",
            where=where,
            fix="use dtype: float32, or a model whose training did not fail",
        )
