"""Loaders: the same global order for any ranks, workers and batches, and exact resume at any point."""

from __future__ import annotations

import itertools
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from stream_cases import plan_of, stores, wish

from mishran.errors import ArtifactError, ConfigError
from mishran.stream.batch import IGNORED, PackBatch, RowBatch
from mishran.stream.pack_stream import PackStream
from mishran.stream.plan import Plan
from mishran.stream.row_stream import RowStream
from mishran.stream.state import State
from mishran.stream.tokens import TokenRows

ROWS = stores()
PHASES = {
    "one phase": [wish(230)],
    "three phases": [wish(90), wish(71, weights=[0.5, 0.5, 0, 0]), wish(69, weights=[0, 0, 0, 1])],
}
RANKS, WORKERS, BATCHES = (1, 2, 4, 7), (0, 1, 3), (4, 32)


def plan_for(phases: str) -> Plan:
    return plan_of(ROWS, *PHASES[phases])


def pairs_of(plan: Plan) -> list[tuple[int, int]]:
    """(task, example) of every row of the global order."""
    rows = plan.order.rows(0, plan.rows)
    return list(zip(rows.task.tolist(), rows.example.tolist(), strict=True))


def pairs(batch: RowBatch) -> list[tuple[int, int]]:
    return list(zip(batch.task.tolist(), batch.example.tolist(), strict=True))


def read(streams: list[RowStream], start: int, workers: int) -> list[tuple[int, int]]:
    """What all ranks read from a batch on, each with so many workers, put together batch by batch."""
    numbers = range(start, len(streams[0]))
    by_rank = []
    for stream in streams:
        made = {n: stream[n] for w in range(max(1, workers)) for n in numbers[w :: max(1, workers)]}
        by_rank.append([made[n] for n in numbers])
    return [pair for step in zip(*by_rank, strict=True) for batch in step for pair in pairs(batch)]


@pytest.mark.parametrize("phases", PHASES)
@pytest.mark.parametrize("ranks", RANKS)
def test_rows_are_conserved(phases: str, ranks: int) -> None:
    """Over ranks, workers, batches and resume points: the rest of the same order, nothing else."""
    plan = plan_for(phases)
    whole = pairs_of(plan)
    for workers, batch in itertools.product(WORKERS, BATCHES):
        streams = [RowStream(plan, ROWS, batch, rank, ranks) for rank in range(ranks)]
        for start in (0, 1, len(streams[0]) // 2, len(streams[0]) - 1, len(streams[0])):
            state = State.from_dict(json.loads(json.dumps(streams[0].state(start).as_dict())))
            fresh = [RowStream(plan, ROWS, batch, rank, ranks) for rank in range(ranks)]
            assert {s.batch_after(state) for s in fresh} == {start}
            assert read(fresh, start, workers) == whole[start * batch :]


@pytest.mark.parametrize("phases", PHASES)
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("how", ["bfd", "wrapped"])
def test_packs_are_conserved(phases: str, ranks: int, how: str) -> None:
    """Every token of the order in one place; resuming after any batch gives the same batches."""
    plan = plan_for(phases)
    wanted = np.zeros((4, max(len(r) for r in ROWS)), dtype=int)
    for task, example in pairs_of(plan):
        wanted[task, example] += ROWS[task].lengths[example]
    for workers, batch in itertools.product(WORKERS, BATCHES):
        made: list[list[tuple[PackBatch, State]]] = []
        for rank in range(ranks):
            stream = PackStream(plan, ROWS, 16, batch, 9, how, 50, rank, ranks)  # type: ignore[arg-type]
            parts = [
                list(stream.batches(worker=w, workers=max(1, workers)))
                for w in range(max(1, workers))
            ]
            turns = itertools.zip_longest(*parts)
            made.append([one for turn in turns for one in turn if one is not None])
        seen = np.zeros_like(wanted)
        for packed, _ in itertools.chain(*made):
            np.add.at(seen, (packed.piece_task, packed.piece_example), packed.piece_tokens)
        assert (seen == wanted).all()
        steps = {tuple(state for _, state in of_rank) for of_rank in made}
        assert len(steps) == 1  # all ranks are at the same place after every batch
        rank = ranks - 1
        for after in (0, len(made[rank]) // 2, len(made[rank]) - 1):
            state = State.from_dict(json.loads(json.dumps(made[rank][after][1].as_dict())))
            stream = PackStream(plan, ROWS, 16, batch, 9, how, 50, rank, ranks)  # type: ignore[arg-type]
            rest = list(stream.batches(state))
            assert len(rest) == len(made[rank]) - after - 1
            for (one, x), (other, y) in zip(rest, made[rank][after + 1 :], strict=True):
                assert x == y and one.input_ids.tobytes() == other.input_ids.tobytes()
                assert one.labels.tobytes() == other.labels.tobytes()


def test_torchs_loader_reads_the_same_order_with_workers() -> None:
    from torch.utils.data import DataLoader

    plan = plan_for("three phases")
    stream = RowStream(plan, ROWS, 10)
    for workers in (0, 3):
        loader = DataLoader(
            stream,  # type: ignore[arg-type]
            batch_size=None,
            num_workers=workers,
            sampler=range(4, len(stream)),
            collate_fn=lambda batch: batch,
        )
        assert [p for batch in loader for p in pairs(batch)] == pairs_of(plan)[40:]


def test_a_batch_holds_the_rows_and_counts_them_by_task() -> None:
    plan = plan_for("one phase")
    batch = RowStream(plan, ROWS, 64)[1]
    ids, labels, mask = batch.padded(pad_id=7)
    by_task, trained = np.zeros(4, dtype=int), np.zeros(4, dtype=int)
    for k, (task, example) in enumerate(pairs(batch)):
        store = ROWS[task]
        row = store.tokens[store.offsets[example] : store.offsets[example + 1]].tolist()
        assert ids[k].tolist() == row + [7] * (ids.shape[1] - len(row))
        assert mask[k].sum() == len(row)
        first = max(1, int(store.prompts[example]))
        assert labels[k].tolist() == [
            row[j] if first <= j < len(row) else IGNORED for j in range(ids.shape[1])
        ]
        by_task[task] += len(row)
        trained[task] += len(row) - first
    assert batch.tokens_by_task.tolist() == by_task.tolist()
    assert batch.trained_by_task.tolist() == trained.tolist() == [int(t) for t in trained]
    assert (labels != IGNORED).sum() == batch.trained_by_task.sum()


@pytest.mark.parametrize("how", ["bfd", "wrapped"])
def test_a_pack_says_where_everything_lies(how: str) -> None:
    plan = plan_for("one phase")
    total, trained = np.zeros(4, dtype=int), np.zeros(4, dtype=int)
    for batch, _ in PackStream(plan, ROWS, 16, 5, 9, how, 64).batches():  # type: ignore[arg-type]
        flat = {
            name: getattr(batch, name).ravel() for name in ("input_ids", "labels", "position_ids")
        }
        segments = batch.segments.ravel()
        borders = batch.cu_seqlens
        assert borders[0] == 0 and borders[-1] == batch.input_ids.size
        assert batch.max_seqlen == np.diff(borders).max()
        piece = 0
        for start, stop in itertools.pairwise(borders.tolist()):
            assert flat["position_ids"][start:stop].tolist() == list(range(stop - start))
            assert start // 16 == (stop - 1) // 16  # no piece runs over the end of a line
            assert len(set(segments[start:stop].tolist())) == 1
            if segments[start] == 0:
                assert (flat["input_ids"][start:stop] == 9).all()
                assert (flat["labels"][start:stop] == IGNORED).all()
                continue
            task, example = int(batch.piece_task[piece]), int(batch.piece_example[piece])
            assert (flat["input_ids"][start:stop] == 1000 * task + example).all()
            labels = flat["labels"][start:stop]
            assert labels[0] == IGNORED
            kept = labels != IGNORED
            assert (labels[kept] == flat["input_ids"][start:stop][kept]).all()
            assert kept.sum() == batch.piece_trained[piece]
            if how == "bfd":
                assert kept.tolist() == [
                    j >= max(1, int(ROWS[task].prompts[example])) for j in range(stop - start)
                ]
            piece += 1
        assert piece == len(batch.piece_task)
        assert batch.fill == pytest.approx((segments > 0).mean())
        total += batch.tokens_by_task
        trained += batch.trained_by_task
    assert total.tolist() == [t.tokens for t in plan.tasks]
    if how == "bfd":
        rows = RowStream(plan, ROWS, 1000)[0]
        assert trained.tolist() == rows.trained_by_task.tolist()


def test_no_batch_of_one_phase_is_far_from_its_shares() -> None:
    plan = plan_of(ROWS, wish(2000))
    for n in range(20):
        counts = np.bincount(RowStream(plan, ROWS, 100)[n].task, minlength=4)
        assert (np.abs(counts - [10, 20, 30, 40]) <= 3).all()


def test_states_are_a_few_bytes_and_strict() -> None:
    state = RowStream(plan_for("one phase"), ROWS, 10).state(3)
    assert state.index == 30 and len(json.dumps(state.as_dict())) < 130
    good = {"plan": "x", "index": 0, "pack": 0, "packing": ""}
    for bad in (None, {}, good | {"index": -1}, good | {"index": True}, good | {"more": 1}):
        with pytest.raises(
            ArtifactError, match="the state of a stream: plan, index, pack and packing"
        ):
            State.from_dict(bad)


def test_resuming_with_another_plan_is_refused_and_explained() -> None:
    old = plan_of(ROWS, wish(200))
    state = RowStream(old, ROWS, 10).state(3)
    changed = stores((7, 23, 60, 129))
    for plan, rows, why in [
        (plan_of(ROWS, wish(200), seed=1), ROWS, "its seed was 0, now 1"),
        (
            plan_of(ROWS, wish(220)),
            ROWS,
            "the data is the same, the weights or the budget have changed",
        ),
        (plan_of(changed, wish(200)), changed, "the rows of t3 have changed"),
        (
            plan_of(ROWS[:3], wish(200, weights=[0.2, 0.3, 0.5])),
            ROWS[:3],
            "task t3 is gone",
        ),
    ]:
        for saved, said in ((None, f"the state of plan {old.fingerprint[:12]}"), (old, why)):
            with pytest.raises(ArtifactError) as caught:
                RowStream(plan, rows, 10).batch_after(state, saved)
            assert said in str(caught.value) and plan.fingerprint[:12] in str(caught.value)
            with pytest.raises(ArtifactError):
                next(PackStream(plan, rows, 16, 2, 0).batches(state, saved=saved))
    with pytest.raises(ArtifactError, match="row 999 of a plan of 200 rows"):
        RowStream(old, ROWS, 10).batch_after(State(old.fingerprint, 999))
    with pytest.raises(ArtifactError, match="a state at the end of a batch of 7 rows"):
        RowStream(old, ROWS, 7).batch_after(state)
    assert RowStream(old, ROWS, 15).batch_after(state) == 2  # another batch size that divides it


def test_another_packing_takes_over_between_windows_only() -> None:
    plan = plan_for("one phase")
    stream = PackStream(plan, ROWS, 16, 3, 0, window=50)
    states = [state for _, state in stream.batches()]
    inside = next(state for state in states if state.pack)
    for other in (
        PackStream(plan, ROWS, 16, 3, 0, window=49),
        PackStream(plan, ROWS, 17, 3, 0, window=50),
        PackStream(plan, ROWS, 16, 3, 0, "wrapped", 50),
    ):
        with pytest.raises(ArtifactError, match="of a window packed as 'bfd 16 50'"):
            next(other.batches(inside))
        between = State(plan.fingerprint, 100)
        seen = sum(batch.tokens_by_task for batch, _ in other.batches(between))
        rest = PackStream(plan, ROWS, 16, 3, 0, window=50).batches(between)
        assert seen.tolist() == sum(batch.tokens_by_task for batch, _ in rest).tolist()
    assert len(list(PackStream(plan, ROWS, 16, 5, 0, window=50).batches(inside))) > 0
    with pytest.raises(ArtifactError, match="a state between two rows"):
        RowStream(plan, ROWS, 10).batch_after(inside)


def test_weights_changed_on_resume() -> None:
    """The new plan takes the old state at that row, and only there."""
    old = plan_of(ROWS, wish(200))
    new = plan_of(ROWS, wish(100, weights=[0, 0, 0.5, 0.5]), history=old, index=80)
    stream = RowStream(new, ROWS, 10)
    assert stream.batch_after(RowStream(old, ROWS, 10).state(8)) == 8
    assert read([stream], 0, 0)[:80] == pairs_of(old)[:80]
    assert {task for task, _ in read([stream], 8, 0)} == {2, 3}
    with pytest.raises(ArtifactError, match="or row 80 of plan"):
        stream.batch_after(RowStream(old, ROWS, 10).state(7))
    inside = State(old.fingerprint, 80, 2, "bfd 16 80")
    with pytest.raises(
        ArtifactError, match="pack 2 of the window there, of which some rows were not read"
    ):
        next(PackStream(new, ROWS, 16, 3, 0, window=80).batches(inside))


def test_a_stream_needs_the_rows_of_its_plan() -> None:
    plan = plan_of(ROWS)
    with pytest.raises(
        ArtifactError, match="expected 130 rows and 817 tokens of t3, as planned, found 129 rows"
    ):
        RowStream(plan, stores((7, 23, 60, 129)), 10)
    with pytest.raises(ArtifactError, match="the rows of 4 tasks, as planned, found those of 3"):
        RowStream(plan, ROWS[:3], 10)
    other = (*ROWS[:3], TokenRows(ROWS[3].tokens[::-1].copy(), ROWS[3].offsets, ROWS[3].prompts))
    RowStream(plan, other, 10)  # as many rows and tokens
    with pytest.raises(ArtifactError, match="the rows of t3 that the plan was made of"):
        RowStream(plan, other, 10, verify=True)
    RowStream(plan, ROWS, 10, verify=True)
    for bad in ({"window": 0}, {"how": "best"}, {"capacity": 0}):
        with pytest.raises(ConfigError, match="capacity >= 1, window >= 1 and how of bfd, wrapped"):
            PackStream(plan, ROWS, **{"capacity": 16, "batch_packs": 2, "pad_id": 0, **bad})
    packs = PackStream(plan, ROWS, 16, 2, 0)
    for worker, workers in ((0, 0), (3, 3), (-1, 2)):
        with pytest.raises(ConfigError, match="a worker from 0 to workers - 1"):
            next(packs.batches(worker=worker, workers=workers))
    with pytest.raises(ArtifactError, match=r"a state in a window of \d+ packs, found pack 1,000"):
        next(packs.batches(State(plan.fingerprint, 0, 1000, packs.packing)))
    for batch, rank, ranks in ((0, 0, 1), (4, 1, 1), (4, -1, 2)):
        with pytest.raises(ConfigError, match="batch_rows >= 1 and a rank from 0 to ranks - 1"):
            RowStream(plan, ROWS, batch, rank, ranks)
        with pytest.raises(ConfigError, match="batch_packs >= 1"):
            PackStream(plan, ROWS, 16, batch, 0, rank=rank, ranks=ranks)
    with pytest.raises(IndexError):
        RowStream(plan, ROWS, 10)[20]


def test_threads_may_read_one_stream() -> None:
    """The window that is kept is replaced as a whole, and batches are not parts of it."""
    plan = plan_of(ROWS, wish(30_000))
    stream = RowStream(plan, ROWS, 7)
    numbers = np.random.default_rng(0).integers(0, len(stream), 600).tolist()
    whole = pairs_of(plan)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: pairs(stream[n]), numbers))
    finally:
        sys.setswitchinterval(before)
    assert found == [whole[7 * n : 7 * n + 7] for n in numbers]
    batch = stream[3]
    batch.task[:] = 0
    batch.prompts[:] = 99
    assert pairs(stream[3]) == whole[21:28] and stream[3].prompts.max() < 99


def test_a_finished_training_goes_on() -> None:
    """At its own batch size, though the last batch was a short one."""
    old = plan_of(ROWS, wish(203))
    end = RowStream(old, ROWS, 16).state(13)
    assert end.index == 203
    new = plan_of(ROWS, wish(50, weights=[0, 0, 0.5, 0.5]), history=old, index=203)
    stream = RowStream(new, ROWS, 16)
    assert len(stream) == 13 + 4 and stream.batch_after(end) == 13
    assert read([stream], 0, 0) == pairs_of(new)
    assert stream.state(14).index == 219 and stream.batch_after(stream.state(14)) == 14
    assert [len(stream[k]) for k in (12, 13, 16)] == [11, 16, 2]
    by_rank = [RowStream(new, ROWS, 16, rank, 3) for rank in range(3)]
    assert read(by_rank, 5, 0) == pairs_of(new)[80:]


def test_mapped_rows_go_to_workers_without_their_tokens(tmp_path: Path) -> None:
    from multiprocessing.reduction import ForkingPickler

    for number, rows in enumerate(ROWS):
        rows.write(tmp_path / str(number))
    mapped = tuple(TokenRows.open(tmp_path / str(number)) for number in range(4))
    stream = RowStream(plan_for("one phase"), mapped, 10)
    stream[3]
    small, large = (
        len(bytes(ForkingPickler.dumps(s.stores)))
        for s in (stream, RowStream(stream.plan, ROWS, 10))
    )
    assert small < large / 4
    assert len(bytes(ForkingPickler.dumps(stream))) < 2 * len(stream.plan.to_json()) + small


def test_fewer_rows_than_ranks_leave_some_without() -> None:
    plan = plan_of(ROWS, wish(9))
    sizes = [len(RowStream(plan, ROWS, 8, rank, 4)[1]) for rank in range(4)]
    assert sizes == [0, 0, 0, 1]
    batches = [
        list(PackStream(plan, ROWS, 16, 8, 0, rank=rank, ranks=7).batches()) for rank in range(7)
    ]
    assert sum(len(b[-1][0]) for b in batches) > 0 and len({len(b) for b in batches}) == 1
