"""Unicode repair: broken encodings, invisible characters, line ends, NFC.

When: first of all steps; every later rule counts characters and words and would count debris. The
trade-off is between what is invisible and what carries meaning: joiners are part of the spelling in
Indic and Arabic scripts and part of emoji, direction marks matter where right-to-left letters are. They
stay there and go elsewhere. Mojibake whose bytes were lost on the way (C1 controls dropped, for one)
cannot be decoded and stays as it is.

Clean text costs one scan by a character class, one search for pairs of which mojibake consists, and the
NFC quick check; ftfy is imported only for a line in which such a pair occurs.

Source: Unicode 15, chapter 23 (special characters), UAX #9 (bidi), UAX #15 (NFC); RFC 5892 appendix A
(where ZWJ and ZWNJ are part of a spelling); the windows-1252 index of the WHATWG Encoding Standard for
C1; mojibake by ftfy (Speer 2019, doi 10.5281/zenodo.2591652).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache

from mishran.corpus.composed import composed
from mishran.corpus.edited import Edited, edited
from mishran.corpus.invisible import BIDI, ZERO_WIDTH, balanced_bidi, zero_width

# Everything that needs no look. Left out: controls, soft hyphen, format characters, line and paragraph
# separators, surrogates, private use, noncharacters, tags.
_PLAIN = (
    "\t\n -~\xa0-\xac\xae-\u061b\u061d-\u200a\u2010-\u2027\u202f-\u205f\u2061-\u2065\u2070-\ud7ff"
    "\uf900-\ufdcf\ufdf0-\ufefe\uff00-\ufff8\ufffd\U00010000-\U0001fffd\U00020000-\U0002fffd"
    "\U00030000-\U0003fffd\U000e0100-\U000e01ef"
)
_SUSPECT = re.compile(f"[^{_PLAIN}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c\u2028\u2029]")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # ECMA-48, 5.4: control sequences of terminals
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
_ENDS = "".join(
    chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF)
)
_NONCHARACTER = re.compile(f"[\ufdd0-\ufdef{_ENDS}]")
_INVISIBLE = re.compile("[\u206a-\u206f\ufff9-\ufffc]")  # deprecated format, annotations, objects
_TAG = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\U000e0000-\U000e007f]")
_BOM, _SOFT_HYPHEN = re.compile("\ufeff"), re.compile("\xad")

# The 27 C1 codes that windows-1252 gives a character; read as Latin-1 they became controls.
_C1 = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_ENCODINGS = "latin-1 cp1252 cp1251 cp1250 cp1253 cp1254 cp1257 iso8859-2 mac_roman cp437"
# Debris that is shown, not damage: "é" is read as "Ã©". Without a letter of ASCII in it, it is no word.
_QUOTED = re.compile(r"(?<=[\"'`“‘«(\[])[^\s\"'`“”‘’«»()\[\]A-Za-z]{1,8}(?=[\"'`”’»)\]])")
_PASSES = 16  # assumption; two are the rule, ftfy itself undoes nested mojibake


def repair(text: str) -> Edited:
    """Text without encoding debris, in NFC.

    Returns: The text and how often: lone-surrogate, surrogate-pair, line-break (\\r, \\v, \\f, U+2028,
        U+2029 to \\n), mojibake (lines decoded), c1-as-windows-1252, control, terminal-escape, bom,
        bidi-control, zero-width, soft-hyphen, private-use, noncharacter, tag-character,
        invisible-format, nfc (lines that changed).
    """
    counts: Counter[str] = Counter()
    now = text
    for _ in range(_PASSES):
        before = now
        now = _once(now, counts)
        if now == before:  # what one rule uncovers, another may concern
            break
    return edited(text, now, counts)


def _once(text: str, counts: Counter[str]) -> str:
    found = _suspects(text)
    if found:
        text = _surrogates(text, found, counts)
        text = _sub(_LINE_BREAK, "\n", text, found, counts, "line-break")
    if not text.isascii() and _mojibake_pair().search(text):
        text = _mojibake(text, counts)
        found = _suspects(text)
    if found:
        text = _invisible(text, found, counts)
    return composed(text, counts)


def _suspects(text: str) -> str:
    """The suspect characters that occur, once each: a rule that concerns none of them costs nothing."""
    return "".join(sorted(set(_SUSPECT.findall(text))))


def _sub(
    pattern: re.Pattern[str],
    new: str | Callable[[re.Match[str]], str],
    text: str,
    found: str,
    counts: Counter[str],
    slug: str,
) -> str:
    if pattern.search(found):
        text, n = pattern.subn(new, text)
        counts[slug] += n
    return text


def _surrogates(text: str, found: str, counts: Counter[str]) -> str:
    if not _SURROGATE.search(found):
        return text

    def join(pair: re.Match[str]) -> str:
        high, low = (ord(half) for half in pair.group())
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)

    text, n = _PAIR.subn(join, text)
    counts["surrogate-pair"] += n
    return _sub(_SURROGATE, "\ufffd", text, found, counts, "lone-surrogate")


@cache
def _mojibake_pair() -> re.Pattern[str]:
    """A lead byte of UTF-8 and a continuation byte, as one of the encodings that ftfy undoes shows them.

    Typographic punctuation is no lead: it is one in MacRoman only, and everywhere in clean prose.
    """
    encodings = _ENCODINGS.split(" ")
    follows: defaultdict[str, set[str]] = defaultdict(set)
    for encoding in encodings:

        def shown(codes: range, encoding: str = encoding) -> set[str]:
            return {bytes([c]).decode(encoding, "ignore") for c in codes} - {""}

        for lead in shown(range(0xC2, 0xF5)) - set("‐–—‘’“”… "):
            follows[lead] |= shown(range(0x80, 0xC0))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for lead in sorted(follows):
        groups["".join(map(re.escape, sorted(follows[lead])))].append(lead)
    leads = "".join(map(re.escape, sorted(follows)))
    pairs = "|".join(f"(?<=[{''.join(map(re.escape, of))}])[{then}]" for then, of in groups.items())
    return re.compile(f"[{leads}](?:{pairs}|(?<=[\xc2\xc3])[ ])")  # a space where U+00A0 was


def _mojibake(text: str, counts: Counter[str]) -> str:
    import ftfy

    # Encoding only: no quotes, ligatures, widths, entities, escapes.
    config = ftfy.TextFixerConfig(explain=False)
    pair = _mojibake_pair()
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if not line.isascii() and pair.search(line) and pair.search(_QUOTED.sub("", line)):
            fixed = ftfy.fix_encoding(line, config)
            if fixed != line:
                lines[i] = fixed
                counts["mojibake"] += 1
    return "\n".join(lines)


def _invisible(text: str, found: str, counts: Counter[str]) -> str:
    text = _sub(_LINE_BREAK, "\n", text, found, counts, "line-break")  # those that mojibake hid
    if "\x1b" in found:
        text, n = _ESCAPE.subn("", text)
        counts["terminal-escape"] += n
    if _CONTROL.search(found):
        controls = _CONTROL.findall(text)
        shown = sum(ord(c) in _C1 for c in controls)
        counts["c1-as-windows-1252"] += shown
        counts["control"] += len(controls) - shown
        text = _CONTROL.sub(lambda m: _C1.get(ord(m.group()), ""), text)
    text = _sub(_BOM, "", text, found, counts, "bom")
    text = _sub(_SOFT_HYPHEN, "", text, found, counts, "soft-hyphen")
    text = _sub(_PRIVATE, "", text, found, counts, "private-use")
    text = _sub(_NONCHARACTER, "", text, found, counts, "noncharacter")
    text = _sub(_INVISIBLE, "", text, found, counts, "invisible-format")
    for pattern, keep, slug in (
        (_TAG, lambda run: run.group(1) or "", "tag-character"),
        (ZERO_WIDTH, zero_width, "zero-width"),
    ):
        if pattern.search(found):
            before = len(text)
            text = pattern.sub(keep, text)
            counts[slug] += before - len(text)
    return balanced_bidi(text, counts) if BIDI.search(found) else text
