"""Scores against the oracle: Hugging Face's own loss times tokens on single, unpadded examples.

The models are float64; the oracle computes its loss in float32, hence 1e-6.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model
from tiny_tokenizers import CHATML, byte_level

from mishran.specialists.validate import Tokens
from mishran.tasks.render import renderer
from mishran.tasks.task import Example
from mishran.train.answers import answer_logits, answer_nats, sum_by_row
from mishran.train.batch import by_length, collate

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


def test_a_model_without_logits_to_keep_scores_the_same() -> None:
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


def test_batches_by_length_hold_every_row_once() -> None:
    examples = rows()
    batches = by_length(examples, 3)
    assert sorted(i for batch in batches for i in batch) == list(range(len(examples)))
    lengths = [len(examples[i].input_ids) for batch in batches for i in batch]
    assert lengths == sorted(lengths, reverse=True)
