"""The loop and the order of rows: exact budgets, one step per batch, and losses that are not finite."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model

from mishran.errors import TrainingError
from mishran.specialists.validate import Tokens
from mishran.train.answers import answer_logits, answer_nats
from mishran.train.batch import collate
from mishran.train.loop import OneUpdate, train, warmup_linear
from mishran.train.order import training_batches

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 500), st.integers(0, 5))
def test_a_token_budget_is_reached_by_its_last_row(lengths, batch_size, tokens, seed):
    batches = training_batches(lengths, batch_size, seed, tokens=tokens)
    rows = [i for batch in batches for i in batch]
    total = sum(lengths[i] for i in rows)
    assert tokens <= total < tokens + max(lengths)
    counts = [rows.count(i) for i in range(len(lengths))]
    assert max(counts) - min(counts) <= 1, "a row is repeated only when all rows were seen"
    assert all(len(batch) <= batch_size for batch in batches)


@given(LENGTHS, st.integers(1, 9), st.sampled_from([1e-6, 0.01, 0.1, 0.5, 1.0, 2.0, 2.5]))
def test_epochs_are_passes_over_the_rows(lengths, batch_size, epochs):
    rows = [i for b in training_batches(lengths, batch_size, 0, epochs=epochs) for i in b]
    assert rows and abs(len(rows) - epochs * len(lengths)) <= max(0.5, 1 - epochs * len(lengths))
    counts = [rows.count(i) for i in range(len(lengths))]
    assert max(counts) - min(counts) <= 1, "a row is repeated only when all rows were seen"


def test_a_small_part_of_an_epoch_is_one_row_at_least():
    assert [len(b) for b in training_batches([5] * 40, 8, 0, epochs=0.01)] == [1]
    assert [len(b) for b in training_batches([5] * 40, 8, 0, epochs=0.05)] == [2]


def test_the_order_depends_on_the_seed_and_on_nothing_else():
    lengths = list(range(1, 50))
    first = training_batches(lengths, 4, 7, tokens=3000)
    assert first == training_batches(lengths, 4, 7, tokens=3000)
    assert first != training_batches(lengths, 4, 8, tokens=3000)


def test_epochs_come_in_fresh_orders():
    lengths = [5] * 32
    rows = [i for b in training_batches(lengths, 32, 0, epochs=2, window=1) for i in b]
    seen = training_batches(lengths, 1, 0, epochs=2, window=1)
    assert sorted(rows[:32]) == sorted(rows[32:]) == list(range(32))
    assert [b[0] for b in seen[:32]] != [b[0] for b in seen[32:]]


def batch(seed: int):
    rng = torch.Generator().manual_seed(seed)
    rows = [Tokens(tuple(torch.randint(3, 90, (6,), generator=rng).tolist()), 2) for _ in range(4)]
    return collate(rows, 0)


def trainable(model):
    return model.requires_grad_(True)


def test_a_step_is_adamw_on_the_mean_over_answer_tokens():
    ours, reference = trainable(tiny_model("llama")), trainable(copy.deepcopy(tiny_model("llama")))
    steps = []
    train(
        ours,
        [batch(0), batch(1)],
        OneUpdate(torch.optim.AdamW(ours.parameters(), lr=1e-2), lambda i: 1.0, 1e9),
        steps.append,
    )
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-2)
    losses = []
    for b in (batch(0), batch(1)):
        labels = b.input_ids.masked_fill(~b.answer_mask, -100)
        loss = reference(input_ids=b.input_ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert [s.loss for s in steps] == pytest.approx(losses, rel=1e-6)
    assert [s.tokens for s in steps] == [24, 48]
    for a, b in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)  # the oracle's loss is float32


def test_training_lowers_the_loss_and_clipping_bounds_the_step():
    model = trainable(tiny_model("gpt2"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = [p.detach().clone() for p in model.parameters()]
    train(model, [batch(0)], OneUpdate(optimizer, lambda i: 1.0, 0.25))
    moved = sum(
        float((a.detach() - b).square().sum())
        for a, b in zip(model.parameters(), before, strict=True)
    )
    assert moved**0.5 == pytest.approx(0.25, rel=1e-3)
    start = float(answer_nats(answer_logits(model.eval(), batch(0))).detach().mean())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    train(model, [batch(0)] * 20, OneUpdate(optimizer, lambda i: 1.0, 1.0))
    after = answer_nats(answer_logits(model.eval(), batch(0))).mean().item()
    assert after < start - 0.5


def test_a_loss_that_is_not_finite_names_its_step():
    model = trainable(tiny_model("llama"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e300)
    with pytest.raises(TrainingError) as caught:
        train(model, [batch(i) for i in range(5)], OneUpdate(optimizer, lambda i: 1.0, 1e9))
    assert str(caught.value).startswith("step 2: expected a finite loss and gradient, found loss")
    assert "lower specialists.learning_rate" in str(caught.value)


def test_the_schedule_warms_up_and_ends_near_zero_and_peaks_are_restored():
    factor = warmup_linear(100, 0.1)
    values = [factor(i) for i in range(100)]
    assert values[9] == values[10] == 1.0 and values[0] == pytest.approx(0.1)
    assert 0 < values[-1] < 0.02 and values[10:] == sorted(values[10:], reverse=True)
    model = trainable(tiny_model("llama"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    train(model, [batch(0)], OneUpdate(optimizer, lambda i: 0.5, 1.0))
    assert optimizer.param_groups[0]["lr"] == 3e-3
