"""The comparison in words: better, worse, or no difference at this budget.

A method is called better or worse where Holm's p is at most 0.05, so that the chance of calling any of them
so by luck is 5 % for the whole group. Everything else is "no difference at this budget", with the least
difference that would have been told from chance: absence of evidence, with its size. Below five seeds
every verdict is indicative: t intervals hold what they say only if differences are normal, which
so few cannot show, and a second handful may turn out otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mishran.comparison import DifferenceFile, EffectFile, MethodFile, Outcome, VerdictFile
from mishran.evaluate.paired import ALPHA

ENOUGH = 5  # seeds (assumption)
UNIT = "nats per answer token"


def verdict(effect: EffectFile, label: str, family: int) -> VerdictFile:
    """What the loss of a method on a group comes to.

    Args:
        effect: its loss.
        label: its name for people.
        family: methods that were tested on the group.
    """
    found = effect.difference
    seeds = 0 if found is None else len(found.by_seed)
    outcome = outcome_of(found)
    return VerdictFile(
        method=effect.method,
        group=effect.group,
        outcome=outcome,
        indicative=seeds < ENOUGH,
        text=f"{label}: {_says(found, outcome, seeds, family)}",
    )


def outcome_of(found: DifferenceFile | None) -> Outcome:
    if found is None:
        return "missing"
    if found.p_holm is None:
        return "not tested"
    if found.p_holm > ALPHA:
        return "no difference"
    return "better" if found.mean < 0 else "worse"


def _says(found: DifferenceFile | None, outcome: Outcome, seeds: int, family: int) -> str:
    if found is None:
        return "missing; no seed has both this method and uniform."
    beside = side(found.mean)
    if outcome == "not tested":
        if seeds == 1:
            return f"not tested; {beside} on the one seed there is, and one seed has no interval."
        return f"not tested; {beside} on every seed alike, so there is no spread to judge it by."
    hint = f"{seeds} seeds{'' if seeds >= ENOUGH else ', indicative'}"
    if found.low is None or found.high is None:
        return f"no difference at this budget; its runs equal those of uniform ({hint})."
    interval = f"95 % interval {signed(found.low)} to {signed(found.high)}, {hint}"
    holm = f"p {chance(found.p_holm)}" + (f" after Holm over {family}" if family > 1 else "")
    if outcome in ("better", "worse"):
        return f"{outcome} than uniform by {amount(found.mean)} {UNIT} ({interval}, {holm})."
    text = f"no difference at this budget; {beside} ({interval}, {holm})."
    if found.low > 0 or found.high < 0:
        text += f" Its own interval excludes 0, which luck does easily among {family} methods."
    return text + f" Less than {amount(found.detectable)} could not have been told from chance."


def overall(
    verdicts: Sequence[VerdictFile],
    differences: Mapping[str, DifferenceFile | None],
    methods: Sequence[MethodFile],
    group: str,
    uniform_ran: bool,
) -> str:
    """One honest paragraph about the methods of one group.

    Args:
        verdicts: of every method but uniform.
        differences: method -> its loss beside uniform.
        methods: names and costs.
        group: the name of the group.
        uniform_ran: whether uniform finished any run.
    """
    if not uniform_ran:
        return "Nothing can be compared: uniform finished no run."
    by: dict[str, list[VerdictFile]] = {}
    for item in verdicts:
        by.setdefault(item.outcome, []).append(item)
    facts = {item.method: item for item in methods}
    tested = [v for v in verdicts if v.outcome in ("better", "worse", "no difference")]
    if not tested:
        return (
            f"Nothing was tested on {group}: an interval takes two seeds that differ, and more "
            f"than an indication takes {ENOUGH}."
        )

    def named(items: Sequence[VerdictFile]) -> str:
        ranked = sorted(items, key=lambda item: _mean(differences[item.method]))
        shown = [
            f"{facts[v.method].label} ({amount(_mean(differences[v.method]))})" for v in ranked
        ]
        more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
        return ", ".join(shown[:3]) + more

    better, worse, even = (by.get(k, []) for k in ("better", "worse", "no difference"))
    parts = []
    if better:
        whose = f"{_count(better, tested)} better than uniform on {group} at this budget"
        parts.append(f"{whose}: {named(better)}, in {UNIT}.")
        parts += [_price(facts[v.method]) for v in better[:1] if len(better) == 1]
    else:
        parts.append(f"No method is better than uniform on {group} at this budget.")
    if worse:
        parts.append(f"{_count(worse, tested)} worse: {named(worse)}.")
    if even:
        widths = [d.detectable for v in even if (d := differences[v.method]) and d.detectable]
        parts.append(f"{_apart(len(even), len(tested))} apart from uniform{_missed(widths)}.")
    if len(better) > 1:
        parts.append("Which of the better ones is best was not tested.")
    if not better:
        parts.append("Uniform costs nothing to find.")
    few = sum(item.indicative for item in tested)
    if few:
        which = "" if few == len(tested) else f", for {few} of them"
        parts.append(f"Indicative{which}: fewer than {ENOUGH} seeds.")
    absent = len(by.get("missing", ())) + len(by.get("not tested", ()))
    if absent:
        parts.append(f"{absent} could not be tested.")
    return " ".join(parts)


def _mean(found: DifferenceFile | None) -> float:
    assert found is not None
    return found.mean


def _count(items: Sequence[VerdictFile], of: Sequence[VerdictFile]) -> str:
    verb = "is" if len(items) == 1 else "are"
    if len(of) == 1:
        return "The one method that was tested is"
    if len(items) == len(of):
        return f"All {len(of)} tested methods are"
    return f"{len(items)} of {len(of)} tested methods {verb}"


def _apart(even: int, tested: int) -> str:
    if tested == 1:
        return "The one method that was tested is not told"
    if even == tested:
        return f"None of the {tested} tested methods is told"
    return f"{even} of {tested} tested methods {'is' if even == 1 else 'are'} not told"


def _missed(widths: Sequence[float]) -> str:
    if not widths:
        return ""
    low, high = amount(min(widths)), amount(max(widths))
    return (
        f"; differences below {low if low == high else f'{low} to {high}'} would have been missed"
    )


def _price(facts: MethodFile) -> str:
    if not facts.train_tokens or not facts.find_tokens:
        return "Finding it cost nothing."
    times = facts.find_tokens / facts.train_tokens
    return f"Finding it cost {times:.2g} times what training on it does."


def side(mean: float) -> str:
    """A difference as a clause."""
    if mean == 0:
        return f"0 {UNIT} beside uniform"
    return f"{amount(mean)} {UNIT} {'below' if mean < 0 else 'above'} uniform"


def amount(value: float | None) -> str:
    """The size of a difference: three digits after the point, or two that count."""
    size = abs(value or 0.0)
    digits = 3 if size >= 0.01 or size == 0 else min(9, 1 - math.floor(math.log10(size)))
    return f"{size:.{digits}f}"


def signed(value: float) -> str:
    return ("−" if value < 0 else "") + amount(value)


def chance(p: float | None) -> str:
    value = 1.0 if p is None else p
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"
