"""What specialists gain over the base: the utility unary."""

from __future__ import annotations

from collections.abc import Sequence

from mishran import methods
from mishran.pipeline.mix import Gains
from mishran.types import ScoreTable


def gains_of(scores: ScoreTable, targets: Sequence[str], replicas: int, seed: int) -> Gains:
    """Of every specialist on the targets, see `mishran.methods.gains`."""
    return Gains(*methods.gains_of(scores, targets, replicas, seed))
