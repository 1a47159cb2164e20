"""Steps of a plan: every row once, for any number of ranks and any size of what goes through the model."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from training_cases import Data, data, recipe, store

from mishran.errors import ConfigError
from mishran.stream.apportion import Wish
from mishran.stream.plan import make_plan
from mishran.stream.supply import Supply
from mishran.train.feed import Piece, StepData, feed
from mishran.train.world import World

RANKS = (1, 2, 3)


def steps(
    given: Data, rank: int = 0, ranks: int = 1, packs: bool = True, **changes
) -> list[StepData]:
    settings = recipe(**changes)
    world = World(rank, ranks)
    made = feed(given.plan, given.stores, settings, pad_id=0, packs=packs, world=world, context=64)
    return list(made.steps(None))


def rows_in(piece: Piece) -> list[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """(task, tokens, trained tokens) of every row of a batch."""
    batch, out = piece.batch, []
    for row, task in enumerate(piece.tasks.tolist()):
        mine = batch.owners == row
        ids = tuple(batch.input_ids[mine].tolist())
        out.append((task, ids, tuple(batch.input_ids[mine & batch.answer_mask].tolist())))
    return out


def all_rows(per_rank: list[list[StepData]]) -> list[Counter]:
    """Rows of each step, over all ranks; a row of one token adds nothing and is left out."""
    out = []
    for parts in zip(*per_rank, strict=True):
        found = Counter(row for part in parts for piece in part.pieces for row in rows_in(piece))
        out.append(Counter({row: n for row, n in found.items() if len(row[1]) > 1}))
    return out


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("micro", [1, 20, 1024])
def test_every_row_of_the_plan_is_in_its_step_once(packs, ranks, micro):
    given = data()
    per_rank = [steps(given, r, ranks, packs, micro_tokens=micro) for r in range(ranks)]
    found = all_rows(per_rank)
    wanted = []
    for start in range(0, given.plan.rows, 6):
        order = given.plan.order.rows(start, min(start + 6, given.plan.rows))
        rows = []
        for task, example in zip(order.task.tolist(), order.example.tolist(), strict=True):
            of = given.stores[task]
            ids = tuple(of.tokens[of.offsets[example] : of.offsets[example + 1]].tolist())
            rows.append((task, ids, ids[int(of.prompts[example]) :]))
        wanted.append(Counter(rows))
    assert found == wanted


@pytest.mark.parametrize("changes", [{}, {"packed": 16}, {"packed": 7, "batch_size": 3}])
@pytest.mark.parametrize("ranks", RANKS)
def test_tokens_by_task_are_those_of_the_plan(changes, ranks):
    given = data(rows=55)
    for rank in range(ranks):
        made = steps(given, rank, ranks, **changes)
        total = sum(step.tokens for step in made)
        assert total.tolist() == [task.tokens for task in given.plan.tasks]


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("ranks", RANKS)
def test_packed_sequences_hold_every_token_once(packs, ranks):
    """Counted by task and token; the first token of a piece is not trained on, nor is a prompt."""
    given = data(rows=55)
    per_rank = [steps(given, r, ranks, packs, packed=16, batch_size=2) for r in range(ranks)]
    found = Counter()
    for part in (step for rank in per_rank for step in rank):
        for piece in part.pieces:
            for task, ids, trained in rows_in(piece):
                found.update((task, token) for token in ids)
                assert len(trained) < len(ids) <= 16
    wanted = Counter()
    order = given.plan.order.rows(0, given.plan.rows)
    for task, example in zip(order.task.tolist(), order.example.tolist(), strict=True):
        of = given.stores[task]
        wanted.update((task, t) for t in of.tokens[of.offsets[example] : of.offsets[example + 1]])
    silent = found.total() - wanted.total()  # a token of each rank that a step had nothing for
    if ranks == 1:
        assert found == wanted
    assert 0 <= silent <= (ranks - 1) * len(per_rank[0]) and not wanted - found
    lengths = [sum(p.batch.num_tokens for p in step.pieces) for step in per_rank[0]]
    if ranks == 1:
        assert set(lengths[:-1]) == {32} and 0 < lengths[-1] <= 32


@pytest.mark.parametrize("changes", [{}, {"packed": 16}])
def test_scales_of_a_step_add_up_to_a_mean(changes):
    """Every piece, on every rank, divides by the answers of the whole step; the last one ends it."""
    given = data()
    per_rank = [steps(given, r, 2, micro_tokens=15, **changes) for r in range(2)]
    for parts in zip(*per_rank, strict=True):
        pieces = [piece for part in parts for piece in part.pieces]
        answers = sum(piece.batch.num_answer_tokens for piece in pieces)
        assert answers > 0
        assert {piece.batch.groups[0].scale for piece in pieces} == {1.0 / answers}
        for part in parts:
            assert [p.batch.groups[0].last for p in part.pieces] == [
                *[False] * (len(part.pieces) - 1),
                True,
            ]


@pytest.mark.parametrize("micro", [10, 24])
def test_no_batch_is_larger_than_asked(micro):
    """But for a row that is larger by itself."""
    for step in steps(data(), micro_tokens=micro):
        for piece in step.pieces:
            assert piece.batch.num_tokens <= micro or len(piece.tasks) == 1


@pytest.mark.parametrize("changes", [{}, {"packed": 16, "batch_size": 2}])
def test_going_on_from_a_state_gives_the_rest(changes):
    given = data(rows=55)
    settings = recipe(**changes)
    made = feed(given.plan, given.stores, settings, pad_id=0, packs=True, world=World(), context=64)
    whole = list(made.steps(None))
    for after in (1, len(whole) - 1, len(whole)):
        rest = list(made.steps(whole[after - 1].state))
        assert len(rest) == len(whole) - after
        for a, b in zip(rest, whole[after:], strict=True):
            assert a.state == b.state and a.tokens.tolist() == b.tokens.tolist()
            for x, y in zip(a.pieces, b.pieces, strict=True):
                assert rows_in(x) == rows_in(y)


def test_a_rank_without_rows_takes_part_and_adds_nothing():
    given = data(rows=7)
    per_rank = [steps(given, r, 3, batch_size=2) for r in range(3)]
    for parts in zip(*per_rank, strict=True):
        (idle,) = parts[2].pieces
        assert idle.batch.num_answer_tokens == 0 and idle.batch.groups[0].last
        assert idle.batch.num_tokens == 1 and len(idle.tasks) == 1


def test_rows_that_are_longer_than_the_context_are_refused():
    given = data(longest=12)
    longest = max(int(s.lengths.max()) for s in given.stores)

    def made(context: int, **changes):
        return feed(
            given.plan,
            given.stores,
            recipe(**changes),
            pad_id=0,
            packs=True,
            world=World(),
            context=context,
        )

    made(longest)
    with pytest.raises(ConfigError) as caught:
        made(longest - 1)
    assert str(caught.value) == (
        f"the longest row: expected at most {longest - 1} tokens, the model's context, found {longest}; "
        "set max_tokens, or train.packed to cut rows into sequences"
    )
    made(longest - 1, packed=longest - 1)
    with pytest.raises(
        ConfigError, match=r"^train\.packed: expected at most 8 tokens.*found 9; lower it"
    ):
        made(8, packed=9)


def test_tasks_without_rows_are_not_measured():
    """A long row of a task that the plan leaves out is nobody's trouble."""
    stores = (store(0, 5, 8), store(1, 5, 40))
    supplies = [Supply(f"t{i}", s.lengths, s.content, s.content) for i, s in enumerate(stores)]
    plan = make_plan(supplies, [Wish(np.array([1.0, 0.0]), 5, "rows", "rows")])
    assert int(stores[1].lengths.max()) > 10
    feed(plan, stores, recipe(), pad_id=0, packs=True, world=World(), context=10)
