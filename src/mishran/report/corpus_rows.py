"""The arithmetic of a cleaned corpus: what arrived, left at each step, was edited away, and stayed.

Input is what `corpus.json` holds, as a dict; nothing is measured. Every sum is of whole numbers, so that
the page can check itself: arrived = kept + dropped + edited away, in every unit and for every source. Where
nobody counted tokens that unit does not exist (`units`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Unit = Literal["documents", "bytes", "tokens"]
Row = Mapping[str, Any]

READ, EDITS = (
    "read",
    "edits",
)  # steps before the first and of all together, as the accounts name them

GLOSSES = {
    READ: "records that hold no text that can be used",
    EDITS: "tokens of all edits together: they are counted before and after",
    "repair": "broken characters; texts of which too much is lost",
    "html": "markup",
    "language": "told from script and character n-grams",
    "boilerplate": "menus, notices, link lists",
    "normalise": "one spelling for characters that have several",
    "quotes": "typographic quotation marks",
    "rules": "length, repetition, symbols, digits, links, white space",
    "gibberish": "random letters, encoded data, broken recognition",
    "pii": "personal data, replaced by placeholders",
    "contamination": "items of evaluation sets",
    "facts": "fact score below the minimum of the recipe",
    "exact-duplicates": "the same text again; one is kept",
    "near-duplicates": "almost the same text; one is kept",
}


@dataclass(frozen=True)
class Amount:
    """documents, UTF-8 bytes of text, tokens."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.documents + other.documents, self.bytes + other.bytes, self.tokens + other.tokens
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            self.documents - other.documents, self.bytes - other.bytes, self.tokens - other.tokens
        )

    def of(self, unit: Unit) -> int:
        return int(getattr(self, unit))


NOTHING = Amount()


def amount(row: Row) -> Amount:
    return Amount(row["documents"], row["bytes"], row["tokens"])


def total(rows: Iterable[Row]) -> Amount:
    return sum(map(amount, rows), NOTHING)


@dataclass(frozen=True)
class Books:
    """Sums over all of it, or over one source. edited: what edits took away, below 0 where text grew."""

    arrived: Amount
    kept: Amount
    dropped: Amount
    edited: Amount

    @property
    def difference(self) -> Amount:
        """What the accounts have lost; nothing, unless they are wrong."""
        return self.arrived - self.kept - self.dropped - self.edited


def units(facts: Row) -> tuple[Unit, ...]:
    return ("documents", "bytes", "tokens") if facts["tokens"] else ("documents", "bytes")


def books(facts: Row, source: str | None = None) -> Books:
    """The sums. source: of which; all by default."""

    def rows(name: str) -> list[Row]:
        return [r for r in facts["accounts"][name] if source is None or r["source"] == source]

    return Books(
        total(rows("arrived")), total(rows("kept")), total(rows("dropped")), _edited(rows("edited"))
    )


def _edited(rows: Iterable[Row]) -> Amount:
    """Bytes and tokens that edits took away; their documents have not gone anywhere."""
    return replace(total(r for r in rows if r["what"] == ""), documents=0)


def steps(facts: Row) -> tuple[str, ...]:
    """Names of the steps in order: reading, edits as a whole, the recipe's, and any that only rows name."""
    accounts = facts["accounts"]
    named = {row["step"] for name in ("dropped", "edited") for row in accounts[name]}
    first = [step for step in (READ, EDITS) if step in named]
    listed = list(facts.get("steps", ()))
    return tuple(dict.fromkeys([*first, *listed, *sorted(named)]))


@dataclass(frozen=True)
class StepRow:
    """A step of the waterfall. changed: documents that it edited. before, left: amounts around it."""

    step: str
    gloss: str
    before: Amount
    dropped: Amount
    edited: Amount
    changed: int
    left: Amount


def waterfall(facts: Row) -> tuple[StepRow, ...]:
    """Every step in order, from what arrived to what is left."""
    accounts = facts["accounts"]
    before = total(accounts["arrived"])
    out = []
    for step in steps(facts):
        dropped = total(row for row in accounts["dropped"] if row["step"] == step)
        edits = [r for r in accounts["edited"] if r["step"] == step and r["what"] == ""]
        edited = _edited(edits)
        left = before - dropped - edited
        changed = sum(row["documents"] for row in edits)
        out.append(StepRow(step, GLOSSES.get(step, ""), before, dropped, edited, changed, left))
        before = left
    return tuple(out)


@dataclass(frozen=True)
class Dropped:
    """Documents that went for one reason."""

    step: str
    reason: str
    amount: Amount


def reasons(facts: Row, rows: Iterable[Row]) -> tuple[Dropped, ...]:
    """Steps in order, the most frequent reason of a step first."""
    found: dict[tuple[str, str], Amount] = {}
    for row in rows:
        key = row["step"], row["reason"]
        found[key] = found.get(key, NOTHING) + amount(row)
    place = {step: i for i, step in enumerate(steps(facts))}
    dropped = [Dropped(*key, value) for key, value in found.items()]
    dropped.sort(key=lambda d: (place[d.step], -d.amount.documents, d.reason))
    return tuple(dropped)


def largest(facts: Row) -> Dropped | None:
    """The reason with the most documents; None where nothing was dropped."""
    found = reasons(facts, facts["accounts"]["dropped"])
    return max(found, key=lambda d: d.amount.documents, default=None)


@dataclass(frozen=True)
class Group:
    """Documents of one source or language. went: what left it (bytes after the edits before that)."""

    name: str
    came: Amount
    kept: Amount
    went: Amount
    reasons: tuple[Dropped, ...]
    difference: Amount


def by_source(facts: Row) -> tuple[Group, ...]:
    """What arrived of every source and what became of it, in the order of the recipe."""
    out = []
    for name in (one["source"] for one in facts["sources"]):
        found = books(facts, name)
        dropped = [r for r in facts["accounts"]["dropped"] if r["source"] == name]
        out.append(
            Group(
                name,
                found.arrived,
                found.kept,
                found.dropped,
                reasons(facts, dropped),
                found.difference,
            )
        )
    return tuple(out)


def by_language(facts: Row) -> tuple[Group, ...]:
    """The same by language, most documents first. What came is what was kept or dropped: languages are told
    on the way."""
    accounts = facts["accounts"]
    names = dict.fromkeys(r["language"] for part in ("kept", "dropped") for r in accounts[part])
    out = []
    for name in names:
        kept = total(r for r in accounts["kept"] if r["language"] == name)
        rows = [r for r in accounts["dropped"] if r["language"] == name]
        went = total(rows)
        out.append(Group(name, kept + went, kept, went, reasons(facts, rows), NOTHING))
    return tuple(sorted(out, key=lambda g: (-g.came.documents, g.name)))


@dataclass(frozen=True)
class Crossed:
    """Share of the documents of every group that each step dropped, with how many that are."""

    steps: tuple[str, ...]
    rows: tuple[tuple[Group, tuple[tuple[int, float], ...]], ...]


def crossed(facts: Row, groups: Sequence[Group]) -> Crossed:
    """Groups by the steps that dropped anything."""
    dropping = {r["step"] for r in facts["accounts"]["dropped"]}
    names = tuple(step for step in steps(facts) if step in dropping)
    rows = []
    for group in groups:
        counts = dict.fromkeys(names, 0)
        for one in group.reasons:
            counts[one.step] += one.amount.documents
        whole = group.came.documents
        rows.append((group, tuple((n, n / whole if whole else 0.0) for n in counts.values())))
    return Crossed(names, tuple(rows))


@dataclass(frozen=True)
class EditRow:
    """What a step changed. whats: (slug, occurrences), most first."""

    step: str
    changed: int
    edited: Amount
    whats: tuple[tuple[str, int], ...]


def edits(facts: Row, source: str | None = None) -> tuple[EditRow, ...]:
    """Every step that changed anything, in order."""
    rows = [r for r in facts["accounts"]["edited"] if source is None or r["source"] == source]
    out = []
    for step in steps(facts):
        mine = [row for row in rows if row["step"] == step]
        if not mine:
            continue
        counts: dict[str, int] = {}
        for row in mine:
            if row["what"]:
                counts[row["what"]] = counts.get(row["what"], 0) + row["documents"]
        whole = [row for row in mine if not row["what"]]
        ranked = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        changed = sum(row["documents"] for row in whole)
        out.append(EditRow(step, changed, _edited(whole), ranked))
    return tuple(out)


@dataclass(frozen=True)
class Kept:
    """Documents of one kind that stayed. name: of the kind, in as many parts as it was asked for."""

    name: tuple[str, ...]
    amount: Amount


def kept(facts: Row, *keys: str) -> tuple[Kept, ...]:
    """What stayed by source, language, script or provenance, or several of them; most bytes first."""
    found: dict[tuple[str, ...], Amount] = {}
    for row in facts["accounts"]["kept"]:
        name = tuple(row[key] for key in keys)
        found[name] = found.get(name, NOTHING) + amount(row)
    order = sorted(found, key=lambda n: (-found[n].bytes, -found[n].documents, n))
    return tuple(Kept(name, found[name]) for name in order)


def refused(facts: Row) -> tuple[tuple[str, int], ...]:
    """(reason, records) of what could not be read, most first, whether or not their places are named."""
    rows = [row for row in facts["accounts"]["dropped"] if row["step"] == READ]
    return tuple((d.reason, d.amount.documents) for d in reasons(facts, rows))


def level(share: float) -> int:
    """A shade from 0 to 8. The square root tells small shares apart, which are most of them."""
    return 0 if share <= 0 else min(8, max(1, round(8 * math.sqrt(share))))
