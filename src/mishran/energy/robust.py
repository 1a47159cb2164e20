"""`robust`: the mixture that regrets least when the measurement was off.

The energy E_b of a bootstrap replica is known up to a constant, so replicas are compared by the
regret of a mixture p under them, r_b(p) = E_b(p) - min over allowed q of E_b(q). Over replica
weights w:

- worst: min_p max_b r_b(p), w anywhere on the simplex;
- mean-variance: min_p max_w sum_b w_b r_b(p), w on the simplex with sum_b (B w_b - 1)^2 <= B kappa^2.
  That is mean + kappa x standard deviation of the regrets (over B, not B - 1) while the largest is
  reached with all w_b > 0, and less beyond, which is what keeps it convex in p.

Method: proximal point in w, the smooth inner problem in p by Newton steps over the constraints, each
a quadratic programme for `minimise`. Evidence: F(p) - g(w) with F(p) = max_w sum w_b r_b(p) and
g(w) = min_p sum w_b r_b(p), one quadratic programme; a bound whatever led to p and w.

Source: Duchi and Namkoong, "Variance-based regularization with convex objectives", JMLR 20 (2019);
Rockafellar, "Augmented Lagrangians and applications of the proximal point algorithm in convex
programming", Math. Oper. Res. 1 (1976); projection and steps derived.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, final, get_args

import numpy as np

from mishran.energy.constraints import Constraints, allowed
from mishran.energy.energy import Energy
from mishran.energy.solver import minimise
from mishran.energy.tangent import RepairMode, centred, repair_tangent
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError, EnergyError
from mishran.types import Array

RobustMode = Literal["mean-variance", "worst"]
TOLERANCE = 1e-6  # of D; more is an error
TARGET = 1e-11  # of D; less is not worked for
OUTER, INNER = 25, 60
ARMIJO = 1e-4


@final
@dataclass(frozen=True, eq=False)
class RobustSolution:
    """Weights, what they cost under every replica, and the proof that no others cost less.

    weights: (n,) on the simplex. regrets: (B,) r_b at the weights. replica_weights: (B,) w, the
    replicas against which the mixture is optimal.
    objective: F(weights). bound: g(w), so that no mixture has less. gap: objective - bound.
    plain_objective: F at the solution of the energy itself: what robustness is measured against.
    scale: D of the energy. steps: quadratic programmes solved after the B of the replicas.
    repaired, largest_repair: as in `WeightIntervals`.
    """

    names: tuple[str, ...]
    mode: RobustMode
    kappa: float
    weights: Array
    objective: float
    bound: float
    plain_objective: float
    regrets: Array
    replica_weights: Array
    scale: float
    steps: int
    repaired: int
    largest_repair: float

    @property
    def gap(self) -> float:
        """objective - bound, at least 0 but for rounding."""
        return self.objective - self.bound

    @property
    def relative_gap(self) -> float:
        """gap / D; 0 when D = 0."""
        return self.gap / self.scale if self.scale > 0 else 0.0

    @property
    def is_mean_plus_deviation(self) -> bool:
        """The objective equals mean + kappa x standard deviation of the regrets."""
        exact = self.regrets.mean() + self.kappa * self.regrets.std()
        return self.mode == "mean-variance" and self.objective >= exact - 1e-12 * self.scale


@one_thread
def robust(
    energy: Energy,
    constraints: Constraints | None = None,
    mode: RobustMode = "mean-variance",
    kappa: float = 1.0,
    repair: RepairMode = "shift",
) -> RobustSolution:
    """The mixture of least robust regret over the replicas; one of them where several have it.

    Args:
        energy: with replicas; each is repaired for itself, as `weight_intervals` does.
        constraints: bounds; the bare simplex when None.
        mode: "mean-variance" or "worst".
        kappa: standard deviations to add in mean-variance; 0 is the mean, worst ignores it.
        repair: "shift", "nearest" or "refuse".

    Raises:
        ConfigError: no replicas, another mode, or a kappa that is negative or not finite.
        EnergyError: as `solve`, or a gap above 1e-6 of the scale D.
        InfeasibleError: as `solve`.
    """
    _check(energy, mode, kappa)
    box = allowed(constraints, energy.names)
    plain = minimise(repair_tangent(energy, repair)[0], box)[0]
    replicas = _Replicas.of(energy, box, repair, plain)
    count = len(replicas.best)
    whole = mode == "worst" or kappa**2 >= count - 1  # the ball holds the simplex
    radius = float("inf") if whole else kappa / float(np.sqrt(count))
    scale = energy.scale or max(energy.replica(b).scale for b in range(count))
    found = _Search(replicas, energy, box, radius, scale).run()
    objective = _largest(replicas.regrets(found.p), radius)
    if objective - found.bound > TOLERANCE * scale:
        raise EnergyError(
            expected=f"a duality gap of at most {TOLERANCE:g} of the energy's scale {scale:.3g}",
            found=f"a gap of {objective - found.bound:.3g}",
            where=f"robust mixture, {mode}",
            fix="add mixture.ridge: 1e-6, and please report the matrix and its replicas",
        )
    return RobustSolution(
        names=energy.names,
        mode=mode,
        kappa=float(kappa),
        weights=found.p,
        objective=objective,
        bound=found.bound,
        plain_objective=_largest(replicas.regrets(plain), radius),
        regrets=replicas.regrets(found.p),
        replica_weights=found.w,
        scale=scale,
        steps=found.steps,
        repaired=len(replicas.repairs),
        largest_repair=max(replicas.repairs, default=0.0),
    )


def _check(energy: Energy, mode: str, kappa: float) -> None:
    if len(energy.replica_matrices) == 0:
        raise ConfigError(
            expected="an affinity with bootstrap replicas",
            found="none",
            where="robust mixture",
            fix="solve a run that was fitted with mixture.replicas: 200 (a bare matrix has none), "
            "or leave robust out",
        )
    if mode not in get_args(RobustMode):
        raise ConfigError(
            expected=f"one of {', '.join(get_args(RobustMode))}",
            found=repr(mode),
            where="robust mixture",
            fix="mean-variance is the default",
        )
    if not (np.isfinite(kappa) and kappa >= 0):
        raise ConfigError(
            expected="a kappa >= 0", found=str(kappa), where="robust mixture", fix="try 1"
        )


@dataclass(frozen=True, eq=False)
class _Replicas:
    """Regrets of all replicas as quadratics around their own optima.

    matrices: (B, n, n) centred. best, slopes: (B, n) optima and the gradients there.
    repairs: amount of every repair.
    """

    matrices: Array
    best: Array
    slopes: Array
    repairs: tuple[float, ...]

    @classmethod
    def of(cls, energy: Energy, box: Constraints, repair: RepairMode, near: Array) -> _Replicas:
        matrices, best, slopes, repairs = [], [], [], []
        for b in range(len(energy.replica_matrices)):
            convex, repaired = repair_tangent(energy.replica(b), repair)
            q = minimise(convex, box, near)[0]
            matrices.append(centred(convex.matrix))
            best.append(q)
            slopes.append(convex.relative_gradient(q)[0])
            repairs += [] if repaired is None else [repaired.amount]
        return cls(np.array(matrices), np.array(best), np.array(slopes), tuple(repairs))

    def regrets(self, p: Array) -> Array:
        """(B,) r_b(p)."""
        away = p - self.best
        curved = (self.matrices @ away[:, :, None])[:, :, 0]
        return np.asarray(((self.slopes + curved / 2) * away).sum(axis=1))

    def gradients(self, p: Array) -> Array:
        """(B, n) gradients of the regrets."""
        return np.asarray(self.slopes + (self.matrices @ (p - self.best)[:, :, None])[:, :, 0])


@dataclass(frozen=True, eq=False)
class _Found:
    p: Array
    w: Array
    bound: float
    steps: int


class _Search:
    """Proximal point in w around Newton in p, keeping the best mixture and the best bound."""

    def __init__(
        self, replicas: _Replicas, energy: Energy, box: Constraints, radius: float, scale: float
    ) -> None:
        n = len(energy.names)
        self._blank = replace(
            energy,
            replica_matrices=np.empty((0, n, n)),
            replica_unaries=np.empty((0, n)),
            ridge=0.0,
        )
        self._replicas, self._box, self._radius, self._scale = replicas, box, radius, scale
        self._steps = 0

    def run(self) -> _Found:
        count = len(self._replicas.best)
        w = np.full(count, 1.0 / count)
        p, bound = self._dual(w, self._replicas.best.mean(axis=0))
        best, best_bound, best_w = p, bound, w
        least = self._value(p)
        regrets = self._replicas.regrets(p)
        spread = float(np.linalg.norm(regrets - regrets.mean()))
        tau = 10.0 * min(self._radius, 1.0) / (max(spread, TARGET * self._scale) or 1.0)
        for _ in range(OUTER):
            if least - best_bound <= TARGET * self._scale or self._scale == 0:
                break
            p = self._newton(p, w, tau)
            w = _project(w + tau * self._replicas.regrets(p), self._radius).w
            q, bound = self._dual(w, p)
            for candidate in (p, q):
                if (value := self._value(candidate)) < least:
                    best, least = candidate, value
            if bound > best_bound:
                best_w, best_bound = w, bound
            tau *= 10.0
        return _Found(best, best_w, best_bound, self._steps)

    def _value(self, p: Array) -> float:
        return _largest(self._replicas.regrets(p), self._radius)

    def _quadratic(self, matrix: Array, slope: Array, p: Array) -> tuple[Array, float]:
        """The allowed q of least slope'(q - p) + 1/2 (q - p)'matrix(q - p), and its gap."""
        self._steps += 1
        step = replace(self._blank, matrix=(matrix + matrix.T) / 2, unary=matrix @ p - slope)
        q, certificate, _ = minimise(step, self._box, p)
        return q, certificate.gap

    def _dual(self, w: Array, p: Array) -> tuple[Array, float]:
        """argmin of sum w_b r_b, and g(w) less what that argmin may be off by."""
        matrix = np.tensordot(w, self._replicas.matrices, 1)
        q, gap = self._quadratic(matrix, w @ self._replicas.gradients(p), p)
        return q, float(w @ self._replicas.regrets(q)) - gap

    def _newton(self, p: Array, anchor: Array, tau: float) -> Array:
        """argmin_p of max_w sum w_b r_b(p) - ||w - anchor||^2 / (2 tau), which is convex and smooth."""

        def at(p: Array) -> tuple[float, _Projection]:
            regrets = self._replicas.regrets(p)
            found = _project(anchor + tau * regrets, self._radius)
            moved = found.w - anchor
            return float(found.w @ regrets - moved @ moved / (2 * tau)), found

        value, found = at(p)
        for _ in range(INNER):
            jacobian = self._replicas.gradients(p)
            slope = found.w @ jacobian
            on = found.w > 0
            rows = jacobian[on] - jacobian[on].mean(axis=0)
            along = found.direction[on] @ rows
            curvature = tau * found.shrink * (rows.T @ rows - np.outer(along, along))
            matrix = np.tensordot(found.w, self._replicas.matrices, 1) + curvature
            direction = self._quadratic(matrix, slope, p)[0] - p
            decrease = float(slope @ direction)
            if decrease > -TARGET / 100 * self._scale:
                break
            step, (trial, moved) = 1.0, at(p + direction)
            while trial > value + ARMIJO * step * decrease and step > 1e-6:
                step /= 2
                trial, moved = at(p + step * direction)
            if trial >= value:
                break
            p, value, found = p + step * direction, trial, moved
        return p


@dataclass(frozen=True, eq=False)
class _Projection:
    """w, and its derivative on the support A: shrink (I - 11'/|A| - direction direction')."""

    w: Array
    shrink: float
    direction: Array


def _project(y: Array, radius: float) -> _Projection:
    """The nearest w to y with w >= 0, sum w = 1 and ||w - 1/B|| <= radius.

    Where the ball binds, w is s (y - mean) + 1/|A| on the support A, s so that w lies on the sphere.
    """
    count = len(y)
    order = np.argsort(-y, kind="stable")
    down = y[order] - y[order[0]]
    sizes = np.arange(1, count + 1)
    means = np.cumsum(down) / sizes
    support = sizes[1.0 / sizes + down - means > 0][-1]
    shrink, direction = 1.0, np.zeros(count)
    far = float(np.square(down - means[support - 1])[:support].sum()) + 1.0 / support - 1.0 / count
    if far > radius**2:
        shrinks = _shrinks(down, means, radius)
        support = _support(down, means, shrinks)
        shrink = float(shrinks[support - 1])
        away = down[:support] - means[support - 1]
        direction[order[:support]] = away / (np.linalg.norm(away) or 1.0)
    w = np.zeros(count)
    inside = np.maximum(shrink * (down[:support] - means[support - 1]) + 1.0 / support, 0.0)
    w[order[:support]] = inside / inside.sum()
    return _Projection(w, shrink, direction)


def _largest(regrets: Array, radius: float) -> float:
    """max of sum w_b r_b over w >= 0, sum w = 1, ||w - 1/B|| <= radius."""
    count = len(regrets)
    down = np.sort(regrets)[::-1] - regrets.max()
    at_top = int((down == 0).sum())
    if 1.0 / at_top - 1.0 / count <= radius**2 * (1 + 1e-12):
        return float(regrets.max())
    means = np.cumsum(down) / np.arange(1, count + 1)
    shrinks = _shrinks(down, means, radius)
    support = _support(down, means, shrinks)
    away = down[:support] - means[support - 1]
    w = np.maximum(shrinks[support - 1] * away + 1.0 / support, 0.0)
    return float(regrets.max() + (w @ down[:support]) / w.sum())


def _shrinks(down: Array, means: Array, radius: float) -> Array:
    """(B,) s that puts w on the sphere, per size of the support; nan where none does."""
    sizes = np.arange(1, len(down) + 1)
    variances = np.cumsum(np.square(down)) - sizes * np.square(means)
    left = radius**2 + 1.0 / len(down) - 1.0 / sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.where(left >= 0, left, np.nan) / np.maximum(variances, 0.0)))


def _support(down: Array, means: Array, shrinks: Array) -> int:
    """The largest support whose smallest weight is positive."""
    sizes = np.arange(1, len(down) + 1)
    with np.errstate(invalid="ignore"):
        smallest = 1.0 / sizes + shrinks * (down - means)
    positive = np.flatnonzero(np.isfinite(shrinks) & (smallest > 0))
    return int(sizes[positive[-1]])
