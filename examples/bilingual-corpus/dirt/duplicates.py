"""Pairs of documents that say the same in other words, at a known Jaccard similarity; and exact copies.

The similarity is of the sets of word 5-grams, words being what stands between white space, as they are. It
is computed on the finished texts, so it is exact. A pair counts as caught when one of the two is dropped;
if both are, text was lost.

The look-alikes: two documents with a common part (0.3-0.6), two of a series that differ every few words
(0.3-0.6), a document and its translation.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from .planted import Pieces, Planted, Texts, pick, sides, some

BINS = ((0.70, 0.75), (0.75, 0.80), (0.80, 0.85), (0.85, 0.90), (0.90, 0.95))
FORMS = ("words", "block", "ends", "sentences")
HARD = ("spliced", "series", "translation")
LIKE = 0.5  # similarity to another document at which a look-alike is left away
TRIES = 60  # of a form, before the ends are cut instead, which reaches every similarity
_TOKEN = re.compile(r"\s*\S+")


def grams(text: str, n: int = 5) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def jaccard(a: str, b: str) -> float:
    """Of the sets of word 5-grams."""
    x, y = grams(a), grams(b)
    return len(x & y) / len(x | y) if x or y else 1.0


def edit(tokens: list[str], form: str, other: Sequence[str], rng: np.random.Generator) -> list[str]:
    """One more change. Tokens carry the white space before them."""
    out, n = list(tokens), len(tokens)
    at = int(rng.integers(n))
    if form == "words":
        out[at] = re.match(r"\s*", out[at])[0] + pick(other, rng)  # type: ignore[index]
    elif form == "block":
        size = int(rng.integers(2, max(3, n // 8)))
        out[at : at + size] = [" " + w for w in other[:size]]
    elif form == "ends":
        if rng.random() < 0.6:
            out = out[1:] if rng.random() < 0.5 else out[:-1]
        else:
            out.append(" " + pick(other, rng))
    else:
        size = int(rng.integers(4, max(5, n // 6)))
        moved = out[at : at + size]
        del out[at : at + size]
        to = int(rng.integers(len(out) + 1))
        out[to:to] = moved
    return out


def near(
    text: str, form: str, low: float, high: float, other: Sequence[str], rng: np.random.Generator
) -> tuple[str, str, float]:
    """A version of the text at a similarity in [low, high): text, the form that reached it, similarity.

    Raises:
        ValueError: the text is too short for any.
    """
    start, aim = _TOKEN.findall(text), float(rng.uniform(low, high))
    for attempt in range(2 * TRIES):
        own = form if attempt < TRIES else "ends"
        tokens, now = start, 1.0
        while now > aim and len(tokens) > 10:
            changed = edit(tokens, own, some(other, 40, rng) if own == "block" else other, rng)
            after = jaccard(text, "".join(changed).strip())
            if after < low:
                break
            tokens, now = changed, after
        if low <= now < high:
            return "".join(tokens).strip(), own, now
    raise ValueError(
        f"expected a text of at least 60 words, found {len(start)}; give longer pieces"
    )


def series(text: str, other: Sequence[str], rng: np.random.Generator) -> tuple[str, str, float]:
    """Two of a series: the same text with other words in places that are evenly far apart."""
    while True:
        every = int(rng.integers(8, 15))
        pair = []
        for _ in range(2):
            tokens = _TOKEN.findall(text)
            for at in range(every // 2, len(tokens), every):
                tokens[at] = re.match(r"\s*", tokens[at])[0] + pick(other, rng)  # type: ignore[index]
            pair.append("".join(tokens).strip())
        now = jaccard(*pair)
        if 0.3 <= now <= 0.6:
            return pair[0], pair[1], now


def spliced(first: str, second: str, rng: np.random.Generator) -> tuple[str, str, float]:
    """Two documents with a common beginning."""
    a, b = _TOKEN.findall(first), _TOKEN.findall(second)
    while True:
        aim = float(rng.uniform(0.3, 0.6))
        common = int(2 * len(a) * aim / (1 + aim))
        one = "".join(a).strip()
        two = ("".join(a[:common]) + "\n" + "".join(b[: len(a) - common]).strip()).strip()
        now = jaccard(one, two)
        if 0.3 <= now <= 0.6:
            return one, two, now


def unlike(found: Sequence[str], others: Iterable[str]) -> list[bool]:
    """Which of the texts are near none of the others: below `LIKE`."""
    sizes, where = [], defaultdict(list)
    for i, text in enumerate(found):
        own = grams(text)
        sizes.append(len(own))
        for gram in own:
            where[gram].append(i)
    out = [True] * len(sizes)
    for text in others:
        own = grams(text)
        shared = Counter(i for gram in own for i in where.get(gram, ()))
        for i, common in shared.items():
            out[i] &= common < LIKE * (sizes[i] + len(own) - common)
    return out


def translations(texts: Texts) -> list[tuple[str, str, str]]:
    """English text, Hindi text, sources: pieces that translate each other, cut to 300 words.

    Each text comes once, none is of the seed part of its file, and none is near a piece of `texts`, as
    other kinds are planted in those.
    """
    found: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    for domain in ("stories", "tech"):
        english = dict(numbered(texts, f"en_{domain}"))
        for key, (source, hindi) in numbered(texts, f"hi_{domain}"):
            if key not in english:
                continue
            english_source, text = english.pop(key)
            if not seen & {text, hindi} and min(len(text.split()), len(hindi.split())) >= 80:
                found.append((text, hindi, f"{english_source} {source}"))
                seen |= {text, hindi}
    pieces = texts.pieces("en_stories", "hi_stories", "en_tech", "hi_tech")
    both = (unlike([pair[side] for pair in found], pieces) for side in (0, 1))
    return [pair for pair, en, hi in zip(found, *both, strict=True) if en and hi]


def numbered(texts: Texts, domain: str) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """(Document, number of its piece), (source, text), for all that were translated."""
    for row in texts.later(domain):
        if row.get("pair"):
            number = str(row["id"]).rpartition("#")[2]
            text = "".join(_TOKEN.findall(str(row["text"]))[:300]).strip()
            yield (str(row["pair"]), number), (f"{domain}:{row['id']}", text)


def plant_near(num: int, rng: np.random.Generator, pieces: Pieces, texts: Texts) -> list[Planted]:
    """Of each bin of similarity a fifth."""
    out = []
    pool = {g: [w for p in pieces.of[g][-300:] for w in p.text.split()] for g in ("en", "hi")}
    for i, language in enumerate(sides(num)):
        low, high = BINS[i // 2 % len(BINS)]
        form = FORMS[i // 10 % len(FORMS)]
        piece = pieces.take(language)
        other = some(pool[language][:2000], 400, rng) if i % 8 < 2 else pool[language]
        text, own, now = near(piece.text, form, low, high, other, rng)
        out.append(
            Planted(f"near-duplicate-dirt-{i}", text, "near-duplicate", f"{own} {low:.2f}-{high:.2f}",
                    False, language, piece.source, piece.text, partner=piece.text, jaccard=now)
        )  # fmt: skip
    pairs = some(translations(texts), 10**6, rng)
    for i, language in enumerate(sides(num)):
        form = HARD[i // 2 % len(HARD)]
        if form == "translation" and not pairs:
            form = "series"
        if form == "translation":
            english, hindi, source = pairs.pop()
            one, two = (hindi, english) if language == "en" else (english, hindi)
            now = jaccard(one, two)
        else:
            piece = pieces.take(language)
            source = piece.source
            if form == "spliced":
                one, two, now = spliced(piece.text, pieces.take(language).text, rng)
            else:
                one, two, now = series(piece.text, pool[language], rng)
        out.append(
            Planted(f"near-duplicate-hard-{i}", two, "near-duplicate", form, True, language, source, two,
                    partner=one, jaccard=now)
        )  # fmt: skip
    return out


def plant_exact(num: int, rng: np.random.Generator, pieces: Pieces) -> list[Planted]:
    """Copies, byte for byte or with other white space; nothing that looks like them."""
    out = []
    for i, language in enumerate(sides(num)):
        piece = pieces.take(language)
        form = ("exact", "white-space")[i // 2 % 2]
        text = piece.text
        if form == "white-space":
            text = pick(["  ", " \n", "\t"], rng).join(text.split(" ")) + "\n"
        out.append(
            Planted(f"exact-duplicate-dirt-{i}", text, "exact-duplicate", form, False, language,
                    piece.source, piece.text, partner=piece.text, jaccard=1.0)
        )  # fmt: skip
    return out
