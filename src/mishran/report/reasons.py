"""Findings about why the mixture is what it is: prices, redundancy, ties, jumps, selection.

As `mishran.report.findings`, whose `find` runs them all. The thresholds are assumptions, each reasoned
in the docstring of its function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mishran.explanation import Explanation
from mishran.mixture import Mixture
from mishran.report import choice, why
from mishran.report import numbers as say
from mishran.report.data import Finding

TIED = 0.5
NEAR_JUMP = 0.05
OPEN = 0.01
CHANCE = 0.5


def prices(mixture: Mixture, explanation: Explanation | None) -> list[Finding]:
    """Bounds with a price; a warning for those that are dear.

    Dear: such a bound costs more than leaving out any one task. Energies have no unit, so a price
    can only be judged beside another; giving up a task is one that everybody understands. The
    dearest task is the bar, since a mixture may have many that are worth little.
    """
    if explanation is None or not explanation.prices:
        return []
    losses = [(row.cost, row.name) for row in explanation.without if row.cost]
    most, name = max(losses, default=(math.inf, ""))
    dear = [p for p in explanation.prices if p.cost > most]
    cheap = [p for p in explanation.prices if p not in dear]
    found = []
    if dear:
        one = len(dear) == 1
        told = " ".join(why.sentence(price.sentence) for price in dear[:3])
        rest = f" {len(dear) - 3} more cost more than that too." if len(dear) > 3 else ""
        found.append(
            Finding(
                "warning",
                f"{'A bound costs' if one else f'{len(dear)} bounds cost'} more than losing a task",
                f"{told}{rest} Leaving out {name}, the dearest task, would cost "
                f"{say.compact(most, 2)}.",
                f"Ask whether {'it is' if one else 'each is'} worth that; if not, move "
                f"{'it' if one else 'them'} towards what the affinity would give.",
            )
        )
    if cheap:
        one = len(cheap) == 1
        more = "more " if dear else ""
        told = " ".join(why.sentence(price.sentence) for price in cheap[:2])
        others = len(cheap) - 2
        rest = "" if others < 1 else f" {others} others cost less."
        rest = " One other costs less." if others == 1 else rest
        count = f"One {more}bound holds" if one else f"{len(cheap)} {more}bounds hold"
        if losses:
            least = "It costs" if one else "Each costs"
            rest += f" {least} less than leaving out {name} would ({say.compact(most, 2)})."
        found.append(Finding("note", f"{count} the mixture", told + rest))
    return found


def shared_twins(
    mixture: Mixture,
    explanation: Explanation | None,
    twins: Sequence[tuple[str, str]],
) -> list[Finding]:
    """Near twins that drive a cluster and both have at least half of the uniform share.

    Below half of uniform the optimum has already let one give way; that both keep more says that a
    bound, or t near 1, pays for the same thing twice.
    """
    if explanation is None:
        return []
    known = {frozenset(pair) for pair in twins}
    weights, least = mixture.weights, 0.5 / len(mixture.tasks)
    pairs = [
        cluster.driver
        for cluster in explanation.clusters
        if frozenset(cluster.driver) in known
        and min(weights.get(name, 0.0) for name in cluster.driver) >= least
    ]
    if not pairs:
        return []
    told = [f"{a} {say.percent(weights[a])} and {b} {say.percent(weights[b])}" for a, b in pairs]
    loss = {row.name: row.cost for row in explanation.without}
    first, second = pairs[0]
    spare = min((first, second), key=lambda name: (loss.get(name) is None, loss.get(name) or 0.0))
    cost = loss.get(spare)
    told_cost = (
        "" if cost is None else f" Without {spare} the mixture loses {say.compact(cost, 2)}."
    )
    title = f"{first} and {second} are near twins, and both get weight"
    if len(pairs) > 1:
        title = f"{len(pairs)} pairs of near twins get weight twice"
    return [
        Finding(
            "note",
            title,
            f"{say.listed(told)}.{told_cost}",
            f"If rows of {spare} are dear, leave it out.",
        )
    ]


def ties(mixture: Mixture, explanation: Explanation | None) -> list[Finding]:
    """More than half of the pairs cannot be told apart: whether one task deserves more than another
    is then more often open than known. Mixtures that are even have nothing to tell apart."""
    found = None if explanation is None else explanation.ties
    weights = [task.weight for task in mixture.tasks]
    if found is None or found.share <= TIED or max(weights) - min(weights) < 1e-9:
        return []
    return [
        Finding(
            "note",
            f"{say.percent(found.share, 0)} of the pairs of tasks cannot be told apart",
            "The probes do not say which of the two deserves more, so the order of the weights is "
            "mostly open.",
            "Read the weights as groups, not as a ranking; more probes tell more (`probes.per_task`).",
        )
    ]


def by_chance(mixture: Mixture) -> list[Finding]:
    """Tasks with weight that fewer than half of the replicas select: other probes would more likely
    have left them out than in."""
    names = [
        task.name
        for task in mixture.tasks
        if task.weight > 0 and task.selected is not None and task.selected < CHANCE
    ]
    if not names:
        return []
    one = len(names) == 1
    return [
        Finding(
            "note",
            f"{say.names(names)} {'is' if one else 'are'} in the mixture by chance",
            f"Fewer than half of the replicas give {'it' if one else 'them'} any weight.",
            "More probes decide it (`probes.per_task`).",
        )
    ]


def jumps(mixture: Mixture, explanation: Explanation | None) -> list[Finding]:
    """Jumps along t; a warning where the chosen t is within 0.05 of one.

    People set t in steps of 0.05 or 0.1, so a jump that near is crossed by the next try.
    """
    path = None if explanation is None else explanation.path
    if path is None or not path.jumps:
        return []
    where = say.names([f"t = {say.compact(t)}" for t in path.jumps])
    title = f"The mixture jumps at {where}"
    text = "The affinity has a direction without curvature there, so weights change all at once."
    remedy = "A small `ridge` (0.01) makes the path continuous."
    t = mixture.parameters.get("t")
    if isinstance(t, int | float) and min(abs(t - jump) for jump in path.jumps) <= NEAR_JUMP:
        return [
            Finding("warning", title, f"{text} The chosen t = {say.compact(t)} is close.", remedy)
        ]
    return [Finding("note", title, text, remedy)]


def unproven(mixture: Mixture) -> list[Finding]:
    """A selection without a proof; a warning where a better set could still gain more than 1 % of
    what this one gains over the best single task. Less than that is below what probes can tell. Where
    no single task is allowed, 1 % of D is the bar."""
    found = mixture.selection
    if found is None or found.proven:
        return []
    share = choice.open_share(found)
    level = (share if share is not None else found.relative_gap) > OPEN
    return [
        Finding(
            "warning" if level else "note",
            "A better set of tasks may exist",
            _capital(choice.proof(mixture).removeprefix("Not proved: ")),
            "Accept the gap, or let the search run longer in Python: "
            "`mishran.energy.select(..., time_limit=60)`.",
        )
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
