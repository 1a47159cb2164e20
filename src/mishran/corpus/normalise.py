"""Script normalisation for Indic languages: one spelling where Unicode allows several.

When: after `repair`, for languages whose script the Indic NLP library knows; others pass untouched.
The library's normaliser does the work, but not all of it, since some of its rules destroy text:

- `|` becomes a danda, `:` after a letter a visarga: breaks tables, times, "naam: Ram". Shielded.
- a dash becomes ` - `, two apostrophes a quotation mark (wiki, code), an ellipsis three dots. Shielded.
- ZWJ and ZWNJ are deleted, though they spell (the half ra of Nepali and Marathi). Shielded; `repair` has
  judged them. A Malayalam chillu written with ZWJ does become its own character.
- U+0972 becomes U+090F (another vowel in Marathi), Odia U+0B35 becomes U+0B2C (another consonant),
  Malayalam U+0D57 becomes U+0D4C (the older spelling), Bengali U+09F7 a danda (it is a number).
  Shielded.
- U+200B becomes a space, inside words too. Shielded.

What remains of it: the generic danda for the script's reserved codes, vowels written in two parts, one
form of independent vowels (Gurmukhi, Odia), chillus (Malayalam), no-break spaces as spaces; byte order
mark, word joiner and soft hyphen deleted. In Devanagari that is little once the text is in NFC, and NFC
comes last, since the library takes U+0929, U+0931 and U+0934 apart.

Source: indic-nlp-library 0.92, normalize/indic_normalize.py (Kunchukuttan 2020); Unicode 15, chapter 12.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache

from mishran.corpus.composed import composed
from mishran.corpus.edited import Edited, edited
from mishran.corpus.tags import lookup

# Language -> the library's name for it and the script that its rules are for. Not Urdu: the library needs
# another package for it, which puts spaces around punctuation.
_LANGUAGES = {
    **{tag: (tag, "Deva") for tag in ("hi", "mr", "ne", "sa")},
    "sd-Deva": ("sd", "Deva"),
    "kok": ("kK", "Deva"),
    "as": ("as", "Beng"),
    "bn": ("bn", "Beng"),
    "gu": ("gu", "Gujr"),
    "kn": ("kn", "Knda"),
    "ml": ("ml", "Mlym"),
    "or": ("or", "Orya"),
    "pa": ("pa", "Guru"),
    "ta": ("ta", "Taml"),
    "te": ("te", "Telu"),
}
_BLOCKS = {  # Unicode blocks; Devanagari needs no pass: what the library changes there, NFC decides
    "Beng": "\u0980-\u09ff",
    "Gujr": "\u0a80-\u0aff",
    "Guru": "\u0a00-\u0a7f",
    "Knda": "\u0c80-\u0cff",
    "Mlym": "\u0d00-\u0d7f",
    "Orya": "\u0b00-\u0b7f",
    "Taml": "\u0b80-\u0bff",
    "Telu": "\u0c00-\u0c7f",
}
# Left as they are; a joiner only where it writes no chillu (na, nna, ra, la, lla, ka with virama).
_SHIELDED = re.compile(
    "([|:'\u2013\u2014\u2026\u2018-\u201a\u201c-\u201e\xb4\u0972\u09f7\u0b35\u0d57\u200b\u200c]+"
    "|(?<![\u0d15\u0d23\u0d28\u0d30\u0d32\u0d33]\u0d4d)\u200d)"
)
_SPACES = re.compile("\xa0")
_FORMAT = re.compile("[\xad\u2060\ufeff\ufffe]")


def normalise(text: str, language: str) -> Edited:
    """The text in the one spelling of its script, in NFC.

    Args:
        language: "hi", "bn"...; unknown languages and other scripts ("hi-Latn") are left alone.

    Returns:
        The text and how often: no-break-space, format-character, script-form (words respelled),
        nfc (lines recomposed).
    """
    counts: Counter[str] = Counter()
    now = text
    known = lookup(_LANGUAGES, language)
    if known is not None and not now.isascii():
        now, counts["no-break-space"] = _SPACES.subn(" ", now)
        now, counts["format-character"] = _FORMAT.subn("", now)
        now = composed(now, counts)
        now = _respelled(now, *known, counts)
    return edited(text, now, counts)


def _respelled(text: str, name: str, script: str, counts: Counter[str]) -> str:
    block = _BLOCKS.get(script, "\u0964")
    if script == "Deva" or not re.search(f"[{block}]", text):
        return text
    change = _normaliser(name)
    # Between two shielded pieces no rule can look across: all of them concern neighbouring letters.
    pieces = [piece if i % 2 else change(piece) for i, piece in enumerate(_SHIELDED.split(text))]
    after = unicodedata.normalize("NFC", "".join(pieces))
    if after != text:
        words = zip(text.split(), after.split(), strict=True)  # no rule left touches white space
        counts["script-form"] += sum(old != new for old, new in words)
    return after


@cache
def _normaliser(name: str) -> Callable[[str], str]:
    from indicnlp.normalize.indic_normalize import IndicNormalizerFactory

    normalize: Callable[[str], str] = IndicNormalizerFactory().get_normalizer(name).normalize
    return normalize
