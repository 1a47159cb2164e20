"""How tasks were chosen, and what a robust mixture guards against, in words."""

from __future__ import annotations

from mishran.mixture import Mixture, RobustFile, SelectionFile
from mishran.report import numbers as say
from mishran.report.numbers import Measure
from mishran.report.why import part_of_scale

ROBUST = {
    "worst": "in the worst of the bootstrap replicas",
    "mean-variance": "over all bootstrap replicas at once: its mean plus {kappa} times its standard "
    "deviation",
}


def chosen(mixture: Mixture) -> str:
    """How many tasks were chosen, which, and by what; empty where nothing limited them."""
    found = mixture.selection
    if found is None:
        return ""
    count = len(found.chosen)
    return (
        f"At most {found.max_tasks} of {len(mixture.tasks)} tasks "
        f"{'was' if found.max_tasks == 1 else 'were'} allowed, and "
        f"{count} {'was' if count == 1 else 'were'} chosen, by {found.found_by}: "
        f"{say.names(found.chosen, 12)}."
    )


def proof(mixture: Mixture) -> str:
    """Whether a better set can exist."""
    found = mixture.selection
    if found is None:
        return ""
    if found.proven:
        return "Proved: no other set of as many tasks that keeps the bounds is better."
    ended = f"the search ended at its {found.ended_by} after {say.integer(found.nodes)} nodes"
    if found.ended_by == "proven":
        ended = f"the search ended after {say.integer(found.nodes)} nodes"
    return (
        f"Not proved: {ended}, and another set may be better by up to {say.compact(found.gap, 2)}. "
        f"That is {part_of_scale(found.gap, mixture.certificate.scale)} of the energy's scale D"
        f"{_of_gain(found)}."
    )


def open_share(found: SelectionFile) -> float | None:
    """What a better set could gain, as a part of what this one gains over the best single task."""
    if found.single_value is None or not found.value > found.single_value:
        return None
    return found.gap / (found.value - found.single_value)


def _of_gain(found: SelectionFile) -> str:
    share = open_share(found)
    if share is None:
        return ""
    return (
        f", or {say.compact(100 * share, 2)}\u202f% of what this set gains over the best task alone"
    )


def measures(mixture: Mixture) -> tuple[Measure, ...]:
    """The numbers of a selection with what they mean."""
    found = mixture.selection
    if found is None:
        return ()
    alone = "The best task that may be the whole mixture."
    if found.single is not None:
        alone = f"{found.single}, the best task that may be the whole mixture."
    theory = "A lower bound on it, proved from the curvature of the affinity."
    if found.gamma_theory is None:
        theory = "There is none here."
    elif found.vacuous:
        theory = "A proved lower bound, but vacuous: it promises nothing."
    return (
        Measure(
            "Value",
            say.compact(found.value, 6),
            "The energy of the chosen set, with its sign turned; only differences mean something.",
        ),
        Measure(
            "Upper bound", say.compact(found.upper_bound, 6), "No allowed set has a larger value."
        ),
        Measure(
            "Gap",
            say.compact(found.gap, 2),
            "Upper bound minus value: nothing but rounding."
            if found.proven
            else f"Upper bound minus value, {part_of_scale(found.gap, mixture.certificate.scale)} "
            "of D.",
        ),
        Measure("Best single task", say.compact(found.single_value, 6), alone),
        Measure(
            "Greedy alone",
            say.compact(found.greedy_value, 6),
            f"The first set that was found, one task after the other ({found.lazy_why}).",
        ),
        Measure(
            "Measured ratio",
            say.number(found.gamma_measured, 3),
            "Lowest submodularity ratio over the sets that were met: 1 or more means that choosing "
            "one task at a time loses little. Evidence, no proof.",
        ),
        Measure("Ratio in theory", say.compact(found.gamma_theory), theory),
        Measure(
            "Guarantee of greedy",
            "none" if found.vacuous else say.percent(found.guarantee),
            f"{found.guarantee_in_words[:1].upper()}{found.guarantee_in_words[1:]}.",
        ),
    )


def robust(mixture: Mixture) -> tuple[str, ...]:
    """What the mixture guards against and what that buys; empty for plain ones."""
    found = mixture.robust
    if found is None:
        return ()
    over = ROBUST.get(found.mode, found.mode).format(kappa=say.compact(found.kappa))
    return (
        "Had other probes been drawn, another mixture would have been the best one. Regret is the "
        f"energy that these weights lose against it. They make the regret least {over}.",
        _bought(found, mixture),
    )


def _bought(found: RobustFile, mixture: Mixture) -> str:
    ours, plain = say.compact(found.objective, 3), say.compact(found.plain_objective, 3)
    less = ""
    if found.plain_objective > 0:
        share = max(0.0, 1 - found.objective / found.plain_objective)
        less = f"; robustness takes {say.compact(100 * share, 2)}\u202f% off it"
    gap = say.compact(max(found.relative_gap, 0.0), 2)
    decide = "One replica decides" if found.carrying == 1 else f"{found.carrying} replicas decide"
    others = "; under the others the regret is smaller" if found.mode == "worst" else ""
    return (
        f"It is {ours} for these weights and {plain} for those that are not robust{less}. No weights "
        f"have less, proved to {gap} of D. {decide} them{others}."
    )


def summary(mixture: Mixture) -> tuple[tuple[str, str], ...]:
    """(label, text) for views without pictures."""
    lines = []
    if mixture.selection is not None:
        lines.append(("Selection", f"{chosen(mixture)} {proof(mixture)}"))
    if mixture.robust is not None:
        lines.append(("Robust", " ".join(robust(mixture))))
    return tuple(lines)
