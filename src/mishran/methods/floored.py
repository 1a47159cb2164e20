"""A floor under every task, for any method that takes bounds: `NAME:...:floor=0.3`.

Every task gets at least floor / n: 0.3 keeps three tenths of the mixture uniform. Methods on an average of
losses or similarities may give a task nothing, and the model then fails on it.

Source: assumption; the share of uniform in DoReMi's update (arXiv 2305.10429) is the same thought.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mishran.energy import simplex
from mishran.energy.constraints import check_feasible
from mishran.errors import ConfigError
from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source, StaticMethod


@final
@dataclass(frozen=True)
class Floored:
    """A bounded method under tighter bounds.

    floor: in [0, 1]; every task gets at least floor / n.

    Raises:
        ConfigError: a method with one answer only, or a floor that is no share.
    """

    method: StaticMethod
    floor: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor <= 1.0:
            raise ConfigError(
                expected="a floor between 0 and 1, the share of the mixture that is kept uniform",
                found=f"{self.floor:g}",
                where="method floor",
                fix="write floor=0.3, which gives every task at least 0.3 / n",
            )
        if not self.method.bounded:
            raise ConfigError(
                expected="a method that takes bounds: taskpgm, minimum-redundancy, mixmin, capacity, "
                "curves",
                found=type(self.method).__name__.lower(),
                where="method floor",
                fix="remove the floor, or use one of these",
            )

    @property
    def source(self) -> Source:
        return self.method.source

    @property
    def bounded(self) -> bool:
        return True

    @property
    def sized(self) -> bool:
        return self.method.sized

    @property
    def invariances(self) -> frozenset[Invariance]:
        return self.method.invariances

    @property
    def needs(self) -> tuple[str, ...]:
        return self.method.needs

    def solve(self, evidence: Evidence) -> Proposal:
        box = evidence.constraints or simplex(evidence.names)
        least = self.floor / len(evidence.names)
        tighter = replace(box, lower=np.maximum(box.lower, least))
        check_feasible(tighter)
        return self.method.solve(replace(evidence, constraints=tighter))
