"""The values that travel between rooms: tables, affinities, solutions, each with its own evidence.

Plain frozen dataclasses over NumPy arrays; arrays are made read-only on entry, so that no function can
change what it was handed. Shapes are checked when a value is made.

Letters: n specialists (tasks that were trained), m probe examples, B bootstrap replicas,
k = n(n-1)/2 pairs in the order of `numpy.triu_indices(n, 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _frozen(
    array: NDArray[Any], dtype: type, shape: tuple[int | None, ...], name: str
) -> NDArray[Any]:
    out: NDArray[Any] = np.array(array, dtype=dtype)
    if out.ndim != len(shape) or any(
        want is not None and got != want for got, want in zip(out.shape, shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}")
    out.setflags(write=False)
    return out


@dataclass(frozen=True)
class ScoreTable:
    """Specialist x probe example: how surprised everyone is by the true answer.

    nats: (n, m) negative log-likelihood of the answer, summed over its tokens, in nats.
    base_nats: (m,) the same for the base model.
    tokens: (m,) answer tokens scored.
    probe_task, probe_id: (m,) task and example of each probe. Tasks here may be more than the
    specialists: tasks that are only evaluated are probed too.
    """

    specialists: tuple[str, ...]
    probe_task: tuple[str, ...]
    probe_id: tuple[str, ...]
    nats: Array
    base_nats: Array
    tokens: NDArray[np.int64]

    def __post_init__(self) -> None:
        n, m = len(self.specialists), len(self.probe_task)
        set_ = object.__setattr__
        set_(self, "nats", _frozen(self.nats, np.float64, (n, m), "nats"))
        set_(self, "base_nats", _frozen(self.base_nats, np.float64, (m,), "base_nats"))
        set_(self, "tokens", _frozen(self.tokens, np.int64, (m,), "tokens"))
        if len(self.probe_id) != m:
            raise ValueError(f"probe_id must have {m} entries, got {len(self.probe_id)}")


@dataclass(frozen=True)
class DivergenceTable:
    """Probe example x pair of specialists: Jensen-Shannon divergence / ln 2, in [0, 1].

    jsd: (m, k) mean over the answer tokens of the example; float32 on disk, float64 here.
    """

    specialists: tuple[str, ...]
    probe_task: tuple[str, ...]
    probe_id: tuple[str, ...]
    jsd: Array

    def __post_init__(self) -> None:
        n, m = len(self.specialists), len(self.probe_task)
        object.__setattr__(self, "jsd", _frozen(self.jsd, np.float64, (m, n * (n - 1) // 2), "jsd"))
        if len(self.probe_id) != m:
            raise ValueError(f"probe_id must have {m} entries, got {len(self.probe_id)}")


@dataclass(frozen=True)
class Repair:
    """A change made to what was measured, named and sized; nothing is repaired without one.

    amount: size of the change in the units of the thing changed.
    energy_cost: what it adds to the energy of the solution, when that makes sense, else None.
    """

    name: str
    amount: float
    detail: str
    energy_cost: float | None = None


@dataclass(frozen=True)
class Affinity:
    """n x n similarity of specialists, how it was measured, and its bootstrap replicas.

    kind: "jsd", "pmi-mean", "pmi-sum", "pmi-base", "gradient-kernel" (or -cosine, -centred) or
    "matrix" (the user's own).
    replicas: (B, n, n), B may be 0.
    repairs: what was changed on the way (symmetrised, clipped).
    """

    names: tuple[str, ...]
    matrix: Array
    kind: str
    replicas: Array
    repairs: tuple[Repair, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        object.__setattr__(self, "matrix", _frozen(self.matrix, np.float64, (n, n), "matrix"))
        object.__setattr__(
            self, "replicas", _frozen(self.replicas, np.float64, (None, n, n), "replicas")
        )


@dataclass(frozen=True)
class Certificate:
    """Proof that weights solve the energy: anyone can recompute it.

    All residuals are absolute, in the units of the energy; `scale` is D of the energy
    (max_ij S_ii + S_jj - 2 S_ij, plus the range of u), and tolerances are relative to it.

    primal_residual: largest violation of 1'p = 1, bounds and rows, in weight.
    dual_residual: largest violation of stationarity with the multipliers below.
    gap: Frank-Wolfe duality gap g'p - min over feasible q of g'q, g the gradient at p: an upper
    bound on E(p) - E*.
    lower, upper: (n,) multipliers of the bounds, >= 0. floors, caps: multiplier per group bound.
    simplex: multiplier of 1'p = 1.
    method: how the weights were found.
    """

    primal_residual: float
    dual_residual: float
    gap: float
    scale: float
    lower: Array
    upper: Array
    simplex: float
    floors: dict[str, float] = field(default_factory=dict)
    caps: dict[str, float] = field(default_factory=dict)
    method: str = ""

    @property
    def relative_gap(self) -> float:
        """gap / D; the bar is 1e-9. 0 when D = 0, where only the slope can tell mixtures apart."""
        return self.gap / self.scale if self.scale > 0 else 0.0


@dataclass(frozen=True)
class Solution:
    """Weights on the simplex and the certificate that they are right.

    weights: (n,) >= 0, sum 1 to rounding.
    energy: E(p) under the energy that was solved (after repair).
    energy_unrepaired: E(p) under the energy that was given.
    representativeness: u'p. diversity: -1/2 p'Sp (larger is more diverse).
    unique: False when another optimum exists (then this is the one of least norm).
    repairs: what was changed before solving; empty when nothing was.
    warnings: sentences for people (paper mode's lost energy, say).
    """

    names: tuple[str, ...]
    weights: Array
    energy: float
    energy_unrepaired: float
    representativeness: float
    diversity: float
    certificate: Certificate
    unique: bool = True
    repairs: tuple[Repair, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        object.__setattr__(self, "weights", _frozen(self.weights, np.float64, (n,), "weights"))

    @property
    def effective_tasks(self) -> float:
        """1 / sum p^2: n for uniform, 1 for a single task."""
        return float(1.0 / np.square(self.weights).sum())
