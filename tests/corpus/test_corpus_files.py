"""Files and records: nothing lost, nothing twice, bad places named, bombs refused, whatever the shards."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mishran.corpus.files import input_files, shard_size, survey
from mishran.corpus.records import Record, Refused, read_shard
from mishran.corpus.unpack import open_bytes
from mishran.errors import DataError

LONGEST = 2**20


def packed(data: bytes, path: Path) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(data, mtime=0))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(data))
    else:
        path.write_bytes(data)
    return path


def everything(path: Path, size: int = 100, longest: int = LONGEST) -> list[Record | Refused]:
    found = survey(path, "s", 200.0, size)
    return [r for shard in found.shards for r in read_shard(shard, "text", "id", longest)]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
@pytest.mark.parametrize("size", [1, 37, 100, 10**6])
def test_every_record_once_in_order_whatever_the_shards(tmp_path, suffix, size):
    lines = [json.dumps({"id": f"d{i}", "text": "क" * (i % 50) + "x"}) for i in range(200)]
    lines[17] = ""  # blank lines are no records, and count as lines
    path = packed("\n".join(lines).encode(), tmp_path / f"a.{suffix}")
    records = everything(path, size)
    assert [r.id for r in records] == [f"d{i}" for i in range(200) if i != 17]
    assert [r.where for r in records] == [f"{path}:{i + 1}" for i in range(200) if i != 17]


@given(st.binary(max_size=400), st.integers(1, 60))
def test_shards_cover_the_bytes_of_any_file(tmp_path_factory, data, size):
    path = tmp_path_factory.mktemp("b") / "b.txt"
    path.write_bytes(data)
    found = survey(path, "s", 200.0, size)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    at = line = 0
    for shard in found.shards:
        assert (shard.offset, shard.line) == (at, line)
        at, line = at + shard.size, line + shard.lines
    assert at == len(data)
    records = [r for s in found.shards for r in read_shard(s, "text", "id", LONGEST)]
    lines = [raw for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if raw.strip()]
    assert len(records) == len(lines)
    for record, raw in zip(records, lines, strict=True):
        if isinstance(record, Record):
            assert record.text.encode() == raw
        else:
            assert record.reason == "invalid-utf-8" and record.size >= len(raw)


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path):
    good = json.dumps({"id": 7, "text": "good"}).encode()
    lines = [
        good,
        b'{"text": "caf\xe9"}',
        b"{broken",
        b"[1, 2]",
        b'{"body": "no text here"}',
        b'{"text": 5}',
        b'{"text": "' + b"a" * 3000 + b'"}',
        b'{"text": "lone \\ud83d surrogate"}',
        b"[" * 100_000,
        good,
    ]
    path = packed(b"\n".join(lines), tmp_path / "a.jsonl")
    found = everything(path, 10**6, longest=2500)
    reasons = [r.reason if isinstance(r, Refused) else "" for r in found]
    assert reasons == [
        "",
        "invalid-utf-8",
        "not-json",
        "not-an-object",
        "no-text",
        "no-text",
        "line-too-long",
        "",
        "line-too-long",
        "",
    ]
    assert found[1].detail == "byte 0xe9 at position 14"
    assert "the record has body" in found[4].detail
    assert found[6].size == 3012 and found[6].where == f"{path}:7"
    assert found[7].text == "lone \ud83d surrogate"
    assert found[0].id == "7"


def test_a_record_without_an_id_is_named_after_its_place(tmp_path):
    path = packed(b'{"text": "a"}\n{"text": "b", "id": null}\n', tmp_path / "a.jsonl")
    assert [r.id for r in everything(path)] == ["a.jsonl:1", "a.jsonl:2"]


@pytest.mark.parametrize("cut", [30, 200, 500])
def test_a_damaged_file_is_read_as_far_as_it_goes_and_named(tmp_path, cut):
    lines = [json.dumps({"text": hashlib.sha256(bytes([i])).hexdigest()}) for i in range(200)]
    whole = gzip.compress("\n".join(lines).encode(), mtime=0)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) - cut * 5])
    found = survey(path, "s", 200.0, 1000)
    assert (
        found.problem.startswith("damaged after ")
        and "lines: Compressed file ended" in found.problem
    )
    records = [r for s in found.shards for r in read_shard(s, "text", "id", LONGEST)]
    texts = [r.text for r in records if isinstance(r, Record)]
    assert texts == [json.loads(line)["text"] for line in lines[: len(texts)]]
    # The last line may be cut in its middle: then it is refused, not lost.
    assert len(records) - len(texts) <= 1
    inside = zlib.decompressobj(31).decompress(path.read_bytes())
    assert len(texts) == inside.count(b"\n")  # all that is whole


@pytest.mark.parametrize("suffix", ["jsonl.gz", "jsonl.zst"])
def test_a_compression_bomb_is_refused_with_the_ratio(tmp_path, suffix):
    path = packed(b'{"text": "' + b"a" * (40 * 2**20) + b'"}', tmp_path / f"a.{suffix}")
    found = survey(path, "s", 200.0)
    assert not found.shards
    assert "times its size (limits.ratio is 200): refused whole" in found.problem
    assert found.unpacked < 20 * 2**20  # stopped in time


def test_a_bomb_of_parquet_is_refused_too(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a" * (40 * 2**20)]}), path, compression="zstd")
    assert "refused whole" in survey(path, "s", 200.0).problem


def test_a_bomb_in_a_dictionary_is_seen(tmp_path):
    """One text for every row is stored once: what counts is what is read."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a" * 10_000] * 4000}), path)
    found = survey(path, "s", 200.0)
    assert "refused whole" in found.problem and not found.shards
    pq.write_table(pa.table({"text": ["ab" * 10, None] * 40}), path)
    assert survey(path, "s", 200.0).unpacked == 800


def test_parquet_in_row_groups(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": [f"p{i}" for i in range(50)], "text": [None, *["t" * i for i in range(49)]]}
    )
    pq.write_table(table, path, row_group_size=7)
    for size in (1, 200, 10**6):
        found = everything(path, size)
        assert found[0].reason == "no-text" and found[0].where == f"{path}:1"
        assert [r.id for r in found[1:]] == [f"p{i}" for i in range(1, 50)]


def test_no_parquet_file(tmp_path):
    path = packed(b"PAR1 not", tmp_path / "a.parquet")
    assert survey(path, "s", 200.0).problem.startswith("no Parquet file: ")


def test_an_empty_file_has_no_shards(tmp_path):
    found = survey(packed(b"", tmp_path / "a.jsonl"), "s", 200.0)
    assert (found.shards, found.problem, found.unpacked) == ((), "", 0)


def test_a_folder_is_its_files_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.jsonl", "1.jsonl", "notes.md"):
        (tmp_path / name).write_text("{}")
    assert [p.name for p in input_files(tmp_path, "source 'a'")] == ["1.jsonl", "2.jsonl"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p / "none.jsonl", "found no such file; check the path"),
        (lambda p: p, "found none in that folder"),
        (
            lambda p: (p / "a.docx").write_text("x") and p / "a.docx",
            "'a.docx'; rename or convert it",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, make, said):
    with pytest.raises(DataError, match="source 'a'") as error:
        input_files(make(tmp_path), "source 'a'")
    assert said in str(error.value)


def test_a_gigantic_line_is_never_held(tmp_path):
    """200 MiB in one line: memory of the reader stays at its chunks."""
    import tracemalloc

    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.write(b"before\n")
        for _ in range(200):
            file.write(b"x" * 2**20)
        file.write(b"\nafter\n")
    (shard,) = survey(path, "s", 200.0, 2**30).shards
    tracemalloc.start()
    found = list(read_shard(shard, "text", "id", 2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(r).__name__ for r in found] == ["Record", "Refused", "Record"]
    assert found[1].reason == "line-too-long" and found[1].size == 200 * 2**20
    assert peak < 16 * 2**20


def test_shards_depend_on_the_input_alone():
    assert shard_size(10) == 4 * 2**20
    assert shard_size(2**31) == 32 * 2**20
    assert shard_size(2**50) == 256 * 2**20


def test_a_zst_file_that_was_cut_is_damaged_not_whole(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    lines = b"".join(
        b'{"text": "%s"}\n' % hashlib.sha256(bytes([i])).hexdigest().encode() for i in range(200)
    )
    stream = zstandard.compress(lines) + zstandard.ZstdCompressor(write_checksum=True).compress(
        lines
    )
    skipped = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    path.write_bytes(stream + skipped)
    whole = survey(path, "s", 200.0)
    assert (whole.problem, sum(s.lines for s in whole.shards)) == ("", 400)
    for cut in (1, 2, 5, 9, 10, 12, 15, 16, 1000, len(stream) // 2):
        path.write_bytes((stream + skipped)[:-cut])
        found = survey(path, "s", 200.0)
        assert found.problem.startswith("damaged after ") and "zstd" in found.problem, cut
        records = [r for s in found.shards for r in read_shard(s, "text", "id", LONGEST)]
        assert [r.reason for r in records if isinstance(r, Refused)] in ([], ["unreadable"])


def test_a_file_that_is_cut_after_it_was_looked_at_is_no_success(tmp_path):
    path = packed(b'{"text": "a"}\n' * 9, tmp_path / "a.jsonl")
    (shard,) = survey(path, "s", 200.0, 10**6).shards
    path.write_bytes(b'{"text": "a"}\n' * 4)
    with pytest.raises(DataError, match=r"a\.jsonl:5: expected what was there .* found its end"):
        list(read_shard(shard, "text", "id", LONGEST))


def test_storage_that_fails_in_the_middle_is_no_success(tmp_path, monkeypatch):
    path = packed(b'{"text": "a"}\n' * 9, tmp_path / "a.jsonl")
    (shard,) = survey(path, "s", 200.0, 10**6).shards

    def fail(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mishran.corpus.records.open_bytes", fail)
    with pytest.raises(DataError, match=r"a\.jsonl:1: .* found \[Errno 5\] Input/output error"):
        list(read_shard(shard, "text", "id", LONGEST))


class Failing:
    """A handle whose storage fails after so many reads."""

    def __init__(self, handle, reads: int) -> None:
        self.handle, self.reads = handle, reads

    def __enter__(self):
        self.handle.__enter__()
        return self

    def __exit__(self, *error):
        self.handle.__exit__(*error)

    def read1(self, size):
        self.reads -= 1
        if self.reads < 0:
            raise OSError(5, "Input/output error")
        return self.handle.read1(min(size, 100))


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
@pytest.mark.parametrize("reads", [0, 1])
def test_storage_that_fails_while_it_is_looked_at_is_no_damage(
    tmp_path, monkeypatch, suffix, reads
):
    path = packed(b'{"text": "a"}\n' * 90, tmp_path / f"a.{suffix}")
    monkeypatch.setattr(
        "mishran.corpus.files.open_bytes", lambda path: Failing(open_bytes(path), reads)
    )
    with pytest.raises(DataError) as error:
        survey(path, "web", 200.0)
    assert str(error.value) == (
        f"web: {path}: expected a file that can be read, found Input/output error; see to its storage and "
        "permissions, or take it out, then run the same command"
    )


def test_bytes_that_are_damaged_stay_damage(tmp_path):
    """What a reader says of bad bytes is an OSError too, for gzip and for Parquet: without a number."""
    path = packed(b"no gzip at all", tmp_path / "a.jsonl")
    for name in ("a.jsonl.gz", "a.parquet"):
        path = path.rename(tmp_path / name)
        found = survey(path, "web", 200.0)
        assert found.problem.startswith(("damaged after 0 lines: ", "no Parquet file: "))
        assert not found.shards


def parquet(path: Path, texts: object, **options: object) -> Path:
    pq.write_table(pa.table({"text": texts}), path, **options)
    return path


def test_storage_that_fails_under_parquet_raises_too(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", [f"text {i}" for i in range(700)])
    (shard,) = survey(path, "web", 200.0).shards
    real = pq.ParquetFile.iter_batches
    error = OSError(5, "Input/output error")

    def failing(self, *args, **options):
        yield next(real(self, *args, **options))
        raise error

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", failing)
    with pytest.raises(DataError, match=r"web: .*a\.parquet: .* found Input/output error; see to"):
        survey(path, "web", 200.0)
    # As far as it went it is given, then it ends loudly: the rest may be whole.
    records = read_shard(shard, "text", "id", LONGEST)
    assert [next(records).text for _ in range(256)][-1] == "text 255"
    with pytest.raises(DataError, match=r"a\.parquet:257: .* found \[Errno 5\] Input/output error"):
        next(records)
    error = OSError("Corrupt snappy compressed data.")  # no number: the file's own fault
    rest = [r for r in read_shard(shard, "text", "id", LONGEST) if isinstance(r, Refused)]
    assert [r.reason for r in rest] == ["unreadable"] * (700 - 256)


def test_a_parquet_file_that_is_gone_or_shorter_is_no_success(tmp_path):
    path = parquet(tmp_path / "a.parquet", [f"text {i}" for i in range(9)], row_group_size=3)
    whole = survey(path, "s", 200.0, 1)
    assert [(shard.line, shard.lines) for shard in whole.shards] == [(0, 3), (3, 3), (6, 3)]
    parquet(path, [f"text {i}" for i in range(7)], row_group_size=3)
    first, second, third = whole.shards
    assert len(list(read_shard(first, "text", "id", LONGEST))) == 3
    assert len(list(read_shard(second, "text", "id", LONGEST))) == 3
    with pytest.raises(DataError, match=r"a\.parquet:8: expected what was there .* found its end"):
        list(read_shard(third, "text", "id", LONGEST))
    path.unlink()
    with pytest.raises(DataError, match=r"a\.parquet:1: .* found \[Errno 2\]"):
        list(read_shard(first, "text", "id", LONGEST))


KINDS = {
    "string": pa.string(),
    "large string": pa.large_string(),
    "string view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_text_column_has_its_size_and_is_read(tmp_path, kind):
    def column(texts):
        array = pa.array(texts, pa.string())
        if pa.types.is_dictionary(KINDS[kind]):
            return array.dictionary_encode().cast(KINDS[kind])
        return array.cast(KINDS[kind])

    path = parquet(tmp_path / "a.parquet", column(["नदी", None, "ab", "ab", ""]))
    assert pq.read_schema(path).field("text").type == KINDS[kind]
    found = survey(path, "s", 200.0)
    assert (found.problem, found.unpacked) == ("", 9 + 2 + 2)
    assert [shard.size for shard in found.shards] == [13]
    told = [r.text if isinstance(r, Record) else r.reason for r in everything(path)]
    assert told == ["नदी", "no-text", "ab", "ab", ""]
    told = [r.reason if isinstance(r, Refused) else r.text for r in everything(path, longest=8)]
    assert told == ["line-too-long", "no-text", "ab", "ab", ""]
    bomb = survey(parquet(path, column(["a" * 10_000] * 4000)), "s", 200.0)
    assert "refused whole" in bomb.problem and not bomb.shards


def test_bad_values_of_parquet_are_refused_alone_and_named(tmp_path):
    path = tmp_path / "a.parquet"
    values = pa.array([b"good", b"bad \xff", None, b"x" * 300, b"last"]).view(pa.string())
    pq.write_table(pa.table({"text": values}), path)
    found = everything(path, longest=200)
    told = [(r.reason, r.detail) if isinstance(r, Refused) else r.text for r in found]
    assert told == [
        "good",
        ("invalid-utf-8", "byte 0xff at position 5"),
        ("no-text", "field 'text': null; the record has text"),
        ("line-too-long", "300 bytes"),
        "last",
    ]
    pq.write_table(pa.table({"body": ["a"]}), path)
    (only,) = everything(path)
    assert only.detail == "field 'text': no such field; the record has body"
    pq.write_table(pa.table({"text": pa.array(["a", "a"]).dictionary_encode(), "id": [1, 2]}), path)
    assert [(r.id, r.text) for r in everything(path)] == [("1", "a"), ("2", "a")]


def test_utf_16_is_named(tmp_path):
    path = packed("some text\n".encode("utf-16"), tmp_path / "a.txt")
    first = everything(path)[0]
    assert first.reason == "invalid-utf-8" and "begins as UTF-16 does" in first.detail


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with open(os.fsencode(tmp_path / "in") + b"/\xff.txt", "wb") as file:
        file.write(b"text\n")
    with pytest.raises(DataError, match=r"expected paths in UTF-8, found '\\udcff.txt'; rename it"):
        input_files(tmp_path / "in", "source 'a'")
