"""Minimum redundancy: the mixture whose tasks resemble each other least, min p'Sp; TaskPGM at t = 0.

The minimum-variance portfolio over tasks, or least quadratic entropy loss. When: to see what overlap alone
says. It leaves out whatever others resemble, however much that task has left to gain.

Source: Rao, "Diversity and dissimilarity coefficients", Theor. Popul. Biol. 21 (1982); arXiv 2507.12612
at t = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from mishran.energy import Energy
from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source
from mishran.methods.taskpgm import least_energy


@final
@dataclass(frozen=True)
class MinimumRedundancy:
    affinity: str = "jsd"
    ridge: float = 0.0
    repair: Literal["shift", "nearest", "refuse"] = "shift"

    source: ClassVar[Source] = Source("Rao, Theor. Popul. Biol. 21 (1982)", "quadratic entropy")
    invariances: ClassVar[frozenset[Invariance]] = frozenset(
        {"permutation", "twins", "affinity-shift", "affinity-scale"}
    )
    bounded: ClassVar[bool] = True
    sized: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"affinity {self.affinity}",)

    def solve(self, evidence: Evidence) -> Proposal:
        affinity = evidence.affinity(self.affinity, "minimum-redundancy")
        energy = Energy.coverage(affinity, 0.0).with_ridge(self.ridge)
        return least_energy(energy, evidence, self.repair)
