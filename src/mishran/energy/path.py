"""The mixture along t: a grid for sliders, and the t for a wished number of effective tasks.

For coverage the path p(t) is piecewise linear. The number of effective tasks (1 / sum p^2)
is a better dial for people than t, with two branches: t < 1 towards little redundancy ("diverse")
and t > 1 towards central tasks ("central"). It need not be monotone: the t nearest to 1 is taken.

Source: derived, from the energy of arXiv 2507.12612. Following the path exactly is for later; here
every t is solved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from mishran.energy.constraints import Constraints, allowed
from mishran.energy.energy import Energy
from mishran.energy.solver import minimise
from mishran.energy.tangent import RepairMode, repair_tangent
from mishran.errors import ConfigError, InfeasibleError
from mishran.types import Affinity, Array

Side = Literal["diverse", "central"]
STEPS = 100


def t_grid(
    affinity: Affinity,
    ts: Sequence[float],
    constraints: Constraints | None = None,
    ridge: float = 0.0,
    repair: RepairMode = "shift",
) -> Array:
    """(len(ts), n) weights that minimise the coverage energy at every t; S is repaired once.

    Raises:
        EnergyError, InfeasibleError: as `solve`.
    """
    at = _Path(affinity, constraints, ridge, repair)
    return np.array([at.weights(float(t)) for t in ts]).reshape(len(ts), len(affinity.names))


def effective_tasks(
    affinity: Affinity,
    wanted: float,
    side: Side = "diverse",
    constraints: Constraints | None = None,
    ridge: float = 0.0,
    repair: RepairMode = "shift",
) -> float:
    """The t nearest to 1 on this side whose mixture has `wanted` effective tasks (to 1e-6).

    Scans 100 values of t from 1 to 0, or of 1/t from 1 to 0.001, then bisects. Where S has a
    direction without curvature the mixture can jump at a t; numbers inside a jump are not reached.

    Raises:
        InfeasibleError: no t on this side gives as many; it names what can be reached.
        ConfigError: `side` is neither "diverse" nor "central".
    """
    if side not in ("diverse", "central"):
        raise ConfigError(
            expected="diverse (t < 1) or central (t > 1)",
            found=repr(side),
            where="mixture.side",
            fix="diverse is the default",
        )
    from scipy.optimize import brentq

    at = _Path(affinity, constraints, ridge, repair)

    def t_of(x: float) -> float:
        return 1.0 - x if side == "diverse" else 1.0 / (1.0 - 0.999 * x)

    def excess(x: float) -> float:
        return at.effective(t_of(x)) - wanted

    xs = np.linspace(0.0, 1.0, STEPS + 1)
    near = 1e-6 * wanted
    jump: tuple[float, float] | None = None
    values = [excess(xs[0])]
    if abs(values[0]) <= near:
        return 1.0
    for x0, x1 in pairwise(xs):
        values.append(excess(x1))
        if abs(values[-1]) <= near:
            return t_of(float(x1))
        if values[-2] * values[-1] < 0:
            root = float(brentq(excess, x0, x1, xtol=1e-12))
            if abs(excess(root)) <= near:
                return t_of(root)
            jump = jump or _ends(excess, root, wanted)
    other = "central" if side == "diverse" else "diverse"
    if jump is not None:
        raise InfeasibleError(
            expected=f"effective tasks that the {side} side reaches: it jumps from {jump[0]:.4g} to "
            f"{jump[1]:.4g}, as the affinity has a direction without curvature",
            found=f"{wanted:g}",
            where="mixture.effective_tasks",
            fix=f"add mixture.ridge: 0.01, which makes the path continuous, or try side: {other}",
        )
    # Rounded inwards, so that what the message names can be reached.
    low = np.ceil((min(values) + wanted) * 1e3 - 1e-3) / 1e3
    high = np.floor((max(values) + wanted) * 1e3 + 1e-3) / 1e3
    if low > high:  # the whole path has the same number, to three digits
        low = high = np.round(values[0] + wanted, 3)
    raise InfeasibleError(
        expected=f"between {low:g} and {high:g} effective tasks, which the {side} side reaches",
        found=f"{wanted:g}",
        where="mixture.effective_tasks",
        fix=f"ask for {np.clip(wanted, low, high):g}, or try side: {other}",
    )


def _ends(excess: Callable[[float], float], x: float, wanted: float) -> tuple[float, float]:
    """Effective tasks on both sides of a jump at x."""
    step = 1e-9
    return wanted + excess(max(x - step, 0.0)), wanted + excess(min(x + step, 1.0))


class _Path:
    """Coverage energies with the same repair of S, found once. It has no part along 1, so that S 1,
    and with it the unary, is the same before and after."""

    def __init__(
        self,
        affinity: Affinity,
        constraints: Constraints | None,
        ridge: float,
        repair: RepairMode,
    ) -> None:
        n = len(affinity.names)
        single = replace(affinity, replicas=np.empty((0, n, n)))
        fixed, _ = repair_tangent(Energy.coverage(single, 1.0), repair)
        self._affinity = single
        self._repair = fixed.matrix - affinity.matrix
        self._box = allowed(constraints, affinity.names)
        self._ridge = ridge

    def weights(self, t: float) -> Array:
        energy = Energy.coverage(self._affinity, t).with_ridge(self._ridge)
        return minimise(replace(energy, matrix=energy.matrix + self._repair), self._box)[0]

    def effective(self, t: float) -> float:
        return float(1.0 / np.square(self.weights(t)).sum())
