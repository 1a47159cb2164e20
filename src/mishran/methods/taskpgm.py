"""TaskPGM: the mixture of least energy over an affinity, exactly.

E(p) = 1/2 p'Sp - u'p. Coverage, u = (t/n) S 1: t = 0 is the least redundant mixture, 1 uniform, above it
central tasks gain. Utility: u is what each specialist gains over the base on its own probes.

When: tasks overlap and you know which side of uniform you want, or gains are to be weighed against overlap.

Source: arXiv 2507.12612; solved exactly instead of by its closed form (`mishran.energy`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from mishran.energy import Energy, solve, weight_intervals
from mishran.errors import ConfigError
from mishran.methods.evidence import Evidence
from mishran.methods.gains import gains_of
from mishran.methods.method import Invariance, Proposal, Source
from mishran.types import Array


@final
@dataclass(frozen=True)
class TaskPGM:
    """t: of coverage, 1 unless given (as in mix.yaml). strength: of utility, in energy per nat."""

    affinity: str = "jsd"
    unary: Literal["coverage", "utility"] = "coverage"
    t: float | None = None
    strength: float = 1.0
    ridge: float = 0.0
    repair: Literal["shift", "nearest", "refuse"] = "shift"

    source: ClassVar[Source] = Source(
        "TaskPGM, arXiv 2507.12612", "energy of the Markov random field"
    )
    bounded: ClassVar[bool] = True
    sized: ClassVar[bool] = False

    def __post_init__(self) -> None:
        idle = "t" if self.unary == "utility" and self.t is not None else None
        if self.unary == "coverage" and self.strength != 1.0:
            idle = "strength"
        if idle:
            raise ConfigError(
                expected=f"no {idle} beside unary={self.unary}, which does not use it",
                found=f"{idle}={getattr(self, idle):g}",
                where="method taskpgm",
                fix=f"remove {idle}",
            )

    @property
    def invariances(self) -> frozenset[Invariance]:
        if self.unary == "utility":  # its size is weighed against the affinity's
            return frozenset({"permutation", "twins", "affinity-shift", "loss-shift"})
        return frozenset({"permutation", "twins", "affinity-shift", "affinity-scale"})

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"affinity {self.affinity}", *(("scores",) if self.unary == "utility" else ()))

    def solve(self, evidence: Evidence) -> Proposal:
        affinity = evidence.affinity(self.affinity, "taskpgm")
        if self.unary == "coverage":
            energy = Energy.coverage(affinity, 1.0 if self.t is None else self.t)
        else:
            scores = evidence.need(evidence.scores, "scores", "taskpgm")
            gains, drawn = gains_of(scores, (), len(affinity.replicas), evidence.seed)
            energy = Energy.utility(affinity, gains, drawn, self.strength)
        return least_energy(energy.with_ridge(self.ridge), evidence, self.repair)


def least_energy(
    energy: Energy, evidence: Evidence, repair: Literal["shift", "nearest", "refuse"]
) -> Proposal:
    """The exact minimum of an energy within the evidence's bounds, with replicas where it has some."""
    solution = solve(energy, evidence.constraints, repair)
    replicas: Array = solution.weights[None][:0]
    if len(energy.replica_unaries):
        replicas = weight_intervals(energy, evidence.constraints, repair).weights
    repaired = tuple(f"{r.name} of {r.amount:.3g}: {r.detail}" for r in solution.repairs)
    return Proposal(
        names=evidence.names,
        weights=solution.weights,
        objective=solution.energy,
        certificate=solution.certificate,
        replicas=replicas,
        notes=(*repaired, *solution.warnings),
    )
