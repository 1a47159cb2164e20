"""Numbers and sentences about tokenizers: what was chosen, who pays what, what each measure means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mishran.report import numbers as say
from mishran.report import tokenizer_rows as rows
from mishran.report.corpus_words import readable
from mishran.report.tokenizer_rows import Estimate, Facts, Line

NARROW = "\u202f"
ALGORITHMS = {
    "bpe": "BPE",
    "byte-bpe": "byte-level BPE",
    "sentencepiece-bpe": "SentencePiece BPE",
    "sentencepiece-unigram": "SentencePiece Unigram",
}


_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def legible(text: str) -> str:
    """Without characters that turn the direction of what follows: names and words are anybody's."""
    return _TURNS.sub(lambda found: f"[U+{ord(found[0]):04X}]", readable(text))


def two(value: float | None) -> str:
    return say.number(value, 2)


def share(value: float | None) -> str:
    """12.3 %; what is more than nothing is never 0."""
    if value is not None and 0 < value < 0.0005:
        return f"<{NARROW}0.1{NARROW}%"
    return say.percent(value)


def change(value: float | None) -> str:
    """+5.8 %."""
    told = say.percent(value)
    return f"+{told}" if value is not None and value > 0 and told != say.percent(0.0) else told


@dataclass(frozen=True)
class Measure:
    """How a measure is called, shown and explained. better: the way it should go, "" where neither is."""

    key: str
    name: str
    show: Callable[[float | None], str]
    meaning: str
    better: str = ""

    def span(self, found: Estimate) -> str:
        return span(found, self.show)


def span(found: Estimate, show: Callable[[float | None], str]) -> str:
    """1.14 to 1.17; one unit for both ends."""
    if found.low is None or found.high is None:
        return say.DASH
    low, high = show(found.low), show(found.high)
    unit = f"{NARROW}%"
    if low.endswith(unit) and high.endswith(unit) and "<" not in low:
        low = low.removesuffix(unit)
    return f"{low} to {high}"


PARITY = Measure(
    "parity",
    "Parity",
    say.number,
    "Tokens for each token of the reference language, on the same content: 1 is fair, 2 pays twice.",
)
MEASURES = (
    PARITY,
    Measure("fertility", "Fertility", two, "Tokens per word between spaces.", "lower"),
    Measure("continued_words", "Continued words", share, "Words in two or more tokens.", "lower"),
    Measure(
        "single_token_words",
        "Single-token words",
        share,
        "Different words, each counted once, that are one token.",
        "higher",
    ),
    Measure(
        "bytes_per_token",
        "Bytes per token",
        two,
        "UTF-8 bytes that a token holds: the more, the shorter the text for the model.",
        "higher",
    ),
    Measure(
        "characters_per_token",
        "Characters per token",
        two,
        "The same in characters: scripts differ in bytes.",
        "higher",
    ),
    Measure(
        "broken_aksharas",
        "Broken aksharas",
        share,
        "Tokens that begin with a vowel sign, virama or another mark: inside a written syllable.",
        "lower",
    ),
    Measure(
        "cut_characters", "Cut characters", share, "Tokens that begin inside a character.", "lower"
    ),
    Measure(
        "renyi_efficiency",
        "Rényi efficiency",
        say.number,
        "How evenly the tokens are used, 0 to 1: low where few of them do all the work.",
    ),
)
EMBEDDING_SHARE = "the part of the model's parameters that its vocabulary takes"


def algorithm(name: str) -> str:
    return ALGORITHMS.get(name, name)


def shares(found: Mapping[str, float], most: int = 4) -> str:
    """68.0 % en, 30.3 % hi and 1.6 % hi-Latn."""
    return say.names(
        [f"{share(part)} {language}" for language, part in found.items() if part > 0], most
    )


def shares_told(parts: Iterable[tuple[str, float, float]]) -> str:
    """For those who hear a picture of shares."""
    return ", ".join(f"{share(part)} {language}" for language, part, _ in parts)


def with_interval(found: Estimate, show: Callable[[float | None], str]) -> str:
    """1.153 (95 %: 1.138 to 1.168)."""
    if found.low is None or found.high is None:
        return show(found.value)
    return f"{show(found.value)} (95{NARROW}%: {span(found, show)})"


def reason(why: str) -> str:
    """The search's own words, with numbers as they are written elsewhere."""
    return re.sub(r"(?<=\d),(?=\d{3})", NARROW, re.sub(r"(?<=\d)%", f"{NARROW}%", why))


@dataclass(frozen=True)
class Finding:
    """A sentence, and the number that it is about, where there is one."""

    text: str
    figure: str = ""


def headline(measures: Facts, search: Facts, training: Facts) -> list[str]:
    """What was chosen, who pays what for it, and why this one; a sentence each."""
    return [one.text for one in findings(measures, search, training)]


def findings(measures: Facts, search: Facts, training: Facts) -> list[Finding]:
    """The headline with its numbers.

    Args:
        measures: what `measures.json` holds: the tokenizer from the text as it is, then the chosen one.
        search: `search.json`.
        training: `tokenizer/training.json`.
    """
    chosen = Finding(
        f"{_first(algorithm(training['algorithm']))} with {say.integer(training['vocabulary'])} tokens, "
        f"learned from {shares(training['shares'])}; the text itself is "
        f"{shares(rows.text_shares(training))}."
    )
    worst = rows.worst_served(measures, training)
    return [chosen, _paid(measures, worst), *_cost(measures, worst), _why(search)]


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _paid(measures: Facts, worst: tuple[Line, ...]) -> Finding:
    """What the trained language that pays most pays, before and after."""
    reference = measures["reference"]
    if not worst:
        text = f"No language that it was learned from could be compared with {reference}."
        return Finding(text)
    found, line = rows.measures(measures), worst[0]
    then, now = (found.of(name, line, PARITY.key) for name in rows.names(measures))
    most = ", which pays most of those it was learned from," if len(worst) > 1 else ""
    text = (
        f"For the same content {_in(line)}{most} takes {with_interval(now, PARITY.show)} tokens for each "
        f"of {reference}; learned from the text as it is, {with_interval(then, PARITY.show)}."
    )
    return Finding(text, f"{PARITY.show(then.value)} → {PARITY.show(now.value)}")


def _in(line: Line) -> str:
    return line.language if line.only else f"{line.language} on {line.domain}"


def _cost(measures: Facts, worst: tuple[Line, ...]) -> list[Finding]:
    """What the reference pays, where it pays most; and what the other gains, since both move parity."""
    reference, changes = measures["reference"], rows.changes(measures)
    own = [line for line in rows.lines(measures) if line.language == reference]
    known = [
        (line, one.tokens)
        for line in own
        if (one := rows.changed(changes, measures, line)).tokens.value is not None
    ]
    if not known:
        return []
    line, cost = max(known, key=lambda item: item[1].value or 0.0)
    text = (
        "Against a tokenizer learned from the text as it is, the same text takes "
        f"{with_interval(cost, change)} tokens in {_in(line)}"
    )
    text += ", where it pays most," if len(known) > 1 else ""
    if worst:
        gain = rows.changed(changes, measures, worst[0]).tokens
        text += f" and {with_interval(gain, change)} in {_in(worst[0])}"
    return [Finding(text + ".", f"{reference} {change(cost.value)}")]


def _why(search: Mapping[str, Any]) -> Finding:
    why, tried = reason(search["why"]), len(search["candidates"])
    if not tried:
        return Finding(f"Nothing was searched: {why}.")
    if not search["reached"]:
        return Finding(f"What was asked for is not reached: {why}.", "not reached")
    return Finding(f"Chosen of {say.integer(tried)}: {why}.", f"1 of {say.integer(tried)}")


def compared(facts: Facts) -> list[str]:
    """What is compared, and who does best in how many languages; a sentence each."""
    found, every, names = rows.measures(facts), rows.lines(facts), rows.names(facts)
    reference = facts["reference"]
    texts = say.names(
        [f"{say.integer(d['texts'])} texts of {d['domain']}" for d in facts["domains"]]
    )
    out = [
        f"{len(names)} tokenizer{'s' if len(names) > 1 else ''} on {texts} in "
        f"{len(facts['languages'])} languages; parity is against {reference}."
    ]
    if len(names) > 1:
        fewest = rows.best(names, every, lambda name, line: found.tokens(name, line))
        out += _counted("Fewest tokens for the same text", fewest)
    others = [line for line in every if line.language != reference]
    gaps = rows.best(names, others, lambda name, line: _gap(found.of(name, line, "parity").value))
    return out + (_counted("Nearest to parity 1", gaps) if len(names) > 1 else [])


def _gap(parity: float | None) -> float | None:
    return None if parity is None else abs(parity - 1)


def _counted(what: str, best: Mapping[str, int]) -> list[str]:
    """Fewest tokens: GPT-4o in 18 of 20, fair in 2."""
    whole = sum(best.values())
    ranked = sorted(((n, name) for name, n in best.items() if n), key=lambda item: -item[0])
    told = [
        f"{name} in {n}" + (f" of {whole}" if i == 0 else "") for i, (n, name) in enumerate(ranked)
    ]
    return [f"{what}: {', '.join(told)}."] if told else []
