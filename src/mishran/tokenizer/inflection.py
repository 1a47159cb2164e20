"""Inflection tables: which forms a word takes, one form at a time.

Two shapes of file are read, plain or gzipped: JSON lines with `input` ("lemma + FEATURES") and `target`
(the form), as the SIGMORPHON tasks are often repacked, and UniMorph's own lines `lemma TAB form TAB
features` (a fourth column, the segmentation of UniMorph 4, is not used).

Only one word of a form that has several is taken, the one that inflects. In "तू शुरू करेगा" (शुरू करना,
"to begin") neither the first nor the last word is safe: a pronoun may come first, auxiliaries last, and
the lemma may have words of its own that do not change. So: the lemma's words but its last are taken out
of the form, and of what is left the word that shares the longest beginning with the lemma's last word
is taken (the first of equals; a word left alone needs to share nothing). The lemma becomes its last
word, so that करना with fifty nouns in front is one paradigm, not fifty copies of it.

Trade-off: no list of pronouns and auxiliaries of any language is needed, but a suppletive form among
others ("मैं गया" for जाना) cannot be told from its neighbours; it is left out and counted.

Source: UniMorph 4.0, Batsuren et al. 2022, arXiv 2205.03608 (columns). The choice of the word is our
own.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import final

import numpy as np

from mishran.errors import ConfigError, DataError, first_line

SHAPE = '{"input": "lemma + FEATURES", "target": "form"}'


@final
@dataclass(frozen=True)
class Inflected:
    """A form of a lemma, each one word, and its features as the table writes them ("V;2;SG")."""

    lemma: str
    form: str
    features: str


@final
@dataclass(frozen=True)
class Inflections:
    """What a table holds: rows = len(forms) + repeats + unclear.

    forms: each (lemma, form, features) once, in the order of the file. repeats: rows that gave one of these
    again. unclear: rows of several words of which none begins like the lemma.
    """

    forms: tuple[Inflected, ...]
    repeats: int
    unclear: int


def read_inflections(path: Path) -> Inflections:
    """The forms of a table; JSON lines where the name says .jsonl, tab-separated otherwise.

    Raises:
        DataError: a file that cannot be read, a row without lemma, form or features, no usable form.
    """
    parse = _json_row if ".jsonl" in path.suffixes else _tab_row
    forms: dict[Inflected, None] = {}
    rows = unclear = 0
    for number, line in numbered_lines(path):
        if not line.strip():  # UniMorph parts its paradigms by empty lines
            continue
        rows += 1
        lemma, form, features = parse(line, f"{path}:{number}")
        word = content_word(lemma, form)
        if word is None:
            unclear += 1
        else:
            forms[Inflected(lemma.split()[-1], word, features)] = None
    if not forms:
        raise DataError(
            expected="a table of inflected forms",
            found=f"{rows} rows and no usable form" if rows else "an empty file",
            where=str(path),
            fix="give a table in which forms begin like their lemmas",
        )
    return Inflections(tuple(forms), rows - unclear - len(forms), unclear)


def content_word(lemma: str, form: str) -> str | None:
    """The word of a form that inflects, by the rule on top of this file; None where it cannot be told."""
    *still, head = lemma.split()
    words = form.split()
    for word in still:
        if word in words:
            words.remove(word)
    if len(words) == 1:
        return words[0]
    shared = [_same_beginning(head, word) for word in words]
    return words[shared.index(max(shared))] if any(shared) else None


def part_lemmas(
    forms: Sequence[Inflected], share: float, rng: np.random.Generator
) -> tuple[tuple[Inflected, ...], tuple[Inflected, ...]]:
    """Forms of about `share` of the lemmas, drawn at random, and those of the others: what was trained on
    the stems of some lemmas is measured on others.

    Raises:
        ConfigError: a share that leaves one of the two without lemmas.
    """
    lemmas = sorted({item.lemma for item in forms})
    chosen = round(share * len(lemmas))
    if not 0 < chosen < len(lemmas):
        raise ConfigError(
            expected=f"a share that parts {len(lemmas)} lemmas in two",
            found=f"{share:g}",
            where="share of lemmas",
            fix="use 0.5, or give a table of more lemmas",
        )
    first = {lemmas[i] for i in rng.permutation(len(lemmas))[:chosen]}
    return (
        tuple(item for item in forms if item.lemma in first),
        tuple(item for item in forms if item.lemma not in first),
    )


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file, gzipped where its name ends in .gz.

    Raises:
        DataError: a file that is missing, damaged or not UTF-8.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8")
        ) as lines:
            for number, line in enumerate(lines, 1):
                yield number, line.rstrip("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            expected="a text file in UTF-8, plain or .gz",
            found=first_line(error),
            where=str(path),
            fix="check the path and the file",
        ) from error


def _same_beginning(one: str, other: str) -> int:
    """Code points that two words share at their beginnings."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _json_row(line: str, where: str) -> tuple[str, str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            expected=SHAPE, found=f"no JSON ({error.msg})", where=where, fix="correct the line"
        ) from error
    values = [row.get(name) if isinstance(row, dict) else None for name in ("input", "target")]
    for name, value in zip(("input", "target"), values, strict=True):
        if not isinstance(value, str) or not value.strip() or not _encodable(value):
            raise DataError(
                expected=SHAPE, found=f"no text in {name!r}", where=where, fix="correct the line"
            )
    lemma, _, features = str(values[0]).rpartition(" + ")
    if not lemma.strip():
        raise DataError(
            expected='an input such as "तरसना + V;PST"',
            found=repr(values[0]),
            where=where,
            fix="write the lemma, a plus sign between spaces, and the features",
        )
    return lemma, str(values[1]), features


def _encodable(text: str) -> bool:
    """JSON can hold half a surrogate pair, which no file and no tokenizer takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _tab_row(line: str, where: str) -> tuple[str, str, str]:
    columns = line.split("\t")
    if len(columns) not in (3, 4) or not all(column.strip() for column in columns[:3]):
        raise DataError(
            expected="lemma TAB form TAB features",
            found=repr(line[:80]),
            where=where,
            fix="correct the line, or name the file .jsonl if it holds JSON lines",
        )
    return columns[0], columns[1], columns[2]
