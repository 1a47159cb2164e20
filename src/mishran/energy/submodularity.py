"""The submodularity ratio of a selection: what the greedy choice is guaranteed to reach.

For sets L (not empty: f of the empty set is undefined) and C outside L, the ratio is

    sum over j in C of [f(L + j) - f(L)]  /  [f(L + C) - f(L)] ,

and gamma is its minimum over all L and C of at most k tasks. Greedy from the best single task s then has

    f(greedy) - f(s) >= (1 - (1 - gamma / k)^(k - 1)) (f(best) - f(s)) .

Multiplying f itself would mean nothing: adding a constant to S shifts f.

- measured: the minimum over the sets that greedy met, with C the final set, and over a seeded
  sample. No proof: gamma itself may be lower.
- theory: m / M, the smallest and largest curvature of S between mixtures (all of them, so a lower
  bound on what sparse eigenvalues give). On the simplex: let F(A) be the best gain from p = p(L) over
  mixtures q of A when the curvature is M everywhere, and G(A) the same for m. A single task gains
  at least F(L + j), C at most G(L + C). F <= sum of F(L + j) over C, since F(A) is the minimum over a
  price x of a convex function of x plus terms >= 0, falling in x, one per task; and
  F >= (m / M) G, by going m / M of the way to G's q.

Source: Das and Kempe, ICML 2011, Definition 2.3 and Theorem 3.2; m / M without constraints: Elenberg,
Khanna, Dimakis, Negahban, Ann. Statist. 46 (2018); both for the simplex and sets with s: derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.energy.subsets import Evaluator, Index, Mask
from mishran.energy.tangent import tangent_eigenvalues

SAMPLE = 24  # pairs of sets


@final
@dataclass(frozen=True, eq=False)
class Ratio:
    """measured: the lowest ratio seen over `pairs` pairs of sets; None when none gained anything.
    theory: a lower bound on gamma; None where bounds, rows, minimums or a least share leave none.
    """

    measured: float | None
    pairs: int
    theory: float | None


def submodularity(evaluate: Evaluator, path: tuple[Mask, ...], chosen: Mask, seed: int) -> Ratio:
    """The ratio on the way of greedy to the chosen set, and on seeded pairs of sets."""
    problem = evaluate.problem
    theory = _curvature_ratio(evaluate) if problem.plain and not problem.groups else None
    if not problem.monotone or len(path[0]) < 2:
        return Ratio(None, 0, theory)
    pairs = [(small, chosen & ~small) for small in path]
    rng = np.random.default_rng(seed)
    others: Index = np.flatnonzero(problem.usable & ~path[0])
    for _ in range(SAMPLE if len(others) else 0):
        order = rng.permutation(others)
        size = int(rng.integers(0, min(problem.max_tasks, len(order))))
        extra = int(rng.integers(1, min(problem.max_tasks, len(order) - size) + 1))
        small, more = path[0].copy(), np.zeros(len(chosen), dtype=bool)
        small[order[:size]] = True
        more[order[size : size + extra]] = True
        pairs.append((small, more))
    ratios = [r for r in (ratio(evaluate, small, more) for small, more in pairs) if r is not None]
    return Ratio(min(ratios, default=None), len(ratios), theory)


def ratio(evaluate: Evaluator, small: Mask, more: Mask) -> float | None:
    """The ratio for L = small and C = more; None when C gains nothing or a set is not possible."""
    base, union = evaluate(small), evaluate(small | more)
    if base is None or union is None or base.value - union.value <= evaluate.problem.tolerance:
        return None
    total = 0.0
    for j in np.flatnonzero(more & ~small):
        trial = small.copy()
        trial[j] = True
        one = evaluate(trial)
        total += max(0.0, base.value - one.value) if one is not None else 0.0
    return float(total / (base.value - union.value))


def guaranteed(gamma: float, max_tasks: int, steps: int | None = None) -> float:
    """1 - (1 - gamma / k)^steps, the share of the best gain over a single task that greedy has.

    steps: how many tasks greedy added; k - 1 when None.
    """
    steps = max_tasks - 1 if steps is None else steps
    return float(1.0 - (1.0 - min(gamma, 1.0) / max_tasks) ** steps)


def _curvature_ratio(evaluate: Evaluator) -> float:
    values = tangent_eigenvalues(evaluate.problem.hessian)
    if len(values) == 0 or values[-1] <= 0.0:
        return 0.0
    quotient = float(values[0] / values[-1])
    return quotient if quotient > 1e-12 else 0.0
