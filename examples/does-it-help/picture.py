"""The differences to uniform as a picture: every method a line, mean and 95 % interval over seeds."""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy as np

from mishran.comparison import Comparison

LEFT, WIDTH, ROW, TOP = 330, 430, 17, 46
TICKS = (-0.05, 0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
COLOURS = ("#1b6ca8", "#d1495b")
STYLE = "font:12px system-ui,sans-serif;fill:#222"


def forest(all_of: list[tuple[str, Comparison]]) -> str:
    """An SVG; the first comparison decides which methods there are and in what order."""
    found = [rows(c) for _, c in all_of]
    names = sorted(found[0], key=lambda name: found[0][name][0])
    height = TOP + ROW * len(names) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" '
        f'style="{STYLE};background:#fff">',
        f'<text x="{LEFT}" y="16">loss less that of uniform, nats per answer token; left is better</text>',
    ]
    for k, (label, _) in enumerate(all_of):
        x = LEFT + 190 * k
        parts.append(f'<circle cx="{x + 5}" cy="30" r="3.5" fill="{COLOURS[k]}"/>')
        parts.append(f'<text x="{x + 14}" y="34">{escape(label)}</text>')
    bottom = TOP + ROW * len(names)
    for tick in TICKS:
        x, colour = place(tick), "#222" if tick == 0 else "#ddd"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}" stroke="{colour}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
    for i, name in enumerate(names):
        y = TOP + ROW * (i + 0.5)
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        for k, of in enumerate(found):
            if name not in of:
                continue
            mean, low, high = (place(v) for v in of[name])
            at = y + (3 * k if name in found[-1] else 0)
            ends = f'x1="{low}" x2="{high}" y1="{at:.1f}" y2="{at:.1f}"'
            parts.append(f'<line {ends} stroke="{COLOURS[k]}" stroke-width="2"/>')
            parts.append(f'<circle cx="{mean}" cy="{at:.1f}" r="3.5" fill="{COLOURS[k]}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def rows(c: Comparison) -> dict[str, tuple[float, float, float]]:
    """Method -> difference and its interval, of those that have one."""
    out = {}
    for e in c.effects:
        d = e.difference
        if (e.group, e.measure) != (c.setting.primary, "loss") or d is None:
            continue
        out[e.method] = (
            d.mean,
            d.mean if d.low is None else d.low,
            d.mean if d.high is None else d.high,
        )
    return out


def place(value: float) -> float:
    """Even near 0, logarithmic far away: differences are a hundredth of a nat, or two."""
    low, high = (np.arcsinh(t / 0.05) for t in (TICKS[0] * 1.3, TICKS[-1]))
    return round(float(LEFT + WIDTH * (np.arcsinh(value / 0.05) - low) / (high - low)), 1)
