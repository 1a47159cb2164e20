"""Numbers and sentences of a corpus for people: 1.23 M documents, 4.5 GB, what happened in one sentence."""

from __future__ import annotations

import re
from collections import Counter
from decimal import ROUND_HALF_UP, Context, Decimal

from mishran.report import numbers as say
from mishran.report.corpus_rows import (
    EDITS,
    NOTHING,
    Books,
    Row,
    Unit,
    books,
    by_source,
    largest,
    refused,
    units,
)

NAMES: dict[Unit, str] = {"documents": "Documents", "bytes": "Bytes", "tokens": "Tokens"}
_THREE = Context(prec=3, rounding=ROUND_HALF_UP)
_EXACT = 10_000  # below it a number is written in full
_COUNTS = ("", "k", "M", "B", "T")
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
NARROW = "\u202f"
STRANGE, MUCH = (
    "unlike-its-language",
    0.1,
)  # of a language, from where on it is worth a word; assumption
_UNREADABLE = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\ud800-\\udfff]")


def readable(text: str) -> str:
    """Without controls and lone surrogates, which HTML cannot hold: names and examples are raw text."""
    return _UNREADABLE.sub("\ufffd", text)


def short(value: int, unit: Unit) -> str:
    """Three digits and a decimal prefix: 1.23 M, 45.6 kB. Small counts in full."""
    names = _BYTES if unit == "bytes" else _COUNTS
    size = abs(value)
    if size < (1000 if unit == "bytes" else _EXACT):
        return f"{say.integer(value)}{NARROW}{names[0]}".rstrip(NARROW)
    power = min((len(str(size)) - 1) // 3, len(names) - 1)
    number = _rounded(size, power)
    if number >= 1000 and power + 1 < len(names):  # 999 999 is 1.00 M
        power += 1
        number = _rounded(size, power)
    whole = f"{number:,f}".replace(",", NARROW)
    return f"{say.MINUS if value < 0 else ''}{whole}{NARROW}{names[power]}"


def _rounded(size: int, power: int) -> Decimal:
    return _THREE.plus(Decimal(size).scaleb(-3 * power))


def exact(value: int, unit: Unit) -> str:
    """1 234 567 bytes."""
    name = unit[:-1] if abs(value) == 1 else unit
    return f"{integer(value)} {name}"


def integer(value: int) -> str:
    """Of any size without rounding, unlike a float."""
    return ("" if value >= 0 else say.MINUS) + f"{abs(value):,}".replace(",", NARROW)


def step(name: str) -> str:
    return "all edits" if name == EDITS else name


def share(part: int, whole: int) -> str:
    """12.3 %; a dash of nothing, and neither 0 nor 100 where it is not exactly that."""
    if whole == 0:
        return say.DASH
    value = part / whole
    if part and abs(value) < 0.0005:
        return f"< 0.1{NARROW}%" if part > 0 else f"> {say.MINUS}0.1{NARROW}%"
    if part != whole and 0.9995 <= value < 1:
        return f"> 99.9{NARROW}%"
    return say.percent(value, 0 if part in (0, whole) else 1)


def ratio(part: int, whole: int) -> str:
    """4.31; a dash of nothing."""
    return say.number(part / whole, 2) if whole else say.DASH


def plural(count: int, one: str, many: str = "") -> str:
    return f"{short(count, 'documents')} {one if count == 1 else many or one + 's'}"


def headline(facts: Row) -> str:
    """What happened, in a few sentences."""
    sums = books(facts)
    came, stayed = sums.arrived, sums.kept
    if not came.documents:
        return "No documents came in."
    whole = plural(came.documents, "document")
    if not stayed.documents:
        text = f"{whole} came in, {short(came.bytes, 'bytes')} of text, and none stayed."
    else:
        left = (
            "all of them"
            if stayed.documents == came.documents
            else short(stayed.documents, "documents")
        )
        text = (
            f"{whole} came in and {left} stayed"
            + (
                ""
                if stayed.documents == came.documents
                else f", {share(stayed.documents, came.documents)}"
            )
            + f": {short(stayed.bytes, 'bytes')} of {short(came.bytes, 'bytes')} of text"
        )
        if "tokens" in units(facts):
            text += f", {short(stayed.tokens, 'tokens')} of {short(came.tokens, 'tokens')} tokens"
        text += "."
    top = largest(facts)
    if top is None:
        return text + " Nothing was dropped."
    count = (
        f"{plural(top.amount.documents, 'document')}, {share(top.amount.documents, came.documents)}"
    )
    step = "" if top.step == top.reason else f" in step {top.step}"
    return f"{text} The most frequent reason to drop was {top.reason}{step}: {count}."


def warnings(facts: Row) -> tuple[str, ...]:
    """What somebody should look at before using the corpus; a sentence each."""
    out = []
    found = [books(facts), *(books(facts, group.name) for group in by_source(facts))]
    if any(sums.difference != NOTHING for sums in found):
        out.append(
            "The accounts do not balance: what arrived is not what was kept, dropped and edited away. "
            "Do not use this corpus; report it."
        )
    problems = len(facts["problems"])
    if problems:
        verb = "is" if problems == 1 else "are"
        named = f"{plural(problems, 'file')} {verb} damaged, refused or empty"
        out.append(f"{named}; what can be read of them is used.")
    records = refused(facts)
    if records:
        number = sum(count for _, count in records)
        named = say.listed([f"{reason} ({short(count, 'documents')})" for reason, count in records])
        out.append(f"{plural(number, 'record')} could not be read: {named}.")
    out += [
        f"{share(strange, told)} of the documents in {language} were dropped as unlike the seed text of "
        "their language: where they are good, add such text to the seeds, or write strange: null."
        for language, strange, told in _strange(facts)
    ]
    return tuple(out)


def _strange(facts: Row) -> list[tuple[str, int, int]]:
    """Languages with much text unlike their seeds: (tag, such documents, documents told to be in it)."""
    told: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    for row in (*facts["accounts"]["kept"], *facts["accounts"]["dropped"]):
        told[row["language"]] += row["documents"]
        if row.get("reason") == STRANGE:
            strange[row["language"]] += row["documents"]
    return [(tag, n, told[tag]) for tag, n in sorted(strange.items()) if n > MUCH * told[tag]]


def balance(sums: Books, unit: Unit) -> str:
    """The checked sum in words, with exact numbers."""
    parts = [f"{integer(sums.kept.of(unit))} kept", f"{integer(sums.dropped.of(unit))} dropped"]
    edited = sums.edited.of(unit)
    text = f"{integer(sums.arrived.of(unit))} {unit} arrived = {' + '.join(parts)}"
    if edited > 0:
        text += f" + {integer(edited)} edited away"
    if edited < 0:
        text += f" {say.MINUS} {integer(-edited)} added by edits"
    off = sums.difference.of(unit)
    return text if not off else f"{text} + {integer(off)} that nobody can explain"
