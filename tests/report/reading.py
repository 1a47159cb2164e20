"""A page as its reader gets it: tags that close, text, and the attributes that could load something."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = ("meta", "link", "input", "br")


class Reader(HTMLParser):
    """Fails where a tag is closed that is not open, or an attribute runs something.

    tags: in order. links: what could be loaded. text: but for the style. stack: what is open at the end.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.stack: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]
        assert not [k for k, _ in attrs if k.startswith("on")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.text += data
