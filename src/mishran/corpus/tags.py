"""What a table has for a language tag: one rule for bounds, phrases, signs, patterns and spellings.

A region or variant says nothing about the words ("hi-IN" is "hi"), and neither does the script in which a
language is usually written ("hi-Deva" is "hi"). Another script is another language here: bounds on
characters and lists of words do not carry over ("hi-Latn" is not "hi").

Source: the usual scripts are those of Unicode CLDR, likelySubtags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

_USUAL = {
    **dict.fromkeys(("bho", "hi", "kok", "mr", "ne", "sa"), "Deva"),
    **dict.fromkeys(("as", "bn"), "Beng"),
    "en": "Latn",
    "gu": "Gujr",
    "kn": "Knda",
    "ml": "Mlym",
    "or": "Orya",
    "pa": "Guru",
    "sd": "Arab",
    "ta": "Taml",
    "te": "Telu",
    "ur": "Arab",
}


def lookup(table: Mapping[str, T], tag: str) -> T | None:
    """The entry of a language; None where there is none in its script.

    Args:
        table: by language ("hi"), or language and script where it is not the usual one ("hi-Latn").
        tag: "hi", "hi-IN", "hi-Deva", "hi-Latn-IN" ...
    """
    base, *rest = tag.split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), None)
    return table.get(base if script in (None, _USUAL.get(base)) else f"{base}-{script}")
