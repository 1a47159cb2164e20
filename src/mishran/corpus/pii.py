"""Personal data out of text: each number or address replaced by a fixed placeholder.

When: after `repair` and HTML, before deduplication (two pages that differ in a phone number are
duplicates). The rules want form and proof: a card number its issuer's digits and the Luhn digit, an
Aadhaar number the Verhoeff digit, a phone number a form that prices, dates, ISBNs, versions, page
ranges and decimals do not have. The trade-off: a foreign number in a local form without its country
code is missed unless a word for telephone stands before it, and one random 12-digit number in ten looks
like an Aadhaar number. Digits of any script are read. Where two readings overlap the longer wins, then
the more specific one.

Source: E.164 (phone), TRAI numbering plan 2003 (India: mobile 6 to 9 and nine digits; area code and
number ten digits), RFC 5322 (e-mail, the form in use), ISO/IEC 7812 (cards), UIDAI (Aadhaar: 12 digits,
the first 2 to 9; masked: the last four), Income Tax Department (PAN: five letters, the fourth the kind
of holder, four digits, a letter), RBI (IFSC), NPCI (UPI ids), RFC 791 and RFC 4291 (IP addresses).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from mishran.corpus.edited import Edited, edited
from mishran.corpus.pii_forms import FINDERS, Span
from mishran.errors import ConfigError

DEFAULT_KINDS = ("email", "phone", "card", "aadhaar", "pan")
PLACEHOLDERS: Mapping[str, str] = {
    "email": "<EMAIL>",
    "phone": "<PHONE>",
    "card": "<CARD>",
    "aadhaar": "<AADHAAR>",
    "pan": "<PAN>",
    "ifsc": "<IFSC>",
    "upi": "<UPI>",
    "ip": "<IP>",
}
_SPECIFIC = ("aadhaar", "card", "pan", "ifsc", "email", "upi", "ip", "phone")  # first wins a tie
_PASSES = 16  # assumption; a second pass finds what a neighbour hid, a third nothing so far

_ASCII_DIGIT = {
    code: str(unicodedata.digit(chr(code)))
    for start in (0x660, 0x6F0, *range(0x966, 0xDF0, 0x80), 0xE50, 0xFF10)
    for code in range(start, start + 10)
    if unicodedata.category(chr(code)) == "Nd"
}
_OTHER_DIGIT = re.compile(f"[{''.join(map(chr, _ASCII_DIGIT))}]")
# What no personal data can do without; most texts end here.
_HINT = re.compile(r"[0-9](?:(?:[^\w\n]{0,3}[0-9]){6}|[0-9]{3}[A-Z])")
_HINT_WORDS = ("@", "at]", "at)", "at }", "at ]", "at )", "xxxx", "XXXX", "****")
# Each begins with a letter of its own, which `re` looks for much faster than for one of many.
_HINTS_MORE = tuple(
    map(re.compile, ("@", r":(?<=[0-9a-fA-F]:)", r"\.(?<=[0-9]\.)(?=[0-9])", "0[A-Z0-9]{6}"))
)


def replace_pii(text: str, kinds: Collection[str] = DEFAULT_KINDS) -> Edited:
    """Text with personal data replaced.

    Args:
        kinds: of email, phone, card, aadhaar, pan, ifsc, upi, ip.

    Returns:
        The text and how often each kind was replaced.

    Raises:
        ConfigError: an unknown kind.
    """
    unknown = sorted(set(kinds) - FINDERS.keys())
    if unknown:
        raise ConfigError(
            expected=f"a kind of personal data: {', '.join(FINDERS)}",
            found=repr(unknown[0]),
            where="replace_pii",
            fix="correct the name",
        )
    counts: Counter[str] = Counter()
    now = text
    for _ in range(_PASSES):
        before = now
        now = _once(now, kinds, counts)
        if now == before:
            break
    return edited(text, now, counts)


def _once(text: str, kinds: Collection[str], counts: Counter[str]) -> str:
    plain = text
    if not text.isascii() and _OTHER_DIGIT.search(text):
        plain = text.translate(_ASCII_DIGIT)  # one for one: places stay
    more = not set(kinds) <= set(DEFAULT_KINDS) and any(h.search(plain) for h in _HINTS_MORE)
    if not (more or any(word in plain for word in _HINT_WORDS) or _HINT.search(plain)):
        return text
    spans = sorted(
        (span for kind in sorted(kinds) for span in FINDERS[kind](plain)),
        key=lambda span: (span[0] - span[1], _SPECIFIC.index(span[2]), span[0]),
    )
    if not spans:
        return text
    pieces, at = [], 0
    for start, end, kind in sorted(_disjoint(spans)):
        pieces += [text[at:start], PLACEHOLDERS[kind]]
        counts[kind] += 1
        at = end
    return "".join([*pieces, text[at:]])


def _disjoint(spans: list[Span]) -> Iterator[Span]:
    """The first of those that overlap. All are shorter than 512 characters: neighbours are few."""
    taken: dict[int, list[Span]] = {}
    for span in spans:
        cells = range(span[0] >> 9, (span[1] >> 9) + 1)
        near = (other for cell in cells for other in taken.get(cell, ()))
        if all(span[1] <= other[0] or other[1] <= span[0] for other in near):
            for cell in cells:
                taken.setdefault(cell, []).append(span)
            yield span
