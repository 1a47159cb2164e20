"""What a mixture, its affinity and its specialists say, in plain words.

Each function looks for one thing and returns its findings, none when there is nothing to say;
every warning says what to do. `find` runs all of them, the most important first. The thresholds
are assumptions about what deserves a reader's attention, not results, unless a source stands
beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mishran.explanation import Explanation
from mishran.mixture import Mixture
from mishran.report import numbers as say
from mishran.report import reasons
from mishran.report.data import BaseFacts, DiagnosticsView, Finding, SpecialistRow
from mishran.report.order import distances, ranked_pairs
from mishran.report.words import aim, is_optimal
from mishran.types import Affinity, Repair

ADDITIVE_SHARE = 0.5
PROBES_PER_TASK = 16
MAX_EPOCHS = 4.0  # up to four epochs repeated data are almost as good as new: arXiv 2305.16264
ALL = 0.999  # of a mixture: nothing worth naming is left for others
ROUNDING = 1e-6  # repairs below this are rounding
SAME = 1e-9  # sums that differ by a smaller part of themselves are the same
REMEDIES = {
    "shift": "The shift acts like a pull towards uniform. Compare with `repair: nearest`, or with "
    "the JSD affinity, which needs no repair.",
    "nearest": "Compare with `repair: shift`, or with the JSD affinity, which needs no repair.",
    "paper-shift": "Use `solution: exact`: it needs a smaller shift.",
    "replicas": "Resampled probes disagree with the measured ones there: more probes would help.",
    "symmetrise": "Make the two halves of the matrix equal, if they are meant to be.",
}
LANGUAGES = ("hindi", "english", "code_mixed", "code-mixed", "hinglish")


def find(
    mixture: Mixture,
    affinity: Affinity,
    diagnostics: DiagnosticsView,
    specialists: Sequence[SpecialistRow] = (),
    base: BaseFacts | None = None,
    explanation: Explanation | None = None,
) -> tuple[Finding, ...]:
    """All findings, in the order in which they matter; the first three head the page."""
    priced = reasons.prices(mixture, explanation)
    return (
        *closed_form(mixture),
        *even_by_t(mixture),
        *prompt_ignored(mixture, specialists),
        *no_gain(mixture, specialists),
        *not_measured(mixture, specialists),
        *reasons.unproven(mixture),
        *(item for item in priced if item.level == "warning"),
        *(own_target(mixture) or nothing(mixture)),
        *repaired(mixture, affinity),
        *twins(affinity, diagnostics),
        *reasons.shared_twins(mixture, explanation, diagnostics.twins),
        *across_languages(mixture, affinity),
        *outlier(mixture, diagnostics),
        *([] if explanation and explanation.prices else bounds(mixture)),
        *(item for item in priced if item.level == "note"),
        *reasons.jumps(mixture, explanation),
        *not_unique(mixture),
        *wide(mixture),
        *reasons.ties(mixture, explanation),
        *reasons.by_chance(mixture),
        *repeated(mixture),
        *difficulty(mixture, diagnostics),
        *few_probes(base),
    )


def _warning(title: str, text: str, what_to_do: str) -> list[Finding]:
    return [Finding("warning", title, text, what_to_do)]


def _note(title: str, text: str, what_to_do: str = "") -> list[Finding]:
    return [Finding("note", title, text, what_to_do)]


def closed_form(mixture: Mixture) -> list[Finding]:
    """What the solver warned about; in the paper's mode, the energy that was lost."""
    if not mixture.warnings:
        return []
    text = " ".join(mixture.warnings)
    if mixture.energy is None:
        return _note(f"What {mixture.method} says of itself", f"{'; '.join(mixture.warnings)}.")
    if not mixture.method.startswith("taskpgm-paper"):
        return _warning("The solver has a remark", text, "Read it before you use these weights.")
    if is_optimal(mixture):
        return _note("The paper's closed form is optimal here", text)
    return _warning(
        "The paper's closed form misses the optimum",
        text,
        "Use `solution: exact`, unless you want to reproduce the paper.",
    )


def even_by_t(mixture: Mixture) -> list[Finding]:
    """With t = 1 what covers all tasks best is all of them alike, whatever the affinity."""
    chosen = mixture.parameters
    if mixture.method != "taskpgm" or (chosen.get("unary"), chosen.get("t")) != ("coverage", 1.0):
        return []
    return _note(
        "At t = 1 the affinity decides nothing",
        "The weights are uniform, but for bounds, and their intervals have no width.",
        "Choose t below 1 to make repeated skills share, above 1 to favour central tasks; or name a "
        "budget and no t, so that learning curves decide.",
    )


def _together(mixture: Mixture, rows: Sequence[SpecialistRow]) -> str:
    share = sum(mixture.weights.get(row.name, 0.0) for row in rows)
    return (
        f"{'It gets' if len(rows) == 1 else 'Together they get'} {say.percent(share)} of the rows."
    )


def prompt_ignored(mixture: Mixture, specialists: Sequence[SpecialistRow]) -> list[Finding]:
    rows = [row for row in specialists if row.status == "prompt ignored"]
    if not rows:
        return []
    many = len(rows) > 1
    return _warning(
        f"The prompt makes no difference to {say.names([r.name for r in rows])}",
        "Behind shuffled prompts the trained specialist loses, in nats per token: "
        + say.listed(
            f"{r.name} {say.number(r.prompt_gain)} "
            f"({say.interval(r.prompt_gain_low, r.prompt_gain_high)})"
            for r in rows
        )
        + f". The {'intervals contain' if many else 'interval contains'} 0 or "
        f"{'lie' if many else 'lies'} below it: the answers are random or constant, or the model "
        "learned their form and no more. " + _together(mixture, rows),
        "Look at the examples with `mishran inspect`. If answers do follow from prompts, train "
        "longer (`specialists.tokens`) or accept that the task is beyond this model; else mend "
        "the data, or leave the task out.",
    )


def no_gain(mixture: Mixture, specialists: Sequence[SpecialistRow]) -> list[Finding]:
    rows = [row for row in specialists if row.status == "no gain"]
    if not rows:
        return []
    whose = "specialist" if len(rows) == 1 else f"specialists ({len(rows)} of {len(specialists)})"
    return _warning(
        f"No measurable gain for {say.names([r.name for r in rows])}",
        f"The interval of the {whose} against the base contains 0 or lies below it: "
        + say.listed(
            f"{r.name} {say.number(r.gain)} ({say.interval(r.gain_low, r.gain_high)})" for r in rows
        )
        + " nats per token. An almost untrained model has no affinity of its own. "
        + _together(mixture, rows),
        "Train longer (`specialists.tokens`), try another learning rate, or use more "
        "validation examples; else leave the task out, or set its share yourself with a cap.",
    )


def not_measured(mixture: Mixture, specialists: Sequence[SpecialistRow]) -> list[Finding]:
    """Gains without an interval: one held-out example, or the same text again and again."""
    rows = [row for row in specialists if row.status == "not measured"]
    if not rows:
        return []
    return _warning(
        f"It was not measured whether {say.names([r.name for r in rows])} "
        f"{'was' if len(rows) == 1 else 'were'} learned",
        "One held-out example, or one repeated, has no interval. " + _together(mixture, rows),
        "Bring more held-out examples, at least two different ones and better 16.",
    )


def nothing(mixture: Mixture) -> list[Finding]:
    """Tasks without a share, other than those that a cap of 0 keeps out."""
    chosen = mixture.parameters
    capped = {name for name, share in chosen.get("caps", {}).items() if share == 0}
    names = [t.name for t in mixture.tasks if t.weight <= 0 and not capped & {t.name, *t.groups}]
    if not names:
        return []
    coverage = chosen.get("unary", "coverage") == "coverage"
    remedies = ["move t towards 1" if coverage else "choose a smaller unary.strength"]
    if mixture.selection is not None:
        why = f"at most {mixture.selection.max_tasks} of {len(mixture.tasks)} were allowed"
        remedies = ["allow more tasks (`max_tasks`)"]
    elif not coverage:
        why = "others are worth more"
    elif chosen.get("t", 0.0) > 1:
        why = "others are more central"
    else:
        why = f"others stand for {'it' if len(names) == 1 else 'them'} in the affinity"
    if sum(chosen.get("floors", {}).values()) <= 0.98:
        remedies.insert(0, f"set a floor (`floors: {{{names[0]}: 0.02}}`)")
    return _warning(
        f"{len(names)} of {len(mixture.tasks)} tasks {'gets' if len(names) == 1 else 'get'} nothing",
        f"{say.names(names, 5)}: {why}. What the model can do there will rest on transfer alone.",
        f"If it matters, {', or '.join(remedies)}.",
    )


def own_target(mixture: Mixture) -> list[Finding]:
    """Targets that take all: where they may be drawn from, nothing is nearer to them."""
    names = [
        n for n in mixture.parameters.get("targets", ()) if mixture.parameters["unary"] == "target"
    ]
    taken = sum(task.weight for task in mixture.tasks if task.name in names)
    if not names or len(names) == len(mixture.tasks) or taken < ALL:
        return []
    one = len(names) == 1
    return _warning(
        f"{say.names(names, 5)} {'takes' if one else 'take'} everything",
        "Nothing is nearer to a target than the target itself, and it may be drawn from."
        if one
        else "Nothing is nearer to the targets than they are, and they may be drawn from.",
        f"If you look for what helps {say.names(names, 5)} most, set a cap "
        f"(`caps: {{{names[0]}: 0.3}}`) or choose a smaller unary.strength, which spreads.",
    )


def repaired(mixture: Mixture, affinity: Affinity) -> list[Finding]:
    """Repairs of the affinity and of the energy; those of the size of rounding are left out."""
    repairs: list[Repair] = [*affinity.repairs]
    repairs += [Repair(r.name, r.amount, r.detail, r.energy_cost) for r in mixture.repairs]
    found: list[Finding] = []
    for repair in dict.fromkeys(repairs):
        if abs(repair.amount) < ROUNDING:
            continue
        cost = ""
        if repair.energy_cost is not None:
            cost = f" It adds {say.compact(repair.energy_cost)} to the energy of this mixture."
        found += _warning(
            f"The affinity was repaired: {repair.name}",
            f"{repair.detail.rstrip('.')}. Size: {say.compact(repair.amount)}.{cost}",
            REMEDIES.get(repair.name, "Check that this change is what you want."),
        )
    return found


def twins(affinity: Affinity, diagnostics: DiagnosticsView) -> list[Finding]:
    """Pairs that are far closer than pairs usually are, the closest first."""
    if not diagnostics.twins:
        return []
    index = {name: i for i, name in enumerate(affinity.names)}
    distance = distances(affinity.matrix)
    usual = float(np.median(distance[np.triu_indices(len(index), 1)]))
    if usual <= 0:  # most pairs are the same: then nobody is a twin more than others
        return []
    apart = {(a, b): distance[index[a], index[b]] for a, b in diagnostics.twins}
    pairs = sorted(apart, key=lambda pair: apart[pair])
    words = [f"{a} and {b}" for a, b in pairs]
    ratio = [say.percent(apart[pair] / usual, 0) for pair in pairs]
    return _note(
        f"Near twins: {'; '.join(words[:3])}" + (" and others" if len(words) > 3 else ""),
        f"{'Their distance is' if len(pairs) == 1 else 'Their distances are'} "
        f"{say.listed(ratio)} of the usual one between two tasks.",
        "Near t = 1 twins count twice; drop one, put a cap on both, or choose a smaller t.",
    )


def across_languages(mixture: Mixture, affinity: Affinity) -> list[Finding]:
    """The closest pair of tasks in different languages, where groups name the languages."""
    language = {
        task.name: next((group for group in task.groups if group.lower() in LANGUAGES), None)
        for task in mixture.tasks
    }
    pairs = ranked_pairs(affinity.matrix)
    for place, (i, j) in enumerate(pairs):
        a, b = affinity.names[i], affinity.names[j]
        if language[a] and language[b] and language[a] != language[b]:
            closer = say.percent(1 - place / max(len(pairs) - 1, 1), 0)
            rank = "the closest pair of all" if place == 0 else f"closer than {closer} of all pairs"
            return _note(
                f"Closest across languages: {a} and {b}",
                f"{language[a]} and {language[b]}, similarity "
                f"{say.number(affinity.matrix[i, j], 2)}: {rank}.",
            )
    return []


def outlier(mixture: Mixture, diagnostics: DiagnosticsView) -> list[Finding]:
    sums = sorted(diagnostics.row_sums.items(), key=lambda item: item[1])
    if len(sums) < 3:
        return []
    (name, least), values = sums[0], [value for _, value in sums]
    if values[-1] - least <= SAME * max(
        map(abs, values)
    ):  # all alike: nobody is least like the rest
        return []
    lower, middle, upper = np.quantile(values, [0.25, 0.5, 0.75])
    share = ""
    if mixture.parameters.get("unary") == "coverage":
        share = " Below t = 1 that earns it a larger share, above a smaller one."
    apart = least < lower - 1.5 * (upper - lower)
    return _note(
        f"{name} {'stands apart from all others' if apart else 'is least like the rest'}",
        f"Its similarities sum to {_sum(least)}; the median is {_sum(float(middle))}.{share}",
    )


def _sum(value: float) -> str:
    """Two digits after the point, unless that hides a small number or spells out a large one."""
    return say.number(value, 2) if 0.05 <= abs(value) < 1e6 else say.compact(value)


def bounds(mixture: Mixture) -> list[Finding]:
    """Floors and caps with a positive multiplier: they, not the affinity, set that share."""
    proof, weights = mixture.certificate, mixture.weights
    if proof is None:
        return []
    least = 1e-9 * proof.scale
    held = [f"the floor of {name}" for name, price in proof.floors.items() if price > least]
    held += [f"the cap of {name}" for name, price in proof.caps.items() if price > least]
    held += [
        f"the floor of {name}"
        for name, price in proof.lower.items()
        if price > least and weights.get(name, 0) > 0
    ]
    held += [
        f"the cap of {name}"
        for name, price in proof.upper.items()
        if price > least and weights.get(name, 0) < 1
    ]
    if not held:
        return []
    one = len(held) == 1
    return _note(
        f"{'A bound holds' if one else f'{len(held)} bounds hold'} the mixture",
        f"Without {say.names(held)} the {aim(mixture)} would be lower; the certificate has the price.",
    )


def not_unique(mixture: Mixture) -> list[Finding]:
    if mixture.unique is not False:
        return []
    return _warning(
        "Other mixtures are just as good",
        "The optimum is not unique; this is the one of least norm, so the most even.",
        "Nothing, if that suits you. A small `ridge` (0.001) makes the choice explicit.",
    )


def wide(mixture: Mixture) -> list[Finding]:
    """Intervals that contain the uniform share."""
    tasks = [t for t in mixture.tasks if t.low is not None and t.high is not None]
    if not tasks:
        if mixture.method.startswith("taskpgm-paper"):
            why, remedy = "They are made for the exact solution only.", "Use `solution: exact`."
        elif mixture.energy is None:
            why, remedy = f"The method {mixture.method} gives none.", ""
        elif mixture.robust is not None:
            why, remedy = "A robust mixture has all replicas in it already.", ""
        elif mixture.affinity == "matrix":
            why, remedy = "A matrix alone does not say how sure its entries are.", ""
        else:
            why, remedy = "There are no bootstrap replicas.", "Set `replicas: 200`."
        return _note("No intervals", why, remedy)
    uniform = 1 / len(mixture.tasks)
    if all(abs(t.weight - uniform) < 1e-9 for t in tasks):
        return []
    unsure = [t for t in tasks if t.low <= uniform <= t.high]
    if 2 * len(unsure) <= len(tasks):
        return []
    return _warning(
        f"{len(unsure)} of {len(tasks)} weights cannot be told from uniform",
        f"Their 95 % intervals contain {say.percent(uniform)}.",
        "More probes narrow the intervals (`probes.per_task`).",
    )


def repeated(mixture: Mixture) -> list[Finding]:
    tasks = sorted(
        (t for t in mixture.tasks if t.epochs is not None and t.epochs > MAX_EPOCHS),
        key=lambda t: -t.epochs,
    )
    if not tasks:
        return []
    times = say.listed(f"{t.name} {say.epochs(t.epochs)} times" for t in tasks)
    return _warning(
        f"The budget repeats {say.names([t.name for t in tasks])}",
        f"{times}. Beyond about {MAX_EPOCHS:.0f} epochs repeated rows are worth clearly less "
        "than new ones (arXiv 2305.16264).",
        f"Set `max_epochs: {MAX_EPOCHS:.0f}`, a smaller budget, or bring more rows.",
    )


def difficulty(mixture: Mixture, diagnostics: DiagnosticsView) -> list[Finding]:
    """Row and column effects make most of the affinity; in a JSD affinity outliers do that."""
    share = diagnostics.additive_share
    if share is None or share <= ADDITIVE_SHARE:
        return []
    title = f"Row and column effects make {say.percent(share, 0)} of the affinity's variance"
    if mixture.affinity == "jsd":
        return _note(
            title,
            "How far each task stands from all others weighs more than which tasks are alike.",
            "Look at the tasks with the smallest row sums; one outlier can be the reason.",
        )
    if mixture.affinity == "matrix":
        return _note(
            title,
            "How far each task stands from all others weighs more than which tasks are alike.",
            "If it was made of losses, task difficulty and answer length can be the reason.",
        )
    return _warning(
        title,
        "It says how hard a task is and how long its answers are more than which tasks are alike.",
        "Use the JSD affinity, or scores per token (`pmi-mean`) instead of `pmi-sum`.",
    )


def few_probes(base: BaseFacts | None) -> list[Finding]:
    """Tasks with fewer probes than an interval can rest on; those with a single one stand first."""
    counts = {} if base is None else base.task_probes
    few = sorted((n, name) for name, n in counts.items() if n < PROBES_PER_TASK)
    if not few:
        return []
    one = [name for n, name in few if n == 1]
    text = f"Fewer than {PROBES_PER_TASK}: " + say.listed(f"{name} {n}" for n, name in few) + "."
    if one:
        text += (
            f" A single probe does not vary from replica to replica, so intervals are too narrow as "
            f"far as they rest on {say.names(one)}."
        )
    return _warning(
        f"Few probes in {len(few)} of {len(counts)} tasks",
        text,
        "Raise `probes.per_task`, or bring more held-out examples.",
    )
