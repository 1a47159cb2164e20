"""Tasks as a configuration asks for them: folders, limit, eval_only, ids, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from task_files import content, load, message, pairs, write_jsonl

from mishran.config import FitConfig, parse_config
from mishran.errors import ConfigError, DataError
from mishran.tasks.load import COUNTS, load_tasks, task_configs


def config(tasks) -> FitConfig:
    return parse_config({"model": "m", "tasks": tasks}, "mix.yaml")


def test_a_list_of_tasks(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", pairs(20))
    write_jsonl(tmp_path / "b.jsonl", pairs(20, word="b"))
    one, two = load_tasks(
        config(
            [
                {"name": "a", "path": "a.jsonl", "groups": ["hindi", "facts"]},
                {"name": "b", "path": "b.jsonl", "eval_only": True},
            ]
        ),
        tmp_path,
    )
    assert (one.name, one.groups, one.eval_only) == ("a", ("hindi", "facts"), False)
    assert (two.name, two.groups, two.eval_only) == ("b", (), True)
    assert tuple(one.counts) == COUNTS
    assert {n: c for n, c in one.counts.items() if c} == {"records": 20}


def test_groups_and_names_are_not_content(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", pairs(20))
    plain = load(tmp_path, path="a.jsonl")
    assert content(plain) == content(load(tmp_path, name="z", path="a.jsonl", groups=("g",)))
    assert content(plain) != content(load(tmp_path, path="a.jsonl", separator=" "))


def test_a_folder_of_files(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("zebra.jsonl", "ant.jsonl.gz", "हिन्दी.jsonl", ".hidden.jsonl"):
        write_jsonl(folder / name, pairs(5))
    (folder / "notes.txt").write_text("no data")
    tasks = load_tasks(config("data"), tmp_path)
    assert [t.name for t in tasks] == ["ant", "zebra", "हिन्दी"]
    assert tasks[0].train[0].where.startswith(f"{folder}/ant.jsonl.gz:")
    assert task_configs(config("data/"), tmp_path)[0].path == "data/ant.jsonl.gz"


def test_folders_that_do_not_do(tmp_path):
    def text(kind, tasks="data"):
        return message(kind, lambda: load_tasks(config(tasks), tmp_path))

    fix = "write tasks: [{name: ..., path: ...}]"
    assert text(ConfigError) == (
        f"tasks: {tmp_path}/data: expected a folder of data files, or a list of tasks, found no "
        f"such folder; correct the path, or {fix}"
    )
    write_jsonl(tmp_path / "a.jsonl", pairs(5))
    assert "found a file; correct" in text(ConfigError, "a.jsonl")
    folder = tmp_path / "data"
    folder.mkdir()
    assert text(DataError) == (
        f"{folder}: expected files that end in .jsonl, .jsonl.gz, .parquet, found none; put one "
        f"file per task there, or {fix}"
    )
    write_jsonl(folder / "my task (1).jsonl", pairs(5))
    assert text(DataError) == (
        f"{folder}/my task (1).jsonl: expected a name of letters, digits, '_', '.', '+' or '-', "
        "beginning with a letter or digit, of at most 200 bytes, found 'my task (1)'; "
        f"rename the file, or {fix}"
    )
    (folder / "my task (1).jsonl").unlink()
    write_jsonl(folder / "Capitals.jsonl", pairs(5))
    write_jsonl(folder / "capitals.jsonl.gz", pairs(5))
    assert text(DataError) == (
        f"{folder}: expected one file per task name, found data/Capitals.jsonl and "
        f"{folder}/capitals.jsonl.gz; rename one of them"
    )


def test_limit_draws_rows_with_the_seed_and_keeps_their_order(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [*pairs(200, "train"), *pairs(9, "valid", "v")])
    whole = load(tmp_path, path="a.jsonl")
    some = load(tmp_path, path="a.jsonl", limit=20)
    assert (len(some.train), some.counts["over_limit"], len(some.valid)) == (20, 180, 9)
    places = [whole.train.index(e) for e in some.train]
    assert places == sorted(places) and max(places) > 100
    other = load(tmp_path, path="a.jsonl", limit=20, seed=1)
    assert other.train != some.train and other.valid == some.valid
    assert load(tmp_path, path="a.jsonl", limit=200).counts["over_limit"] == 0
    assert content(load(tmp_path, path="a.jsonl", limit=200, seed=5)) == content(whole)


def test_eval_only(tmp_path):
    write_jsonl(tmp_path / "plain.jsonl", pairs(12))
    write_jsonl(
        tmp_path / "split.jsonl", [*pairs(5, "train"), *pairs(5, "test", "v"), *pairs(1, "test")]
    )
    plain = load(tmp_path, path="plain.jsonl", eval_only=True)
    assert (plain.train, len(plain.valid), plain.test) == ((), 12, ())
    split = load(tmp_path, path="split.jsonl", eval_only=True)
    assert (split.train, split.valid, len(split.test)) == ((), (), 6)
    assert split.held_out == split.test
    assert {n: c for n, c in split.counts.items() if c} == {"records": 11, "train_unused": 5}
    write_jsonl(tmp_path / "train.jsonl", pairs(5, "train"))
    assert message(DataError, lambda: load(tmp_path, path="train.jsonl", eval_only=True)) == (
        "task 't': train.jsonl: expected held-out examples, to validate on and to probe with, "
        "found "
        "none (5 in train, 0 in valid, 0 in test); put some records into split valid, or name no "
        "splits: then a hash of the text decides (needs two different records)"
    )


def test_ids(tmp_path):
    rows = [{"id": "x"}, {"id": 7}, {"id": "x"}, {"id": None}, {}, {"id": "x"}, {"id": [1]}]
    rows = [{**row, "input": f"q {i}", "target": "a"} for i, row in enumerate(rows)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    task = load(tmp_path, path="a.jsonl", eval_only=True)
    assert [e.id for e in task.valid] == ["x", "7", "x#2", "4", "5", "x#3", "7#2"]
    assert task.counts["repeated_ids"] == 3


def test_empty_tasks(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n")
    fix = "expected at least one record, found none; check the file, or remove the task"
    assert message(DataError, lambda: load(tmp_path, path="a.jsonl")) == f"task 't': a.jsonl: {fix}"
    splits = {"train": "a.jsonl", "valid": "a.jsonl"}
    assert message(DataError, lambda: load(tmp_path, splits=splits)) == (
        f"task 't': a.jsonl, a.jsonl: {fix}"
    )


def test_nothing_held_out(tmp_path):
    held_out = (
        "put some records into split valid, or name no splits: then a hash of the text decides "
        "(needs two different records)"
    )
    expected = "expected held-out examples, to validate on and to probe with, found none"
    write_jsonl(tmp_path / "one.jsonl", pairs(1) * 5)
    assert message(DataError, lambda: load(tmp_path, path="one.jsonl")) == (
        f"task 't': one.jsonl: {expected} (5 in train, 0 in valid, 0 in test); {held_out}"
    )
    write_jsonl(tmp_path / "train.jsonl", pairs(9))
    assert message(DataError, lambda: load(tmp_path, splits={"train": "train.jsonl"})) == (
        f"task 't': train.jsonl: {expected} (9 in train, 0 in valid, 0 in test); {held_out}"
    )


def test_nothing_to_train_on(tmp_path):
    write_jsonl(tmp_path / "test.jsonl", pairs(3, "test"))
    assert message(DataError, lambda: load(tmp_path, path="test.jsonl")) == (
        "task 't': test.jsonl: expected examples to train on, found none (0 in train, 0 in "
        "valid, 3 "
        "in test); add records of split train, or set eval_only: true"
    )
    write_jsonl(tmp_path / "leak.jsonl", [*pairs(3, "train"), *pairs(3, "valid")])
    assert message(DataError, lambda: load(tmp_path, path="leak.jsonl")) == (
        "task 't': leak.jsonl: expected examples to train on, found 3 whose text is all in valid "
        "or "
        "test; split the records anew"
    )


@pytest.mark.parametrize("module", ["load", "render", "duplicates", "inspect"])
def test_importing_tasks_loads_nothing_heavy(module):
    code = (
        f"import sys, mishran.tasks.{module}\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_real_data(data_root: Path):
    """Counts of the files themselves, and every record a usable example."""
    tasks = load_tasks(
        config(
            [
                {"name": "xquad_hi", "path": "hindi/xquad_hi.jsonl.gz", "eval_only": True},
                {"name": "hi", "path": "hindi/hi_inflection.jsonl.gz"},
                {"name": "en_hi", "path": "hindi/tatoeba_en2hi.jsonl.gz", "limit": 100},
                {"name": "capital", "path": "tasks/ni_1146_country_capital.jsonl.gz"},
            ]
        ),
        data_root,
    )
    sizes = [(len(t.train), len(t.valid), len(t.test)) for t in tasks]
    # One of the 319 valid records of en_hi has the text of a test record.
    assert tasks[2].counts["dropped_leaked_valid"] == 1
    assert sizes == [(0, 119, 492), (3037, 316, 647), (100, 318, 429), (176, 29, 26)]
    assert all(e.answer.strip() for t in tasks for e in (*t.train, *t.valid, *t.test))
