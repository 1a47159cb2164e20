"""What the pages about tokenizers show, picked out of their facts: lines, groups, what was trained on.

Input is what `measures.json`, `search.json` and `tokenizer/training.json` hold, as dicts. An estimate that
is missing or not a number has None in it, and is a dash wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """A measure with its 95 % interval; None where it is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


UNKNOWN = Estimate()


def estimate(found: Mapping[str, float | None] | None) -> Estimate:
    if not found:
        return UNKNOWN
    return Estimate(found.get("value"), found.get("low"), found.get("high"))


@dataclass(frozen=True)
class Line:
    """A language in a domain. only: there is one domain, which needs no name."""

    language: str
    script: str
    domain: str
    only: bool

    @property
    def label(self) -> str:
        return self.language if self.only else f"{self.language}, {self.domain}"


def lines(facts: Facts) -> tuple[Line, ...]:
    """Every language and domain that was measured, in the order of the facts."""
    measured = {(row["language"], row["domain"]) for row in facts["measures"]}
    domains = [one["domain"] for one in facts["domains"]]
    return tuple(
        Line(one["language"], one["script"], domain, len(domains) == 1)
        for one in facts["languages"]
        for domain in domains
        if (one["language"], domain) in measured
    )


def grouped(found: Iterable[Any], key: str) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """By an attribute such as script or language; groups in the order in which they first come."""
    groups: dict[str, list[Any]] = {}
    for one in found:
        groups.setdefault(getattr(one, key), []).append(one)
    return tuple((name, tuple(group)) for name, group in groups.items())


def in_scripts(found: Iterable[Line]) -> list[Line]:
    """Those of a script side by side."""
    return [line for _, group in grouped(found, "script") for line in group]


def names(facts: Facts) -> tuple[str, ...]:
    return tuple(one["name"] for one in facts["tokenizers"])


@dataclass(frozen=True)
class Measures:
    """All estimates by tokenizer, language, domain and name."""

    found: Mapping[tuple[str, str, str], Mapping[str, Any]]

    def of(self, tokenizer: str, line: Line, name: str) -> Estimate:
        row = self.found.get((tokenizer, line.language, line.domain), {})
        return estimate(row.get("measures", {}).get(name))

    def tokens(self, tokenizer: str, line: Line) -> int | None:
        row = self.found.get((tokenizer, line.language, line.domain), {})
        return row.get("num_tokens")


def measures(facts: Facts) -> Measures:
    return Measures(
        {(row["tokenizer"], row["language"], row["domain"]): row for row in facts["measures"]}
    )


@dataclass(frozen=True)
class Change:
    """Against the first tokenizer. tokens: share of more. gap: as a part of the first one's gap."""

    tokens: Estimate = UNKNOWN
    gap: Estimate = UNKNOWN


def changes(facts: Facts) -> dict[tuple[str, str, str], Change]:
    """(tokenizer, language, domain) -> change."""
    return {
        (row["tokenizer"], row["language"], row["domain"]): Change(
            estimate(row.get("tokens")), estimate(row.get("gap"))
        )
        for row in facts["differences"]
    }


def changed(found: Mapping[tuple[str, str, str], Change], facts: Facts, line: Line) -> Change:
    """Of the last tokenizer against the first."""
    return found.get((names(facts)[-1], line.language, line.domain), Change())


def trained_on(training: Facts) -> tuple[str, ...]:
    """Languages with a share of the training text."""
    return tuple(language for language, share in training["shares"].items() if share > 0)


def text_shares(training: Facts) -> dict[str, float]:
    """Of each language in the text as it is, in bytes."""
    whole = sum(training["bytes"].values())
    return {language: size / whole for language, size in training["bytes"].items() if whole}


@dataclass(frozen=True)
class Content:
    """A share of content in a language: what it is in tokens of each tokenizer, and in bytes."""

    language: str
    share: float
    tokens: tuple[Estimate, ...]
    bytes: Estimate


def contents(facts: Facts) -> tuple[Content, ...]:
    """By language, then share."""
    every = names(facts)
    found: dict[tuple[str, float], dict[tuple[str, str], Estimate]] = {}
    for one in facts["tokenizers"]:
        for row in one.get("content", ()):
            cell = found.setdefault((row["language"], row["content"]), {})
            cell[row["unit"], one["name"]] = estimate(row["share"])
    order = {one["language"]: i for i, one in enumerate(facts["languages"])}
    return tuple(
        Content(
            language,
            share,
            tuple(cells.get(("tokens", name), UNKNOWN) for name in every),
            next((cells[key] for key in cells if key[0] == "bytes"), UNKNOWN),
        )
        for (language, share), cells in sorted(
            found.items(), key=lambda item: (order[item[0][0]], item[0][1])
        )
    )


@dataclass(frozen=True)
class Kind:
    """A tokenizer as a whole.

    bytes_per_token: of all languages and domains, weighted alike. middle: median parity of all but the
    reference. worst: the line that pays most.
    """

    name: str
    vocabulary: int
    embedding_share: float | None
    embedding_parameters: int | None
    mb_per_second: float | None
    bytes_per_token: float | None
    middle: float | None
    worst: Line | None
    worst_parity: Estimate


def kinds(facts: Facts) -> tuple[Kind, ...]:
    found, every = measures(facts), lines(facts)
    out = []
    for one in facts["tokenizers"]:
        name = one["name"]
        rows = [row for row in facts["measures"] if row["tokenizer"] == name]
        paid = paid_by(found, name, every, facts["reference"])
        worst = max(paid, key=lambda item: item[1].value or 0.0, default=(None, UNKNOWN))
        out.append(
            Kind(
                name=name,
                vocabulary=one["vocabulary"],
                embedding_share=one.get("embedding_share"),
                embedding_parameters=one.get("embedding_parameters"),
                mb_per_second=one.get("mb_per_second"),
                bytes_per_token=_bytes_per_token(rows),
                middle=median(e.value for _, e in paid if e.value) if paid else None,
                worst=worst[0],
                worst_parity=worst[1],
            )
        )
    return tuple(out)


def paid_by(
    found: Measures, tokenizer: str, every: Sequence[Line], reference: str
) -> list[tuple[Line, Estimate]]:
    """Parity of each line but the reference's, where it is known."""
    paid = [
        (line, found.of(tokenizer, line, "parity")) for line in every if line.language != reference
    ]
    return [(line, parity) for line, parity in paid if parity.value]


def best(
    tokenizers: Sequence[str],
    every: Iterable[Line],
    value: Callable[[str, Line], float | None],
) -> dict[str, int]:
    """In how many lines each tokenizer has the smallest value; the earlier one of two that are equal."""
    out = dict.fromkeys(tokenizers, 0)
    for line in every:
        known = [(found, name) for name in tokenizers if (found := value(name, line)) is not None]
        if known:
            out[min(known, key=lambda item: item[0])[1]] += 1
    return out


def worst_served(facts: Facts, training: Facts) -> tuple[Line, ...]:
    """Lines of the languages that it was trained on, the one that pays the last tokenizer most first."""
    served = [line for line in lines(facts) if line.language in trained_on(training)]
    paid = paid_by(measures(facts), names(facts)[-1], served, facts["reference"])
    return tuple(line for line, _ in sorted(paid, key=lambda item: -(item[1].value or 0.0)))


def _bytes_per_token(rows: Sequence[Facts]) -> float | None:
    """As the search has it: the inverse of the mean of tokens per byte."""
    per_byte = [row["num_tokens"] / row["num_bytes"] for row in rows if row["num_bytes"]]
    return len(per_byte) / sum(per_byte) if sum(per_byte) else None
