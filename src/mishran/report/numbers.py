"""Numbers for people. What was not measured is a dash, never 0."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

DASH = "–"
MINUS = "−"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Measure:
    """A number with its name and what it means."""

    name: str
    value: str
    meaning: str


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _signs(text: str) -> str:
    """A true minus sign, and none before a number that rounds to zero."""
    if text.startswith("-"):
        return text[1:] if not text.strip("-0.") else MINUS + text[1:]
    return text


def number(value: float | None, digits: int = 3) -> str:
    """Fixed point: 0.412. Ties go up, and a solver's 6.2499999999 % reads as 6.25 %."""
    if _missing(value):
        return DASH
    if abs(value) >= 1e15:  # no digits after the point are left
        return compact(value)
    exact = Decimal(repr(round(float(value), digits + 6)))
    return _signs(str(exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)))


def compact(value: float | None, digits: int = 3) -> str:
    """Significant digits, for numbers of any size: 0.0123, 4.6 × 10⁻¹⁷, ∞."""
    if value is not None and math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    if _missing(value):
        return DASH
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    if not power:
        return _signs(mantissa)
    return f"{_signs(mantissa)}\u202f×\u202f10{str(int(power)).translate(SUPERSCRIPT)}"


def integer(value: float | None) -> str:
    """With a narrow space for thousands: 25 000."""
    return DASH if _missing(value) else _signs(f"{value:,.0f}").replace(",", "\u202f")


def percent(value: float | None, digits: int = 1) -> str:
    """Of a share: 0.1234 is 12.3 %."""
    return DASH if _missing(value) else number(100 * value, digits) + "\u202f%"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    if _missing(low) or _missing(high):
        return DASH
    return f"{number(low, digits)} to {number(high, digits)}"


def percent_interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """One unit for both ends: 3.1 to 7.4 %."""
    if _missing(low) or _missing(high):
        return DASH
    return f"{number(100 * low, digits)} to {percent(high, digits)}"


def epochs(value: float | None) -> str:
    return DASH if _missing(value) else number(value, 2 if value < 10 else 1)


def names(items: Sequence[str], most: int = 4) -> str:
    """`a, b and c`; after `most` the rest is counted."""
    items = list(items)
    if len(items) > most + 1:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def listed(items: Iterable[str], most: int = 4) -> str:
    """`a, b, c`; after `most` an ellipsis."""
    items = list(items)
    return ", ".join(items[:most]) + (", …" if len(items) > most else "")


def code_parts(text: str) -> list[tuple[str, bool]]:
    """Text with `code` in backticks as (part, is code), without the backticks."""
    parts = re.split("`([^`]*)`", text)
    return [(part, i % 2 == 1) for i, part in enumerate(parts) if part]
