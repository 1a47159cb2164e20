"""What a static method is, where it comes from, and what it answers.

A method is a frozen dataclass whose fields are its parameters; `solve` is pure. What it declares is tested
for every method alike (tests/methods/test_contract.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, final, runtime_checkable

import numpy as np

from mishran.energy import Constraints
from mishran.errors import InfeasibleError
from mishran.methods.evidence import Evidence
from mishran.types import Array, Certificate

# permutation: of the tasks, which permutes the weights. twins: a task and its exact copy get the same.
# affinity-shift, -scale: S -> aS + b, a > 0. size-scale: rows of all tasks times a number.
# loss-shift: nats of all specialists plus a number per example. loss-scale: nats times a number.
Invariance = Literal[
    "permutation",
    "twins",
    "affinity-shift",
    "affinity-scale",
    "size-scale",
    "loss-shift",
    "loss-scale",
]

SUM = 1e-9
ALLOWED = 1e-9  # of a weight: violation of a bound that is rounding


@final
@dataclass(frozen=True)
class Source:
    """Where a method comes from: its paper, and the equation, algorithm or section."""

    paper: str
    where: str

    def __str__(self) -> str:
        return f"{self.paper}, {self.where}" if self.where else self.paper


@final
@dataclass(frozen=True, eq=False)
class Proposal:
    """Weights over tasks, shares of rows, and what speaks for them.

    objective: what the method minimised; None for a rule that minimises nothing. certificate: the
    proof that they are its minimum, where it is a convex problem. replicas: (B, n) weights from
    resampled measurements, B may be 0. notes: sentences for people.

    Raises:
        ValueError: weights that are no mixture; that is a mistake of the method.
    """

    names: tuple[str, ...]
    weights: Array
    objective: float | None = None
    certificate: Certificate | None = None
    replicas: Array = field(default_factory=lambda: np.empty((0, 0)))
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        drawn = np.array(self.replicas, dtype=np.float64)
        drawn = drawn if len(drawn) else np.empty((0, n))
        for name, array, shape in (
            ("weights", np.array(self.weights, dtype=np.float64), (n,)),
            ("replicas", drawn, (len(drawn), n)),
        ):
            sums = array.sum(axis=-1)
            fine = array.shape == shape and (array >= 0).all() and (np.abs(sums - 1.0) <= SUM).all()
            if not fine:
                raise ValueError(f"{name} must be mixtures of {n} tasks, got {array}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def effective_tasks(self) -> float:
        """1 / sum p^2: n for uniform, 1 for a single task."""
        return float(1.0 / np.square(self.weights).sum())

    @property
    def intervals(self) -> tuple[Array, Array] | None:
        """(n,) ends of 95 % intervals, as `mishran.energy.weight_intervals`; None without replicas."""
        if len(self.replicas) == 0:
            return None
        low, high = np.quantile(self.replicas, [0.025, 0.975], axis=0, method="weibull")
        return np.asarray(low), np.asarray(high)


@runtime_checkable
class StaticMethod(Protocol):
    """Evidence in, a proposal out; no torch, no files, no randomness but the seed's.

    invariances: what leaves its weights alone, with these parameters; tested.
    needs: what it reads of the evidence beside sizes, with these parameters: "scores", "curves",
    "distributions", "embeddings", "trials", "budget", or "affinity KIND". bounded: it finds the best
    mixture within the constraints; the others have one answer, and refuse constraints that it does
    not satisfy. sized: its weights follow from sizes or a budget and are shares of rows; those of the
    others are shares of whatever is shared out, rows or tokens.
    """

    @property
    def source(self) -> Source: ...

    @property
    def bounded(self) -> bool: ...

    @property
    def sized(self) -> bool: ...

    @property
    def invariances(self) -> frozenset[Invariance]: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    def solve(self, evidence: Evidence) -> Proposal: ...


def fixed(evidence: Evidence, weights: Array, method: str, notes: tuple[str, ...] = ()) -> Proposal:
    """The proposal of a method that has one answer whatever the bounds are.

    Raises:
        InfeasibleError: the constraints do not allow it.
    """
    weights = np.asarray(weights, dtype=np.float64)
    weights = weights / weights.sum()
    check_allowed(evidence.constraints, weights, method)
    return Proposal(evidence.names, weights, notes=notes)


def check_allowed(constraints: Constraints | None, weights: Array, method: str) -> None:
    """Nothing if the constraints allow these weights.

    Raises:
        InfeasibleError: they do not; the worst bound is named.
    """
    if constraints is None or constraints.violation(weights) <= ALLOWED:
        return
    over: dict[str, float] = {}
    for i, name in enumerate(constraints.names):
        over[f"the floor of {name}"] = constraints.lower[i] - weights[i]
        over[f"the cap of {name}"] = weights[i] - constraints.upper[i]
    for name, row in constraints.rows.items():
        size = float(np.abs(row).max()) or 1.0
        total = float(row @ weights)
        over[f"the floor of {name}"] = (constraints.floors.get(name, -np.inf) - total) / size
        over[f"the cap of {name}"] = (total - constraints.caps.get(name, np.inf)) / size
    worst = max(over, key=lambda bound: over[bound])
    raise InfeasibleError(
        expected=f"bounds that {method} satisfies, which has one mixture only",
        found=f"{worst}, missed by {over[worst]:.3g} of the mixture",
        where=f"method {method}",
        fix="leave the bounds out, or use a method that finds the best mixture within them: "
        "taskpgm, minimum-redundancy, mixmin, capacity, curves",
    )
