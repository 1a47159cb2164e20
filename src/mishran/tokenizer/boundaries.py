"""Where words may be cut before merges are learned: constrained BPE.

BPE learns merges from a word table (word -> count). Where a word is replaced by its parts, no merge
across the cut is ever counted, so none is learned *for that word*. Nothing is looked up when text is
encoded: plain merges apply, any BPE library runs them, and a merge learned from other words may still
cross a cut.

Cuts come from three places, all as `word -> inner places in code points`, words without the space in
front:

- `table_cuts`: an inflection table, the ends of the stems;
- `learned_cuts`: words of the user's own table that no inflection table has. A word is cut where (a)
  what follows is a suffix that at least `lemmas` lemmas of the inflection table take, and (b) what
  precedes occurs in the word table with at least `suffixes` of these suffixes (the empty one counts if
  as many lemmas have bare forms). Of several such places, the stem with most suffixes is taken, then
  the shorter stem. This is evidence as in Goldsmith's signatures, with suffixes known instead of
  sought: no description length is minimised, a stem needs no whole signature. करत has ा, ी, े and would
  be a stem; कर has ता, ती, ते, ना, ने, ें, ो and more, and wins;
- `read_cuts`: a file of segmented words, from Morfessor or by hand.

Which places, in scripts where a suffix begins with a vowel sign: as given (तरस|ी), or moved to the end of
the akshara by `keep_aksharas` (करूँगा: कर|ूँगा becomes करूँ|गा; तरसी: no cut is left). As given, merges see
the stem of every form, and tokens that begin with a vowel sign are learned on purpose, which cannot be
shown alone and must never follow a space. Moved forward and not to the nearest edge, which would be as
often back (क|रूँगा): a stem with part of its suffix is still a stem, half a stem is none. **Kept is the
better default**: it finds nearly all stem ends that lie between aksharas, and what it gives up is what
would break one (measured, docs/results/tokenizer-fairness.md).

Source: Goldsmith 2001, Computational Linguistics 27(2), 153-198 (signatures); constrained training with
plain inference: MorphBPE, Asgari, El Kheir and Sadraei Javaheri 2025, arXiv 2502.00894; no dependent
vowel on its own: MorphTok, Brahma et al. 2025, arXiv 2504.10335. Thresholds: measured on the same text and
unseen lemmas: 0.95 of their forms were cut at the right place, 0.01 elsewhere, and 0.11 of their bare stems
were cut though they should not be (बना as बन|ा).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import final

from mishran.errors import ConfigError, DataError
from mishran.tokenizer.inflection import numbered_lines
from mishran.tokenizer.stems import LEAST, Stems, between_aksharas, breaks_letter

Cuts = Mapping[str, tuple[int, ...]]
MIDDLE_DOT = "·"


@final
@dataclass(frozen=True)
class TableCuts:
    """Cuts of the words of a table, empty for bare stems. disputed: words that two lemmas cut differently
    (बना is the stem of बनाना and a form of बनना); they are not cut."""

    cuts: dict[str, tuple[int, ...]]
    disputed: tuple[str, ...]


def table_cuts(stems: Stems) -> TableCuts:
    """One cut for every form with a suffix, the end of its stem, and none for bare stems.

    With `learned_cuts` of the same text: {**learned, **of_table.cuts}, the table has the last word.
    """
    places: dict[str, set[tuple[int, ...]]] = {}
    for item in stems.forms:
        places.setdefault(item.form, set()).add((item.stem,))
    for item in stems.bare:
        places.setdefault(item.form, set()).add(())
    disputed = tuple(form for form, of in places.items() if len(of) > 1)
    return TableCuts(
        {form: next(iter(of)) if len(of) == 1 else () for form, of in places.items()}, disputed
    )


def suffix_lemmas(stems: Stems) -> dict[str, int]:
    """In how many lemmas each suffix occurs; the empty one is that of bare forms."""
    lemmas: dict[str, set[str]] = {}
    for item in (*stems.forms, *stems.bare):
        lemmas.setdefault(item.form[item.stem :], set()).add(item.lemma)
    return {suffix: len(of) for suffix, of in lemmas.items()}


def learned_cuts(
    counts: Mapping[str, float],
    known: Mapping[str, int],
    lemmas: int = 5,
    suffixes: int = 5,
    least: int = LEAST,
) -> dict[str, tuple[int, ...]]:
    """Cuts for the words of a word table, by the rule on top of this file.

    Args:
        counts: pre-token -> count, one space in front or none; words of count 0 are no evidence.
        known: suffix -> lemmas, from `suffix_lemmas`.
        lemmas: that a suffix needs. suffixes: that a stem needs. least: code points of a stem.

    Raises:
        ConfigError: a threshold below 1, or no suffix that reaches it.
    """
    if min(lemmas, suffixes, least) < 1:
        raise ConfigError(
            expected="thresholds of at least 1",
            found=f"lemmas={lemmas}, suffixes={suffixes}, least={least}",
            where="learned cuts",
            fix="raise the one below",
        )
    common = {suffix for suffix, of in known.items() if of >= lemmas}
    if not common - {""}:
        raise ConfigError(
            expected=f"suffixes that {lemmas} lemmas take",
            found=f"at most {max((of for suffix, of in known.items() if suffix), default=0)}",
            where="learned cuts",
            fix="lower lemmas or give a larger inflection table",
        )
    words = {word.removeprefix(" ") for word, count in counts.items() if count > 0}
    longest = max(map(len, common))
    found: dict[str, list[int]] = {}
    evidence: dict[str, int] = {}
    for word in words:
        for place in range(max(least, len(word) - longest), len(word)):
            if word[place:] in common and not breaks_letter(word, place):
                found.setdefault(word, []).append(place)
                evidence[word[:place]] = evidence.get(word[:place], 0) + 1
    if "" in common:
        for stem in evidence.keys() & words:
            evidence[stem] += 1
    cuts: dict[str, tuple[int, ...]] = {}
    for word in counts:  # in the order given: a set's differs by process
        bare = word.removeprefix(" ")
        places = [p for p in found.get(bare, ()) if evidence[bare[:p]] >= suffixes]
        if places:
            cuts[bare] = (max(places, key=lambda p: (evidence[bare[:p]], -p)),)
    return cuts


def read_cuts(path: Path, separator: str = MIDDLE_DOT) -> dict[str, tuple[int, ...]]:
    """Cuts from a file of lines `word TAB mor·phe·mes`; a word without a separator is known to have none.

    Args:
        path: UTF-8, plain or .gz; empty lines are skipped. separator: between morphemes, "-" say.

    Raises:
        ConfigError: an empty separator.
        DataError: a file that cannot be read or is empty, a line of another shape, morphemes that do not
            make up the word, a word with two different segmentations.
    """
    if not separator:
        raise ConfigError(
            expected="a separator of morphemes",
            found="an empty text",
            where="separator",
            fix=f"use {MIDDLE_DOT!r} or '-'",
        )
    cuts: dict[str, tuple[int, ...]] = {}
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        word, tab, segmented = line.partition("\t")
        parts = segmented.split(separator)
        if not tab or word.split() != [word] or not all(parts):
            raise DataError(
                expected=f"word TAB morphemes parted by {separator!r}",
                found=repr(line[:80]),
                where=where,
                fix="correct the line or give the separator of the file",
            )
        if "".join(parts) != word:
            raise DataError(
                expected=f"morphemes that make up {word!r}",
                found=repr("".join(parts)),
                where=where,
                fix="correct the line; the surface form is cut, not its analysis",
            )
        places = tuple(len("".join(parts[:i])) for i in range(1, len(parts)))
        if cuts.setdefault(word, places) != places:
            raise DataError(
                expected=f"one segmentation of {word!r}",
                found="a second, different one",
                where=where,
                fix="keep one of them",
            )
    if not cuts:
        raise DataError(
            expected="segmented words",
            found="an empty file",
            where=str(path),
            fix=f"write lines such as करता TAB कर{separator}ता",
        )
    return cuts


def keep_aksharas(cuts: Cuts) -> dict[str, tuple[int, ...]]:
    """Cuts moved forward to the end of the akshara they are in; those that reach the word's end fall away,
    and a word that loses all of them stays, uncut."""
    moved: dict[str, tuple[int, ...]] = {}
    for word, places in cuts.items():
        _check(word, places)
        edges = [p for p in range(1, len(word)) if between_aksharas(word, p)]
        ends = (next((e for e in edges if e >= p), None) for p in places)
        moved[word] = tuple(sorted({end for end in ends if end is not None}))
    return moved


def cut(counts: Mapping[str, float], cuts: Cuts) -> dict[str, float]:
    """The word table that constrained BPE learns from: every word with cuts is replaced by its parts.

    Args:
        counts: pre-token -> count, one space in front or none; the space stays with the first part.
        cuts: word without that space -> rising inner places in code points.

    Returns:
        part -> count, those of equal parts added: the sum of length times count is that of `counts`.

    Raises:
        DataError: places that are not inside their word or do not rise.
    """
    table: dict[str, float] = {}
    for word, count in counts.items():
        bare = word.removeprefix(" ")
        places = cuts.get(bare, ())
        _check(bare, places)
        space = len(word) - len(bare)
        edges = [0, *(place + space for place in places), len(word)]
        for start, end in pairwise(edges):
            table[word[start:end]] = table.get(word[start:end], 0) + count
    return table


def _check(word: str, places: Sequence[int]) -> None:
    if places and any(after <= before for before, after in pairwise([0, *places, len(word)])):
        raise DataError(
            expected=f"rising places from 1 to {len(word) - 1}",
            found=str(list(places)),
            where=f"cuts of {word!r}",
            fix="count code points, without the space in front",
        )
