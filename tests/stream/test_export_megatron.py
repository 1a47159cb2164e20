"""Export to Megatron-LM: counts, bytes that its own reader reads, weights, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from export_jobs import KINDS, NAMES, TOKENIZER, ids, job, planned, written

from mishran.errors import ArtifactError, ConfigError
from mishran.stream.export.megatron import Megatron
from mishran.stream.tokens import TokenRows


def with_end(row):
    eod = TOKENIZER.eos_token_id
    return row if row[-1] == eod else [*row, eod]


def raw(prefix):
    """Documents, read with the offsets written out as numbers."""
    index, kinds = (prefix.parent / f"{prefix.name}.idx").read_bytes(), {4: "<i4", 8: "<u2"}
    assert index[:17] == b"MMIDIDX\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
    tokens = np.frombuffer((prefix.parent / f"{prefix.name}.bin").read_bytes(), kinds[index[17]])
    num = int.from_bytes(index[18:26], "little")
    assert int.from_bytes(index[26:34], "little") == num + 1
    lengths = np.frombuffer(index, "<i4", num, 34)
    places = np.frombuffer(index, "<i8", num, 34 + 4 * num)
    assert np.frombuffer(index, "<i8", num + 1, 34 + 12 * num).tolist() == list(range(num + 1))
    assert len(index) == 34 + 20 * num + 8
    begins = (places // tokens.itemsize).tolist()
    return [tokens[b : b + n].tolist() for b, n in zip(begins, lengths.tolist(), strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_the_plan_in_its_order(tmp_path, kind):
    made = job(kind)
    folder = written("megatron", made, tmp_path / "out")
    assert Megatron().count(made, folder) == planned(made)
    assert raw(folder / "data/train") == [with_end(row) for _, row in ids(made)]
    assert (folder / "blend.txt").read_text().split() == ["data/train"]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_tokens_of_the_plan(tmp_path, kind):
    made = job(kind, config_only=True)
    folder = written("megatron", made, tmp_path / "out")
    tokens = dict.fromkeys(NAMES[:2], 0)
    for name, row in ids(made):
        tokens[name] += len(with_end(row))
    assert Megatron().count(made, folder) == tokens
    assert Megatron().predict(made).rows == (*map(float, tokens.values()), 0.0)
    words = (folder / "blend.txt").read_text(encoding="utf-8").split()
    assert words == [w for n in NAMES[:2] for w in (str(tokens[n]), f"data/{n}")]
    splits = json.loads((folder / "blend.json").read_text(encoding="utf-8"))
    assert splits == {"train": words, "valid": None, "test": None}
    for i, name in enumerate(NAMES[:2]):
        of = made.tokens[i]
        rows = np.split(of.tokens, of.offsets[1:-1])
        assert raw(folder / f"data/{name}") == [with_end(row.tolist()) for row in rows]
    assert not list(folder.rglob("zero*"))


def test_megatron_reads_the_bytes(tmp_path):
    indexed = pytest.importorskip("megatron.core.datasets.indexed_dataset")
    utils = pytest.importorskip("megatron.core.datasets.utils")
    for kind, config_only in (("text", False), ("prompt", True)):
        made = job(kind, config_only)
        folder = written("megatron", made, tmp_path / kind)
        words = (folder / "blend.txt").read_text(encoding="utf-8").split()
        prefixes, weights = utils.get_blend_from_list(words)
        assert (weights is not None) is config_only
        for prefix in prefixes:
            for mmap in (True, False):
                data = indexed.IndexedDataset(str(folder / prefix), mmap=mmap)
                found = [data[i].tolist() for i in range(len(data))]
                assert found == raw(folder / prefix)
                assert data.document_indices.tolist() == list(range(len(found) + 1))
        written_by_it = indexed.IndexedDatasetBuilder(str(tmp_path / f"{kind}.bin"), np.uint16)
        for row in raw(folder / prefixes[0]):
            written_by_it.add_document(row, [len(row)])
        written_by_it.finalize(str(tmp_path / f"{kind}.idx"))
        for end in ("bin", "idx"):
            ours = (folder / f"{prefixes[0]}.{end}").read_bytes()
            assert ours == (tmp_path / f"{kind}.{end}").read_bytes()


@pytest.mark.parametrize(
    ("largest", "code"), [(65498, 8), (65499, 4), (65535, 4), (65536, 4), (2**18, 4)]
)
def test_type_by_the_size_of_the_vocabulary(tmp_path, largest, code):
    """Below 65500 ids uint16, as Megatron's own tools: the ids 0 ... 65498 are as many."""
    made = job("text")
    kind = np.uint16 if largest < 2**16 else np.uint32
    one = TokenRows(np.array([5, largest], kind), np.array([0, 2]), np.zeros(1, dtype=np.int32))
    made = replace(made, tokens=(*made.tokens[:2], one))  # in no file; all have the same type
    folder = written("megatron", made, tmp_path / "out")
    assert (folder / "data/train.idx").read_bytes()[17] == code
    assert raw(folder / "data/train") == [row for _, row in ids(made)]


def test_an_id_that_uint16_has_not(tmp_path):
    made = job("text", weights=(0.0, 0.0, 1.0))
    of = made.tokens[2]
    tokens = of.tokens.astype(np.uint32)
    tokens[1] = 100_000
    made = replace(made, tokens=(*made.tokens[:2], replace(of, tokens=tokens)))
    folder = written("megatron", made, tmp_path / "out")
    assert raw(folder / "data/train") == [row for _, row in ids(made)]
    assert any(100_000 in row for row in raw(folder / "data/train"))


def test_what_the_prediction_says():
    said = Megatron().predict(job("text"))
    assert (said.exact, said.unit) == (True, "rows")
    assert "prompts" not in said.note and "EOS" not in said.note
    assert "it has no mask for prompts, and trains on them too" in Megatron().predict(job()).note
    said = Megatron().predict(job("chat"))
    assert said.note.endswith(
        "60 rows do not end in EOS and get one, which the plan does not count"
    )
    said = Megatron().predict(job("chat", config_only=True))
    assert (said.exact, said.unit) == (False, "tokens")
    assert sum(said.rows) == job("chat").plan.tokens + 60


def test_only_rows_without_eod_get_one():
    """Of a task in which some rows end in it, those that are drawn are counted, as often as drawn."""
    made = job("text", eos=False, values=[[("a</s>",), ("b",), ("c",)]], weights=(1.0,), rows=7)
    added = Megatron().predict(replace(made, config_only=True)).rows[0] - made.plan.tokens
    assert added == sum(row[-1] != TOKENIZER.eos_token_id for _, row in ids(made)) > 3


def test_an_empty_document_is_its_end(tmp_path):
    made = job("text", bos=False, eos=False, values=[[("",), ("b",)]], weights=(1.0,), rows=4)
    folder = written("megatron", made, tmp_path / "out")
    assert sorted(map(len, raw(folder / "data/train"))) == [1, 1, 2, 2]


def test_flags_are_on_the_page(tmp_path):
    made = job(model="../a model/7b")
    folder = written("megatron", made, tmp_path / "out")
    page = (folder / "README.md").read_text(encoding="utf-8")
    for flag in (
        "--data-args-path blend.txt",
        "--split 100,0,0",
        "--tokenizer-model '../a model/7b'",
    ):
        assert flag in page
    assert f"({made.plan.tokens} - 1) // LENGTH" in page and "surplus" not in page
    weighted = written("megatron", job(config_only=True), tmp_path / "weighted")
    assert "`mid_level_dataset_surplus`" in (weighted / "README.md").read_text(encoding="utf-8")


def test_a_tokenizer_without_eos():
    with pytest.raises(ConfigError) as caught:
        Megatron().predict(replace(job(eos=False), eos_id=None))
    assert str(caught.value) == (
        "--to megatron: expected a tokenizer with an EOS token, with which Megatron-LM ends documents, "
        "found none; give one with --tokenizer, or add eos_token to its tokenizer_config.json"
    )


@pytest.mark.parametrize("config_only", [False, True])
def test_a_token_that_changed_is_noticed(tmp_path, config_only):
    made = job("text", config_only)
    folder = written("megatron", made, tmp_path / "out")
    path = folder / ("data/1e5.bin" if config_only else "data/train.bin")
    data = bytearray(path.read_bytes())
    data[4] ^= 1
    path.write_bytes(data)
    counts = Megatron().count(made, folder)
    if config_only:
        assert counts["1e5"] == 0
    else:
        assert sum(counts.values()) == made.plan.rows - 1


DAMAGE = {
    "no index": ("data/train.idx", None),
    "another file": ("data/train.idx", b"x" * 100),
    "half an index": ("data/train.idx", slice(None, 100)),
    "half the tokens": ("data/train.bin", slice(None, 100)),
    "a type that is none of ours": ("data/train.idx", (17, 7)),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_files_that_do_not_belong_together(tmp_path, case):
    made = job("text")
    folder = written("megatron", made, tmp_path / "out")
    name, what = DAMAGE[case]
    path = folder / name
    data = bytearray(path.read_bytes())
    if what is None:
        path.unlink()
    elif isinstance(what, slice):
        path.write_bytes(data[what])
    elif isinstance(what, bytes):
        path.write_bytes(what)
    else:
        data[what[0]] = what[1]
        path.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"expected train\.idx and train\.bin that belong"):
        Megatron().count(made, folder)


@pytest.mark.parametrize("text", [None, "x data/1e5"])
def test_a_blend_that_is_none(tmp_path, text):
    made = job("text", config_only=True)
    folder = written("megatron", made, tmp_path / "out")
    (folder / "blend.txt").unlink() if text is None else (folder / "blend.txt").write_text(text)
    with pytest.raises(
        ArtifactError, match="expected prefixes, with tokens before each or without"
    ):
        Megatron().count(made, folder)


def test_a_blend_with_a_strange_prefix(tmp_path):
    made = job("text", config_only=True)
    folder = written("megatron", made, tmp_path / "out")
    (folder / "blend.txt").write_text("5 data/none")
    assert not Megatron().count(made, folder)
