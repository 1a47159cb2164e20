"""The sentences of the report: what the mixture is, what proves it, what each number means."""

from __future__ import annotations

import math

from mishran.mixture import Mixture
from mishran.report import numbers as say
from mishran.report.data import ReportData
from mishran.report.numbers import Measure
from mishran.report.table import task_rows

OPTIMAL = 1e-9  # the bar of Certificate.relative_gap
AFFINITIES = {
    "jsd": "Jensen-Shannon similarity of the specialists' answers",
    "pmi-mean": "how well specialists predict each other's answers (PMI, per answer token)",
    "pmi-sum": "how well specialists predict each other's answers (PMI, whole answers)",
    "pmi-base": "how much better than the base specialists predict each other's answers (PMI)",
    "gradient-kernel": "distance of the base model's gradients at the probes (no specialist asked)",
    "gradient-cosine": "direction of the base model's gradients at the probes (no specialist asked)",
    "gradient-centred": "direction of the base model's gradients, less their mean (no specialist asked)",
    "matrix": "a matrix that was given",
}


def affinity_name(kind: str) -> str:
    return AFFINITIES.get(kind, kind)


def lead(data: ReportData) -> str:
    """The mixture in two or three sentences."""
    rows = task_rows(data)
    n, used = len(rows), sum(row.weight > 0 for row in rows)
    if n == 1:
        return f"One task, {rows[0].name}, so it gets everything."
    uniform = rows[0].uniform
    spread = max(abs(row.weight - uniform) for row in rows)
    if spread < 1e-6:
        return f"All {n} tasks get the same share, {say.percent(uniform)}: the mixture is uniform."
    top = rows[:3] if n > 5 else rows[:1]
    share = say.percent(math.fsum(row.weight for row in top))
    whole = f"All {n} tasks get" if used == n else f"{used} of {n} tasks get"
    text = (
        f"{whole} a share, spread like {say.number(data.mixture.effective_tasks, 1)} equal ones. "
        f"Most goes to {say.names([row.name for row in top])}: {share} of the rows, "
        f"where uniform would give {say.percent(len(top) * uniform)}."
    )
    return f"{text} {dial(data)}".strip()


def dial(data: ReportData) -> str:
    """What t means where it stands; empty for unaries without t."""
    t = data.t_chosen
    if t is None:
        return ""
    head = f"The dial t stands at {say.compact(t)}: "
    if abs(t - 1) < 1e-9:
        return head + "uniform, apart from bounds."
    if t < 1:
        return head + "less redundant than uniform, so tasks that resemble others give way."
    return head + "more central than uniform, so tasks that resemble the rest come first."


def aim(mixture: Mixture) -> str:
    """What the method makes small."""
    return "objective" if mixture.energy is None else "energy"


def is_optimal(mixture: Mixture) -> bool:
    proof = mixture.certificate
    if proof is None:
        return False
    return max(proof.relative_gap, proof.primal_residual) <= OPTIMAL


def proof(mixture: Mixture) -> str:
    """The certificate in a sentence."""
    c, what = mixture.certificate, aim(mixture)
    if c is None:
        return "Nothing to prove: this method is a rule, and minimises nothing."
    gap, relative = say.compact(max(c.gap, 0.0), 2), say.compact(max(c.relative_gap, 0.0), 2)
    of = " of the chosen tasks" if mixture.selection is not None else ""
    if is_optimal(mixture):
        return (
            f"Proved optimal: no mixture{of} that respects the same bounds can have an {what} lower by "
            f"more than {gap}. That is {relative} of the {what}'s own scale "
            f"D = {say.compact(c.scale)}; the bar is {say.compact(OPTIMAL)}."
        )
    if c.primal_residual > OPTIMAL:
        return f"Not proved: weights miss a bound or their sum by {say.compact(c.primal_residual)}."
    return (
        f"Not optimal: a mixture{of} within the same bounds may have an {what} lower by up to {gap}, "
        f"that is {relative} of the {what}'s own scale D = {say.compact(c.scale)}."
    )


def diagnostics(data: ReportData) -> tuple[Measure, ...]:
    view, mixture = data.diagnostics, data.mixture
    return (
        Measure(
            "Effective tasks",
            say.number(mixture.effective_tasks, 2),
            f"1 / sum of squared weights: {len(mixture.tasks)} for uniform, 1 for a single task.",
        ),
        Measure(
            "Effective rank",
            say.number(view.effective_rank, 2),
            "How many really different directions the affinity has.",
        ),
        Measure(
            "Smallest tangent eigenvalue",
            say.compact(view.tangent_min),
            "At or above 0 the energy is convex, and its optimum can be proved.",
        ),
        Measure(
            "Tangent condition",
            say.compact(view.tangent_condition),
            "Largest over smallest eigenvalue there. Below 10⁴ the weights themselves are sharp.",
        ),
        Measure(
            "Additive share",
            say.percent(view.additive_share),
            "Part of the affinity's variance that is row and column effects: difficulty and "
            "answer length, not likeness.",
        ),
        Measure(
            "Floor rate",
            say.percent(view.floor_rate, 2),
            "Pairs at the least possible similarity: nothing in common.",
        ),
        Measure(
            "Zero rate",
            say.percent(view.zero_rate, 2),
            "Pairs whose similarity cannot be told from 0.",
        ),
        *(() if mixture.energy is None else _terms(mixture)),
    )


def _terms(mixture: Mixture) -> tuple[Measure, ...]:
    """The two sides of the energy."""
    return (
        Measure(
            "Representativeness",
            say.compact(mixture.representativeness, 4),
            "The linear term u'p: how well the mixture stands for what was asked of it.",
        ),
        Measure(
            "Diversity",
            say.compact(mixture.diversity, 4),
            "−½ p'Sp: the larger, the less the tasks repeat each other.",
        ),
    )


def certificate(mixture: Mixture) -> tuple[Measure, ...]:
    c = mixture.certificate
    if c is None:
        return ()
    of_energy = (
        Measure("Scale D", say.compact(c.scale), "Largest Sᵢᵢ + Sⱼⱼ − 2Sᵢⱼ, plus the range of u."),
        Measure("Energy", say.compact(mixture.energy, 6), "E(p) = ½ p'Sp − u'p."),
        Measure(
            "Unique",
            "yes" if mixture.unique else "no",
            "Whether another mixture reaches the same energy.",
        ),
    )
    of_others = (
        Measure(
            "Scale", say.compact(c.scale), "What differences of the objective are measured by."
        ),
        Measure("Objective", say.compact(mixture.objective, 6), "What the method makes small."),
    )
    return (
        Measure("Gap", say.compact(c.gap, 2), "Upper bound on E(p) − E*, from the gradient at p."),
        Measure("Gap / D", say.compact(c.relative_gap, 2), f"The bar is {say.compact(OPTIMAL)}."),
        Measure(
            "Primal residual",
            say.compact(c.primal_residual, 2),
            "Largest violation of a bound, a group sum or the sum of 1.",
        ),
        Measure(
            "Dual residual",
            say.compact(c.dual_residual, 2),
            "Largest violation of stationarity with the multipliers.",
        ),
        *(of_others if mixture.energy is None else of_energy),
    )


def prices(mixture: Mixture) -> tuple[Measure, ...]:
    """What each bound that holds the mixture costs, dearest first."""
    c = mixture.certificate
    if c is None:
        return ()
    kinds = (
        ("floor of", c.floors),
        ("cap of", c.caps),
        ("lower bound of", c.lower),
        ("upper bound of", c.upper),
    )
    found = [
        (value, f"{kind} {name}")
        for kind, held in kinds
        for name, value in held.items()
        if value > 0
    ]
    found.sort(key=lambda item: -item[0])
    return tuple(
        Measure(name, say.compact(value), say.compact(value / c.scale if c.scale else None))
        for value, name in found
    )
