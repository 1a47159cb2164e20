"""Random: a mixture drawn from a Dirichlet distribution; what a method has to beat to be more than luck.

A task's part is a gamma variable of its own, from the seed and its name, so that the order of tasks changes
nothing and a task more leaves the ratios of the others alone.

Source: Dirichlet by normalised gammas, Devroye, Non-Uniform Random Variate Generation, 1986, ch. XI.4;
random mixtures as candidates: RegMix, arXiv 2407.01492.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mishran.affinity.bootstrap import task_generator
from mishran.errors import ConfigError
from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source, fixed


@final
@dataclass(frozen=True)
class Random:
    """concentration: per task; 1 is even over the simplex, large is near uniform, small near a corner.

    seed: by default the run's.
    """

    concentration: float = 1.0
    seed: int | None = None

    source: ClassVar[Source] = Source("RegMix, arXiv 2407.01492", "random mixtures")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "size-scale"})
    bounded: ClassVar[bool] = False
    sized: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not self.concentration >= 0.01:  # below, all gammas may round to 0
            raise ConfigError(
                expected="a concentration of at least 0.01",
                found=f"{self.concentration:g}",
                where="method random",
                fix="write concentration=1",
            )
        if self.seed is not None and self.seed < 0:
            raise ConfigError(
                expected="a seed of at least 0",
                found=str(self.seed),
                where="method random",
                fix="write seed=0",
            )

    def solve(self, evidence: Evidence) -> Proposal:
        seed = evidence.seed if self.seed is None else self.seed
        drawn = [task_generator(name, seed).gamma(self.concentration) for name in evidence.names]
        return fixed(evidence, np.array(drawn), "random")
