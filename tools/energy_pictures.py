"""The two pictures of docs/guide/energy.md, drawn from the numbers that the page shows.

    python tools/energy_pictures.py          (a second)

Writes docs/images/energy-three.svg and docs/images/energy-path.svg. Colours: Okabe and Ito, 2008.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from mishran.affinity import matrix_affinity, read_matrix
from mishran.energy import follow
from mishran.types import Affinity

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/guide/energy.md"
COLOURS = ["#e69f00", "#f5c761", "#56b4e9", "#009e73", "#66c4a9", "#cc79a7"]
LABELS = 1.3  # t where all bands are high enough for their names
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" '
    'font-size="13" role="img" aria-label="{label}">\n<rect width="{w}" height="{h}" fill="white"/>'
)


def three() -> str:
    """Discs as large as weights, as far apart as the tasks are, at three values of t."""
    similarity = matrix_affinity(
        ["add", "subtract", "chess"], [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]
    )
    path = follow(similarity)
    label = "The shares of add, subtract and chess at t = 0, 1 and 4.5"
    out = [HEAD.format(w=720, h=250, label=label)]
    # add and subtract are sqrt(2 - 2 x 0.5) = 1 apart, chess sqrt(2) from both.
    places = {"add": (0.0, 0.5), "subtract": (0.0, -0.5), "chess": (np.sqrt(2 - 0.25), 0.0)}
    for k, t in enumerate((0.0, 1.0, 4.5)):
        left = 240 * k
        shares = dict(zip(path.names, path.at(t), strict=True))
        ends = [
            f"{left + 56 + 100 * x:.1f} {115 - 100 * y:.1f}" for x, y in map(places.get, shares)
        ]
        out.append(f'<path d="M{" L".join(ends)} Z" fill="none" stroke="#bbb"/>')
        for name, colour in zip(shares, (COLOURS[0], COLOURS[1], COLOURS[5]), strict=True):
            x, y = places[name]
            x, y = left + 56 + 100 * x, 115 - 100 * y
            radius = 62 * np.sqrt(shares[name])
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"/>')
            out.append(f'<text x="{x:.1f}" y="{y - 2:.1f}" text-anchor="middle">{name}</text>')
            share = f"{100 * shares[name]:.1f} %"
            out.append(f'<text x="{x:.1f}" y="{y + 14:.1f}" text-anchor="middle">{share}</text>')
        title = f"t = {t:g}, effective tasks {path.effective(t):.2f}"
        out.append(f'<text x="{left + 120}" y="240" text-anchor="middle">{title}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def along(affinity: Affinity) -> str:
    """Weights along t as a stack, and effective tasks below."""
    path, end = follow(affinity), 5.5
    ts = np.append(path.ts[path.ts < end], end)
    edges = np.column_stack([np.zeros(len(ts)), np.cumsum(path.at(ts), axis=1)])

    def x(t: float) -> float:
        return 60 + 600 * t / end

    def y(share: float) -> float:
        return 240 - 220 * share

    def below(effective: float) -> float:
        return 370 - 15 * effective

    out = [HEAD.format(w=700, h=420, label="Weights and effective tasks along t")]
    for i, colour in enumerate(COLOURS):
        lower = [f"{x(t):.1f},{y(v):.1f}" for t, v in zip(ts, edges[:, i], strict=True)]
        upper = [f"{x(t):.1f},{y(v):.1f}" for t, v in zip(ts, edges[:, i + 1], strict=True)]
        corners = " ".join([*lower, *reversed(upper)])
        out.append(f'<polygon points="{corners}" fill="{colour}" stroke="white"/>')
    at_label = path.at(LABELS)
    for name, share, top in zip(path.names, at_label, np.cumsum(at_label), strict=True):
        middle = y(top - share / 2) + 4
        out.append(f'<text x="{x(LABELS):.1f}" y="{middle:.1f}" text-anchor="middle">{name}</text>')
    for share in (0.0, 0.5, 1.0):
        at = y(share) + 4
        out.append(f'<text x="54" y="{at:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
    for count in (1, 3, 6):
        at = below(count)
        out.append(f'<line x1="60" x2="660" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="54" y="{at + 4:.1f}" text-anchor="end">{count}</text>')
    curve = zip(*path.curve(111, end), strict=True)
    points = " ".join(f"{x(t):.1f},{below(count):.1f}" for t, count in curve)
    out.append(f'<polyline points="{points}" fill="none" stroke="#333" stroke-width="2"/>')
    out.append('<text x="660" y="300" text-anchor="end">effective tasks</text>')
    for t, words in (
        (0.0, "0"),
        (1.0, "1 uniform"),
        (2.0, "2"),
        (3.0, "3"),
        (4.0, "4"),
        (5.0, "5"),
    ):
        out.append(f'<text x="{x(t):.1f}" y="390" text-anchor="middle">{words}</text>')
    one = f"{x(1.0):.1f}"
    out.append(f'<line x1="{one}" x2="{one}" y1="20" y2="370" stroke="#333" stroke-dasharray="4"/>')
    out.append(f'<text x="{x(0.5):.1f}" y="412" text-anchor="middle">diverse</text>')
    out.append(f'<text x="{x(3.25):.1f}" y="412" text-anchor="middle">central</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def pictures() -> dict[str, str]:
    """File name -> SVG."""
    table = re.findall(r"^```csv\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "similarity.csv"
        file.write_text(table)
        affinity = read_matrix(file)
    return {"energy-three.svg": three(), "energy-path.svg": along(affinity)}


if __name__ == "__main__":
    for name, text in pictures().items():
        (ROOT / "docs/images" / name).write_text(text)
