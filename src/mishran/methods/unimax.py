"""UniMax: as even as can be without repeating any task more than so many times.

Ascending by size, each task gets what is left divided by how many are left, or its cap if that is less:
water-filling of the budget under caps of `epochs` times the size. In the unit of the budget.

When: small tasks must not be repeated to death, and nothing was measured but sizes.

Source: UniMax, arXiv 2304.09151 (there sizes are characters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mishran.errors import ConfigError, InfeasibleError
from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source, fixed

EPOCHS = 4.0  # from where repeated text is worth less: Muennighoff et al., arXiv 2305.16264


@final
@dataclass(frozen=True)
class UniMax:
    """epochs: of any task at most; by default the budget's max_epochs, or 4."""

    epochs: float | None = None

    source: ClassVar[Source] = Source("UniMax, arXiv 2304.09151", "the allocation algorithm")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "twins"})
    bounded: ClassVar[bool] = False
    sized: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("budget",)

    def __post_init__(self) -> None:
        if self.epochs is not None and not self.epochs > 0:
            raise ConfigError(
                expected="epochs above 0",
                found=f"{self.epochs:g}",
                where="method unimax",
                fix="write epochs=4",
            )

    def solve(self, evidence: Evidence) -> Proposal:
        budget = evidence.need(evidence.budget, "budget", "unimax")
        epochs = self.epochs or budget.max_epochs or EPOCHS
        per_row = evidence.mean_tokens if budget.rows is None else np.ones(len(evidence.names))
        caps = epochs * evidence.rows * per_row
        left = float(budget.tokens or budget.rows or 0)
        if caps.sum() < left:
            unit = "rows" if budget.rows is not None else "tokens"
            raise InfeasibleError(
                expected=f"a budget of at most {int(caps.sum()):,} {unit}, {epochs:g} epochs of all",
                found=f"{int(left):,} {unit}",
                where="method unimax",
                fix=f"write unimax:epochs={epochs * left / caps.sum():.3g} or ask for less",
            )
        shares = np.empty(len(caps))
        order = np.argsort(caps, kind="stable")
        for done, i in enumerate(order):
            shares[i] = min(left / (len(order) - done), caps[i])
            left -= shares[i]
        return fixed(evidence, shares / per_row, "unimax")
