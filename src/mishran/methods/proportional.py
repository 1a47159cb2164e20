"""Proportional: every row once, so a task's share is its share of all rows.

The same in rows and in tokens: of everything once, a task's share of the tokens is its share of all tokens.

When: where sizes are what the model will be asked; large tasks drown the others otherwise.

Source: examples-proportional mixing of T5, arXiv 1910.10683, without its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source, fixed


@final
@dataclass(frozen=True)
class Proportional:
    source: ClassVar[Source] = Source("T5, arXiv 1910.10683", "examples-proportional mixing")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "twins", "size-scale"})
    bounded: ClassVar[bool] = False
    sized: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()

    def solve(self, evidence: Evidence) -> Proposal:
        return fixed(evidence, evidence.rows, "proportional")
