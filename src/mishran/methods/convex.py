"""`minimise`: a smooth convex function over the constraints of a mixture, exactly, with its proof.

Newton's method on the simplex: every step minimises the quadratic model with the exact solver of
`mishran.energy` (same bounds, same rows), then backtracks until the function falls. Near the optimum the
model is exact, so the last steps double the digits. What is flat is left at least norm by that solver,
so that exact twins get equal weights. The multipliers of the last model are certified for the function
itself.

Values are in nats, so the gap is too: it bounds how much any other mixture could be better.

Source: proximal Newton / sequential quadratic programming, Nocedal and Wright, Numerical Optimization,
2006, ch. 18; gap: weak duality (`mishran.energy.certificate`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from mishran.energy import Constraints, Energy, Multipliers, certify, simplex
from mishran.energy.solver import minimise as quadratic
from mishran.errors import EnergyError
from mishran.types import Array, Certificate

ENOUGH = 1e-13  # nats: what rounding leaves
GAP = 1e-9  # nats: the bar
STEPS = 100
NEAR = 1e-6  # nats: from here on the gap falls with every step, or rounding is reached
PATIENCE = 3  # steps without a smaller gap
ARMIJO = 1e-4
ROUNDING = 16 * np.finfo(float).eps


class Smooth(Protocol):
    """A convex function of a mixture, in nats; infinite where it is not to be evaluated."""

    def value(self, p: Array) -> float: ...

    def slopes(self, p: Array) -> tuple[Array, Array]:
        """(n,) gradient and (n, n) Hessian."""


def start(names: tuple[str, ...], constraints: Constraints, sizes: Array | None = None) -> Array:
    """The allowed mixture that is nearest to uniform.

    Args:
        sizes: (n,) nearest to uniform in these (tokens of a row, say) instead: the least
            sum_i (p_i - u_i)^2 / u_i, u_i proportional to 1 / sizes_i.
    """
    each = np.ones(len(names)) if sizes is None else sizes
    even = (1.0 / each) / (1.0 / each).sum()
    metric = each / each.mean()
    return quadratic(_model(names, np.diag(metric), metric * even), constraints)[0]


def minimise(
    function: Smooth,
    names: tuple[str, ...],
    constraints: Constraints | None = None,
    method: str = "",
    warm: Array | None = None,
) -> tuple[Array, Certificate]:
    """The mixture of least value and the certificate, its scale 1 nat.

    Args:
        method: whose function it is, for messages. warm: (n,) allowed weights to begin at.

    Raises:
        EnergyError: no mixture was found whose gap is at most 1e-9 nats.
    """
    box = simplex(names) if constraints is None else constraints
    p = start(names, box) if warm is None else warm
    value = function.value(p)
    best: tuple[Array, Certificate] | None = None
    idle = 0
    for number in range(1, STEPS + 1):
        gradient, hessian = function.slopes(p)
        try:
            q, model, _ = quadratic(_model(names, hessian, hessian @ p - gradient), box, p)
        except EnergyError:
            break
        proof = _proof(names, gradient, box, p, model, f"Newton, {number} steps")
        if np.isfinite(value) and (best is None or proof.gap < best[1].gap):
            best, idle = (p, proof), 0
        elif proof.gap < NEAR:
            idle += 1
        if proof.gap <= ENOUGH or idle == PATIENCE:
            break
        slope = float(gradient @ (q - p))
        for length in 0.5 ** np.arange(40):
            there = q if length == 1.0 else (1.0 - length) * p + length * q
            new = function.value(there)
            if np.isfinite(new) and new <= value + ARMIJO * length * slope + ROUNDING * abs(value):
                break
        else:
            break
        p, value = there, new
    if best is None or best[1].gap > GAP:
        raise EnergyError(
            expected=f"a mixture whose gap is at most {GAP:g} nats",
            found="none" if best is None else f"a gap of {best[1].gap:.3g}",
            where=f"method {method}",
            fix="loosen the tightest floor or cap, and please report the run",
        )
    return best


def _model(names: tuple[str, ...], hessian: Array, unary: Array) -> Energy:
    n = len(names)
    even = (hessian + hessian.T) / 2
    return Energy(names, even, unary, np.empty((0, n, n)), np.empty((0, n)))


def _proof(
    names: tuple[str, ...],
    gradient: Array,
    box: Constraints,
    p: Array,
    model: Certificate,
    how: str,
) -> Certificate:
    """The certificate of p for the function: that of its slope at p, with the model's prices."""
    n = len(names)
    linear = _model(names, np.zeros((n, n)), -gradient)
    free = (p > box.lower) & (p < box.upper)
    priced = gradient.copy()
    for kind, sign in ((model.floors, 1.0), (model.caps, -1.0)):
        for name, price in kind.items():
            priced -= sign * price * box.rows[name]
    level = float(priced[free].mean()) if free.any() else float(priced @ p)
    over = priced - level
    prices = Multipliers(
        lower=np.where(p == box.lower, np.maximum(over, 0.0), 0.0),
        upper=np.where(p == box.upper, np.maximum(-over, 0.0), 0.0),
        simplex=level,
        floors=model.floors,
        caps=model.caps,
    )
    return replace(certify(linear, box, p, prices, how), scale=1.0)
