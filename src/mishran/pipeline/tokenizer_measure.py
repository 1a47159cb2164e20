"""`mishran tokenizer measure` and `compare`: any tokenizers side by side on parallel text."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mishran.corpus.scripts import script_shares
from mishran.errors import ConfigError
from mishran.pipeline.corpus_models import plain
from mishran.pipeline.progress import Progress
from mishran.tokenizer.content import convert, rates
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.measures import REPLICAS, Estimate, drawn, interval, measure
from mishran.tokenizer.open_bytes import utf8_bytes
from mishran.tokenizer.parallel import Parallel
from mishran.tokenizer.shape import Shape
from mishran.tokenizer.worst import worst_words

CONTENT_SHARES = (0.25, 0.5)  # of a language beside the reference, in the table that converts units
_SPEED_BYTES = 2**20  # that speed is measured on; assumption
_SPEED_RUNS = 3


def compare(
    tokenizers: Sequence[Tokenizer],
    texts: Sequence[Parallel],
    reference: str,
    shape: Shape,
    progress: Progress,
    *,
    seed: int = 0,
    worst: Sequence[str] = (),
    speed: bool = True,
) -> dict[str, Any]:
    """Everything that is measured of tokenizers on the same text, as JSON values.

    Args:
        reference: language that parity is against; every domain has it.
        worst: languages whose most broken words are shown.
        speed: measure it; it differs from run to run, so a stage leaves it out.

    Raises:
        ConfigError: two tokenizers of one name, or a domain without the reference.
    """
    _check(tokenizers, texts, reference)
    rows: list[dict[str, Any]] = []
    about = []
    with progress.bar("measure", len(tokenizers) * len(texts)) as done:
        for tokenizer in tokenizers:
            for domain in texts:
                for one in measure(tokenizer, domain, reference, seed):
                    rows.append({"tokenizer": tokenizer.name, **plain(one)})
                done(1)
            about.append(_about(tokenizer, texts, reference, shape, worst, speed, seed))
    languages = list(dict.fromkeys(tag for text in texts for tag in text.texts))
    return {
        "reference": reference,
        "languages": [{"language": tag, "script": _script(tag, texts)} for tag in languages],
        "domains": [{"domain": text.name, "texts": text.num} for text in texts],
        "tokenizers": about,
        "measures": rows,
        "differences": _differences(tokenizers, texts, reference, seed),
        "shape": plain(shape),
    }


def _check(tokenizers: Sequence[Tokenizer], texts: Sequence[Parallel], reference: str) -> None:
    names = [one.name for one in tokenizers]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ConfigError(
            expected="tokenizers of different names",
            found=f"{twice!r} twice",
            where="tokenizers",
            fix="write NAME=PATH",
        )
    for text in texts:
        if reference not in text.texts:
            raise ConfigError(
                expected=f"the reference language {reference} in parallel text {text.name!r}",
                found=", ".join(text.texts),
                where="reference",
                fix="set --reference to one of these",
            )


def _script(tag: str, texts: Sequence[Parallel]) -> str:
    """That most of its letters are in."""
    sample = " ".join(line for text in texts for line in text.texts.get(tag, ())[:50])
    found = script_shares(sample)
    return max(found, key=lambda name: found[name]) if found else ""


def _about(
    tokenizer: Tokenizer,
    texts: Sequence[Parallel],
    reference: str,
    shape: Shape,
    worst: Sequence[str],
    speed: bool,
    seed: int,
) -> dict[str, Any]:
    size = tokenizer.size
    found: dict[str, Any] = {
        "name": tokenizer.name,
        "vocabulary": size,
        "embedding_share": shape.embedding_share(size),
        "embedding_parameters": shape.embeddings(size),
    }
    if speed:
        found["mb_per_second"] = _speed(tokenizer, texts)
    found["content"] = _content(tokenizer, texts, reference, seed)
    found["worst"] = {
        tag: plain(worst_words(tokenizer, [line for t in texts for line in t.texts.get(tag, ())]))
        for tag in worst
    }
    return found


def _content(
    tokenizer: Tokenizer, texts: Sequence[Parallel], reference: str, seed: int
) -> list[dict[str, Any]]:
    """What 25 and 50 % of content are in tokens and bytes, for every language beside the reference."""
    out = []
    first = texts[0]
    at = rates(tokenizer, first, reference, seed)
    for language in first.texts:
        if language == reference:
            continue
        for share in CONTENT_SHARES:
            given = {reference: 1 - share, language: share}
            for wanted in ("tokens", "bytes"):
                found = convert(given, "content", wanted, at)[language]
                out.append(
                    {
                        "language": language,
                        "content": share,
                        "unit": wanted,
                        "share": plain(found),
                        "domain": first.name,
                    }
                )
    return out


def _speed(tokenizer: Tokenizer, texts: Sequence[Parallel]) -> float:
    """Megabytes of text in a second on one thread: median of three, on text of all languages."""
    pool = [line for text in texts for own in text.texts.values() for line in own]
    lines: list[str] = []
    size = 0
    for i in np.random.default_rng(0).permutation(len(pool)):
        if size >= _SPEED_BYTES:
            break
        lines.append(pool[i])
        size += len(utf8_bytes(pool[i]))
    seconds = []
    for _ in range(_SPEED_RUNS):
        start = time.perf_counter()
        tokenizer.counts(lines)
        seconds.append(time.perf_counter() - start)
    return size / 1e6 / float(np.median(seconds))


def _differences(
    tokenizers: Sequence[Tokenizer], texts: Sequence[Parallel], reference: str, seed: int
) -> list[dict[str, Any]]:
    """Each tokenizer against the first, on the same draws of texts: tokens, and the gap."""
    out: list[dict[str, Any]] = []
    if len(tokenizers) < 2:
        return out
    for domain in texts:
        draws = drawn(domain.num, REPLICAS, seed)
        sums = [
            {tag: one.counts(lines) for tag, lines in domain.texts.items()} for one in tokenizers
        ]
        first = sums[0]
        for tokenizer, own in zip(tokenizers[1:], sums[1:], strict=True):
            for tag in domain.texts:
                change = interval(
                    float(own[tag].sum() / first[tag].sum() - 1),
                    (draws @ own[tag]) / (draws @ first[tag]) - 1,
                )
                row: dict[str, Any] = {
                    "tokenizer": tokenizer.name,
                    "against": tokenizers[0].name,
                    "domain": domain.name,
                    "language": tag,
                    "tokens": plain(change),
                }
                if tag != reference:
                    row["gap"] = plain(_gap(own, first, tag, reference, draws))
                out.append(row)
    return out


def _gap(
    own: Mapping[str, Any], first: Mapping[str, Any], tag: str, reference: str, draws: Any
) -> Estimate:
    """The parity gap as a part of the first tokenizer's."""
    value = abs(own[tag].sum() / own[reference].sum() - 1)
    before = abs(first[tag].sum() / first[reference].sum() - 1)
    values = np.abs((draws @ own[tag]) / (draws @ own[reference]) - 1)
    befores = np.abs((draws @ first[tag]) / (draws @ first[reference]) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(float(np.float64(value) / before), values / befores)
