"""What the pages of measurements are made of: parts that scripts printed, and remarks on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def sections(text: str) -> dict[str, str]:
    """Remarks by part: what stands below `## name`, and before the first."""
    out = {"": ""}
    name = ""
    for line in text.splitlines():
        if line.startswith("## "):
            name = line[3:].strip()
            out[name] = ""
        else:
            out[name] += line + "\n"
    return out


def lowered(text: str) -> str:
    """Headings of a part below the heading of its section."""
    lines = []
    for line in text.strip().splitlines():
        mark = line.partition(" ")[0]
        if mark and set(mark) == {"#"}:
            line = "###" + line[min(len(mark), 3) :] if len(mark) < 4 else line
        lines.append(line)
    return "\n".join(lines)


def page(
    title: str, head: str, work: Path, remarks: Mapping[str, str], headings: Mapping[str, str]
) -> str:
    """The page: a heading, an anchor and the remarks for every part that is there as `NAME.md`.

    Args:
        head: lines below the general remarks: machine, versions, the command that makes the page again.
        headings: part -> heading, in order; the part is the anchor.
    """
    left = dict(remarks)
    lines = [f"# {title}", "", left.pop("", "").strip(), "", head]
    for name, heading in headings.items():
        part = work / f"{name}.md"
        said = left.pop(name, "").strip()
        if part.is_file():
            lines += ["", f'<a id="{name}"></a>', "", f"## {heading}", "", said, ""]
            lines.append(lowered(part.read_text(encoding="utf-8")))
    assert not left, f"remarks on no part: {', '.join(left)}"
    return "\n".join(lines).strip() + "\n"
