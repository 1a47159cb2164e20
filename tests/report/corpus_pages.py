"""What `corpus.json` holds, of many shapes, for pages. All numbers balance; all text is invented."""

from __future__ import annotations

import random
from typing import Any

HOSTILE = '<script>alert("x")</script> | `a` & *b* <img src=x onerror=alert(1)>'
STEPS = (
    "repair",
    "html",
    "language",
    "boilerplate",
    "normalise",
    "rules",
    "gibberish",
    "pii",
    "contamination",
    "exact-duplicates",
    "near-duplicates",
)
REASONS = {
    "read": ("not-json", "invalid-utf-8", "line-too-long"),
    "repair": ("broken-characters",),
    "language": ("other-language", "not-sure"),
    "rules": (
        "too-few-words",
        "repeated-lines",
        "duplicate-5-grams",
        "digits",
        "urls",
        "top-2-gram",
    ),
    "gibberish": ("gibberish", "encoded-blob"),
    "contamination": ("hindi-quiz",),
    "exact-duplicates": ("duplicate",),
    "near-duplicates": ("near-duplicate",),
}
EDITS = {
    "repair": ("mojibake", "nfc", "control"),
    "html": ("tag", "entity"),
    "boilerplate": ("line",),
    "normalise": ("quote", "script-form"),
    "pii": ("email", "phone"),
}
SCRIPTS = {"en": "Latn", "hi": "Deva", "hi-Latn": "Latn", "mr": "Deva", "und": ""}
SOURCES = ("web-hindi", "web-english", "books", "forum", "translated-news")


def facts_case(
    sources: int = 5,
    languages: tuple[str, ...] = ("en", "hi", "hi-Latn"),
    tokens: bool = True,
    size: int = 20_000,
    dropped: float = 0.5,
    grown: bool = False,
    hostile: str = "",
    checks: bool = True,
    problems: int = 2,
) -> dict[str, Any]:
    """size: documents of the largest source. dropped: a share, about. hostile: in every name."""
    rng = random.Random(sources * 1000 + size)
    names = [*SOURCES, *(f"source-{i:02d}" for i in range(40))][:sources]
    names = [hostile + name for name in names]
    arrived, gone, edited, kept, refusals = [], [], {}, [], []
    for i, name in enumerate(names):
        came = stay = _zero()
        provenance = ("native", "translated", "synthetic")[i % 3]
        documents = size // (i + 1)
        for step, reasons in REASONS.items():
            for reason in reasons if dropped else ():
                for language in ("und",) if step in ("read", "repair") else languages:
                    number = int(documents * dropped * rng.random() ** 3 / 8)
                    if not number:
                        continue
                    amount = _amount(number, rng, tokens and step != "read")
                    key = (step, hostile + reason, name, language, provenance)
                    gone.append(dict(zip(DROP, key, strict=True)) | amount)
                    came = _sum(came, amount)
                    if step == "read" and len(refusals) < 100:
                        refusals.append(
                            {
                                "where": f"data/{name}.jsonl.gz:{number}",
                                "reason": reason,
                                "detail": hostile + "byte 0xff at position 12",
                            }
                        )
        for language in languages if dropped < 1 else ():
            amount = _amount(max(1, int(documents / (1 + len(kept) % 7))), rng, tokens)
            key = (name, language, SCRIPTS.get(language, "Latn"), provenance)
            kept.append(dict(zip(KIND, key, strict=True)) | amount)
            stay = _sum(stay, amount)
        lost = _zero()
        for step, whats in EDITS.items():
            share = rng.random() / 20
            taken = int((came["bytes"] + stay["bytes"]) * share) * (-1 if grown else 1)
            changed = int((came["documents"] + stay["documents"]) * share)
            edited[step, "", name] = {"documents": changed, "bytes": taken, "tokens": 0}
            lost = _sum(lost, {"documents": 0, "bytes": taken, "tokens": 0})
            for what in whats:
                count = {"documents": int(documents * rng.random()), "bytes": 0, "tokens": 0}
                edited[step, hostile + what, name] = count
        if tokens:
            away = {"documents": 0, "bytes": 0, "tokens": stay["tokens"] // (-50 if grown else 50)}
            edited["edits", "", name] = away
            lost = _sum(lost, away)
        arrived.append({"source": name} | _sum(_sum(came, stay), lost))
    return {
        "accounts": {
            "arrived": arrived,
            "dropped": gone,
            "edited": [dict(zip(EDIT, key, strict=True)) | n for key, n in sorted(edited.items())],
            "kept": kept,
            "refusals": refusals,
        },
        "files": [
            {
                "source": name,
                "path": f"data/{name}.jsonl.gz",
                "sha256": f"{i:064x}",
                "packed": 1_234_567 * (i + 1),
                "unpacked": 7_654_321 * (i + 1),
                "problem": "ends in the middle of a block" if i < problems else "",
            }
            for i, name in enumerate(names)
        ],
        "others": [f"{names[0]}: 2 files or links in its folder are not read: 'README', 'x'"],
        "sources": [
            {"source": n, "provenance": "native", "license": "CC BY 4.0" if i else None}
            for i, n in enumerate(names)
        ],
        "problems": [f"{n}: data/{n}.jsonl.gz: ends in the middle" for n in names[:problems]],
        "packages": {"datatrove": "0.10.1", "ftfy": "6.3.1", "trafilatura": ""},
        "tokens": tokens,
        "steps": list(STEPS),
    } | ({"checks": _checks(languages, hostile)} if checks else {})


DROP = ("step", "reason", "source", "language", "provenance")
KIND = ("source", "language", "script", "provenance")
EDIT = ("step", "what", "source")


def _zero() -> dict[str, int]:
    return {"documents": 0, "bytes": 0, "tokens": 0}


def _sum(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {unit: a[unit] + b[unit] for unit in _zero()}


def _amount(documents: int, rng: random.Random, tokens: bool) -> dict[str, int]:
    size = documents * rng.randint(900, 4000)
    counted = size // rng.randint(3, 8) if tokens else 0
    return {"documents": documents, "bytes": size, "tokens": counted}


def _rate(right: int, n: int) -> dict[str, Any]:
    if not n:
        return {"share": None, "low": None, "high": None, "n": 0}
    share = right / n
    return {"share": share, "low": max(0, share - 0.01), "high": min(1, share + 0.01), "n": n}


def _checks(languages: tuple[str, ...], hostile: str) -> dict[str, Any]:
    lengths = {"<20": 0.91, "20-50": 0.97, "50-100": 0.99, "100-200": 0.997, "200+": 1.0}
    by_length = {k: _rate(int(400 * v), 400 if k != "200+" else 0) for k, v in lengths.items()}
    return {
        "languages": {
            "accuracy": _rate(3912, 4000),
            "by_language": {tag: _rate(970 + i, 1000) for i, tag in enumerate(languages)},
            "by_length": dict(sorted(by_length.items())),
            "by_language_and_length": {tag: by_length for tag in languages},
            "confusion": {
                tag: {tag: 970, languages[0]: 970 if tag == languages[0] else 20, "und": 10}
                for tag in languages
            },
            "threshold": 0.5,
            "accepted": _rate(3980, 4000),
            "right_accepted": _rate(3910, 3980),
            "calibration_error": 0.004,
        },
        "gibberish": {t: {"bits": 4.2, "quantile": 0.995, "documents": 812} for t in languages[:2]},
        "contamination": {"items": {hostile + "hindi-quiz": 1200}},
        "facts": {
            tag: {
                "roc": {
                    "auc": {"value": 0.934, "low": 0.911, "high": 0.952},
                    "positive": 240,
                    "negative": 251,
                    "positive_sources": 61,
                    "negative_sources": 58,
                    "unscored": 3,
                    "points": [[0.0, 0.2, 0.99], [0.1, 0.8, 0.7], [0.4, 0.97, 0.3], [1, 1, 0.01]],
                },
                "deciles": [
                    {
                        "decile": d,
                        "id": f"{hostile}seed.jsonl.gz:{d}",
                        "score": d / 10 - 0.05,
                        "text": f"{hostile}The town was founded in 18{d}2 and has {d} bridges; "
                        "नदी के किनारे तीन पुल हैं। " * 3,
                        "contributions": [
                            _contribution("name_cues", d - 5),
                            _contribution(hostile + "digits", 0.4),
                        ],
                    }
                    for d in range(1, 11)
                ],
            }
            for tag in languages[:2]
        },
    }


def _contribution(feature: str, log_odds: float) -> dict[str, Any]:
    return {"feature": feature, "value": None, "standardised": 1.0, "log_odds": log_odds}
