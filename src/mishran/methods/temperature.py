"""Temperature: shares by size to the power 1 / tau, between proportional (1) and uniform (infinite).

When: sizes differ by orders of magnitude, and nothing was measured but sizes.

Source: mT5, arXiv 2010.11934: p ~ n^0.3, tau = 3.33; Devlin's multilingual BERT before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from mishran.errors import ConfigError
from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source, fixed


@final
@dataclass(frozen=True)
class Temperature:
    """unit: of sizes and of the shares that follow from them. Weights are shares of rows in any case."""

    tau: float = 3.33
    unit: Literal["rows", "tokens"] = "rows"

    source: ClassVar[Source] = Source("mT5, arXiv 2010.11934", "sampling of languages")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "twins", "size-scale"})
    bounded: ClassVar[bool] = False
    sized: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise ConfigError(
                expected="a tau above 0 (1 is proportional, large is uniform)",
                found=f"{self.tau:g}",
                where="method temperature",
                fix="write tau=3.33",
            )

    def solve(self, evidence: Evidence) -> Proposal:
        per_row = evidence.mean_tokens if self.unit == "tokens" else np.ones(len(evidence.names))
        logs = np.log(evidence.rows * per_row) / self.tau - np.log(per_row)
        return fixed(evidence, np.exp(logs - logs.max()), "temperature")
