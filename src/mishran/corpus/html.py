"""HTML out of text: whole pages through trafilatura, stray tags and entities by rule.

When: after `repair`, on crawled or scraped text. What looks like markup often is none: "a < b",
List<String>, <unk>, <name@example.com>, XML samples, JSX. So only names of HTML elements count, in
lower or upper case, with attributes as HTML writes them, and an opening tag with neither attributes nor
an end tag in the text is a tag only where HTML needs no end tag (<br>, and <p>, <li>... beside other
markup). Markdown code is left as it is, and so is what stands between the tags of an element that HTML
does not know (<note>, <Sandpack>).

Entities are decoded until none is left (a second run must find nothing to do), and the tags that appear
by this go too: escaped markup outside of code is taken for dirt. Escaped `|` stays: it is there for a
table.

A whole page is text that begins with an HTML doctype, <html>, <head> or <body>. Where trafilatura finds
no main text, the rule for stray tags does the work.

Source: HTML Living Standard, section 4 (elements) and 13.1.2 (tags, optional tags); trafilatura
(Barbaresi 2021, ACL system demonstrations), the extractor of RefinedWeb (arXiv 2306.01116) and FineWeb
(2406.17557).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from mishran.corpus.code_spans import Spans, code_spans, merged, outside
from mishran.corpus.edited import Edited, edited
from mishran.errors import DependencyError, first_line


def _names(written: str) -> frozenset[str]:
    return frozenset(written.split())


_VOID = _names("area base basefont br col embed hr img input link meta param source track wbr")
_OPTIONAL_END = _names(
    "p li dt dd tr td th thead tbody tfoot option optgroup colgroup html head body"
)
_INLINE = _names(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q"
    " ruby rb rp rt rtc"
    " s samp small span strike strong sub sup time tt u var"
)
_BLOCK = _names(
    "address applet article aside audio blockquote button canvas caption center datalist"
    " details dialog dir"
    " div dl fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 header"
    " hgroup legend main"
    " map marquee menu meter noframes object ol output picture pre progress search section"
    " summary table"
    " textarea title ul video"
)
# Gone with all that is in them: no text for a reader, or navigation.
_WHOLE = _names("script style noscript template iframe svg select nav")
_NAMES = _VOID | _OPTIONAL_END | _INLINE | _BLOCK | _WHOLE
_NO_BREAK = _INLINE | (_VOID - {"br", "hr"})
_BOOLEAN = _names(
    "allowfullscreen async autofocus autoplay checked compact controls default defer disabled"
    " formnovalidate"
    " hidden inert ismap itemscope loop multiple muted nomodule noshade novalidate nowrap open"
    " playsinline"
    " readonly required reversed selected"
)

_NAME = r"[A-Za-z_:@*][\w:.@-]{0,60}+"
_VALUE = r"""\s{0,3}=\s{0,3}(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++)"""
_TAG = re.compile(rf"<(/?)([A-Za-z][\w:.-]{{0,40}}+)((?:\s++{_NAME}(?:{_VALUE})?+)*+)\s*+/?>")
_ATTRIBUTE = re.compile(rf"\s++({_NAME})({_VALUE})?+")
_OPENERS = re.compile(
    rf"<!--|<!doctype\s[^<>]{{0,300}}>|<({'|'.join(sorted(_WHOLE))})(?=[\s>/])[^<>]*+>",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"\s*+(?:<\?xml[^<>]{0,200}\?>\s*+)?(?:<!--(?:(?!-->).){0,1000}-->\s*+)?"
    r"<(?:!doctype\s+html|html[\s>]|head>|body[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(r"&(?:amp;)*(#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)")
_PIPES = frozenset(
    ("#124;", "#x7c;", "#x7C;", "#X7c;", "#X7C;", "vert;", "verbar;", "VerticalLine;")
)
_DEFUSED = re.compile(r"<(?=[A-Za-z/!])|&(?=[#A-Za-z])")
_PASSES = 4  # assumption; one is the rule, two where markup was escaped


@dataclass(frozen=True)
class _Tag:
    start: int
    end: int
    name: str
    closing: bool
    attributes: bool
    known: bool
    glued: bool  # to a word before it, as type parameters are


def strip_html(text: str) -> Edited:
    """Text without markup.

    Returns: The text and how often: page (went through trafilatura), comment (doctypes too), element
        (scripts, styles, navigation... with what is in them), tag, entity, defused (a blank after "<"
        or "&" where markup was nested deeper than this looks).
    """
    if "<" not in text and "&" not in text:
        return Edited(text)
    counts: Counter[str] = Counter()
    now = _main_text(text, counts)
    for _ in range(_PASSES):
        before = now
        now = _elements(now, counts)
        now = _tags(now, counts)
        now = _entities(now, counts)
        if now == before:
            return edited(text, now, counts)

    if "<" in now or "&" in now:
        after = _entities(_tags(_elements(now, Counter()), Counter()), Counter())
        if after != now:
            now = defused(now, counts)
    return edited(text, now, counts)


def defused(text: str, counts: Counter[str]) -> str:
    """A blank after every "<" and "&" outside of code that could begin markup: none is left to find."""

    def defuse(piece: str) -> str:
        piece, n = _DEFUSED.subn(lambda found: found.group() + " ", piece)
        counts["defused"] += n
        return piece

    return outside(text, code_spans(text), defuse)


def _main_text(text: str, counts: Counter[str]) -> str:
    if not _PAGE.match(text):
        return text
    try:
        import trafilatura
    except ImportError as error:
        raise DependencyError(
            expected="the package trafilatura, for text that is a whole HTML page",
            found=first_line(error),
            where="strip_html",
            fix="pip install trafilatura lxml_html_clean",
        ) from error
    # Recall before precision: boilerplate has its own step, lost text has none.
    found = trafilatura.extract(
        text, favor_recall=True, include_comments=False, include_tables=True, deduplicate=False
    )
    if not found or not found.strip():
        return text
    counts["page"] += 1
    return str(found)


def _elements(text: str, counts: Counter[str]) -> str:
    """Without comments, doctypes, and the elements of which nothing is text."""
    if not _OPENERS.search(text):
        return text
    code = code_spans(text)
    gone: Spans = []
    at, never = 0, set()  # what was not found once is not looked for again: time stays linear
    while (found := _OPENERS.search(text, at)) is not None:
        name = (found.group(1) or "").lower()
        at = found.end()
        if _covered(found.start(), code):
            continue
        if name:
            if name in never or found.group().endswith("/>"):
                continue
            close = re.compile(rf"</{name}\s{{0,9}}>", re.IGNORECASE).search(text, at)
            if close is None:
                never.add(name)
                continue
            at = close.end()
        elif found.group() == "<!--":
            end = -1 if "<!--" in never else text.find("-->", at)
            if end < 0:
                never.add("<!--")
                continue
            at = end + 3
        counts["element" if name else "comment"] += 1
        gone.append((found.start(), at))
    return _without(text, gone)


def _without(text: str, spans: Spans) -> str:
    """What lies between the spans, words on both sides of one kept apart."""
    pieces, at = [], 0
    for start, end in spans:
        apart = start > 0 and end < len(text) and not text[start - 1].isspace()
        pieces += [text[at:start], " " if apart and not text[end].isspace() else ""]
        at = end
    return "".join([*pieces, text[at:]])


def _covered(place: int, spans: Spans) -> bool:
    before = bisect_right(spans, (place, float("inf"))) - 1
    return before >= 0 and place < spans[before][1]


def _scan(text: str) -> Iterator[_Tag]:
    for found in _TAG.finditer(text):
        name, start = found.group(2), found.start()
        low = name.lower()
        written = [(m.group(1).lower(), m.group(2)) for m in _ATTRIBUTE.finditer(found.group(3))]
        bare = [a for a, value in written if value is None]
        known = (
            (low in _NAMES or low.startswith(("o:", "v:", "w:", "st1:")) or "-" in low)
            and (name.islower() or name.isupper())
            and all(a in _BOOLEAN or a.startswith(("data-", "aria-", "ng-", "v-")) for a in bare)
        )
        yield _Tag(
            start,
            found.end(),
            low if known else name,
            bool(found.group(1)),
            len(written) > len(bare) or bool(bare and known),
            known,
            start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_.>"),
        )


def _tags(text: str, counts: Counter[str]) -> str:
    if "<" not in text:
        return text
    tags = list(_scan(text))
    if not tags:
        return text
    code = code_spans(text)
    tags = [tag for tag in tags if not _covered(tag.start, code)]
    foreign = _foreign(tags)
    tags = [tag for tag in tags if tag.known and not _covered(tag.start, foreign)]
    closed = {tag.name for tag in tags if tag.closing}
    # <s> alone is the start token of many language models.
    markup = bool(closed - {"s"}) or any(tag.attributes or tag.name == "br" for tag in tags)
    pieces, at, n = [], 0, 0
    for tag in tags:
        if not _is_markup(tag, closed, markup):
            continue
        cell = tag.name in ("td", "th")
        pieces += [text[at : tag.start], "" if tag.name in _NO_BREAK else " " if cell else "\n"]
        at, n = tag.end, n + 1
    if not n:
        return text
    counts["tag"] += n
    text = "".join([*pieces, text[at:]])
    text = re.sub(r"(?<![ \t])[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def _is_markup(tag: _Tag, closed: set[str], markup: bool) -> bool:
    if tag.name == "s" and not markup:
        return False
    if tag.closing or tag.attributes or tag.name in ("br", "hr"):
        return True
    if tag.name in _VOID:
        return markup and not tag.glued
    return tag.name in closed or (tag.name in _OPTIONAL_END and markup)


def _foreign(tags: list[_Tag]) -> Spans:
    """From the opening tag of an element that HTML does not know to its end tag."""
    open_at: defaultdict[str, list[int]] = defaultdict(list)
    spans: Spans = []
    for tag in tags:
        if not tag.known:
            if not tag.closing:
                open_at[tag.name].append(tag.start)
            elif open_at[tag.name]:
                spans.append((open_at[tag.name].pop(), tag.end))
    return merged(spans)


def _entities(text: str, counts: Counter[str]) -> str:
    if "&" not in text:
        return text

    def decode(found: re.Match[str]) -> str:
        written = found.group(1)
        shown = "&" if written == "amp;" else unescape("&" + written)
        if written in _PIPES or shown == "&" + written:
            return found.group()
        counts["entity"] += 1
        return shown

    def change(piece: str) -> str:
        return _ENTITY.sub(decode, piece)

    return outside(text, code_spans(text), change)
