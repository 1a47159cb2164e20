"""Which phrases of a language a piece of a line consists of.

The phrases of `boilerplate_phrases` are compiled once per language and found by the first letters of
their first word, so that a line without such words costs next to nothing. At every word the longest
phrase wins, from left to right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from mishran.corpus.boilerplate_phrases import PHRASES
from mishran.corpus.phrase_expressions import firsts, keys, spellings
from mishran.corpus.phrases import Phrases
from mishran.corpus.tags import lookup

MOST_WORDS = 14  # that a line of buttons has: assumption

_FOLD = {0x93C: "", 0x200C: "", 0x200D: "", 0x901: "\u0902", 0x2019: "'"}
_LETTER = r"\w\u0900-\u0963\u0966-\u0dff"  # dandas are none
_WORD = re.compile(rf"[{_LETTER}][{_LETTER}'-]*")
NAMES = ("link", "topic", "section")  # kinds that are no action

# Words too common to find phrases by, and those that are worse still: assumption.
_COMMON_WORDS = "this will me may go ask send might why first see"
_COMMON = frozenset(_COMMON_WORDS.split())
_PLAIN_WORDS = (
    "this will more like first know see out never why might off find back right under show"
    " people will enjoy rest save try got buy open close home play return report friend"
)
_PLAIN = frozenset(_PLAIN_WORDS.split())

# What a word that is cut out at blanks may have around it.
_OPENING = ("", "(", "[", "*", "#", "»", "›", "→", "•")
_CLOSING = ("", *".,:;!?…।)]»›→*|", "...", ":-", "'s", "’s")

Phrase = tuple[re.Pattern[str], str, bool]  # expression, kind, do words before it belong to it


@dataclass(frozen=True)
class Table:
    """The phrases of a language, compiled.

    phrases: by the first letters of their first word.
    known: the first four letters of all words in phrases, or the shorter piece that is written out.
    heads: words one of which every action has, with the marks that may touch them.
    trigger: what a line needs for any banner.
    """

    phrases: Mapping[str, tuple[Phrase, ...]]
    known: frozenset[str]
    heads: frozenset[str]
    fillers: frozenset[str]
    tail: re.Pattern[str]
    trigger: re.Pattern[str]
    banners: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]


@dataclass(frozen=True)
class Reading:
    """What phrases make of a piece of a line.

    words: all; covered: those in phrases; actions: of these, those in what buttons say; kinds: of the
    phrases.
    """

    words: int
    covered: int
    actions: int
    fillers: int
    kinds: tuple[str, ...]

    def is_item(self) -> bool:
        return self.words > 0 and self.covered + self.fillers == self.words and self.covered > 0


def lowered(text: str) -> str:
    return text.lower().replace("\u093c", "").replace("\u0901", "\u0902")


def words_of(text: str) -> list[str]:
    text = text.casefold()
    return _WORD.findall(text if text.isascii() else text.translate(_FOLD))


def could_be_read(line: str, table: Table) -> bool:
    """Whether enough of the words of a line in lower case stand in phrases at all."""
    words = _WORD.findall(line)
    known = sum(
        word[:4] in table.known or word[:3] in table.known or word in table.fillers
        for word in words
    )
    return 0 < len(words) <= MOST_WORDS and known >= 0.4 * len(words)


def read(text: str, table: Table) -> Reading:
    """The longest phrase at every place, from left to right."""
    words = words_of(text)
    if not words or len(words) > MOST_WORDS:
        return Reading(len(words), 0, 0, 0, ())
    said = " ".join(words)
    kinds: list[str] = []
    covered = actions = fillers = at = place = 0
    loose = 0  # words before this one that are nothing yet
    phrases = table.phrases.get
    while at < len(words):
        end, kind, open_before = place, "", False
        word = words[at]
        for key in (word[:3], word[:2], word[:1])[: len(word)]:
            for expression, of, leads in phrases(key, ()):
                found = expression.match(said, place)
                if found is not None and found.end() > end:
                    end, kind, open_before = found.end(), of, leads
        if kind:
            n = said.count(" ", place, end) + 1
            before = min(loose, 3) if open_before else 0
            covered += n + before
            actions += n + before if kind not in NAMES else 0
            kinds.append(kind)
            at, place, loose = at + n, end + 1, 0
            continue
        if words[at] in table.fillers or words[at].isdigit():
            fillers += 1
        else:
            loose += 1
        place += len(words[at]) + 1
        at += 1
    return Reading(len(words), covered, actions, fillers, tuple(kinds))


@cache
def phrase_table(language: str) -> Table | None:
    own = lookup(PHRASES, language)
    if own is None:
        return None
    entries = [own, *(PHRASES[other] for other in own.also)]
    phrases: dict[str, list[Phrase]] = {}
    heads: set[str] = set()
    known: set[str] = set()
    common = frozenset(_fold(word) for entry in entries for word in entry.fillers.split())
    for entry in entries:
        kinds = {**entry.actions, "link": entry.links}
        kinds |= {"section": entry.sections, "topic": entry.topics}
        for kind, written in kinds.items():
            for phrase in written:
                leads = phrase.startswith("* ")
                expression = _expression(phrase.removeprefix("* ").removeprefix("*"), entry)
                compiled = re.compile(rf"(?:{expression})(?!\S)")
                if kind not in NAMES:
                    heads |= _heads(expression, common)
                known |= keys(expression, 4)
                for key in sorted(firsts(expression)):
                    phrases.setdefault(key, []).append((compiled, kind, leads))
    tails = "|".join(_expression(phrase, entry) for entry in entries for phrase in entry.tails)
    # Tails are cut from the text as it stands, nuktas and chandrabindu included.
    tails = re.sub("([कखगजडढफय])", "\\1\u093c?", tails).replace("\u0902", "[\u0901\u0902]")
    banners = [
        (kind, tuple(_fold(expression) for expression in alternative))
        for entry in entries
        for kind, alternatives in entry.banners.items()
        for alternative in alternatives
    ]
    return Table(
        phrases={key: tuple(of) for key, of in phrases.items()},
        known=frozenset(known),
        heads=frozenset(
            f"{before}{word}{after}" for word in heads for before in _OPENING for after in _CLOSING
        ),
        fillers=common,
        tail=re.compile(
            rf"(?<=[.!?।…\"”’)\]])\s{{1,3}}[\[(]?(?:{tails})\s{{0,3}}(?:[\])»›→>]|\.\.\.|…){{0,3}}\s*$",
            re.IGNORECASE,
        ),
        trigger=re.compile("|".join(sorted({alternative[0] for _, alternative in banners}))),
        banners=tuple((kind, tuple(map(re.compile, alternative))) for kind, alternative in banners),
    )


def _fold(expression: str) -> str:
    return expression.translate({0x93C: "", 0x901: "\u0902"})


def _expression(phrase: str, entry: Phrases) -> str:
    """A phrase as a regular expression over folded words."""
    for name, words in entry.lists.items():
        phrase = phrase.replace(f"{{{name}}}", f"({words})")
    phrase = re.sub(r"(?<![^ (|])\*(?: |(?=\())", r"(?:\\S+ ){0,3}", phrase)
    phrase = re.sub(r" \*(?=$|[)|])", r"(?: \\S+){0,3}", phrase)
    phrase = re.sub(r"(?<!\\)\((?!\?)", "(?:", phrase)
    return _fold(phrase)


def _heads(expression: str, common: frozenset[str]) -> set[str]:
    """Words one of which stands wherever the phrase does: of every spelling its least common one."""
    return {
        max(words, key=lambda word: (_rarity(word, common), len(word), word))
        for words in map(words_of, spellings(expression))
        if words
    }


def _rarity(word: str, common: frozenset[str]) -> int:
    return 0 if word in _COMMON else 1 if word in _PLAIN else 0 if word in common else 2
