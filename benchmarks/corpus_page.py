"""The tables of benchmarks/corpus.py from its lines."""

from __future__ import annotations

from collections.abc import Sequence

from stream_case import Line
from stream_page import installed, machine, met, verdict

PACKAGES = [
    "datatrove",
    "ftfy",
    "trafilatura",
    "scikit-learn",
    "numba",
    "numpy",
    "pyarrow",
    "tokenizers",
]
PARTS = {
    "rules": (
        "Rules",
        "Quality and repetition with datatrove's defaults as our bounds and the same words; every\n"
        "document is kept or dropped by both alike, which is checked before the clock starts. Beside the\n"
        "faster of the two orders of `GopherQualityFilter` and `GopherRepetitionFilter`; without the\n"
        "English stop words.",
    ),
    "pii": (
        "Personal data",
        "`PIIFormatter` has e-mail and IP addresses; what else we look for has no peer.",
    ),
    "repair": (
        "Unicode repair",
        "Mojibake: every text read as windows-1252 once. `FTFYFormatter` with its defaults.",
    ),
    "html": (
        "HTML",
        "Real text as pages with header, menu, script and footer; trafilatura does the work on both\n"
        "sides, with our options (recall before precision, tables, nothing taken for a repetition).\n"
        "datatrove's extractor was called directly, without its process and time limit. A tie is the bar.",
    ),
    "contamination": (
        "Decontamination",
        "13-grams of four evaluation sets, {items}; one document in 50 holds one, and both find it.\n"
        "`NGramsDecontFilter` reads an index in its own format, of prompts and answers.",
    ),
    "duplicates": (
        "Signatures of duplicates",
        "Both sides are datatrove's steps. Ours keep vowel signs and numbers (MinHash) and disregard case\n"
        "and white space (exact); the bars are on datatrove's with the same normalisation and the same\n"
        "content, where a tie is all there can be. *As written* is its step with its defaults (MinHash)\n"
        "and on the raw text (exact), which is other work.",
    ),
    "whole": (
        "Read, judge, write",
        "One task of one process from the same JSON lines, with datatrove's statistics or our accounts,\n"
        "the rules as above. The bar is on the fastest of its formats; *defaults* is gzip.",
    ),
    "language": (
        "Language identification",
        "Seven languages (en, hi, hi-Latn, mr, ne, de, fr), the same seeds on both sides, up to\n"
        "{sentences} sentences of each; sentences of the validation files that are in the script of\n"
        "their language.\n"
        "*One by one*: sentences cut and identified document by document, as a cleaning does it.\n"
        "Compiling takes some seconds once per process and is not counted.",
    ),
    "profile": (
        "Where the time of the worked example goes",
        "`examples/bilingual-corpus/corpus.yaml` on one document in {share} of its sources, all passes in\n"
        "one process, {runs}: processor milliseconds per megabyte that was read. Later steps see fewer\n"
        "documents.",
    ),
    "memory": (
        "Memory",
        "`mishran corpus clean`, resident memory of the main process and its workers, looked at five\n"
        "times a second, on real text that was repeated in new orders with every tenth word replaced.\n"
        "Ratio: peak on the small input beside the peak on the large one. The example in whole, and cut\n"
        "down to reading, repair, language, rules, duplicates and writing, with which two gigabytes take\n"
        "minutes, not hours. One run each.",
    ),
}  # fmt: skip
UNIT = "MB/s"


def amounts(quick: bool) -> dict[str, str]:
    """What the words of the parts say of how much there was."""
    from corpus_language import SEEDS
    from corpus_steps import QUICK_ITEMS
    from corpus_whole import SHARE, runs_of

    runs = runs_of(quick)
    return {
        "items": f"the first {QUICK_ITEMS} items of each" if quick else "all 7,219 items",
        "sentences": f"{SEEDS[quick]:,}",
        "share": str(SHARE[quick]),
        "runs": "one run" if runs == 1 else f"medians of {runs}",
    }


def page(lines: Sequence[Line], quick: bool = False) -> str:
    """A table for each part."""
    said = amounts(quick)
    text = [
        "# Cleaning beside datatrove",
        "",
        "Made by `OMP_NUM_THREADS=1 python benchmarks/corpus.py --page FILE`.",
        "",
        f"Machine: {machine()}, {', '.join(map(installed, PACKAGES))}.",
        "Medians of 5 after a warm-up, ours and the peers in turn in one process on one core. Rates are",
        "per second of processor time, and megabytes are of UTF-8 text; *wall* is the ratio by the clock.",
        "On a shared machine rates differ between runs by up to 1.7 times; ratios are of one run.",
        "",
        *verdict(lines),
    ]
    for part, (title, words) in PARTS.items():
        mine = [of for of in lines if of["name"].startswith(f"{part},")]
        if mine:
            body = (
                rate_rows(part, mine) if mine[0]["name"].endswith(UNIT) else plain_rows(part, mine)
            )
            text += [f"## {title}", "", words.format(**said), "", *body, ""]
    return "\n".join(text)


def rate_rows(part: str, lines: Sequence[Line]) -> list[str]:
    """One row for the three lines of each case."""
    out = [
        "| | MB/s | documents/s | beside | MB/s | ratio | wall | bar |",
        "|---|---:|---:|---|---:|---:|---:|---|",
    ]
    cases: dict[str, dict[str, Line]] = {}
    for of in lines:
        case, _, unit = of["name"].rpartition(": ")
        cases.setdefault(case, {})[unit] = of
    for case, by_unit in cases.items():
        rate, wall = by_unit[UNIT], by_unit[f"{UNIT}, wall"]
        cells = [
            case.removeprefix(f"{part}, "),
            _number(rate["ours"]),
            _number(by_unit["documents/s"]["ours"]),
            rate["peer_name"] or "",
            _number(rate["peer"]),
            _number(rate["ratio"]),
            _number(wall["ratio"]),
            _bar(rate),
        ]
        out.append(f"| {' | '.join(cells)} |")
    return out


def plain_rows(part: str, lines: Sequence[Line]) -> list[str]:
    out = ["| | ours | beside | | ratio | bar |", "|---|---:|---:|---|---:|---|"]
    if part == "profile":
        spent = [of["ours"] for of in lines if of["name"].endswith("ms/MB")]
        out = ["| | | of all |", "|---|---:|---:|"]
        for of in lines:
            share = f"{of['ours'] / sum(spent):.1%}" if of["name"].endswith("ms/MB") else ""
            name = of["name"].removeprefix("profile, ")
            out.append(f"| {name} | {_number(of['ours'])} | {share} |")
        return out
    for of in lines:
        cells = [
            of["name"].removeprefix(f"{part}, "),
            _number(of["ours"]),
            _number(of["peer"]),
            of["peer_name"] or "",
            _number(of["ratio"]),
            _bar(of),
        ]
        out.append(f"| {' | '.join(cells)} |")
    return out


def _bar(of: Line) -> str:
    kept = met(of)
    return "" if kept is None else f"{of['goal']}: {'met' if kept else '**missed**'}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
