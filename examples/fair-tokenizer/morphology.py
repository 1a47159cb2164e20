"""Do tokens end where stems end, before and after merges were kept from crossing them; what it costs.

    python examples/fair-tokenizer/morphology.py --made FILE [--json FILE]

`FILE` is what `make.py` wrote. Boundaries came from half of the lemmas of the inflection table; agreement
is measured on the other half, fertility on the validation text of the pretraining data. Intervals are over
lemmas, differences paired.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from make import HELD_OUT, SMALL

from mishran.places import data_root
from mishran.tokenizer.inflection import part_lemmas, read_inflections
from mishran.tokenizer.morphology import StemAgreement, stem_agreement, stem_change
from mishran.tokenizer.opened import open_tokenizer
from mishran.tokenizer.stems import find_stems
from mishran.tokenizer.tally import tally

ARMS = {
    "BPE": f"curve {SMALL}",
    "BPE, stems kept, whole aksharas": "stems kept",
    "BPE, stems kept": "stems given",
    "unigram": "unigram",
}


def held_out() -> list[str]:
    """Hindi validation text."""
    texts = []
    for path in sorted((data_root() / "pretrain").glob("hi_*.valid.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    return texts


def say(one: object, form: str = "{:.3f}") -> str:
    """An estimate with its interval."""
    if one is None:
        return "-"
    value, low, high = (form.format(getattr(one, k)) for k in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def row(name: str, found: StemAgreement, words: tuple[float, float, float]) -> str:
    every, between = found.all, found.between
    cells = (
        name,
        f"{words[0]:.3f}",
        f"{words[1]:.3f}",
        f"{words[2]:.1%}",
        say(every.recall),
        say(every.precision),
        say(every.f1),
        say(every.intact),
        say(every.whole),
        f"{every.lift.value:.2f}" if every.lift else "-",
        say(between.recall) if between else "-",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--made", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    made = json.loads(asked.made.read_text())
    forms = read_inflections(data_root() / "hindi/hi_inflection.jsonl.gz").forms
    _, others = part_lemmas(forms, HELD_OUT, np.random.default_rng(0))
    stems = find_stems(others)
    texts = held_out()
    opened = {name: open_tokenizer(made[key], name) for name, key in ARMS.items()}
    print(
        f"{len(stems.forms):,} forms of {len({s.lemma for s in stems.forms})} lemmas that no boundary was "
        f"taken from; {len(stems.bare)} bare stems, {len(stems.changed)} irregular forms and "
        f"{len(stems.unstemmed)} without a stem are left out. {SMALL:,} tokens each.\n"
    )
    print(
        "| tokenizer | tokens per word | bytes per token | broken aksharas | stem end found (recall) "
        "| precision | F1 | stem is one token | form is one token | lift over chance "
        "| recall between aksharas |"
    )
    print("|---|" + "---:|" * 10)
    found = {}
    for name, tokenizer in opened.items():
        counted = tally(tokenizer, texts)
        tokens = counted.num_tokens.sum()
        words = (
            float(tokens / counted.num_words.sum()),
            float(counted.num_bytes.sum() / tokens),
            float(counted.num_broken.sum() / tokens),
        )
        found[name] = words[0]
        agreement = stem_agreement(tokenizer, stems.forms, np.random.default_rng(1))
        print(row(name, agreement, words))
    print("\nPaired differences to the first, over lemmas:\n")
    print(
        "| tokenizer | recall | precision | F1 | stem is one token | tokens per form "
        "| tokens per word of text |"
    )
    print("|---|" + "---:|" * 6)
    first, *rest = opened
    for name in rest:
        change = stem_change(opened[first], opened[name], stems.forms, np.random.default_rng(1))
        cells = [
            say(getattr(change, key), "{:+.3f}")
            for key in ("recall", "precision", "f1", "intact", "fertility")
        ]
        print(f"| {name} | {' | '.join(cells)} | {found[name] / found[first] - 1:+.1%} |")


if __name__ == "__main__":
    main()
