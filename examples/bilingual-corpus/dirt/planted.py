"""What is planted, and the clean text that it is planted in.

`Texts` cuts the real documents into pieces of 80 to 400 words at the ends of lines and sentences. No two
pieces overlap, and a piece that shares a fifth of its 5-grams with earlier ones is left away, so that what
a cleaning drops as a duplicate is what was planted as one. Each kind of dirt draws from pieces of its own:
planting one kind alone gives the same documents as planting all.
The first eighth of every file is not touched, so that classifiers can learn from text that is not judged.

Hindi pieces end by 150 words, as there is less Hindi to cut.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from records import records

T = TypeVar("T")

# Share of the pieces of a language that each kind draws from.
WEIGHTS = {
    "mojibake": 2.0,
    "boilerplate": 2.0,
    "menus": 2.0,
    "repetition": 1.75,
    "near-duplicate": 2.3,
    "exact-duplicate": 1.1,
    "pii": 2.0,
    "evaluation": 2.0,
    "languages": 1.0,
    "gibberish": 1.5,
    "untouched": 1.1,
}
# of romanised Hindi, of which there is little
ROMANISED = {
    "boilerplate": 2.0,
    "menus": 2.0,
    "pii": 2.0,
    "repetition": 1.6,
    "languages": 3.4,
    "untouched": 1.0,
}
UTTERANCES = 4_000  # of Hinglish-TOP that become pieces, ten or so at a time
SEED = (
    0.12  # share of the records of each file, the first ones, that is left to learn languages from
)
DOMAINS = {
    "en": ("en_wiki", "en_tech", "en_stories", "en_web", "en_science", "en_fiction"),
    "hi": ("hi_tech", "hi_guides", "hi_stories", "hi_literature"),
    "hi-Latn": ("hing_dialogue",),
}
WORDS = {"en": (80, 400), "hi": (80, 150), "hi-Latn": (60, 120)}
MOST = {"en_fiction": 9_000}  # pieces; so that English is not mostly old novels
SEEN = 0.2  # share of 5-grams that were in earlier pieces
_UNIT = re.compile(r".+?(?:[.!?।](?=\s)|\n|\Z)", re.S)
_MARKUP = re.compile(r"<[A-Za-z/!][^>]*>|&[a-z]+;|https?://|www\.|@\w|```")


@dataclass(frozen=True)
class Planted:
    """A document with dirt in it, or one (`hard`) that only looks as if it had.

    kind, form: of the dirt, and its sub-kind. language: of the text. source: the real document it was made
    of. clean: the text without the dirt, "" where the whole document is dirt. spans: what must be gone
    after cleaning. keep: what must be left. label: the language that the document should be given, where
    that is asked. partner: the other document of a pair, which is in the corpus too; jaccard: with it.
    """

    id: str
    text: str
    kind: str
    form: str
    hard: bool
    language: str
    source: str
    clean: str = ""
    spans: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    label: str | None = None
    partner: str | None = None
    jaccard: float | None = None


@dataclass(frozen=True)
class Piece:
    """Real text. source: domain and document."""

    text: str
    source: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.split("\n") if line.strip()]


@dataclass
class Pieces:
    """What one kind of dirt may use, in a fixed order; a piece is given once."""

    of: dict[str, list[Piece]]
    at: dict[str, int] = field(default_factory=dict)

    def take(self, language: str) -> Piece:
        """The next piece.

        Raises:
            ValueError: there is no more.
        """
        position = self.at.get(language, 0)
        if position >= len(self.of[language]):
            raise ValueError(
                f"{language}: expected more than {position:,} pieces of real text, found no more; "
                "plant fewer"
            )
        self.at[language] = position + 1
        return self.of[language][position]


class Texts:
    """Real text of $MISHRAN_DATA, read once.

    Args:
        root: the folder.
        seed: of the order of the pieces.
        limit: pieces of a language at most, for tests; None for all.
    """

    def __init__(self, root: Path, seed: int = 0, limit: int | None = None) -> None:
        self.root = root
        self.seed = seed
        self.pools = {lang: pool(root, lang, seed, limit) for lang in DOMAINS}

    def of(self, kind: str) -> Pieces:
        """The pieces of a kind, from their beginning."""
        return Pieces(
            {
                lang: share(pool, kind, ROMANISED if lang == "hi-Latn" else WEIGHTS)
                for lang, pool in self.pools.items()
            }
        )

    def later(self, domain: str) -> list[dict[str, object]]:
        """Records of a domain behind those that are left to learn from."""
        rows = self.rows(f"pretrain/{domain}.train")
        return rows[seeds(len(rows)) :]

    def pieces(self, *domains: str) -> list[str]:
        """Of these domains, whatever they are used for."""
        own = (piece for pool in self.pools.values() for piece in pool)
        return [piece.text for piece in own if piece.source.partition(":")[0] in domains]

    def rows(self, name: str) -> list[dict[str, object]]:
        """Records of a file under the folder, `tasks/gsm8k` say."""
        return read_rows(self.root / f"{name}.jsonl.gz")


@cache
def read_rows(path: Path) -> list[dict[str, object]]:
    return list(records(path))


def share(pool: list[Piece], kind: str, weights: Mapping[str, float]) -> list[Piece]:
    """The part of a pool that belongs to a kind."""
    if kind not in weights:
        return []
    total, names = sum(weights.values()), list(weights)
    ends = np.cumsum([0.0, *weights.values()]) / total
    i = names.index(kind)
    return pool[round(ends[i] * len(pool)) : round(ends[i + 1] * len(pool))]


def shingles(words: Sequence[str], n: int = 5) -> set[int]:
    """Word n-grams as 32-bit sums, as there are millions of them."""
    return {zlib.crc32(" ".join(words[i : i + n]).encode()) for i in range(len(words) - n + 1)}


def cut(text: str, low: int, high: int, rng: np.random.Generator) -> Iterator[str]:
    """Pieces of `low` to `high` words that end where a line or a sentence does."""
    target, parts, count = int(rng.integers(low, high - 20)), [], 0
    for unit in _UNIT.findall(text):
        words = len(unit.split())
        if parts and count + words > high:
            parts, count = [], 0
        parts.append(unit)
        count += words
        if target <= count <= high:
            yield "".join(parts).strip()
            target, parts, count = int(rng.integers(low, high - 20)), [], 0


def pool(root: Path, language: str, seed: int, limit: int | None) -> list[Piece]:
    """All pieces of a language in an order of the seed."""
    rng = np.random.default_rng([seed, list(DOMAINS).index(language)])
    low, high = WORDS[language]
    seen: set[int] = set()
    found: list[Piece] = []
    for domain in DOMAINS[language]:
        own = 0
        rows = read_rows(root / "pretrain" / f"{domain}.train.jsonl.gz")
        most = MOST.get(domain, 10**9) if limit is None else limit // len(DOMAINS[language])
        for i in rng.permutation(np.arange(seeds(len(rows)), len(rows))):
            if own >= most:
                break
            row = rows[int(i)]
            for text in cut(str(row["text"]), low, high, rng):
                if _MARKUP.search(text):
                    continue
                grams = shingles(text.lower().split())
                # restaurant dialogues share their phrases, so that few would be left
                most_seen = 0.5 if language == "hi-Latn" else SEEN
                if len(grams & seen) > most_seen * len(grams):
                    continue
                seen |= grams
                found.append(Piece(text, f"{domain}:{row['id']}"))
                own += 1
                if own >= most:
                    break
    if language == "hi-Latn":
        found += utterances(root, rng, limit)
    return [found[int(i)] for i in rng.permutation(len(found))]


def seeds(num: int) -> int:
    """Records at the start of a file of so many that nothing is planted in."""
    return int(SEED * num)


def utterances(root: Path, rng: np.random.Generator, limit: int | None) -> list[Piece]:
    """Code-mixed sentences in Latin letters, enough of them at a time for a piece."""
    low, _ = WORDS["hi-Latn"]
    rows = read_rows(root / "hindi" / "hinglish_top_en2hing.jsonl.gz")[:UTTERANCES]
    found, parts = [], []
    target = int(rng.integers(low, low + 30))
    for row in rows:
        parts.append(f"{str(row['target']).strip().capitalize()}.")
        if len(" ".join(parts).split()) >= target:
            found.append(Piece(" ".join(parts), f"hinglish_top:{row['id']}"))
            parts, target = [], int(rng.integers(low, low + 30))
    return found[:limit]


_CHOICE = re.compile(r"\{([^{}]*)\}")


def expand(template: str, rng: np.random.Generator) -> str:
    """A template of the kind `{Good|Fine} {day|evening}`, innermost braces first, with one choice each."""
    while True:
        match = _CHOICE.search(template)
        if match is None:
            return tidy(template)
        options = match[1].split("|")
        chosen = options[int(rng.integers(len(options)))]
        template = template[: match.start()] + chosen + template[match.end() :]


def tidy(text: str) -> str:
    """Single spaces, none before a full stop or comma."""
    return re.sub(r" +([.,!?।])", r"\1", re.sub(r" {2,}", " ", text)).strip()


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def some(options: Sequence[T], num: int, rng: np.random.Generator) -> list[T]:
    """Different ones, in a random order."""
    return [options[int(i)] for i in rng.permutation(len(options))[:num]]


def insert(text: str, block: str, place: str) -> str:
    """The block as lines of its own at the start, in the middle (between lines or sentences) or the end."""
    if place == "start":
        return f"{block}\n{text}"
    if place == "end":
        return f"{text}\n{block}"
    cuts = [m.end() for m in re.finditer(r"\n|[.!?।](?=\s)", text)] or [0]
    at = min(cuts, key=lambda c: abs(c - len(text) // 2))
    return f"{text[:at].rstrip()}\n{block}\n{text[at:].lstrip()}"


def weave(text: str, sentences: Sequence[str], rng: np.random.Generator) -> str:
    """The sentences inside the text, each between two others, on the same line."""
    cuts = sorted({m.end() for m in re.finditer(r"\n|[.!?।](?=\s)", text)} | {len(text)})
    chosen = sorted(some(cuts, len(sentences), rng))
    chosen += [len(text)] * (len(sentences) - len(chosen))
    for at, sentence in reversed(list(zip(chosen, sentences, strict=True))):
        before, after = text[:at], text[at:]
        gap = "" if before.endswith(("\n", " ")) else " "
        text = before + gap + sentence + (" " if after and not after[0].isspace() else "") + after
    return text


def sides(num: int, romanised: bool = False) -> list[str]:
    """Languages of so many documents, half and half; with a twentieth in romanised Hindi."""
    cycle = ["en", "hi"] * 19 + ["hi-Latn"] * 2 if romanised else ["en", "hi"]
    return [cycle[i % len(cycle)] for i in range(num)]
