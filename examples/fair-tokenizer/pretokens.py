"""What it costs to cut words at vowel signs: the same training with letters alone, and with their marks.

    python examples/fair-tokenizer/pretokens.py --words FOLDER

`FOLDER` holds the tables of words of a run. One tokenizer has pre-tokens of `\\p{L}+`, as many published
patterns do; the other is ours. Byte-pair merges of bytes, Hindi only, the same size; measured on FLORES
in four languages that are written in Devanagari, of which Hindi alone was trained on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import regex

from mishran.pipeline.tokenizer_compare import read_beside
from mishran.tokenizer.alphabet import Alphabet, alphabet_of
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.pretokens import PATTERN
from mishran.tokenizer.tally import tally
from mishran.tokenizer.train import train
from mishran.tokenizer.words import blended, load_words

LETTERS = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SIZE = 16384
SHOWN = {"hin": "Hindi", "mar": "Marathi", "npi": "Nepali"}


def trained(words: dict[str, float], alphabet: Alphabet, pattern: str) -> HuggingFace:
    """Of these words, cut again where the pattern cuts them."""
    find = regex.compile(pattern).findall
    counts: dict[str, float] = {}
    for word, count in words.items():
        for part in find(word):
            counts[part] = counts.get(part, 0.0) + count
    made = train(counts, alphabet, "byte-bpe", SIZE)
    text = made.json.replace(json.dumps(PATTERN, ensure_ascii=False), json.dumps(pattern))
    assert pattern == PATTERN or text != made.json
    return HuggingFace(text, pattern)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--words", type=Path, required=True)
    asked = parser.parse_args()
    table = blended([load_words(path) for path in sorted(asked.words.glob("hi-?.parquet"))])
    words = {word: float(count) for word, count in table.counts.items()}
    alphabet = alphabet_of({"hi": table}, 0.9995)
    texts = read_beside([]).texts
    print(
        "| pre-tokens | "
        + " | ".join(f"{v}: tokens per word | broken" for v in SHOWN.values())
        + " |"
    )
    print("|---|" + "---:|" * (2 * len(SHOWN)))
    for name, pattern in (("letters alone", LETTERS), ("letters with their marks", PATTERN)):
        tokenizer = trained(words, alphabet, pattern)
        cells = []
        for tag in SHOWN:
            found = tally(tokenizer, texts[tag])
            tokens = found.num_tokens.sum()
            cells.append(f"{tokens / found.num_words.sum():.2f}")
            cells.append(f"{found.num_broken.sum() / tokens:.1%}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
