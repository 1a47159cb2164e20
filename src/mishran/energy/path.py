"""The mixture along t, exactly: `follow` finds every piece of p(t), and `Path` answers from them.

For the coverage unary p(t) is piecewise linear. It is followed from t = 1, down to 0 and up until the
last piece, which is constant. Between two breakpoints everything is known without solving: weights by
interpolation, effective tasks (1 / sum p^2) as the reciprocal of a quadratic in t.

Effective tasks are a better dial for people than t, with two branches: t < 1 towards little
redundancy ("diverse") and t > 1 towards central tasks ("central"). They need not be monotone along a
branch: the t nearest to 1 is taken. Where a repair left a direction without curvature the path can
jump, at t = 1 only (derived: S v = c 1 with c != 0 adds the linear term (1 - t) c).

Source: derived, from the energy of arXiv 2507.12612; the method is in `homotopy`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mishran.energy.constraints import Constraints, allowed
from mishran.energy.energy import Energy
from mishran.energy.homotopy import JOIN, Knot, Walk
from mishran.energy.pieces import parametric
from mishran.energy.solver import minimise
from mishran.energy.tangent import RepairMode, repair_tangent
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError, EnergyError, InfeasibleError
from mishran.types import Affinity, Array, Repair

Side = Literal["diverse", "central"]
# Of D, in turn: 1e-10 moves no energy by 1e-9 D. The last is for an S of far lower rank than it has
# tasks: measured on such kernels of 80 and 150 tasks it moves weights by 0.004 and energies by 3e-11 D.
LIFTS = (0.0, 1e-10, 1e-7)
FEASIBLE = 1e-14  # rounding of n times 1/n
NEAR = 1e-9  # numbers of effective tasks that are relatively this close are the same
ONE = 1e-6  # a range that is relatively this narrow is a single number
SAME = 1e-13  # weights that are this close do not move


@final
@dataclass(frozen=True, eq=False)
class Path:
    """p(t) for all t >= 0.

    ts: (K,) breakpoints, 0 first, 1 among them; the path is constant from the last on. A jump is a t
    of 1 twice, or three times: the limit from below, p(1), the limit from above.
    weights: (K, n) at the breakpoints; linear between them.
    active: (K, n + r) on the piece from each breakpoint to the next (the last: to infinity), -1 for
    tasks at their lower bound, 1 at their upper, 0 for the free, then the same for rows. Where the
    active set is not unique, one of those that prove the piece.
    convex: the energy at t = 1, after repair and ridge. repairs: what was changed in S.
    """

    names: tuple[str, ...]
    rows: tuple[str, ...]
    ts: Array
    weights: Array
    active: NDArray[np.int8]
    convex: Energy
    repairs: tuple[Repair, ...] = ()

    def at(self, t: ArrayLike) -> Array:
        """(n,) weights at a t, (..., n) at an array of them; at a jump the optimum of least norm.

        Raises:
            ConfigError: a t that is negative or not finite.
        """
        t = np.asarray(t, dtype=np.float64)
        wrong = ~(np.isfinite(t) & (t >= 0))
        if wrong.any():
            raise ConfigError(
                expected="a finite t >= 0 (0 least redundant, 1 uniform, more for central tasks)",
                found=str(t[wrong].flat[0]),
                where="mixture.t",
                fix="try t: 0.6",
            )
        last = len(self.ts) - 1
        left = np.clip(np.searchsorted(self.ts, t, side="right") - 1, 0, max(last - 1, 0))
        right = np.minimum(left + 1, last)
        width = self.ts[right] - self.ts[left]
        share = np.clip((t - self.ts[left]) / np.where(width > 0, width, 1.0), 0.0, 1.0)[..., None]
        out = (1.0 - share) * self.weights[left] + share * self.weights[right]
        return np.where((t == 1.0)[..., None], self.weights[self._one], out)

    def energy(self, t: float) -> float:
        """E(p(t)) at that t, after repair and ridge, as `Solution.energy`."""
        p = self.at(t)
        return float(0.5 * p @ self.convex.matrix @ p - t * (self.convex.unary @ p))

    def effective(self, t: ArrayLike) -> Array:
        """1 / sum p(t)^2, of the shape of t."""
        return np.asarray(1.0 / np.square(self.at(t)).sum(axis=-1))

    @property
    def jumps(self) -> tuple[float, ...]:
        """The t at which the path jumps: 1 or none."""
        return (1.0,) if (np.diff(self.ts) == 0).any() else ()

    def jump(self, side: Side) -> tuple[float, float] | None:
        """Effective tasks at t = 1 and just beside it, where this side begins with a jump."""
        ts, weights = self._branch(side)
        if len(ts) < 2 or ts[1] != 1.0:
            return None
        here, beside = 1.0 / np.square(weights[:2]).sum(axis=1)
        return float(here), float(beside)

    def range(self, side: Side) -> tuple[float, float]:
        """Fewest and most effective tasks on a side, t = 1 included. All between are reached but
        those inside a jump.

        Raises:
            ConfigError: `side` is neither "diverse" nor "central".
        """
        _, weights = self._branch(side)
        a, b, c = _quadratics(weights)
        turn = np.clip(np.divide(-b, 2 * c, out=np.zeros_like(b), where=c > 0), 0.0, 1.0)
        if self.jump(side) is not None:
            turn[0] = 0.0
        squares = np.concatenate([np.square(weights).sum(axis=1), a + turn * (b + turn * c)])
        return float(1.0 / squares.max()), float(1.0 / squares.min())

    def t_for(self, wanted: float, side: Side = "diverse") -> float:
        """The t nearest to 1 on this side whose mixture has `wanted` effective tasks.

        Raises:
            InfeasibleError: no t on this side gives as many; it names what can be reached.
            ConfigError: `side` is neither "diverse" nor "central".
        """
        ts, weights = self._branch(side)
        if not wanted > 0.5:
            raise self._unreached(wanted, side)
        a, b, c = _quadratics(weights)
        aim = 1.0 / wanted
        if abs(np.square(weights[0]).sum() - aim) <= NEAR * aim:
            return 1.0
        for k in range(len(ts) - 1):
            if ts[k] == ts[k + 1]:
                continue
            share = _root(a[k] - aim, b[k], c[k], NEAR * aim)
            if share is not None:
                return float(ts[k] + share * (ts[k + 1] - ts[k]))
        raise self._unreached(wanted, side)

    def curve(self, points: int = 201, end: float | None = None) -> tuple[Array, Array]:
        """t and effective tasks to plot: `points` values of t from 0 to `end` and all breakpoints
        between them, so that every kink is drawn. By default the end is that of the path."""
        end = float(self.ts[-1]) if end is None else end
        inside = self.ts[(self.ts <= end)]
        ts = np.unique(np.concatenate([np.linspace(0.0, end, points), inside]))
        return ts, self.effective(ts)

    @cached_property
    def _one(self) -> int:
        """Index of p(1)."""
        ones = np.flatnonzero(self.ts == 1.0)
        if len(ones) == 1:
            return int(ones[0])
        # limits jump away from the optimum of least norm, so that it is the shortest
        return int(ones[np.argmin(np.square(self.weights[ones]).sum(axis=1))])

    def _branch(self, side: Side) -> tuple[Array, Array]:
        """Breakpoints and weights from t = 1 outwards."""
        if side not in get_args(Side):
            raise ConfigError(
                expected="diverse (t < 1) or central (t > 1)",
                found=repr(side),
                where="mixture.side",
                fix="diverse is the default",
            )
        which = slice(self._one, None, -1) if side == "diverse" else slice(self._one, None)
        return self.ts[which], self.weights[which]

    def _unreached(self, wanted: float, side: Side) -> InfeasibleError:
        opposite: Side = "central" if side == "diverse" else "diverse"
        low, high = self.range(opposite)
        other = f", or try side: {opposite}" if low <= wanted <= high else ""
        jump = self.jump(side)
        if jump is not None and min(jump) < wanted < max(jump):
            return InfeasibleError(
                expected=f"effective tasks that the {side} side reaches: it jumps from {jump[0]:.4g} "
                f"to {jump[1]:.4g}, as the affinity has a direction without curvature",
                found=f"{wanted:g}",
                where="mixture.effective_tasks",
                fix=f"add mixture.ridge: 0.01, which makes the path continuous{other}",
            )
        low, high = self.range(side)
        if high - low <= ONE * high:
            return InfeasibleError(
                expected=f"{low:.9g} effective tasks, the only number that the {side} side reaches",
                found=f"{wanted:g}",
                where="mixture.effective_tasks",
                fix=f"give t instead or loosen the bounds{other}",
            )
        low, high = _inwards(low, high)
        return InfeasibleError(
            expected=f"between {low:.10g} and {high:.10g} effective tasks, which the {side} side "
            "reaches",
            found=f"{wanted:g}",
            where="mixture.effective_tasks",
            fix=f"ask for {high if wanted > high else low:.10g}{other}",
        )


@one_thread
def follow(
    affinity: Affinity,
    constraints: Constraints | None = None,
    ridge: float = 0.0,
    repair: RepairMode = "shift",
) -> Path:
    """The whole path of the coverage energy; S is repaired once, and its ridge is the same at all t.

    Raises:
        EnergyError, InfeasibleError: as `solve`; EnergyError too where no piece was found that
            continues the path.
    """
    n = len(affinity.names)
    box = allowed(constraints, affinity.names)
    single = replace(affinity, replicas=np.empty((0, n, n)))
    convex, repaired = repair_tangent(Energy.coverage(single, 1.0).with_ridge(ridge), repair)
    one = np.full(n, 1.0 / n)
    if box.violation(one) > FEASIBLE:
        one = minimise(convex, box)[0]
    down, up, lifted = _walked(convex, box, one)
    ts, weights, active = _joined(down, up, one)
    return Path(
        affinity.names,
        tuple(box.rows),
        ts,
        weights,
        np.delete(active, n, axis=1),
        convex,
        tuple(repair for repair in (repaired, lifted) if repair is not None),
    )


def t_grid(
    affinity: Affinity,
    ts: ArrayLike,
    constraints: Constraints | None = None,
    ridge: float = 0.0,
    repair: RepairMode = "shift",
) -> Array:
    """(len(ts), n) weights that minimise the coverage energy at every t; S is repaired once.

    Raises:
        ConfigError: a t that is negative or not finite.
        EnergyError, InfeasibleError: as `follow`.
    """
    at = np.asarray(ts, dtype=np.float64)
    return follow(affinity, constraints, ridge, repair).at(at)


def effective_tasks(
    affinity: Affinity,
    wanted: float,
    side: Side = "diverse",
    constraints: Constraints | None = None,
    ridge: float = 0.0,
    repair: RepairMode = "shift",
) -> float:
    """The t nearest to 1 on this side whose mixture has `wanted` effective tasks.

    Raises:
        InfeasibleError, ConfigError: as `Path.t_for`.
        EnergyError, InfeasibleError: as `follow`.
    """
    return follow(affinity, constraints, ridge, repair).t_for(wanted, side)


def _walked(
    convex: Energy, box: Constraints, one: Array
) -> tuple[list[Knot], list[Knot], Repair | None]:
    """Knots down to t = 0 and up, and the ridge that it took where rounding swamps the curvature."""
    problem = parametric(convex, box)
    lost: EnergyError | None = None
    for lift in LIFTS:
        walk = Walk(
            replace(problem, hessian=problem.hessian + lift * np.eye(problem.n)), convex, box
        )
        try:
            down, up = walk.along(one, 1.0, 1.0), walk.along(one, -1.0, -np.inf)
        except EnergyError as error:
            lost = lost or error
            continue
        if lift == 0:
            return down, up, None
        detail = f"the path was followed with {lift:g} D of ridge: some curvature is below rounding"
        return down, up, Repair("rounding", lift * problem.unit, detail)
    assert lost is not None
    raise lost


def _joined(down: list[Knot], up: list[Knot], one: Array) -> tuple[Array, Array, NDArray[np.int8]]:
    """Breakpoints in order of t from two walks that begin at t = 1."""
    # A knot of the walk down begins its piece at the larger t: states move one knot on.
    ts = [1.0 - knot.x for knot in reversed(down)]
    ts[0] = 0.0
    weights = [knot.weights for knot in reversed(down)]
    active = [knot.state for knot in reversed(down[:-1])]
    if np.abs(one - down[0].weights).max() > JOIN:
        ts.append(1.0)
        weights.append(one)
        active.append(down[0].state)
    weights[-1] = one
    if np.abs(one - up[0].weights).max() > JOIN:
        ts.append(1.0)
        weights.append(up[0].weights)
        active.append(up[0].state)
    ts += [1.0 - knot.x for knot in up[1:]]
    weights += [knot.weights for knot in up[1:]]
    active += [knot.state for knot in up]
    return _merged(np.array(ts), np.array(weights), np.array(active, dtype=np.int8))


def _merged(
    ts: Array, weights: Array, active: NDArray[np.int8]
) -> tuple[Array, Array, NDArray[np.int8]]:
    """Without breakpoints between two pieces on which nothing moves, where only the proof changes."""
    still = np.append(np.abs(np.diff(weights, axis=0)).max(axis=1) <= SAME, True)
    between = np.append(False, still[:-1]) & still & (ts != 1.0)
    between[0] = False
    return ts[~between], weights[~between], active[~between]


def _quadratics(weights: Array) -> tuple[Array, Array, Array]:
    """a + b y + c y^2 = sum p^2 on every piece, y from 0 to 1 along it."""
    step = np.diff(weights, axis=0)
    return (
        np.square(weights[:-1]).sum(axis=1),
        2.0 * (weights[:-1] * step).sum(axis=1),
        np.square(step).sum(axis=1),
    )


def _root(a: float, b: float, c: float, near: float) -> float | None:
    """Least root of a + b y + c y^2 in [0, 1], or where it comes within `near` of 0."""
    if abs(a) <= near:
        return 0.0
    inside: list[float] = []
    square = b * b - 4.0 * a * c
    if c > 0 and square >= 0:
        half = -0.5 * (b + np.copysign(np.sqrt(square), b))
        inside = [y for y in (half / c, a / half if half else 0.0) if 0.0 <= y <= 1.0]
    if inside:
        return float(min(inside))
    turn = float(np.clip(-b / (2.0 * c), 0.0, 1.0)) if c > 0 else 0.0
    for y in (turn, 1.0):
        if abs(a + y * (b + y * c)) <= near:
            return y
    return None


def _inwards(low: float, high: float) -> tuple[float, float]:
    """Rounded so that both are still reached: to three digits, or as many as it takes."""
    for digits in range(3, 12):
        size = 10.0**digits
        below, above = np.ceil(low * size - 1e-7) / size, np.floor(high * size + 1e-7) / size
        if below <= above:
            return float(below), float(above)
    return low, high
