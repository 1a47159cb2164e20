"""Splits as properties: disjoint, complete, the same in every process, nothing leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_files import content, load, message, pairs, write_jsonl

from mishran.errors import DataError
from mishran.tasks.splits import FLOOR, SPLIT_NAMES, hash_splits, named_split, separate
from mishran.tasks.task import Example, text_key

SPLITS = ("train", "valid", "test")


def example(text: str, answer: str = "a", where: str = "x:1") -> Example:
    return Example(id="1", prompt=text, answer=answer, where=where)


def examples(num: int) -> list[Example]:
    return [example(f"question {i}") for i in range(num)]


def sizes(num: int) -> list[int]:
    splits = hash_splits(examples(num))
    return [splits.count(split) for split in SPLITS]


# --- the content hash


def test_sizes_of_small_tasks():
    """At least a fifth for valid and a tenth for test, up to 64, and something to train on."""
    assert sizes(1) == [1, 0, 0]
    assert sizes(2) == [1, 1, 0]
    assert sizes(3) == [2, 1, 0]
    assert sizes(10) == [7, 2, 1]
    assert sizes(100) == [70, 20, 10]
    assert sizes(640) == [512, 64, 64]


def test_sizes_of_large_tasks_are_90_5_5():
    train, valid, test = sizes(40_000)
    assert abs(train / 40_000 - 0.90) < 0.01
    assert abs(valid / 40_000 - 0.05) < 0.005
    assert abs(test / 40_000 - 0.05) < 0.005


@given(st.lists(st.text(max_size=3), max_size=60))
def test_equal_texts_share_a_split_and_something_is_trained_on(texts):
    rows = [example(text) for text in texts]
    splits = hash_splits(rows)
    by_text: dict[bytes, set[str]] = {}
    for row, split in zip(rows, splits, strict=True):
        by_text.setdefault(text_key(row), set()).add(split)
    assert all(len(found) == 1 for found in by_text.values())
    num = len(by_text)
    counts = [sum(found == {s} for found in by_text.values()) for s in SPLITS]
    assert counts[0] >= min(1, num)
    assert counts[1] >= max(min(FLOOR, num // 5), min(1, num - 1))
    assert counts[2] >= min(FLOOR, num // 10)


@given(st.permutations(range(30)), st.integers(0, 29))
def test_split_of_a_text_does_not_depend_on_order_or_repeats(order, again):
    rows = examples(30)
    expected = dict(zip([e.prompt for e in rows], hash_splits(rows), strict=True))
    mixed = [rows[i] for i in order] + [rows[again]]
    assert hash_splits(mixed) == [expected[e.prompt] for e in mixed]


def test_text_is_compared_in_nfc_with_whitespace_folded():
    assert text_key(example("caf\u00e9  x\n")) == text_key(example("cafe\u0301 x"))
    assert text_key(example("a", "b")) != text_key(example("b", "a"))
    assert text_key(example("a")) != text_key(example("A"))
    chat = Example(
        "1", "", "", "", ({"role": "user", "content": "q"}, {"role": "a", "content": "r"})
    )
    assert text_key(chat) == text_key(example("q", "r"))


def test_two_processes_agree(tmp_path):
    """Python's own hash differs between processes; ours must not."""
    write_jsonl(tmp_path / "x.jsonl", [*pairs(300), *pairs(5)])
    code = (
        "import json, sys; from pathlib import Path\n"
        "from mishran.config import TaskConfig; from mishran.tasks.load import load_task\n"
        "t = load_task(TaskConfig(name='t', path='x.jsonl', limit=50), Path(sys.argv[1]), 3)\n"
        "print(json.dumps([t.counts, *([e.id for e in p] for p in (t.train, t.valid, t.test))]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(found) == 1
    counts, *ids = json.loads(found.pop())
    task = load(tmp_path, path="x.jsonl", limit=50, seed=3)
    assert counts == task.counts
    assert ids == [[e.id for e in part] for part in (task.train, task.valid, task.test)]


# --- leaks

ROWS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(SPLITS)), max_size=40)


@given(ROWS)
def test_separate(rows):
    made = [example(f"q {n}", where=f"x:{i}") for i, (n, _) in enumerate(rows)]
    splits = [split for _, split in rows]
    parts = separate(made, splits)
    keys = [{text_key(e) for e in part} for part in (parts.train, parts.valid, parts.test)]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert keys[2] == {text_key(e) for e, s in zip(made, splits, strict=True) if s == "test"}
    assert set().union(*keys) == {text_key(e) for e in made}
    assert len(parts.train) + parts.num_leaked_train == splits.count("train")
    assert len(parts.valid) + parts.num_leaked_valid == splits.count("valid")
    assert len(parts.train) - parts.num_duplicates == len(keys[0])


def test_leaks_and_duplicates_are_counted(tmp_path):
    rows = [
        *pairs(6, "train"),
        *pairs(2, "train"),
        *pairs(3, "valid"),
        {"input": " q   1", "target": "a 1", "split": "test"},
        {"input": "q 9", "target": "a 9", "split": "test"},
    ]
    write_jsonl(tmp_path / "x.jsonl", rows)
    task = load(tmp_path, path="x.jsonl")
    assert [e.prompt for e in task.train] == ["q 3\n", "q 4\n", "q 5\n"]
    assert [e.prompt for e in task.valid] == ["q 0\n", "q 2\n"]
    assert len(task.test) == 2
    assert task.counts["dropped_leaked"] == 5
    assert task.counts["dropped_leaked_valid"] == 1
    assert task.counts["duplicates"] == 0
    repeated = [*pairs(4, "train"), *pairs(4, "train"), *pairs(2, "valid", word="v")]
    write_jsonl(tmp_path / "y.jsonl", repeated)
    again = load(tmp_path, path="y.jsonl")
    assert (len(again.train), again.counts["duplicates"]) == (8, 4)


def test_the_same_prompt_with_another_answer_is_no_leak(tmp_path):
    rows = [
        {"input": "pick one", "target": "a", "split": "train"},
        {"input": "pick one", "target": "b", "split": "valid"},
    ]
    write_jsonl(tmp_path / "x.jsonl", rows)
    assert load(tmp_path, path="x.jsonl").counts["dropped_leaked"] == 0


# --- named splits


@pytest.mark.parametrize("name", SPLIT_NAMES)
def test_names(name):
    assert named_split(name, "") == named_split(name.upper(), "") == SPLIT_NAMES[name]


def test_names_in_a_file(tmp_path):
    rows = [{**row, "split": name} for row, name in zip(pairs(8), SPLIT_NAMES, strict=True)]
    write_jsonl(tmp_path / "x.jsonl", rows)
    task = load(tmp_path, path="x.jsonl")
    assert (len(task.train), len(task.valid), len(task.test)) == (2, 4, 2)


@pytest.mark.parametrize(
    ("value", "found", "example_"),
    [("tarin", "'tarin'", "tarin"), (None, "none", "..."), (3, "3", "...")],
)
def test_unknown_split(tmp_path, value, found, example_):
    rows = [*pairs(2, "train"), {"input": "q", "target": "a", "split": value}]
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")) == (
        f"{path}:3: expected a split named train, training, valid, validation, val, dev, test, "
        f"eval, found {found}; rename it, or say in the task which is which, for example "
        f"splits: {{train: ..., valid: {example_}}}"
    )


def test_unknown_split_of_a_data_set(tmp_path):
    import datasets

    parts = {"train": pairs(3), "validation_matched": pairs(2, word="v")}
    saved = datasets.DatasetDict({n: datasets.Dataset.from_list(r) for n, r in parts.items()})
    saved.save_to_disk(str(tmp_path / "parts"))
    text = message(DataError, lambda: load(tmp_path, path="parts"))
    assert text.startswith(f"{tmp_path}/parts: expected a split named train, ")
    assert text.endswith("for example splits: {train: ..., valid: validation_matched}")
    task = load(tmp_path, path="parts", splits={"train": "train", "valid": "validation_matched"})
    assert (len(task.train), len(task.valid)) == (3, 2)


def test_some_records_without_split(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", [*pairs(1), *pairs(2, "train"), *pairs(1, "valid")])
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")) == (
        f"{path}:1: expected a field 'split', as at {path}:2, found the fields input, target; "
        "give every record a split, or none"
    )


# --- splits: in the configuration


def test_a_file_for_each_split_wins_over_the_field(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", pairs(4, "test"))
    write_jsonl(tmp_path / "b.jsonl", pairs(3, "train", word="w"))
    task = load(tmp_path, splits={"valid": "b.jsonl", "train": "a.jsonl"})
    assert [e.id for e in task.train] == ["train-1", "train-2", "train-3", "train-4"]
    assert [e.id for e in task.valid] == ["valid-1", "valid-2", "valid-3"]
    assert task.test == ()
    assert task.held_out == task.valid


def test_values_of_the_split_field(tmp_path):
    rows = [*pairs(4, "fold0"), *pairs(3, "fold1", "v"), *pairs(2, "fold2", "o")]
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    task = load(tmp_path, path="x.jsonl", splits={"train": "fold0", "valid": "fold1"})
    assert (len(task.train), len(task.valid), len(task.test)) == (4, 3, 0)
    assert task.counts["other_split"] == 2 and task.counts["records"] == 7
    with_number = [{**row, "split": i % 2} for i, row in enumerate(pairs(6))]
    write_jsonl(tmp_path / "n.jsonl", with_number)
    numbered = load(tmp_path, path="n.jsonl", splits={"train": "0", "test": "1"})
    assert (len(numbered.train), len(numbered.test)) == (3, 3)
    assert numbered.held_out == numbered.test

    def text(name: str) -> str:
        return message(
            DataError, lambda: load(tmp_path, path=name, splits={"train": "fold0", "valid": "dev"})
        )

    fix = "correct splits:, or remove path and give a file for each split"
    assert text("x.jsonl") == (
        f"{path}: expected records whose field 'split' is 'dev' (splits: valid), found the values "
        f"fold0, fold1, fold2; {fix}"
    )
    plain = write_jsonl(tmp_path / "plain.jsonl", pairs(3))
    assert text("plain.jsonl") == (
        f"{plain}: expected records whose field 'split' is 'fold0' (splits: train), found no field "
        f"'split'; {fix}"
    )


def test_splits_of_a_folder(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    write_jsonl(folder / "train.jsonl", pairs(4))
    write_jsonl(folder / "test.jsonl", pairs(3, word="w"))
    by_split = load(tmp_path, path="d", splits={"train": "train", "valid": "test"})
    by_file = load(tmp_path, path="d", splits={"train": "train.jsonl", "valid": "test.jsonl"})
    assert content(by_split) == content(by_file)
    assert (len(by_file.train), len(by_file.valid)) == (4, 3)
    assert message(
        DataError, lambda: load(tmp_path, path="d", splits={"train": "train", "valid": "dev"})
    ) == (
        f'{folder}: expected a data set that `datasets` can load, found Unknown split "dev". '
        f"Should "
        "be one of ['train', 'test']; check its files"
    )


def test_split_of_a_saved_data_set_that_it_has_not(tmp_path):
    import datasets

    parts = {n: datasets.Dataset.from_list(pairs(3)) for n in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    assert message(DataError, lambda: load(tmp_path, path="saved", splits={"train": "dev"})) == (
        f"{tmp_path}/saved: expected a split 'dev', found the splits train, test; "
        "correct splits: in the task"
    )


def test_a_folder_as_one_split_must_have_one(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    write_jsonl(folder / "train.jsonl", pairs(4))
    write_jsonl(tmp_path / "v.jsonl", pairs(2, word="v"))
    task = load(tmp_path, splits={"train": "d", "valid": "v.jsonl"})
    assert len(task.train) == 4
    write_jsonl(folder / "test.jsonl", pairs(3, word="w"))
    assert message(
        DataError, lambda: load(tmp_path, splits={"train": "d", "valid": "v.jsonl"})
    ) == (
        "task 't': d: expected one split, found the splits train, test; "
        "write path: d and splits: {train: train, ...}"
    )
