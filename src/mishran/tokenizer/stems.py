"""Where the stem of an inflected form ends, from its paradigm alone.

The stem of a lemma is the longest beginning of it that more than half of the paradigm (the lemma and
its distinct forms) share. Not all of it: one irregular form (किया beside करता, करूँ, करो) would cut the
stem of the rest down to a letter. Not the forms without the lemma: तरसता, तरसती, तरसते alone would make
तरसत a stem. Forms that do not begin with the stem (गया for जाना, ran for run) have no boundary to agree
with: they are left out and kept in `changed`. A form that is the bare stem has no suffix and no
boundary inside: `bare`. A lemma whose stem is shorter than `least` characters, or of which only itself
is known, says too little: `unstemmed`.

In Indic scripts a suffix often begins with a vowel sign: तरस|ी. The boundary then lies *inside an
akshara*, and a tokenizer that never breaks an akshara, as one that writes well should not, cannot meet
it. It is a boundary all the same, of sounds and not of signs, so it counts at the level of code points;
`between_aksharas` says which forms it does not lie inside of (तरस|ती), and agreement is reported for
these apart. No stem ends before a sign that belongs to its last letter (nukta, virama, accents) nor
behind a virama that ties the next consonant to it: there it would end inside a letter, not at a sound.

Trade-off: a stem is what letters have in common, no linguist's analysis: बनाना (to make) has the stem
बना though बन is its root, and vowels that change (पी, पिया) make forms `changed` instead of giving a
rule.

Source: assumption (majority of the paradigm); linkers from Unicode 15.1, UAX 29, GB9c.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from mishran.errors import DataError
from mishran.tokenizer.inflection import Inflected
from mishran.tokenizer.pretokens import JOINERS

LEAST = 2  # code points; one consonant is no stem to look for (assumption)
LINKERS = (
    "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d"  # viramas after which a consonant joins the akshara
)


@final
@dataclass(frozen=True)
class Stemmed:
    """A form and the place where its stem ends: form[:stem] is the stem, in code points."""

    lemma: str
    form: str
    stem: int


@final
@dataclass(frozen=True)
class Stems:
    """Distinct (lemma, form) pairs of a table, each in one of these.

    forms: those with a stem and a suffix. bare: those that are their stem. changed: those that do not begin
    with the stem of their lemma. unstemmed: those of lemmas without a stem.
    """

    forms: tuple[Stemmed, ...]
    bare: tuple[Stemmed, ...]
    changed: tuple[tuple[str, str], ...]
    unstemmed: tuple[tuple[str, str], ...]


def find_stems(inflections: Iterable[Inflected], least: int = LEAST) -> Stems:
    """The stem boundary of every form, by the rule on top of this file.

    Args:
        inflections: forms of any number of lemmas; features are not looked at.
        least: code points a stem has at least.

    Raises:
        DataError: no form has a stem and a suffix.
    """
    paradigms: dict[str, dict[str, None]] = {}
    for item in inflections:
        paradigms.setdefault(item.lemma, {})[item.form] = None
    forms: list[Stemmed] = []
    bare: list[Stemmed] = []
    changed: list[tuple[str, str]] = []
    unstemmed: list[tuple[str, str]] = []
    for lemma, paradigm in paradigms.items():
        stem = stem_length(lemma, paradigm)
        for form in paradigm:
            if stem < least or paradigm.keys() == {lemma}:
                unstemmed.append((lemma, form))
            elif not _begins(form, lemma[:stem]):
                changed.append((lemma, form))
            else:
                (forms if len(form) > stem else bare).append(Stemmed(lemma, form, stem))
    if not forms:
        raise DataError(
            expected="forms made of a stem and a suffix",
            found=f"{len(bare)} bare, {len(changed)} changed, {len(unstemmed)} without a stem",
            where="inflection table",
            fix="give several forms of each lemma",
        )
    return Stems(tuple(forms), tuple(bare), tuple(changed), tuple(unstemmed))


def stem_length(lemma: str, forms: Iterable[str]) -> int:
    """Code points of the stem of a lemma; 0 where no beginning of it is shared by more than half."""
    paradigm = {lemma, *forms}
    for length in range(len(lemma), 0, -1):
        if 2 * sum(_begins(form, lemma[:length]) for form in paradigm) > len(paradigm):
            return length
    return 0


def breaks_letter(word: str, place: int) -> bool:
    """Whether a cut at this inner place parts a letter from its signs or a conjunct."""
    before, after = word[place - 1], word[place]
    return before in LINKERS + JOINERS or after in JOINERS or unicodedata.combining(after) != 0


def between_aksharas(word: str, place: int) -> bool:
    """Whether this inner place lies between two aksharas (written syllables): before no mark of any kind
    and not inside a conjunct. Between letters of scripts without them it always does."""
    return not breaks_letter(word, place) and unicodedata.category(word[place])[0] != "M"


def _begins(form: str, stem: str) -> bool:
    at = len(stem)
    return form.startswith(stem) and (len(form) == at or not breaks_letter(form, at))
