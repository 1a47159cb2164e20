"""How much words stand out from their ground, as WCAG 2.1 counts it."""

from __future__ import annotations


def contrast(one: str, other: str) -> float:
    """The ratio of two CSS colours, 1 to 21; AA asks for 4.5."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(css: str) -> float:
    channels = [int(c) / 255 for c in css.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
