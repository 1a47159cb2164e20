"""Scores against the oracle: Hugging Face's own loss times tokens on single, unpadded examples.

The models are float64; the oracle computes its loss in float32, hence 1e-6.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, VOCAB, soft_capped_model, tiny_model
from tiny_tokenizers import CHATML, byte_level

from mishran.specialists.validate import Tokens
from mishran.tasks.render import renderer
from mishran.tasks.task import Example
from mishran.train import answers
from mishran.train.answers import (
    answer_logits,
    answer_nats,
    group_losses,
    sum_by_row,
)
from mishran.train.batch import Part, chunks, collate, pack
from mishran.train.head import has_plain_head

# (tokens, prompt tokens): one-token answers, long ones, a bare BOS as prompt, equal lengths.
SHAPES = [(3, 2), (9, 1), (12, 11), (7, 3), (20, 4), (2, 1), (12, 5)]


def rows() -> list[Tokens]:
    rng = np.random.default_rng(0)
    return [Tokens(tuple(rng.integers(3, VOCAB, n).tolist()), p) for n, p in SHAPES]


def oracle(model: torch.nn.Module, row: Tokens) -> float:
    ids = torch.tensor([row.input_ids])
    labels = ids.clone()
    labels[:, : row.num_prompt_tokens] = -100
    tokens = len(row.input_ids) - row.num_prompt_tokens
    return float(model(input_ids=ids, labels=labels).loss) * tokens


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_batched_scores_equal_loss_times_tokens(family: str, side: str) -> None:
    model, examples = tiny_model(family), rows()
    want = [oracle(model, row) for row in examples]
    found = answer_logits(model, batch := collate(examples, 0, side))
    got = sum_by_row(answer_nats(found), found.rows, len(examples))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    assert batch.num_answer_tokens == sum(n - p for n, p in SHAPES)


@pytest.mark.parametrize("family", FAMILIES)
def test_unbatched_scores_equal_batched(family: str) -> None:
    model, examples = tiny_model(family), rows()
    for row in examples:
        found = answer_logits(model, collate([row], 0))
        assert float(answer_nats(found).sum()) == pytest.approx(oracle(model, row), rel=1e-6)


def test_answer_logits_are_those_before_each_answer_token() -> None:
    model, row = tiny_model("llama"), rows()[4]
    full = model(input_ids=torch.tensor([row.input_ids])).logits[0]
    found = answer_logits(model, collate([row], 0))
    torch.testing.assert_close(found.logits, full[row.num_prompt_tokens - 1 : -1])
    assert found.targets.tolist() == list(row.input_ids[row.num_prompt_tokens :])


def test_a_model_whose_head_is_not_known_scores_the_same() -> None:
    class Old(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids, attention_mask, position_ids, use_cache):
            return self.inner(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                use_cache=use_cache,
            )

    model, batch = tiny_model("llama"), collate(rows(), 0)
    new, old = answer_logits(model, batch), answer_logits(Old(model), batch)
    torch.testing.assert_close(new.logits, old.logits)
    assert new.targets.equal(old.targets) and new.rows.equal(old.rows)


def test_the_pad_token_does_not_matter() -> None:
    model, examples = tiny_model("llama"), rows()
    scores = [answer_nats(answer_logits(model, collate(examples, pad))) for pad in (0, 5)]
    torch.testing.assert_close(scores[0], scores[1])


def test_the_first_token_of_a_row_is_never_scored() -> None:
    batch = collate([Tokens((5, 6, 7), 0)], 0)
    assert batch.answer_mask.tolist() == [[False, True, True]]


def test_chat_template_scores_equal_loss_times_tokens() -> None:
    tokenizer = byte_level(chat_template=CHATML)
    model = tiny_model("llama")
    messages = (
        {"role": "user", "content": "what is the capital of France?"},
        {"role": "assistant", "content": "Paris"},
    )
    example = Example("a", "", "", "a:1", messages)
    row = renderer(tokenizer, True, True, 64).render(example)
    answer = tokenizer.decode(list(row.input_ids[row.num_prompt_tokens :]))
    assert "Paris" in answer and "France" not in answer
    small = Tokens(tuple(i % VOCAB for i in row.input_ids), row.num_prompt_tokens)
    found = answer_logits(model, collate([small, rows()[0]], 0))
    got = sum_by_row(answer_nats(found), found.rows, 2)[0]
    assert float(got) == pytest.approx(oracle(model, small), rel=1e-6)


def test_half_precision_logits_are_scored_in_float32() -> None:
    model = tiny_model("llama").bfloat16()
    found = answer_logits(model, collate(rows(), 0))
    assert found.logits.dtype == torch.bfloat16
    assert answer_nats(found).dtype == torch.float32


def test_chunks_hold_every_row_once_longest_first_and_no_more_than_allowed() -> None:
    examples = rows()
    found = list(chunks(examples, 21))
    assert sorted(i for index in found for i in index) == list(range(len(examples)))
    lengths = [len(examples[i].input_ids) for index in found for i in index]
    assert lengths == sorted(lengths, reverse=True)
    assert all(len(c) == 1 or sum(len(examples[i].input_ids) for i in c) <= 21 for c in found)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_scores_equal_loss_times_tokens(family: str) -> None:
    model, examples = tiny_model(family), rows()
    want = [oracle(model, row) for row in examples]
    parts = [Part(examples[:3], 0), Part(examples[3:], 1)]
    batch = pack(parts, 0)
    assert len(batch.input_ids) < len(examples), "rows share lines"
    found = answer_logits(model, batch)
    got = sum_by_row(answer_nats(found), found.rows, len(examples))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    assert found.rows.equal(found.rows.sort().values)
    assert batch.num_tokens == sum(n for n, _ in SHAPES)


def test_groups_have_lines_of_their_own_and_their_mean_loss() -> None:
    model, examples = tiny_model("llama"), rows()
    batch = pack([Part(examples[:3], 4), Part(examples[3:], 2)], 0)
    first, second = batch.groups
    assert (first.slot, second.slot) == (4, 2)
    assert first.start == 0 and first.stop == second.start and second.stop == len(batch.input_ids)
    owners = batch.owners
    assert set(owners[: first.stop].unique().tolist()) <= {-1, 0, 1, 2}
    counts = [n - p for n, p in SHAPES]
    want = [
        sum(oracle(model, r) for r in part) / sum(own)
        for part, own in ((examples[:3], counts[:3]), (examples[3:], counts[3:]))
    ]
    np.testing.assert_allclose(group_losses(model, batch).numpy(), want, rtol=1e-6)


def test_the_parts_of_a_step_add_up_to_its_mean() -> None:
    model, examples = tiny_model("llama"), rows()
    whole = float(group_losses(model, pack([Part(examples)], 0)))
    total = sum(n - p for n, p in SHAPES)
    cut = [Part(examples[:2], 0, False, total), Part(examples[2:], 0, True, total)]
    got = sum(float(group_losses(model, pack([part], 0))) for part in cut)
    assert got == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_without_kept_logits_are_the_same(family, monkeypatch) -> None:
    monkeypatch.setattr(answers, "CHUNK", 5 * VOCAB)
    model = tiny_model(family)
    batch = pack([Part(rows()[:3]), Part(rows()[3:], 1)], 0)
    model.get_input_embeddings().weight.requires_grad_(False)
    assert has_plain_head(model)
    weight = model.get_submodule(first_linear(model)).weight.requires_grad_(True)
    gradients = []
    for fused in (False, True):
        losses = group_losses(model, batch, fused)
        (gradient,) = torch.autograd.grad(losses @ torch.tensor([1.0, 3.0]).double(), weight)
        gradients.append((losses.detach(), gradient))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("kind", "cast"), [(torch.float64, None), (torch.float32, torch.bfloat16)])
def test_a_head_that_is_trained_has_the_same_gradients(monkeypatch, bias, tied, kind, cast) -> None:
    """Two parts of a step with factors of their own; a tied head is the embedding too."""
    for name in ("CHUNK", "ROWS"):
        monkeypatch.setattr(answers, name, 5)
    model = tiny_model("llama").to(kind)
    head = model.get_output_embeddings()
    if bias:
        head.bias = torch.nn.Parameter(torch.linspace(-1, 1, len(head.weight), dtype=kind))
    head.weight = (
        model.get_input_embeddings().weight
        if tied
        else torch.nn.Parameter(head.weight.flip(0).clone())
    )
    wanted = dict(model.requires_grad_(True).named_parameters())
    assert has_plain_head(model) and ("lm_head.weight" in wanted) != tied
    batch = pack([Part(rows()[:3]), Part(rows()[3:], 1)], 0)
    gradients = []
    for fused in (False, True):
        with torch.autocast("cpu", cast, enabled=cast is not None):
            losses = group_losses(model, batch, fused)
        found = torch.autograd.grad(losses.sum(), wanted.values())
        gradients.append(dict(zip(wanted, found, strict=True)))
    for name, want in gradients[0].items():
        got = gradients[1][name]
        assert got.dtype == want.dtype
        error = float((got - want).norm() / want.norm())
        assert error < (1e-12 if cast is None else 2e-2), (name, error)


def test_gradients_of_many_answers_do_not_vanish_in_half_precision() -> None:
    """A mean over 1,000 answers among 32,768 tokens: p times the factor is below what float16 holds.

    The head's rows have a common part, as those of real models do: what is lost of p shows there. Errors
    of a few 2^-11 are the type's own.
    """
    size, count, width = 32768, 1000, 16
    draw = torch.Generator().manual_seed(0)
    states = 0.3 * torch.randn(count, width, generator=draw).double()
    weight = (1.0 + 0.1 * torch.randn(size, width, generator=draw)).double()
    states, weight = states.half().double(), weight.half().double()
    targets = torch.randint(0, size, (count,), generator=draw)
    scale = torch.full((count,), 1.0 / count)
    found = []
    for kind in (torch.float64, torch.float32, torch.float16):
        x = states.to(kind, copy=True).requires_grad_(True)
        wide = torch.float64 if kind == torch.float64 else torch.float32
        nats = answers._HeadNats.apply(x, weight.to(kind), None, targets, scale.to(wide))
        nats.sum().backward()
        found.append((nats.detach().double().sum(), x.grad.double()))
    (want_nats, want), single, half = found
    error = [(got - want).norm() / want.norm() for _, got in (single, half)]
    assert error[0] < 1e-5 and error[1] < 5e-3, error
    assert abs(single[0] - want_nats) < 1e-5 and abs(half[0] - want_nats) < 1e-2


def test_a_task_of_many_answers_beside_one_of_few_keeps_its_gradients_in_half_precision() -> None:
    """Of the states and of the weights: factors 1 and 1/2,000 in one batch."""
    size, width = 32768, 16
    draw = torch.Generator().manual_seed(1)
    states = (0.3 * torch.randn(2001, width, generator=draw)).half().double()
    weight = (1.0 + 0.1 * torch.randn(size, width, generator=draw)).half().double()
    targets = torch.randint(0, size, (2001,), generator=draw)
    scale = torch.cat([torch.ones(1), torch.full((2000,), 1 / 2000)])
    found = []
    for kind in (torch.float64, torch.float16):
        x = states.to(kind, copy=True).requires_grad_(True)
        w = weight.to(kind, copy=True).requires_grad_(True)
        wide = torch.float64 if kind == torch.float64 else torch.float32
        answers._HeadNats.apply(x, w, None, targets, scale.to(wide)).sum().backward()
        found.append((x.grad.double()[1:], w.grad.double()[targets[1:]]))
    for want, got in zip(*found, strict=True):
        assert float((got - want).norm() / want.norm()) < 5e-3


def first_linear(model: torch.nn.Module) -> str:
    return next(
        name
        for name, module in model.named_modules()
        if type(module).__name__ in ("Linear", "Conv1D") and "head" not in name
    )


def test_a_model_with_a_soft_cap_is_scored_with_it() -> None:
    model, batch = soft_capped_model(), pack([Part(rows())], 0)
    want = [oracle(model, row) for row in rows()]
    found = answer_logits(model, batch)
    got = sum_by_row(answer_nats(found), found.rows, len(want))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5)


def test_a_batch_repeated_for_several_slots_gives_each_the_same() -> None:
    model, examples = tiny_model("mistral"), rows()
    batch = pack([Part(examples)], 0)
    thrice = answer_logits(model, batch.repeated([None, 3, 1])).logits.split(len(batch.before))
    want = answer_logits(model, batch).logits
    for got in thrice:
        torch.testing.assert_close(got, want)
    assert [g.slot for g in batch.repeated([None, 3, 1]).groups] == [None, 3, 1]
