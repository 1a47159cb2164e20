"""The tokenizers that the measurements need, each trained by the project's own command from a recipe.

    python examples/fair-tokenizer/make.py --work FOLDER

The worked example first (`tokenizer.yaml`: search, choice, report). Then, with shares that are fixed:
one of each size for the curve over vocabularies, one of each algorithm, and those that are kept from
merging across the ends of stems. `FOLDER/made.json` says where each is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from small_models import read_texts

from mishran.pipeline.tokenizer import TrainedTokenizer, train_tokenizer
from mishran.places import data_root
from mishran.tokenizer.train import ALGORITHMS

HERE = Path(__file__).resolve().parent
CURVE = (4096, 8192, 16384, 32768, 65536)
# Tokenizers that have read no more than the models that are trained on them, and how much that is.
OWN, OWN_BYTES = (4096, 8192, 16384, 32768), 2_000_000
SMALL = 8192  # for models of a million parameters
# Of the text that all of these are trained on, so that they differ in nothing else: what the search chose
# at 32,000 tokens from sources of their own sizes.
SHARES = {"en": 0.2534991148944608, "hi": 0.7403806461220975, "hi-Latn": 0.006120238983441753}
HELD_OUT = 0.5  # of the lemmas of the table, which no boundary is taken from


def recipe(work: Path, corpus: Path | None) -> dict[str, Any]:
    """The worked example's, with its folders here."""
    data: dict[str, Any] = yaml.safe_load((HERE / "tokenizer.yaml").read_text(encoding="utf-8"))
    data["corpus"] = str((corpus or HERE / data["corpus"]).resolve())
    data["run"] = str(work / "example")
    return data


def make(work: Path, name: str, data: dict[str, Any], **changed: Any) -> TrainedTokenizer:
    """One run in a folder of its own, unless it is there already."""
    path = work / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**data, "run": str(work / name), **changed}), encoding="utf-8")
    done = train_tokenizer(path)
    print(f"{name}: {'made' if done.made else 'there'}", file=sys.stderr, flush=True)
    return done


def halves(table: Path, work: Path) -> Path:
    """An inflection table of the lemmas that boundaries may be taken from."""
    import numpy as np

    from mishran.tokenizer.inflection import part_lemmas, read_inflections

    forms = read_inflections(table).forms
    taken, _ = part_lemmas(forms, HELD_OUT, np.random.default_rng(0))
    path = work / "lemmas.tsv"
    lines = (f"{one.lemma}\t{one.form}\t{one.features}\n" for one in taken)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def own_text(work: Path) -> dict[str, Any]:
    """The text that small models read, as the text of a recipe."""
    texts = read_texts(data_root() / "pretrain", ("en", "hi"), OWN_BYTES, 1000).train
    for tag, passages in texts.items():
        lines = (json.dumps({"text": one}, ensure_ascii=False) + "\n" for one in passages)
        (work / f"own-{tag}.jsonl").write_text("".join(lines), encoding="utf-8")
    return {"languages": {tag: {"text": f"own-{tag}.jsonl"} for tag in texts}}


def make_all(work: Path, corpus: Path | None, table: Path) -> dict[str, str]:
    """Name -> folder of every tokenizer."""
    data = recipe(work, corpus)
    example = make(work, "example", data)
    bound = make(work, "example-1.15", data, parity=1.15)
    print(f"parity 1.15: {bound.search['why']}", file=sys.stderr)
    made = {
        "example": str(example.folder / "tokenizer"),
        "example proportional": str(example.folder / "proportional"),
    }
    given = {"shares": SHARES, "algorithms": "sentencepiece-bpe", "temperatures": [1]}
    for size in CURVE:
        done = make(work, f"curve-{size}", data, **given, vocabularies=size)
        made[f"curve {size}"] = str(done.folder / "tokenizer")
    alone = {k: v for k, v in data.items() if k != "corpus"} | own_text(work)
    half = {**given, "shares": {"en": 0.5, "hi": 0.5}}
    for size in OWN:
        done = make(work, f"own-{size}", alone, **half, vocabularies=size)
        made[f"own {size}"] = str(done.folder / "tokenizer")
    made[f"proportional {SMALL}"] = str(work / f"curve-{SMALL}" / "proportional")
    for algorithm in ALGORITHMS:
        size = example.training["vocabulary"]
        by = {"algorithms": algorithm, "vocabularies": size}
        done = make(work, f"by-{algorithm}", data, **{**given, **by})
        made[f"by {algorithm}"] = str(done.folder / "tokenizer")
        made[f"by {algorithm} proportional"] = str(done.folder / "proportional")
    inflections = str(halves(table, work))
    for name, aksharas in (("kept", True), ("given", False)):
        hindi = {"hi": {"inflections": inflections, "aksharas": aksharas}}
        done = make(work, f"stems-{name}", data, **given, vocabularies=SMALL, boundaries=hindi)
        made[f"stems {name}"] = str(done.folder / "tokenizer")
    by = {"algorithms": "sentencepiece-unigram", "vocabularies": SMALL}
    done = make(work, "unigram", data, **{**given, **by})
    made["unigram"] = str(done.folder / "tokenizer")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, help="a cleaned corpus; by default the recipe's")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    made = make_all(
        asked.work.resolve(), asked.corpus, data_root() / "hindi/hi_inflection.jsonl.gz"
    )
    text = json.dumps(made, indent=1) + "\n"
    (asked.work / "made.json").write_text(text, encoding="utf-8")
    for name, folder in made.items():
        print(f"- {name}: {Path(folder).relative_to(asked.work.resolve())}")


if __name__ == "__main__":
    main()
