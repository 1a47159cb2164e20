"""The characters that get a token of their own, and the smallest vocabulary that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from mishran.config_tokenizer import SPECIAL
from mishran.errors import ConfigError
from mishran.tokenizer.pretokens import split
from mishran.tokenizer.words import Words

BYTES = tuple(f"<0x{b:02X}>" for b in range(256))


@final
@dataclass(frozen=True)
class Alphabet:
    """characters: by code point. coverage: language -> share of its text's characters that they are."""

    characters: tuple[str, ...]
    coverage: Mapping[str, float]


def alphabet_of(tables: Mapping[str, Words], coverage: float) -> Alphabet:
    """For each language its most frequent characters, until they are so much of its text; all together.

    Rare ones are left to bytes, and so are tabs, line breaks and control characters: each is one byte. So
    is U+2581, which SentencePiece means a space with.
    Each language counts for itself, so that shares of text do not decide whose letters get tokens.

    Args:
        coverage: share of the characters of each language, in (0, 1].

    Source: `character_coverage` of SentencePiece (Kudo and Richardson 2018, arXiv 1808.06226).
    """
    sums = {language: _characters(table.counts) for language, table in tables.items()}
    chosen: set[str] = set()
    for counts in sums.values():
        covered, total = 0.0, sum(counts.values())
        for character, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
            if covered >= coverage * total:
                break
            chosen.add(character)
            covered += count
    reached = {
        language: sum(n for c, n in counts.items() if c in chosen) / max(1, sum(counts.values()))
        for language, counts in sums.items()
    }
    return Alphabet(tuple(sorted(chosen)), reached)


def _characters(counts: Mapping[str, float]) -> dict[str, float]:
    import regex

    left_out = regex.compile(r"[^\S ]|\u2581|[\p{C}--\p{Cf}]", flags=regex.V1)
    sums: dict[str, float] = {}
    for word, count in counts.items():
        for character in word:
            sums[character] = sums.get(character, 0) + count
    return {c: n for c, n in sums.items() if not left_out.match(c)}


def inside(weights: Mapping[str, float], alphabet: Alphabet) -> dict[str, float]:
    """The table with every word cut where a character is not of the alphabet, which is left out."""
    known = frozenset(alphabet.characters)
    out: dict[str, float] = {}
    for word, weight in sorted(weights.items()):  # parts are summed in one order
        if known.issuperset(word):
            out[word] = out.get(word, 0.0) + weight
            continue
        part = ""
        for character in [*word, ""]:
            if character and character in known:
                part += character
            elif part:
                out[part] = out.get(part, 0.0) + weight
                part = ""
    return out


def smallest(alphabet: Alphabet, extra: Sequence[str] = ()) -> int:
    """Tokens that every vocabulary needs: special ones, bytes and the alphabet."""
    return len(SPECIAL) + len(extra) + len(BYTES) + len(alphabet.characters)


def check_special(extra: Sequence[str]) -> None:
    """No word of a text is a special token: pre-tokens cut each in two or more.

    Raises:
        ConfigError: one that is a single pre-token. Learned as a word, it would have the special one's id.
    """
    for token in extra:
        if len(split(token)) == 1:
            raise ConfigError(
                expected="special tokens of letters and signs, which no word of a text is",
                found=repr(token),
                where="special_tokens",
                fix="write it like <|user|>",
            )


def check_vocabulary(
    vocabulary: int, alphabet: Alphabet, extra: Sequence[str], where: str = "vocabulary"
) -> None:
    """There is room for the alphabet and something to learn.

    Raises:
        ConfigError: there is not.
    """
    least = smallest(alphabet, extra) + 1
    if vocabulary < least:
        raise ConfigError(
            expected=f"a vocabulary of at least {least:,} ({len(SPECIAL) + len(extra)} special tokens, "
            f"256 bytes, {len(alphabet.characters):,} characters of the text, one to learn)",
            found=f"{vocabulary:,}",
            where=where,
            fix="make it larger, or lower character_coverage",
        )
