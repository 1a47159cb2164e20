"""Everything about fair tokenizers that is measured, and the page of it.

    python examples/fair-tokenizer/run.py --baselines FOLDER [--quick] [--only bars,curve,page]

`make` trains all tokenizers, from the corpus that `mishran corpus clean
examples/bilingual-corpus/corpus.yaml` left; every other part measures some of them. Parts are kept in the
work folder; `--only` makes some again. `fetch.sh` beside this file makes the folder of baselines.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from make import ALGORITHMS, CURVE, OWN, OWN_BYTES, SMALL
from pages import page, sections
from stream_page import installed, machine

from mishran.places import models_root
from mishran.report.tokenizer_words import headline

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "results" / "tokenizer-fairness.md"
PLOT = ROOT / "docs" / "results" / "tokenizer-fairness.svg"
HEADINGS = {
    "example": "The worked example",
    "bars": "How fair for how much",
    "baselines": "Beside the tokenizers of well-known models",
    "algorithms": "Algorithms",
    "pretokens": "Where words may be cut",
    "content": "Tokens, bytes and content",
    "morphology": "Stems",
    "downstream": "What a small model makes of it",
    "vocabulary": "How many tokens",
    "own": "How many tokens, learned from no more than the models read",
    "transfer": "Another vocabulary for a model that exists",
}
PACKAGES = ("numpy", "scipy", "sentencepiece", "tiktoken", "tokenizers", "torch", "transformers")


def commands(work: Path, baselines: Path | None, quick: bool) -> dict[str, list[Any]]:
    """What makes each part; it prints Markdown."""
    some = ["--quick"] if quick else []
    made: dict[str, str] = json.loads((work / "made.json").read_text())
    ours = [f"fair={made['example']}", f"proportional={made['example proportional']}"]
    ours.append(f"base-6m={models_root() / 'base-6m'}")
    kinds = [
        f"{name}{kind}={made[f'by {name}{kind}']}"
        for name in ALGORITHMS
        for kind in (" proportional", "")
    ]
    arms = {
        "BPE": f"curve {SMALL}",
        "proportional": f"proportional {SMALL}",
        "stems, whole aksharas": "stems kept",
        "stems": "stems given",
        "unigram": "unigram",
    }
    small = [HERE / "downstream.py", "--work", work / "small", *some]
    beside = [] if baselines is None else ["--baselines", baselines]
    return {
        "bars": [HERE / "bars.py", "--recipe", work / "example.yaml", "--json", work / "bars.json"],
        "baselines": [
            *(HERE / "baselines.py", *_each("--ours", ours), *beside),
            *("--json", work / "baselines.json"),
        ],
        "algorithms": [HERE / "baselines.py", *_each("--ours", kinds)],
        "pretokens": [HERE / "pretokens.py", "--words", work / "example/words"],
        "morphology": [HERE / "morphology.py", "--made", work / "made.json"],
        "downstream": [
            *(*small, "--only", "downstream", "--json", work / "downstream.json"),
            *_each("--arm", [f"{name}={made[key]}" for name, key in arms.items()]),
        ],
        "vocabulary": [
            *(*small, "--only", "curve", "--json", work / "curve.json"),
            *("--once", max(CURVE), "--plot", work / "curve.svg", "--vocabulary"),
            *(made[f"curve {size}"] for size in CURVE),
        ],
        "own": [
            *(*small, "--only", "curve", "--json", work / "own.json", "--bytes", OWN_BYTES),
            *("--plot", work / "own.svg", "--vocabulary"),
            *(made[f"own {size}"] for size in OWN),
        ],
        "transfer": [
            *(HERE / "transfer.py", "--tokenizer", made[f"curve {SMALL}"]),
            *("--out", work / "transfer", "--json", work / "transfer.json", *some),
        ],
    }


def _each(option: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def example(work: Path) -> str:
    """What the run of the worked example says of itself, and the front of its search."""
    place = work / "example"
    search, measures, training = (
        json.loads((place / name).read_text())
        for name in ("search.json", "measures.json", "tokenizer/training.json")
    )
    bound = json.loads((work / "example-1.15/search.json").read_text())
    small = next(one for one in bound["candidates"] if one["chosen"])
    lines = [
        *headline(measures, search, training),
        "",
        f"With `--parity 1.15` on the same text: {bound['why']}; {small['vocabulary']:,} tokens, parity "
        f"{small['parity']['hi']:.3f} in the search, {small['cost']:.1%} more English tokens.",
        "",
        "Every fourth of the candidates, and the one that was chosen:",
        "",
        "| vocabulary | temperature | strength | share of Hindi | parity | gap | cost to English "
        "| bytes per token | embeddings | |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for one in sorted(search["candidates"], key=_order):
        if one["chosen"] or one["strength"] in (0, 0.2, 0.4, 0.6, 0.8, 1):
            mark = "chosen" if one["chosen"] else "front" if one["front"] else ""
            lines.append(
                f"| {one['vocabulary']:,} | {one['temperature']:g} | {one['strength']:g} "
                f"| {one['shares']['hi']:.0%} "
                f"| {one['parity']['hi']:.3f} | {one['gap']:.3f} | {one['cost']:+.1%} "
                f"| {one['bytes_per_token']:.3f} | {one['embedding_share']:.1%} | {mark} |"
            )
    return "\n".join(lines)


def _order(one: dict[str, Any]) -> tuple[float, ...]:
    return one["vocabulary"], one["temperature"], one["strength"]


def content(work: Path, corpus: Path) -> str:
    """The corpus under the fair and the proportional tokenizer, in all units; and shares converted."""
    made = json.loads((work / "made.json").read_text())
    lines = []
    for name, key in (("fair", "example"), ("proportional", "example proportional")):
        words = ["tokenizer", "account", made[key], "--corpus", str(corpus), "--json", "--quiet"]
        found = json.loads(_mishran([*words, "--share", "hi=0.25"]))
        lines += [
            f"The cleaned corpus under the {name} tokenizer:",
            "",
            "| language | documents | MB | bytes | tokens | content |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for row in found["accounts"]:
            share = row["share_content"]
            lines.append(
                f"| {row['language']} | {row['documents']:,} | {row['num_bytes'] / 1e6:.2f} "
                f"| {row['share_bytes']:.1%} | {row['share_tokens']:.1%} "
                f"| {_interval(share) if share else 'no parallel text'} |"
            )
        said = {r["unit"]: r["share"] for r in found["shares"] if r["language"] == "hi"}
        parts = " and ".join(f"{_interval(said[u])} of the {u}" for u in ("tokens", "bytes"))
        lines += ["", f"25 % of the content in Hindi is {parts} of an English-Hindi corpus.", ""]
    return "\n".join(lines)


def _interval(one: dict[str, float]) -> str:
    return f"{one['value']:.1%} ({one['low']:.1%} to {one['high']:.1%})"


def _mishran(words: list[str]) -> str:
    command = [sys.executable, "-m", "mishran", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make(name: str, work: Path, corpus: Path, baselines: Path | None, quick: bool) -> None:
    """One part as Markdown in the work folder."""
    start = time.monotonic()
    if name == "example":
        text = example(work)
    elif name == "content":
        text = content(work, corpus)
    else:
        words = [sys.executable, *map(str, commands(work, baselines, quick)[name])]
        text = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    text = text.replace(f"{work}/", "").replace(f"{ROOT}/", "")
    minutes = (time.monotonic() - start) / 60
    said = f"{text.strip()}\n\nMade in {minutes:.1f} minutes.\n"
    (work / f"{name}.md").write_text(said, encoding="utf-8")
    print(f"{name}: {minutes:.1f} minutes", flush=True)


def results(work: Path) -> str:
    """The page, from the parts that are there and the remarks on them."""
    remarks = sections((HERE / "remarks.md").read_text(encoding="utf-8"))
    head = (
        f"Machine: {machine()}, {', '.join(map(installed, PACKAGES))}.\n"
        "Made again by `python examples/fair-tokenizer/run.py`."
    )
    return page("A fair tokenizer: what was measured", head, work, remarks, HEADINGS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = ["make", *HEADINGS, "page"]
    parser.add_argument("--only", default=",".join(parts), help="parts, with commas")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "tokenizer-results")
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "bilingual-corpus")
    parser.add_argument("--baselines", type=Path, help="what fetch.sh made")
    parser.add_argument(
        "--quick", action="store_true", help="small; the page stays in the work folder"
    )
    asked = parser.parse_args()
    wanted = asked.only.split(",")
    if unknown := set(wanted) - set(parts):
        parser.error(f"no part called {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    work, corpus = asked.work.resolve(), asked.corpus.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if "make" in wanted:
        words = [HERE / "make.py", "--work", work, "--corpus", corpus]
        subprocess.run([sys.executable, *map(str, words)], check=True)
    for name in HEADINGS:
        if name in wanted:
            make(name, work, corpus, asked.baselines, asked.quick)
    if "page" in wanted:
        target = work / "tokenizer-fairness.md" if asked.quick else PAGE
        target.write_text(results(work), encoding="utf-8")
        if (work / "own.svg").is_file() and not asked.quick:
            PLOT.write_bytes((work / "own.svg").read_bytes())
        print(target)


if __name__ == "__main__":
    main()
