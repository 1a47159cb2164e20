"""Sequences that are packed already stay the lines they are: nothing is padded, the loss is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import tiny_model
from torch.nn.functional import cross_entropy

from mishran.config_train import TrainConfig
from mishran.stream.apportion import Wish
from mishran.stream.plan import Plan, make_plan
from mishran.stream.supply import Supply
from mishran.stream.tokens import TokenRows
from mishran.train.answers import losses_and_nats
from mishran.train.batch import Batch, Part, lay_out
from mishran.train.feed import Span, feed
from mishran.train.world import World

LENGTH = 24


def case(seed: int = 0) -> tuple[Plan, tuple[TokenRows, ...]]:
    """Two sources of documents of 3 to 60 tokens."""
    rng = np.random.default_rng(seed)
    stores, supplies = [], []
    for name in ("a", "b"):
        lengths = rng.integers(3, 60, 40)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        tokens = rng.integers(3, 97, offsets[-1]).astype(np.uint16)
        stores.append(TokenRows(tokens, offsets, np.zeros(40, dtype=np.int32)))
        supplies.append(Supply(name, lengths, f"content {name}"))
    wish = Wish(np.array([0.5, 0.5]), 900, "tokens", "tokens")
    return make_plan(supplies, [wish], max_epochs=None), tuple(stores)


def batches(micro: int, world: World | None = None, packs: bool = True) -> list[list[Batch]]:
    plan, stores = case()
    recipe = TrainConfig(packed=LENGTH, batch_size=6, micro_tokens=micro)
    steps = feed(
        plan, stores, recipe, pad_id=0, packs=packs, world=world or World(), context=LENGTH
    )
    return [[piece.batch for piece in step.pieces] for step in steps.steps(None)]


def rows_of(batch: Batch) -> list[tuple[int, ...]]:
    """Token ids of each row of a batch, sorted."""
    ids, owners = batch.input_ids.flatten(), batch.owners.flatten()
    return sorted(tuple(ids[owners == i].tolist()) for i in range(int(owners.max()) + 1))


def test_full_sequences_are_the_lines_and_nothing_is_padded():
    for step in batches(2 * LENGTH)[:-1]:
        for batch in step:
            assert batch.input_ids.shape == (2, LENGTH) and bool((batch.owners >= 0).all())
        assert len(step) == 3


def test_lines_and_micro_batches_change_no_row():
    whole = [sorted(r for b in step for r in rows_of(b)) for step in batches(10**6)]
    assert [len(step) for step in batches(10**6)] == [1] * len(whole)
    for micro in (1, LENGTH, 3 * LENGTH):
        assert [sorted(r for b in step for r in rows_of(b)) for step in batches(micro)] == whole
    padded = [sorted(r for b in step for r in rows_of(b)) for step in batches(10**6, packs=False)]
    assert padded == whole, "a model that cannot pack gets a row a line"


def test_ranks_share_the_sequences_of_a_step():
    whole = [sorted(r for b in step for r in rows_of(b)) for step in batches(10**6)]
    parts = [batches(10**6, World(rank, 4)) for rank in range(4)]
    for number, want in enumerate(whole[:-1]):
        found = [r for rank in parts for b in rank[number] for r in rows_of(b)]
        assert sorted(found) == want


def test_the_loss_of_packed_lines_is_that_of_rows_alone():
    model = tiny_model("llama")
    for step in batches(2 * LENGTH):
        total = sum(float(losses_and_nats(model, batch)[0].sum()) for batch in step)
        rows = [row for batch in step for row in rows_of(batch) if len(row) > 1]
        nats = 0.0
        for row in rows:
            ids = torch.tensor([row])
            logits = model(ids).logits[0, :-1]
            nats += float(cross_entropy(logits, ids[0, 1:], reduction="sum"))
        assert total == pytest.approx(nats / sum(len(row) - 1 for row in rows), rel=1e-9)


def test_given_lines_stand_beside_groups_without():
    rows = [Span(np.arange(3, 3 + n), 1) for n in (5, 9, 4, 7)]
    given = Part(rows, slot=0, lines=[(1, 2), (0, 3)])
    batch = lay_out([given, Part(rows, slot=1)], 0, packs=True)
    first, second = batch.groups
    assert batch.input_ids.shape[1] >= 13 and first.stop - first.start == 2
    owners = [list(dict.fromkeys(x)) for x in batch.owners[: first.stop].tolist()]
    assert [[i for i in line if i >= 0] for line in owners] == [[1, 2], [0, 3]]
    assert second.num_tokens == first.num_tokens == 25
