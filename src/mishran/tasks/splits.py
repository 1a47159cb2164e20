"""Which examples are trained on: split names, the content hash, and what leaks between splits.

Where nothing says which split a record belongs to, the sha256 of its text does: 90 % train, 5 %
valid, 5 % test. Equal texts land in the same split, in every process and on every machine. Small
tasks would get a held-out set too small to measure anything, so valid takes at least min(64, a
fifth) and test at least min(64, a tenth) of the distinct texts: those with the next lowest and next
highest hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mishran.errors import DataError
from mishran.tasks.task import Example, Split, text_key

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "eval": "test",
}
VALID_SHARE = TEST_SHARE = 0.05
# Assumption: the default number of validation examples of a specialist (config.SpecialistConfig).
FLOOR = 64


def named_split(value: Any, where: str) -> Split:
    """The split that a `split` field or the split of a data set means."""
    split = SPLIT_NAMES.get(value.casefold()) if isinstance(value, str) else None
    if split is None:
        raise DataError(
            expected=f"a split named {', '.join(SPLIT_NAMES)}",
            found="none" if value is None else repr(value),
            where=where,
            fix="rename it, or say in the task which is which, for example "
            f"splits: {{train: ..., valid: {value if isinstance(value, str) else '...'}}}",
        )
    return split


def hash_splits(examples: Sequence[Example]) -> list[Split]:
    """A split for each example, from the hash of its text alone and the number of texts."""
    keys = [text_key(example) for example in examples]
    ordered = sorted(set(keys))
    num = len(ordered)
    units = [int.from_bytes(key[:8], "big") / 2**64 for key in ordered]
    num_valid = sum(unit < VALID_SHARE for unit in units)
    num_test = sum(unit >= 1 - TEST_SHARE for unit in units)
    num_valid = max(num_valid, min(FLOOR, num // 5), min(1, num - 1))
    num_test = min(max(num_test, min(FLOOR, num // 10)), num - num_valid - 1)
    valid = set(ordered[:num_valid])
    test = set(ordered[num - num_test :]) if num_test > 0 else set()
    return ["valid" if k in valid else "test" if k in test else "train" for k in keys]


def by_content(examples: Sequence[Example], seed: int) -> list[Example]:
    """In an order drawn by the hash of their texts: that of the file changes nothing."""

    def place(example: Example) -> str:
        text = "\0".join([str(seed), example.prompt, example.answer, repr(example.messages)])
        return hashlib.sha256(text.encode()).hexdigest()

    return sorted(examples, key=place)


@dataclass(frozen=True)
class Separated:
    """Examples by split, without those whose text is in a later one, and how many were left out."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]
    num_leaked_train: int
    num_leaked_valid: int
    num_duplicates: int


def separate(examples: Sequence[Example], splits: Sequence[Split]) -> Separated:
    """Drop from train what is in valid or test, and from valid what is in test.

    num_duplicates: repeats of a text inside train, which are kept: repeating is a way to weight.
    """
    rows: dict[Split, list[tuple[bytes, Example]]] = {"train": [], "valid": [], "test": []}
    for example, split in zip(examples, splits, strict=True):
        rows[split].append((text_key(example), example))
    test = {key for key, _ in rows["test"]}
    valid = {key for key, _ in rows["valid"]}
    kept_valid = tuple(e for key, e in rows["valid"] if key not in test)
    kept_train = [(key, e) for key, e in rows["train"] if key not in test and key not in valid]
    return Separated(
        train=tuple(e for _, e in kept_train),
        valid=kept_valid,
        test=tuple(e for _, e in rows["test"]),
        num_leaked_train=len(rows["train"]) - len(kept_train),
        num_leaked_valid=len(rows["valid"]) - len(kept_valid),
        num_duplicates=len(kept_train) - len({key for key, _ in kept_train}),
    )
