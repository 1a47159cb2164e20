"""Text in NFC, and whether it is already, faster than the quick check where the script is full of marks.

The quick check of UAX #15 answers "maybe" at every nukta, and then the whole text is composed to see.
Here the text is composed only where something can change: a character that NFC never keeps, two marks
that could be out of order, or a mark right after a letter with which it composes. Measured on Hindi
prose, docs/results/corpus.md.

Source: UAX #15, section 9 (quick check) and section 3.11 D117 of the Unicode standard (primary
composites).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from functools import cache


def is_composed(text: str) -> bool:
    """Whether the text is in NFC."""
    if text.isascii() or not _doubtful().search(text):
        return True
    return unicodedata.is_normalized("NFC", text)


def composed(text: str, counts: Counter[str]) -> str:
    """The text in NFC; counts the lines that changed, as nfc."""
    if is_composed(text):
        return text
    after = unicodedata.normalize("NFC", text)
    pairs = zip(text.split("\n"), after.split("\n"), strict=True)
    counts["nfc"] += sum(old != new for old, new in pairs)
    return after


@cache
def _doubtful() -> re.Pattern[str]:
    """Where NFC may change something; built from the Unicode data of this Python, 0.1 s once."""
    never, marks = [], []
    before: defaultdict[str, list[str]] = defaultdict(list)
    for code in range(0xC0, 0x10000):
        character = chr(code)
        if unicodedata.combining(character):
            marks.append(character)
        parts = unicodedata.decomposition(character)
        if not parts or parts[0] == "<":
            continue
        if unicodedata.normalize("NFC", character) != character:
            never.append(character)
        else:
            first, second = parts.split()
            before[chr(int(second, 16))].append(chr(int(first, 16)))
    jamo = "\u1161-\u1175\u11a8-\u11c2"  # Hangul composes by arithmetic: UAX #15, section 3.12
    groups: defaultdict[str, str] = defaultdict(str)
    for second, firsts in before.items():
        groups["".join(firsts)] += second
    mark_set = "".join(marks)
    pairs = "".join(f"|(?<=[{firsts}][{then}])" for firsts, then in groups.items())
    always = f"{''.join(never)}{jamo}\U00010000-\U0001efff\U0001fb00-\U0010ffff"  # emoji are safe
    start = f"{mark_set}{''.join(before)}{always}"
    return re.compile(f"[{start}](?:(?<=[{always}])|[{mark_set}]{pairs})")
