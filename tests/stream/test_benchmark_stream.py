"""The peers of benchmarks/stream.py do our work: the same rows, the same tokens in packs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import stream_case as case  # noqa: E402
import stream_peers as peers  # noqa: E402
import stream_reading as reading  # noqa: E402
from stream_page import met, page, plot  # noqa: E402

from mishran.stream.row_stream import RowStream  # noqa: E402

ROWS = 200


def present(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except case.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=[True, False], ids=["equal", "unequal"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> reading.Corpus:
    return reading.corpus("loader, rows", ROWS, tmp_path / "data", request.param)


def counted(batches: Iterable[Any], lengths: set[int]) -> Counter[bytes]:
    """Rows by content, of batches of flat ids of rows of one length, or of arrays of rows."""
    found: Counter[bytes] = Counter()
    for batch in batches:
        rows = batch.reshape(-1, reading.LENGTH) if lengths == {reading.LENGTH} else batch
        found.update(np.asarray(row, dtype=np.uint16).tobytes() for row in rows)
    return found


def every_row(data: reading.Corpus) -> Counter[bytes]:
    return Counter(
        np.asarray(of.tokens[a:b]).tobytes()
        for of in data.stores
        for a, b in zip(of.offsets[:-1], of.offsets[1:], strict=True)
    )


def test_datasets_reads_every_row_of_every_task_and_so_do_we(data: reading.Corpus) -> None:
    present(peers.hf)
    flat = data.flat("flat")
    whole = every_row(data)
    lengths = {len(row) // 2 for row in whole}
    stream = RowStream(data.plan(), data.stores, 32)
    ours: Counter[bytes] = Counter()
    for number in range(len(stream)):
        batch = stream[number]
        ours.update(
            batch.tokens[a:b].tobytes()
            for a, b in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
        )
    assert ours == whole
    theirs = counted(peers.numpy_slices(flat, 32), lengths)
    assert theirs.keys() == whole.keys(), "all_exhausted: every row at least once"
    assert len(flat) >= ROWS
    for name, read in {**peers.READERS, "view": peers.arrow_views}.items():
        parts = [
            x.ravel() if x.dtype != object else np.concatenate(list(x)) for x in read(flat, 32)
        ]
        ids = np.concatenate(parts)
        want = np.concatenate([np.asarray(row) for row in flat["input_ids"]])
        np.testing.assert_array_equal(ids, want, err_msg=name)


def test_mosaicml_reads_each_row_once(data: reading.Corpus) -> None:
    present(peers.streaming)
    assert not isinstance(data.shards, str)
    mixed = peers.mds_mix(data.shards, reading.WEIGHTS, ROWS, 32)
    rows = Counter(row["input_ids"].tobytes() for row in mixed)
    assert rows == every_row(data)
    batches = list(peers.mds_batches(mixed, 32))
    assert len(batches) == -(-ROWS // 32)
    assert sum(map(len, batches)) == sum(len(of.tokens) for of in data.stores)


def test_the_index_of_datasets_has_the_tasks_in_proportion() -> None:
    of = case.mix(4)
    parts = present(lambda: peers.numbered(of.sizes(2_000)))
    made = peers.interleaved(parts, of.weights)
    tasks, examples = (peers.column(made, name) for name in ("task", "example"))
    np.testing.assert_array_equal(tasks, made["task"])
    for i, size in enumerate(of.sizes(2_000)):
        assert set(examples[tasks == i]) == set(range(size))
    np.testing.assert_allclose(np.bincount(tasks) / len(tasks), of.weights, atol=0.05)


def test_megatrons_task_order_keeps_the_weights() -> None:
    of = case.mix(16)
    task = present(lambda: peers.blended(of.weights, 5_000))
    assert case.deviation(task, of.weights) < 2


@pytest.mark.parametrize("strategy", ["bfd_split", "bfd", "wrapped"])
def test_packs_of_trl_hold_the_same_tokens_as_ours(strategy: str) -> None:
    lengths = case.lengths_of(60, 3, longest=90 if strategy != "bfd" else 40)
    held = case.rows_of(lengths, 3)
    table = present(lambda: peers.token_table(held.tokens, held.offsets))
    theirs = present(lambda: peers.packed(table, 40, strategy, 25))
    ours, num = reading.packed(held, 40, "wrapped" if strategy == "wrapped" else "bfd", 25)
    ids = np.concatenate(ours)
    packs = peers.packs_of(theirs)
    assert sorted(ids) == sorted(np.concatenate(packs)) == sorted(held.tokens)
    assert num == len(packs) == len(theirs), "equal fill"
    assert max(map(len, packs)) <= 40
    if strategy == "wrapped":
        np.testing.assert_array_equal(ids, np.concatenate(packs))


def test_trls_collator_gives_ids_labels_and_positions_of_every_token() -> None:
    held = case.rows_of(case.lengths_of(30, 4, longest=60), 4)
    table = present(lambda: peers.token_table(held.tokens.astype(np.int64), held.offsets))
    made = present(lambda: peers.packed(table, 64, "bfd_split", 30))
    batches = list(present(lambda: list(peers.collated(made, 4))))
    assert sum(b["input_ids"].numel() for b in batches) == len(held.tokens)
    pieces = sum(int((b["position_ids"] == 0).sum()) for b in batches)
    assert pieces == len(held), "every row begins at position 0"
    assert all(bool((b["labels"][b["position_ids"] == 0] == -100).all()) for b in batches)


def test_deviation_is_that_of_every_prefix() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([0.5, 0.3, 0.2])
    task = rng.choice(3, 50, p=weights)
    want = max(abs((task[:n] == i).sum() - p * n) for n in range(51) for i, p in enumerate(weights))
    assert case.deviation(task, weights) == pytest.approx(want)


def test_a_missing_peer_is_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise case.Missing(f"{name} is not installed")

    monkeypatch.setattr(peers, "module", missing)
    held = case.rows_of(case.lengths_of(20, 0), 0)
    lines = list(reading.packing_of(held, 512, "bfd_split", 20))
    assert [x["peer"] for x in lines] == [None, None]
    assert {x["peer_name"] for x in lines} == {"TRL: not installed"}
    assert [met(x) for x in lines] == [None, None]
    assert "TRL: not installed" in page(lines)


def test_bars_and_plot() -> None:
    kept = case.line(
        "index, N=4: plan and rows / interleave_datasets", 30.0, 1.5, "x", "ratio >= 15"
    )
    missed = case.line("resume, 1 M examples: first batch", 0.2, goal="ours <= 0.1")
    assert met(kept) is True and met(missed) is False and met(case.line("fill, x", 1.0)) is None
    text = page([kept, missed])
    assert "1 met, 1 missed" in text and "ours <= 0.1: **missed**" in text
    assert plot([kept]).count("<polyline") == 2
