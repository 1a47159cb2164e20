"""`select`: at most so many tasks, and the best mixture of them, with how good that choice is.

f(A) = max of u'p - 1/2 p'Sp over the allowed mixtures p supported in A. Choosing A is a mixed-integer
quadratic programme: greedy and swaps find a good set in milliseconds, branch and bound proves it or
says by how much a better one could exceed it. The answer never depends on luck: the search is
deterministic, and ends after a number of nodes; only the time limit, meant to strike later,
depends on the machine.

Source: TaskPGM, arXiv 2507.12612, for f; see `greedy`, `perspective`, `branch`, `submodularity`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from mishran.energy.branch import End, search
from mishran.energy.choice_rules import check_choice, group_minimums, start
from mishran.energy.constraints import Constraints, allowed
from mishran.energy.diagonal import split
from mishran.energy.energy import Energy
from mishran.energy.greedy import grow, single_energies, swap
from mishran.energy.solver import minimise
from mishran.energy.submodularity import guaranteed, submodularity
from mishran.energy.subsets import Evaluator, Mask, Subsets, subsets
from mishran.energy.tangent import RepairMode, repair_tangent
from mishran.energy.threads import one_thread
from mishran.types import Array, Solution

SEED = 0


@final
@dataclass(frozen=True, eq=False)
class Selection:
    """A set of tasks, its best mixture, and what is known about better ones.

    chosen: names of the tasks, in the energy's order. Without minimums every one has a share.
    solution: over all names, 0 outside; its certificate is about the mixtures of the chosen tasks.
    value: f(chosen), of the energy after its repair. Its size means nothing, differences do.
    single, single_value: the best task that may be the whole mixture, and f of it; None where
    bounds, rows, minimums, floors or a least share allow no single task.
    upper_bound: no allowed set has a larger f. gap: upper_bound - value. relative_gap: gap / D.
    proven: gap is at most 1e-9 D (or rounding where D = 0).
    gamma_measured: the lowest submodularity ratio over `gamma_pairs` pairs of sets met or sampled;
    evidence, no bound. gamma_theory: a proven lower bound on it from curvature. None where
    undefined; see `submodularity`.
    guarantee: the share of f(best) - f(single) that greedy reaches by gamma_theory, whatever the
    search found. vacuous: that share is 0 or there is none.
    greedy_value: f of the greedy set. moves: swaps after it. found_by: which step found `chosen`.
    lazy, lazy_why: how greedy looked for the next task, and why.
    nodes, solves: relaxations, and sets solved. ended_by: what ended the search.
    """

    chosen: tuple[str, ...]
    solution: Solution
    value: float
    single: str | None
    single_value: float | None
    upper_bound: float
    gap: float
    relative_gap: float
    proven: bool
    gamma_measured: float | None
    gamma_pairs: int
    gamma_theory: float | None
    guarantee: float
    vacuous: bool
    greedy_value: float
    moves: int
    found_by: Literal["greedy", "swaps", "branch and bound"]
    lazy: bool
    lazy_why: str
    nodes: int
    solves: int
    ended_by: End

    @property
    def guarantee_in_words(self) -> str:
        """What greedy alone promised, for people."""
        if self.gamma_theory is None or self.single_value is None:
            return "none: bounds, minimums or a least share void the theory of greedy choice"
        if self.vacuous:
            return "vacuous: S has a direction without curvature, or there is one task to choose"
        return (
            f"greedy reaches at least {self.guarantee:.3g} of f(best) - f(best single task), "
            f"by the ratio {self.gamma_theory:.3g} of curvatures"
            + (", if returns diminish as the tests of lazy evaluation say" if self.lazy else "")
        )


@one_thread
def select(
    energy: Energy,
    max_tasks: int,
    constraints: Constraints | None = None,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    minimums: Mapping[str, int] | None = None,
    least_share: float = 0.0,
    repair: RepairMode = "shift",
    time_limit: float = 10.0,
    node_limit: int | None = None,
) -> Selection:
    """The best mixture of at most max_tasks tasks.

    Args:
        energy: what to minimise.
        max_tasks: k; more than there are tasks means no limit.
        constraints: bounds; the bare simplex when None. A task with a floor is always chosen.
        groups, minimums: group -> its tasks, and how many of them must be chosen at least. A chosen
            task may have the share 0 unless least_share forbids it.
        least_share: what a chosen task gets at least.
        repair: as `solve`.
        time_limit: seconds for the whole call, checked between nodes of the search; with 0 greedy
            and swaps answer, and one relaxation bounds what they miss.
        node_limit: nodes of the search; None for a number that depends on the number of tasks
            alone and takes some 6 s.

    Raises:
        ConfigError: a number that means nothing, or a name that does not exist.
        InfeasibleError: no set satisfies all rules; it names which to change and how far.
        EnergyError: as `solve`.
    """
    began = time.monotonic()
    check_choice(max_tasks, least_share, node_limit, time_limit)
    box = allowed(constraints, energy.names)
    counted = group_minimums(energy.names, groups, minimums)
    convex, repaired = repair_tangent(energy, repair)
    problem = subsets(convex, box, max_tasks, counted, least_share)
    n = len(energy.names)
    parts = split(problem.hessian, np.ones(n))
    evaluate = Evaluator(problem, parts.diagonal)

    first = start(evaluate, box)
    if least_share * max_tasks > 1.0:  # more would need more than the whole mixture
        fewer = int(1.0 / least_share + 1e-9)
        problem = subsets(convex, box, fewer, counted, least_share)
        evaluate = Evaluator(problem, parts.diagonal)
    greedy = grow(evaluate, first, SEED)
    swapped, after_swaps, moves = swap(evaluate, greedy.path[-1])
    lower, unlimited = _convex_bound(problem, convex, box)
    whole = evaluate(unlimited) if problem.complete(unlimited) else None
    shortcut = whole is not None and whole.value < after_swaps.value
    searched = search(
        evaluate,
        parts,
        unlimited if shortcut else swapped,
        lower,
        default_nodes(n) if node_limit is None else node_limit,
        time_limit - (time.monotonic() - began),
    )
    chosen = _without_idle(problem, searched.chosen, searched.best.spread(n))
    ratio = submodularity(evaluate, greedy.path, chosen, SEED)

    restricted = replace(
        box,
        lower=np.where(chosen, problem.lower, 0.0),
        upper=np.where(chosen, problem.upper, 0.0),
    )
    p, certificate, unique = minimise(convex, restricted, ask_unique=True)
    value, before = -convex.value(p), energy.value(p)
    gap = float(problem.unit * max(0.0, problem.energy(p) - searched.lower))
    single, single_value = _best_single(evaluate, convex)
    share = 0.0
    if ratio.theory is not None and single is not None:
        share = guaranteed(ratio.theory, problem.max_tasks, len(greedy.path) - 1)
    found_by: Literal["greedy", "swaps", "branch and bound"] = "greedy"
    if searched.improved or shortcut:
        found_by = "branch and bound"
    elif moves:
        found_by = "swaps"
    return Selection(
        chosen=tuple(name for name, c in zip(energy.names, chosen, strict=True) if c),
        solution=Solution(
            names=energy.names,
            weights=p,
            energy=-value,
            energy_unrepaired=before,
            representativeness=float(energy.unary @ p),
            diversity=float(-0.5 * p @ energy.matrix @ p),
            certificate=certificate,
            unique=unique,
            repairs=() if repaired is None else (replace(repaired, energy_cost=-value - before),),
        ),
        value=value,
        single=single,
        single_value=single_value,
        upper_bound=value + gap,
        gap=gap,
        relative_gap=gap / convex.scale if convex.scale > 0 else 0.0,
        proven=bool(gap <= problem.unit * problem.tolerance),
        gamma_measured=ratio.measured,
        gamma_pairs=ratio.pairs,
        gamma_theory=ratio.theory,
        guarantee=share,
        vacuous=share <= 0.0,
        greedy_value=float(value - problem.unit * (greedy.best.value - problem.energy(p))),
        moves=moves,
        found_by=found_by,
        lazy=greedy.lazy,
        lazy_why=greedy.why,
        nodes=searched.nodes,
        solves=evaluate.solves,
        ended_by=searched.ended_by,
    )


def default_nodes(n: int) -> int:
    """Nodes that take some 6 s on one core for n tasks. Measured: benchmarks/selection.py."""
    return int(1e7 / (1000 + 0.6 * n**2))


def _convex_bound(problem: Subsets, convex: Energy, box: Constraints) -> tuple[float, Mask]:
    """Below the energy of every set: the mixture without limits on its tasks, less its gap.

    And the tasks of that mixture, which no set beats where they are a possible one.
    """
    p, certificate, _ = minimise(convex, box)
    return problem.energy(p) - certificate.gap / problem.unit, p > 0.0


def _best_single(evaluate: Evaluator, convex: Energy) -> tuple[str | None, float | None]:
    """The best task that may be the whole mixture."""
    problem = evaluate.problem
    alone = single_energies(evaluate)
    for i in np.argsort(alone, kind="stable"):
        only = np.arange(len(alone)) == i
        if not np.isfinite(alone[i]):
            break
        if problem.complete(only):
            return problem.names[i], -convex.value(only.astype(float))
    return None, None


def _without_idle(problem: Subsets, chosen: Mask, p: Array) -> Mask:
    """The set without tasks that have no share, as far as minimums allow; first names stay."""
    out = chosen & ((p > 0.0) | problem.forced)
    for group, missing in zip(problem.groups, problem.missing(out), strict=True):
        more = group.members[(chosen & ~out)[group.members]]
        still = group.minimum - int(out[group.members].sum())
        out[more[: max(0, min(int(missing), still))]] = True
    return out
