"""Uniform: every task the same share, of rows or of tokens.

When: always, beside anything else: no earlier method beats it consistently.

Source: the baseline of Aioli, arXiv 2411.05735 ("stratified sampling").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source, fixed


@final
@dataclass(frozen=True)
class Uniform:
    """unit: what everybody gets the same number of; None: of whatever is shared out."""

    unit: Literal["rows", "tokens"] | None = None

    source: ClassVar[Source] = Source("Aioli, arXiv 2411.05735", "stratified sampling")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "twins", "size-scale"})
    bounded: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def sized(self) -> bool:
        return self.unit is not None

    def solve(self, evidence: Evidence) -> Proposal:
        shares = np.ones(len(evidence.names))
        if self.unit == "tokens":
            shares = shares / evidence.mean_tokens
        return fixed(evidence, shares, "uniform")
