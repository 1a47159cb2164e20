"""How an open page looks: what stands out from its ground, sticks out, or overlaps."""

from __future__ import annotations


def contrast(one: str, other: str) -> float:
    """The ratio of two CSS colours, 1 to 21; AA asks for 4.5."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(css: str) -> float:
    channels = [int(c) / 255 for c in css.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrasts(page, selector: str) -> list[tuple[float, str]]:
    """Contrast and text of every place that has some."""
    pairs = page.evaluate(
        """selector => {
            const ground = node => {
                while (getComputedStyle(node).backgroundColor === 'rgba(0, 0, 0, 0)')
                    node = node.parentElement;
                return getComputedStyle(node).backgroundColor;
            };
            return [...document.querySelectorAll(selector)]
                .filter(one => one.textContent.trim())
                .map(one => [getComputedStyle(one).color, ground(one), one.textContent]);
        }""",
        selector,
    )
    return [(contrast(ink, ground), text) for ink, ground, text in pairs]


def sticking_out(page) -> list[str]:
    """What is shown beyond the edges of the window, but for what scrolls."""
    return page.evaluate(
        """() => [...document.querySelectorAll('main *, header *')].filter(node => {
            if (node.closest('.scroll, svg, .hidden, [hidden]')) return false;
            const box = node.getBoundingClientRect();
            return box.width && (box.right > innerWidth + 1 || box.left < -1);
        }).map(node => node.outerHTML.slice(0, 80))"""
    )


def overlapping(page, rows: str) -> int:
    """Rows of a table in which two cells lie over each other."""
    return page.evaluate(
        """rows => [...document.querySelectorAll(rows)].filter(row => {
            const boxes = [...row.cells].map(cell => cell.getBoundingClientRect())
                .filter(box => box.width && box.height);
            return boxes.some((a, i) => boxes.some((b, j) => i < j
                && a.left < b.right - 1 && b.left < a.right - 1
                && a.top < b.bottom - 1 && b.top < a.bottom - 1));
        }).length""",
        rows,
    )
