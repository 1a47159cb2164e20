"""How much a line sounds like a site that speaks to its visitor: a sum of signs.

When: for lines that no list of phrases knows. "Get our best recipes in your inbox every Friday" is
found by what it is about (your inbox), what it asks (get), who speaks (our) and how it stands there
(short, alone), not by its words as a whole. Prose about the same things lacks the voice, and tells in
the past or of third persons, which counts against it. The trade-off: a line of fewer signs stays, and
a page that addresses its reader on these very matters ("check our privacy policy") goes.

The points and the limit are assumptions, set by hand on furniture and prose invented for the purpose;
results on text kept apart and on real prose: docs/results/corpus.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from mishran.corpus.boilerplate_lines import (
    CODE,
    LEFT_ALONE,
    LIST_MARK,
    SPEAKER,
    goes_on,
    is_alone,
    is_beside,
    lines_with,
)
from mishran.corpus.signs import Signs
from mishran.corpus.signs_en import ENGLISH_SIGNS
from mishran.corpus.signs_hi import HINDI_SIGNS
from mishran.corpus.signs_hi_latn import ROMANISED_HINDI_SIGNS
from mishran.corpus.tags import lookup

SIGNS: Mapping[str, Signs] = {
    "en": ENGLISH_SIGNS,
    "hi": HINDI_SIGNS,
    "hi-Latn": ROMANISED_HINDI_SIGNS,
}

LIMIT = 6
MOST_THEME = 5
FORMULA = 6
STRONG = 3  # a theme that is no everyday word; without one, a short line in which the site speaks or asks
_ASK = 2
_FRAGMENT_WORDS, _SHORT_WORDS, _WEAK_WORDS, _MOST_WORDS = 7, 9, 18, 110
_LONGEST_REQUEST = 80  # characters
_LONG_WORDS = (25, 35, 45, 60, 80)  # each counts one against
_SENTENCE_BEGINS = r"(?:^\W*|(?<=[.!?।:|–—])\W*)"
_CLAUSE_BEGINS = r"(?:^\W*|(?<=[.!?।:;|–—,])\W*|(?<=please )|(?<=and )|(?<=or )|(?<= & ))"
_CLAUSE_ENDS = r"(?=\W*$|\s*[।.!?,:;|/–—]|\s+(?:और|तथा|एवं|व|ताकि|या|तो|aur|ya|taaki|to|toh|evam)\s)"
_LETTER = r"[\w\u0900-\u0963\u0966-\u0dff]"
_BEFORE, _AFTER = rf"(?<!{_LETTER})", rf"(?!{_LETTER})"

_OPENING = "\"'“‘([{*_#•·-–—>|»"

Weighed = tuple[tuple[int, re.Pattern[str]], ...]


@dataclass(frozen=True)
class SignTable:
    """The signs of a language, compiled; `themes` and `formulas` by kind, `stems` by first letters."""

    themes: tuple[tuple[str, Weighed], ...]
    formulas: tuple[tuple[str, re.Pattern[str]], ...]
    strong: tuple[re.Pattern[str], ...]
    asks: re.Pattern[str]
    voices: Weighed
    prints: Weighed
    against: Weighed
    stems: Mapping[str, tuple[str, ...]]
    openers: frozenset[str]


@dataclass(frozen=True)
class Scored:
    """points: of the line; kind: of the theme with most points, None without any."""

    points: int
    kind: str | None


@cache
def sign_table(language: str) -> SignTable | None:
    own = lookup(SIGNS, language)
    if own is None:
        return None
    entries = [own, *(SIGNS[other] for other in own.also)]
    kinds = list(dict.fromkeys(kind for entry in entries for kind in entry.themes))
    themes = tuple(
        (kind, tuple(w for e in entries for w in _weighed(e.themes.get(kind, ()))))
        for kind in kinds
    )
    return SignTable(
        themes=themes,
        strong=tuple(sign for _, signs in themes for points, sign in signs if points >= STRONG),
        formulas=tuple(
            (kind, _compiled("|".join(f for e in entries for f in e.formulas.get(kind, ()))))
            for kind in kinds
        ),
        asks=_compiled("|".join(ask for entry in entries for ask in entry.asks), _CLAUSE_BEGINS),
        voices=tuple(w for entry in entries for w in _weighed(entry.voices)),
        prints=tuple(w for entry in entries for w in _weighed(entry.prints)),
        against=tuple(w for entry in entries for w in _weighed(entry.against)),
        openers=frozenset(word for entry in entries for word in entry.openers.split()),
        stems=_by_letters({stem for entry in entries for stem in entry.stems.split("|")}),
    )


def _by_letters(stems: set[str]) -> Mapping[str, tuple[str, ...]]:
    """Stems by the first letters of their longest word, six or four; under "" what has no such word."""
    by: dict[str, list[str]] = {}
    for stem in sorted(stems):
        if any(f" {stem}".rfind(f" {other}") >= 0 for other in stems if other != stem):
            continue  # found anyway
        longest = max(re.findall(r"[^\W\d_][\w\u0900-\u0963'-]*", stem) or [""], key=len)
        size = 6 if len(longest) >= 6 else 4
        by.setdefault(longest[:size] if len(longest) >= 4 else "", []).append(stem)
    return {letters: tuple(some) for letters, some in by.items()}


def _weighed(signs: Iterable[tuple[int, str]]) -> Weighed:
    return tuple((points, _compiled(expression)) for points, expression in signs)


def _compiled(expression: str, begins: str = _SENTENCE_BEGINS) -> re.Pattern[str]:
    expression = expression.translate({0x93C: "", 0x901: "\u0902"})
    expression = re.sub(r"(?<!\(\?)<", lambda _: begins, expression)
    expression = re.sub(r"(?<!\(\?)>", lambda _: _CLAUSE_ENDS, expression)
    expression = re.sub(r"(?<!\\)\((?!\?)", "(?:", expression)
    return re.compile(f"{_BEFORE}(?:{expression}){_AFTER}")


def lines_that_may_speak(
    low: str, lows: Sequence[str], starts: Sequence[int], table: SignTable
) -> set[int]:
    """The lines of a text in lower case with a stem, and short ones that begin like a request."""
    words = set(low.split())
    here = {word[:6] for word in words}
    here.update([word.lstrip(_OPENING)[:6] for word in words if not word[0].isalnum()])
    here.update([letters[:4] for letters in here])
    here.add("")
    stems = [stem for letters in sorted(here & table.stems.keys()) for stem in table.stems[letters]]
    opened = {
        i
        for i, line in enumerate(lows)
        if 12 < len(line) <= _LONGEST_REQUEST and line.split(" ", 1)[0] in table.openers
    }
    return lines_with(stems, low, starts) | opened


def speaking(
    lines: Sequence[str],
    lows: Sequence[str],
    about: set[int],
    gone: Mapping[int, str],
    signs: SignTable,
) -> dict[int, str]:
    """Which of the lines `about` a theme have enough signs, and their kinds.

    Those that lack one point wait for furniture beside them, `gone` already or found here.
    """
    found_here = dict(gone)
    waiting: list[tuple[int, str]] = []
    for i in sorted(about):
        line = lines[i]
        if i in gone or not line.strip():
            continue
        if LIST_MARK.match(line) or LEFT_ALONE.match(line) or CODE.search(line):
            continue
        if goes_on(lines, i) or _is_turn(lows[i], signs):
            continue
        found = score(lows[i].strip(), signs, is_alone(lines, i))
        if found.kind is None:
            continue
        if found.points >= LIMIT:
            found_here[i] = found.kind
        elif found.points == LIMIT - 1:
            waiting.append((i, found.kind))
    for order in (waiting, waiting[::-1]):
        for i, kind in order:
            if i not in found_here and is_beside(lines, i, found_here):
                found_here[i] = kind
    return {i: kind for i, kind in found_here.items() if i not in gone}


def _is_turn(low: str, signs: SignTable) -> bool:
    """Whether a speaker's name comes first: "User: ...", and not the name of what is offered."""
    speaker = SPEAKER.match(low)
    return (
        speaker is not None
        and speaker.group(1).count(" ") <= 2
        and not any(stem in speaker.group(1) for stems in signs.stems.values() for stem in stems)
    )


def score(low: str, table: SignTable, alone: bool) -> Scored:
    """The points of a line in lower case.

    Args:
        alone: blank lines or the ends of the text on both sides.
    """
    words = low.count(" ") + 1
    if words > _MOST_WORDS:
        return Scored(0, None)
    asks = table.asks.search(low) is not None
    by_kind: dict[str, int] = {}
    strongest = 0
    for kind, formula in table.formulas:
        if formula.search(low):
            by_kind[kind] = strongest = FORMULA
    total = strongest
    if not total and words > _WEAK_WORDS and not any(s.search(low) for s in table.strong):
        return Scored(0, None)
    said = 0
    for kind, signs in table.themes:
        found = [points for points, sign in signs if sign.search(low)]
        if found:
            by_kind[kind] = by_kind.get(kind, 0) + sum(found)
            said += sum(found)
            strongest = max(strongest, *found)
    total = max(total, min(MOST_THEME, said))
    voice = sum(points for points, sign in table.voices if sign.search(low))
    prints = sum(points for points, sign in table.prints if sign.search(low))
    asked = asks and total + voice + prints >= STRONG
    if strongest < STRONG and not (words <= _WEAK_WORDS and total >= 2 and (voice >= 2 or asked)):
        return Scored(0, None)
    fragment = words <= _FRAGMENT_WORDS and total > STRONG and low[-1:] not in ".।,;:?"
    fragment = fragment and "|" not in low
    if not (voice or asks or strongest == FORMULA or fragment):
        return Scored(0, None)
    kind = max(by_kind, key=lambda kind: by_kind[kind])
    total += _ASK * asks + voice + prints
    total += sum(points for points, sign in table.against if sign.search(low))
    total += (words <= _SHORT_WORDS) - sum(words > long for long in _LONG_WORDS)
    total += low.rstrip()[-1:] not in ".।,;:?" and words <= 2 * _SHORT_WORDS
    total += alone
    total -= 3 * (low.lstrip()[:1] in "\"'“‘«")
    return Scored(total, kind)
