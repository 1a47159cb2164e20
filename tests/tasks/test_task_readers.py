"""Files to records: the same records from every form, and damage named with file and line."""

from __future__ import annotations

import gzip
import json
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from task_files import content, load, message, pairs, write_jsonl

from mishran.errors import ConfigError, DataError, DependencyError
from mishran.tasks.readers import read_file

ROWS = [
    {
        "id": f"r{i}",
        "input": f"प्रश्न {i}: 2 + {i}?",
        "n": 2 + i,
        "meta": {"answer": f"उत्तर {i}", "refs": [f"a{i}", "b"]},
        "split": ["train", "train", "valid", "test"][i % 4],
    }
    for i in range(40)
]
TEMPLATES = {"prompt": "{input}\n", "answer": "{n} {meta.answer} {meta.refs[0]}"}


def _dataset(rows=ROWS):
    import datasets

    return datasets.Dataset.from_list(rows)


def _jsonl(folder: Path) -> str:
    write_jsonl(folder / "x.jsonl", ROWS)
    return "x.jsonl"


def _packed(folder: Path) -> str:
    write_jsonl(folder / "x.jsonl.gz", ROWS)
    return "x.jsonl.gz"


def _json(folder: Path) -> str:
    (folder / "x.json").write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
    return "x.json"


def _parquet(folder: Path) -> str:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "x.parquet", row_group_size=7)
    return "x.parquet"


def _saved(folder: Path) -> str:
    _dataset().save_to_disk(str(folder / "saved"))
    return "saved"


def _saved_splits(folder: Path) -> str:
    import datasets

    names = {"train": "train", "valid": "validation", "test": "test"}
    parts = {names[s]: _dataset([r for r in ROWS if r["split"] == s]) for s in names}
    datasets.DatasetDict(parts).save_to_disk(str(folder / "saved_dict"))
    return "saved_dict"


def _folder(folder: Path) -> str:
    (folder / "files").mkdir()
    write_jsonl(folder / "files" / "x.jsonl", ROWS)
    return "files"


def _folder_splits(folder: Path) -> str:
    (folder / "parts").mkdir()
    for split in ("train", "test"):
        write_jsonl(folder / "parts" / f"{split}.jsonl", [r for r in ROWS if r["split"] == split])
    write_jsonl(folder / "parts" / "validation.jsonl", [r for r in ROWS if r["split"] == "valid"])
    return "parts"


FORMS = [_jsonl, _packed, _json, _parquet, _saved, _saved_splits, _folder, _folder_splits]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__[1:])
def test_every_form_gives_the_same_task(tmp_path, form):
    expected = load(tmp_path, path=_jsonl(tmp_path), **TEMPLATES)
    task = load(tmp_path, path=form(tmp_path), **TEMPLATES)
    assert content(task) == content(expected)
    assert (task.counts, task.rendering) == (expected.counts, expected.rendering)
    assert [(e.id, e.prompt, e.answer) for e in task.train] == [
        (e.id, e.prompt, e.answer) for e in expected.train
    ]
    assert task.valid[0].prompt == "प्रश्न 2: 2 + 2?\n"
    assert task.valid[0].answer == "4 उत्तर 2 a2"


def test_where_counts_lines_and_rows_from_one(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('\n{"a": 1}\n  \n\r\n{"a": 2}\r\n{"a": 3}', encoding="utf-8")
    assert [(r.where, r.fields["a"]) for r in read_file(path)] == [
        (f"{path}:2", 1),
        (f"{path}:5", 2),
        (f"{path}:6", 3),
    ]
    parquet = tmp_path / _parquet(tmp_path)
    assert [r.where for r in read_file(parquet)][38:] == [f"{parquet}:39", f"{parquet}:40"]
    task = load(tmp_path, path=_saved_splits(tmp_path), **TEMPLATES)
    assert task.valid[1].where == f"{tmp_path}/saved_dict (validation):2"


def test_messages_are_equal_from_jsonl_and_parquet(tmp_path):
    """Arrow writes null for keys that other rows have; JSONL leaves them out."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"hi {i}", **({"name": "x"} if i == 3 else {})},
                {"role": "assistant", "content": f"ho {i}"},
            ]
        }
        for i in range(10)
    ]
    write_jsonl(tmp_path / "x.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    first, second = load(tmp_path, path="x.jsonl"), load(tmp_path, path="x.parquet")
    assert content(first) == content(second)


def test_byte_order_mark_is_no_data(tmp_path):
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}\n')
    assert read_file(path)[0].fields == {"a": 1}
    listed = tmp_path / "bom.json"
    listed.write_bytes(b"\xef\xbb\xbf" + b'[{"a": 1}]')
    assert read_file(listed)[0].fields == {"a": 1}


@pytest.mark.parametrize(
    "name", ["with space.jsonl", "ज्ञान.jsonl.gz", "a'b\"[x]{y}#é.jsonl", "UPPER.JSONL"]
)
def test_file_names_with_odd_characters(tmp_path, name):
    write_jsonl(tmp_path / name, pairs(20))
    assert load(tmp_path, path=name).counts["records"] == 20


def test_invalid_json_on_line_7(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", pairs(6))
    with path.open("a") as handle:
        handle.write('{"input": "x", "target": }\n')
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}:7: expected one JSON object per line, found expecting value at column 26; "
        "mend that line"
    )


def test_line_that_is_no_object(tmp_path):
    path = tmp_path / "x.jsonl"
    for text, found in (("[1, 2]", "a list"), ('"hello"', "'hello'"), ("null", "nothing")):
        path.write_text('{"a": 1}\n' + text + "\n")
        assert message(DataError, lambda: read_file(path)) == (
            f'{path}:2: expected a JSON object such as {{"input": ..., "target": ...}}, '
            f"found {found}; write each record as an object with named fields"
        )


def test_invalid_utf8(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": "ok"}\n{"a": "caf\xe9"}\n')
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}:2: expected UTF-8 text, found byte 0xe9 at position 11; "
        "save the file as UTF-8 (iconv -f ... -t utf-8)"
    )


def test_nested_too_deep(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("[" * 200_000)
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}:1: expected one JSON object per line, found brackets nested too deep; "
        "remove the record"
    )


def test_damaged_gzip(tmp_path):
    rng = random.Random(0)
    rows = [{"input": rng.randbytes(30).hex(), "target": "x"} for _ in range(4000)]
    whole = write_jsonl(tmp_path / "whole.jsonl.gz", rows).read_bytes()
    fix = "copy or download it again; if it is not compressed, name it .jsonl"

    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    text = message(DataError, lambda: read_file(cut))
    assert text.startswith(
        f"{cut}: expected a whole gzip file, found Compressed file ended before the "
        "end-of-stream marker was reached, after "
    )
    assert text.endswith(f" lines; {fix}")

    plain = tmp_path / "plain.jsonl.gz"
    plain.write_text('{"a": 1}\n')
    assert message(DataError, lambda: read_file(plain)) == (
        f"{plain}: expected a whole gzip file, found Not a gzipped file (b'{{\"'), "
        f"after 0 lines; {fix}"
    )

    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(whole[:10] + b"\xff" * 100)
    assert message(DataError, lambda: read_file(broken)) == (
        f"{broken}: expected a whole gzip file, found Error -3 while decompressing data: invalid "
        f"block type, after 0 lines; {fix}"
    )

    checksum = tmp_path / "checksum.jsonl.gz"
    checksum.write_bytes(whole[:-8] + b"\0" * 8)
    text = message(DataError, lambda: read_file(checksum))
    assert "found CRC check failed" in text and "after 4000 lines" in text


def test_empty_files_have_no_records(tmp_path):
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "b.jsonl").write_text("\n\n  \n")
    (tmp_path / "c.json").write_text("[]")
    (tmp_path / "d.json").write_text("")
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(b""))
    pq.write_table(pa.table({"input": pa.array([], pa.string())}), tmp_path / "f.parquet")
    for name in ("a.jsonl", "b.jsonl", "c.json", "d.json", "e.jsonl.gz", "f.parquet"):
        assert read_file(tmp_path / name) == []


def test_json_files_that_are_no_list(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"version": 1, "data": []}')
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}: expected a JSON list of objects, found an object with version, data; put the "
        "records into a list [...], or write one per line and name the file .jsonl"
    )
    path.write_text('{"a": 1}\n{"a": 2}\n')
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}: expected a JSON list of objects, found extra data at line 2, column 1; "
        "name it .jsonl if it has one object per line"
    )
    path.write_text('[{"a": 1}, 5]')
    assert message(DataError, lambda: read_file(path)).startswith(
        f"{path}:2: expected a JSON object such as"
    )


def test_damaged_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 nothing PAR1")
    text = message(DataError, lambda: read_file(path))
    assert text.startswith(f"{path}: expected a Parquet file, found ")
    assert text.endswith("; write or copy it again")
    path.write_bytes(b"")
    assert "expected a Parquet file" in message(DataError, lambda: read_file(path))


def test_unknown_kind_of_file(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n")
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}: expected a file that ends in .jsonl, .jsonl.gz, .json, .parquet, found 'x.csv'; "
        "convert it, for example with pandas: read_csv(...).to_parquet(...)"
    )


def test_file_that_cannot_be_read(tmp_path):
    path = tmp_path / "x.jsonl"
    path.mkdir()
    assert message(DataError, lambda: read_file(path)) == (
        f"{path}: expected a file that can be read, found Is a directory; "
        "check its permissions, or copy it again"
    )


def test_missing_files(tmp_path):
    write_jsonl(tmp_path / "capitals.jsonl", pairs(3))

    def text(path: str, online: bool = False) -> str:
        return message(DataError, lambda: load(tmp_path, path=path, online=online))

    start = "expected a data file or folder, found no such file;"
    assert text("capital.jsonl") == (
        f"task 't': {tmp_path}/capital.jsonl: {start} did you mean 'capitals.jsonl'?"
    )
    assert text("capital.jsonl", online=True) == text("capital.jsonl")
    assert text("./nowhere") == f"task 't': {tmp_path}/nowhere: {start} correct the path"
    assert text("openai/gsm8k") == (
        f"task 't': {tmp_path}/openai/gsm8k: {start} correct the path; "
        "for a data set of the hub, use --online"
    )
    missing = message(
        DataError, lambda: load(tmp_path, splits={"train": "capitals.jsonl", "valid": "v.jsonl"})
    )
    assert missing == f"task 't': {tmp_path}/v.jsonl: {start} correct the path"


def test_paths_that_are_none(tmp_path):
    text = message(DataError, lambda: load(tmp_path, path="x" * 300))
    assert "expected a data file or folder, found File name too long; correct the path" in text
    text = message(DataError, lambda: load(tmp_path, path="~nobody_of_that_name/x.jsonl"))
    assert text == (
        f"task 't': {tmp_path}/~nobody_of_that_name/x.jsonl: expected a data file or folder, found "
        "Could not determine home directory.; correct the path"
    )


def test_integer_of_too_many_digits(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"n": ' + "9" * 5000 + "}\n")
    text = message(DataError, lambda: read_file(path))
    assert text.startswith(f"{path}:1: expected one JSON object per line, found Exceeds the limit")


def test_parquet_value_that_python_has_not(tmp_path):
    path = tmp_path / "x.parquet"
    times = pa.array([2**62], pa.int64()).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"t": times}), path)
    assert message(DataError, lambda: read_file(path)).startswith(
        f"{path}: expected a Parquet file, found "
    )


def test_hub_name_goes_through_load_dataset(tmp_path, monkeypatch):
    """The real function, with its hub turned off: names, subset and revision arrive there."""
    text = message(DataError, lambda: load(tmp_path, path="openai/gsm8k", online=True))
    assert text == (
        "openai/gsm8k: expected a data set that `datasets` can load, found Couldn't reach "
        "'openai/gsm8k' on the Hub (OfflineModeIsEnabled); "
        "check the name, subset, revision and connection"
    )
    import datasets

    real, asked = datasets.load_dataset, []
    folder = tmp_path / _folder_splits(tmp_path)

    def local(path, *args, **kwargs):
        asked.append((path, args, {k: kwargs[k] for k in sorted(kwargs)}))
        return real(str(folder), split=kwargs.get("split"))

    monkeypatch.setattr(datasets, "load_dataset", local)
    fields = {"path": "someone/set", "subset": "hi", "revision": "abc", **TEMPLATES}
    task = load(tmp_path, online=True, **fields)
    assert asked == [("someone/set", ("hi",), {"revision": "abc", "split": None})]
    assert content(task) == content(load(tmp_path, path=_jsonl(tmp_path), **TEMPLATES))
    asked.clear()
    part = load(
        tmp_path, online=True, splits={"train": "train[:50%]", "valid": "validation"}, **fields
    )
    assert [kwargs["split"] for _, _, kwargs in asked] == ["train[:50%]", "validation"]
    assert (len(part.train), len(part.valid), len(part.test)) == (10, 10, 0)


def test_data_set_that_cannot_be_loaded(tmp_path, capfd):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "x.jsonl").write_text('{"input": "a"}\n{"input":\n')
    text = message(DataError, lambda: load(tmp_path, path="bad"))
    assert text.startswith(f"{folder}: expected a data set that `datasets` can load, found JSON ")
    assert text.endswith("; check its files")
    assert capfd.readouterr() == ("", "")
    (tmp_path / "none").mkdir()
    assert message(DataError, lambda: load(tmp_path, path="none")).startswith(
        f"{tmp_path}/none: expected a data set that `datasets` can load, found "
    )


def test_folder_whose_card_names_the_net_needs_online(tmp_path):
    folder = tmp_path / "card"
    folder.mkdir()
    write_jsonl(folder / "x.jsonl", pairs(3))
    card = folder / "README.md"
    card.write_text('---\nconfigs:\n- config_name: x\n  data_files: "https://x.org/y.jsonl"\n---\n')
    assert message(DataError, lambda: load(tmp_path, path="card")) == (
        f"{card}: expected data files in the folder, found addresses on the net in its data set "
        "card; use --online to let them be fetched"
    )
    card.write_text("---\nconfigs: [\n---\n")
    assert message(DataError, lambda: load(tmp_path, path="card")) == (
        f"{folder}: expected a data set that `datasets` can load, found while parsing a flow node; "
        "check its files"
    )
    card.write_text("# Only words, see https://x.org\n")
    assert load(tmp_path, path="card").counts["records"] == 3


def test_subset_of_a_file(tmp_path):
    path = _jsonl(tmp_path)
    assert message(ConfigError, lambda: load(tmp_path, path=path, subset="hi")) == (
        "task 't': expected subset and revision only with a folder or a hub name, found the file "
        "x.jsonl; remove subset and revision"
    )


def test_without_the_package_datasets(tmp_path, monkeypatch):
    path = _folder(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert message(DependencyError, lambda: load(tmp_path, path=path)) == (
        f"{tmp_path}/files: expected the package datasets, for folders and hub names, found it is "
        "not installed; pip install 'mishran[torch]', or give a .jsonl or .parquet file"
    )
