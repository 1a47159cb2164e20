"""Everything about the clean corpus that is measured, and the page of it.

    python examples/bilingual-corpus/run.py [--quick] [--only clean,rules,proof,ablation,page]

Cleans the worked example, plants dirt in the real text and cleans it again, trains small models on both,
measures languages, the fact score, the bounds and the speed, and writes docs/results/corpus.md with what
`remarks.md` beside this file says about it. Parts are kept in the work folder; `--only` makes some again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from pages import page, sections
from stream_page import installed, machine

from mishran.pipeline.corpus_result import open_corpus
from mishran.report.corpus_text import corpus_markdown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "results" / "corpus.md"
PARTS = ("clean", "rules", "proof", "ablation", "languages", "facts", "speed")
HEADINGS = {
    "clean": "The worked example",
    "proof": "Proof: planted dirt and look-alikes",
    "ablation": "Ablation: does it help a model?",
    "languages": "Languages",
    "facts": "The fact score",
    "rules": "Rules: what the published bounds drop of real text",
    "speed": "Speed and memory",
}
PACKAGES = (
    "datatrove",
    "ftfy",
    "numba",
    "numpy",
    "scikit-learn",
    "torch",
    "trafilatura",
    "transformers",
)


def commands(work: Path, quick: bool) -> dict[str, list[str]]:
    """What makes each part; it prints Markdown, but for `speed`, which writes it."""
    python, some = sys.executable, ["--quick"] if quick else []
    proof = work / "proof"
    folders = [
        "--raw",
        proof / "raw",
        "--cleaned",
        proof / "cleaned/clean",
        "--real",
        proof / "real",
    ]
    found = {
        "rules": [HERE / "rules.py", "--json", work / "rules.json"],
        "proof": [HERE / "prove.py", "--out", proof, "--json", work / "proof.json", *some],
        "ablation": [
            HERE / "ablation.py",
            *folders,
            "--json",
            work / "ablation.json",
            "--threads",
            1,
            *some,
        ],
        "languages": [HERE / "language.py", "--json", work / "languages.json"],
        "facts": [HERE / "facts.py", "--json", work / "facts.json"],
        "speed": [
            ROOT / "benchmarks/corpus.py",
            "--page",
            work / "speed.md",
            "--json",
            work / "speed.json",
            *some,
        ],
    }
    return {name: [python, *map(str, words)] for name, words in found.items()}


def make(name: str, work: Path, quick: bool) -> None:
    """One part as Markdown in the work folder."""
    start = time.monotonic()
    target = work / f"{name}.md"
    if name == "clean":
        recipe, out = HERE / "corpus.yaml", work / "clean"
        command = [
            sys.executable,
            "-m",
            "mishran",
            "corpus",
            "clean",
            str(recipe),
            "--run",
            str(out),
        ]
        subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        text = corpus_markdown(open_corpus(out).facts)
    elif name == "speed":
        subprocess.run(commands(work, quick)[name], check=True)  # what it prints is progress
        text = target.read_text(encoding="utf-8")
    else:
        command = commands(work, quick)[name]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    text = text.replace(f"{work}/", "")  # where it was made is of no concern
    minutes = (time.monotonic() - start) / 60
    target.write_text(f"{text.strip()}\n\nMade in {minutes:.1f} minutes.\n", encoding="utf-8")
    print(f"{name}: {minutes:.1f} minutes", flush=True)


def results(work: Path) -> str:
    """The page, from the parts that are there and the remarks on them."""
    remarks = sections((HERE / "remarks.md").read_text(encoding="utf-8"))
    head = (
        f"Machine: {machine()}, {', '.join(map(installed, PACKAGES))}.\n"
        "Made again by `python examples/bilingual-corpus/run.py`."
    )
    return page("A clean bilingual corpus: what was measured", head, work, remarks, HEADINGS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join([*PARTS, "page"]), help="parts, with commas")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "corpus-results")
    parser.add_argument(
        "--quick", action="store_true", help="small; the page stays in the work folder"
    )
    asked = parser.parse_args()
    wanted = asked.only.split(",")
    if unknown := set(wanted) - {*PARTS, "page"}:
        parser.error(
            f"no part called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}, page"
        )
    work = asked.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        if name in wanted:
            make(name, work, asked.quick)
    if "page" in wanted:
        target = work / "corpus.md" if asked.quick else PAGE
        target.write_text(results(work), encoding="utf-8")
        print(target)


if __name__ == "__main__":
    main()
