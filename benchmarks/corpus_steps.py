"""The steps of a cleaning one by one, beside datatrove's for the same work."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import corpus_peers as peers
from corpus_case import MEGABYTES, NOT_SLOWER, TIE, Runs, Sample, medians, rates, rows, sample
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from stream_case import Line

from mishran.config_corpus import MinhashConfig
from mishran.corpus import duplicates
from mishran.corpus.contamination import WORDS, build_index
from mishran.corpus.contamination_index import Item
from mishran.corpus.html import strip_html
from mishran.corpus.pii import PLACEHOLDERS, replace_pii
from mishran.corpus.repair import repair
from mishran.corpus.rules import verdict
from mishran.corpus.thresholds import Thresholds
from mishran.places import data_root

# datatrove's defaults; it has no rule for digits, URLs and white space.
GOPHER = Thresholds(max_words=100_000, max_digits=None, max_urls=None, max_whitespace=None)
SETS = ("hindi/xquad_hi", "hindi/xquad_en", "tasks/gsm8k", "tasks/arc_easy")
QUICK_ITEMS = 300  # of each set
PLANTED = 50  # one document in so many gets an item of an evaluation set

_MENU = "".join(f'<li><a href="/{i}">Section {i}</a></li>' for i in range(12))


def rules(of: Sample) -> Iterator[Line]:
    """Quality and repetition, beside the faster order of datatrove's filters."""
    repetition, quality = peers.gopher()
    contenders = {
        "datatrove, repetition first": peers.keeps((repetition, quality)),
        "datatrove, quality first": peers.keeps((quality, repetition)),
    }
    want = [verdict(text, GOPHER) is None for text in of.texts]
    for name, kept in contenders.items():
        assert want == list(map(kept, of.texts)), f"{name} decides otherwise"
    runs: Runs = {"ours": lambda: [verdict(text, GOPHER) for text in of.texts]}
    runs |= {name: lambda kept=kept: list(map(kept, of.texts)) for name, kept in contenders.items()}
    found = medians(runs)
    best = min(contenders, key=lambda name: found[name].cpu)
    yield from rates(f"rules, {of.language}", of, found["ours"], found[best], best, NOT_SLOWER)


def pii(of: Sample) -> Iterator[Line]:
    """E-mail and IP addresses as datatrove has them; then our default kinds, and all of ours."""
    theirs = peers.pii()
    kinds = {"e-mail and IP": ("email", "ip"), "default kinds": None, "all kinds": [*PLACEHOLDERS]}
    runs: Runs = {"theirs": lambda: list(map(theirs, of.texts))}
    for name, some in kinds.items():
        chosen = {} if some is None else {"kinds": some}
        runs[name] = lambda chosen=chosen: [replace_pii(text, **chosen) for text in of.texts]
    found = medians(runs)
    for name in kinds:
        same = name == "e-mail and IP"
        peer = found["theirs"] if same else None
        peer_name = "datatrove PIIFormatter" if same else None
        goal = NOT_SLOWER if same else "none"
        yield from rates(f"pii, {of.language}, {name}", of, found[name], peer, peer_name, goal)


def mojibake(text: str) -> str:
    """UTF-8 read as windows-1252, the usual accident."""
    import ftfy.bad_codecs  # noqa: F401  (registers the codec)

    return text.encode("utf-8").decode("sloppy-windows-1252")


def repairs(of: Sample) -> Iterator[Line]:
    theirs = peers.ftfy()
    for kind, broken in (("clean", of), ("mojibake", of.changed(mojibake))):
        if kind == "mojibake":
            pairs = zip((repair(text).text for text in broken.texts), of.texts, strict=True)
            whole = sum(now == repair(text).text for now, text in pairs)
            assert whole >= 0.9 * len(of.texts), f"{whole} of {len(of.texts)} texts repaired"
        found = medians(
            {
                "ours": lambda broken=broken: [repair(text) for text in broken.texts],
                "theirs": lambda broken=broken: list(map(theirs, broken.texts)),
            }
        )
        name, peer = f"repair, {of.language}, {kind}", "datatrove FTFYFormatter"
        yield from rates(name, broken, found["ours"], found["theirs"], peer, NOT_SLOWER)


def page_of(text: str) -> str:
    """The text as a page of a site: a paragraph per line, between a header, a menu and a footer."""
    paragraphs = "".join(f"<p>{escape(line)}</p>\n" for line in text.split("\n") if line.strip())
    title = escape(text[:60].replace("\n", " "))
    return (
        f'<!DOCTYPE html>\n<html><head><title>{title}</title><meta charset="utf-8">\n'
        "<script>var a = 1;</script><style>p {margin: 1em}</style></head>\n"
        f"<body><header><h1>{title}</h1><nav><ul>{_MENU}</ul></nav></header>\n"
        f"<main><article>\n{paragraphs}</article></main>\n"
        '<aside><a href="/x">More</a></aside><footer>&copy; A site</footer></body></html>\n'
    )


def html(of: Sample) -> Iterator[Line]:
    """Whole pages; text without markup, which is most of a corpus that has been extracted, costs a look."""
    pages, theirs = of.changed(page_of), peers.trafilatura()
    ours = [strip_html(text) for text in pages.texts]
    assert all("page" in edited.counts or len(edited.text) < 2000 for edited in ours)
    runs: Runs = {
        "ours": lambda: [strip_html(text) for text in pages.texts],
        "theirs": lambda: list(map(theirs, pages.texts)),
        "plain": lambda: [strip_html(text) for text in of.texts],
    }
    found = medians(runs)
    name, peer = f"html, {of.language}", "datatrove Trafilatura"
    yield from rates(f"{name}, pages", pages, found["ours"], found["theirs"], peer, TIE)
    yield from rates(f"{name}, no markup", of, found["plain"])


def items(sets: tuple[str, ...] = SETS, most: int | None = None) -> list[Item]:
    """Items of evaluation sets in $MISHRAN_DATA."""
    return [
        Item(Path(name).name, str(number), row["input"], str(row["target"]))
        for name in sets
        for number, row in enumerate(itertools.islice(rows(data_root() / f"{name}.jsonl.gz"), most))
    ]


def contamination(of: Sample, known: list[Item], folder: Path) -> Iterator[Line]:
    """13-grams of words; datatrove's default is 12, of words without marks and with all numbers as 0."""
    index = build_index(known)
    theirs = peers.contamination(known, WORDS, folder)
    long = [item.prompt for item in known if len(item.prompt.split()) >= 2 * WORDS]
    texts = [
        f"{text}\n{long[number % len(long)]}" if number % PLANTED == 0 else text
        for number, text in enumerate(of.texts)
    ]
    planted = Sample(of.language, tuple(texts))
    marked = [number for number in range(len(texts)) if number % PLANTED == 0]
    for name, hit in (("ours", index.match), ("datatrove's", theirs)):
        missed = [number for number in marked if not hit(texts[number])]
        assert not missed, f"{name}: {len(missed)} of {len(marked)} planted items not found"
    runs: Runs = {
        "ours": lambda: [index.match(text) for text in texts],
        "theirs": lambda: list(map(theirs, texts)),
    }
    found = medians(runs)
    name, peer = f"contamination, {of.language}", "datatrove NGramsDecontFilter"
    yield from rates(name, planted, found["ours"], found["theirs"], peer, NOT_SLOWER)


def signatures(of: Sample, folder: Path) -> Iterator[Line]:
    """datatrove's own steps on both sides, with the same words and content; then as its defaults are."""
    documents = [
        Document(text=text, id=str(number), metadata={"source": "all"})
        for number, text in enumerate(of.texts)
    ]
    number = itertools.count()

    def run(make: Callable[[Path], PipelineStep]) -> Callable[[], None]:
        def signed() -> None:
            step = make(folder / str(next(number)))
            for _ in step.run(iter(documents), 0, 1) or ():
                pass

        return signed

    settings = MinhashConfig()
    same = peers.like_ours(settings.numbers)
    near = {
        "ours": run(lambda place: duplicates.near_signatures(place, settings)),
        "theirs": run(lambda place: peers.minhash(place, same)),
        "plain": run(peers.minhash),
    }
    exact = {
        "ours": run(lambda place: duplicates.exact_signatures(place, ["all"])),
        "theirs": run(lambda place: peers.exact(place, duplicates.content)),
        "plain": run(lambda place: peers.exact(place, lambda document: document.text)),
    }
    for what, runs, alike, plain in (
        ("MinHash", near, "datatrove, same words", "datatrove, its defaults"),
        ("exact", exact, "datatrove, same content", "datatrove, raw text"),
    ):
        found = medians(runs)
        name = f"duplicates, {of.language}, {what}"
        yield from rates(name, of, found["ours"], found["theirs"], alike, TIE)
        yield from rates(f"{name} as written", of, found["ours"], found["plain"], plain)


STEPS = {"rules": rules, "pii": pii, "repair": repairs, "html": html}


def step_lines(part: str, quick: bool, language: str, folder: Path) -> Iterator[Line]:
    """Lines of one part in one language. html is slower by far, and gets a quarter of the text."""
    megabytes = MEGABYTES[quick]
    of = sample(language, megabytes / 4 if part == "html" else megabytes)
    if part == "contamination":
        known = items(most=QUICK_ITEMS if quick else None)
        return contamination(of, known, folder / f"index-{language}")
    if part == "duplicates":
        return signatures(of, folder / f"signatures-{language}")
    return STEPS[part](of)
