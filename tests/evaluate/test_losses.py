"""Nats, tokens and bytes of held-out examples against Hugging Face's own loss, and their intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from measured_cases import CONTEXT, chat, examples, held, loaded, loss_times_tokens, render_for
from scipy import stats
from tiny_tokenizers import CHATML

from mishran.errors import DataError, ModelError
from mishran.evaluate.held_out import held_out
from mishran.evaluate.intervals import bootstrap, wilson
from mishran.evaluate.losses import Losses, losses, num_bytes
from mishran.specialists.validate import Interval
from mishran.tasks.task import Example, Task


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("eos", [True, False])
def test_nats_are_loss_times_tokens(packs: bool, eos: bool) -> None:
    ready = loaded(packs)
    render, some = render_for(ready, eos=eos), examples()
    found = losses(ready, held(render, some))
    for k, example in enumerate(some):
        prompt = [1, *_ids(ready, example.prompt)]
        answer = _ids(ready, example.answer) + [2] * eos
        want = loss_times_tokens(ready.model, prompt + answer, len(prompt))
        assert found.nats[k] == pytest.approx(want, rel=1e-6)
        assert found.tokens[k] == len(answer)
        assert found.bytes[k] == len(example.answer.encode())
    assert found.ids == tuple(e.id for e in some)


def _ids(ready, text: str) -> list[int]:
    return ready.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_of_chats_the_last_message_is_the_answer() -> None:
    ready = loaded(chat_template=CHATML)
    render, example = render_for(ready), chat(examples()[0])
    found = losses(ready, held(render, (example, example)))
    row = render.render(example)
    want = loss_times_tokens(ready.model, list(row.input_ids), row.num_prompt_tokens)
    assert found.nats == pytest.approx([want, want], rel=1e-6)
    assert found.bytes.tolist() == [len(examples()[0].answer.encode())] * 2
    assert num_bytes(example) == num_bytes(examples()[0])


def test_the_order_of_examples_is_theirs() -> None:
    """Batches are made by length; what comes back is not."""
    ready = loaded()
    render, some = render_for(ready), examples()
    forward = losses(ready, held(render, some))
    back = losses(ready, held(render, some[::-1]))
    np.testing.assert_allclose(forward.nats, back.nats[::-1], rtol=1e-9)
    assert forward.ids == back.ids[::-1]


def made(nats, tokens, bytes_) -> Losses:
    ids = tuple(map(str, range(len(nats))))
    return Losses(ids, np.array(nats, float), np.array(tokens), np.array(bytes_))


def test_nats_per_token_are_a_mean_of_means() -> None:
    found = made([2.0, 9.0, 4.0], [1, 3, 4], [3, 9, 12]).nats_per_token
    values = [2.0, 3.0, 1.0]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, low, high))
    assert found.n == 3


def test_bits_per_byte_are_all_bits_by_all_bytes() -> None:
    found = made([2.0, 9.0, 4.0], [1, 3, 4], [1, 10, 9]).bits_per_byte
    assert found.mean == pytest.approx(15 / 20 / math.log(2))
    assert found.low < found.mean < found.high
    double = made([2.0, 9.0, 4.0], [2, 6, 8], [1, 10, 9]).bits_per_byte
    assert double == found, "another tokenizer that gives the text the same probability"
    alike = made([1.0, 2.0, 3.0], [1, 1, 1], [1, 2, 3]).bits_per_byte
    assert alike.mean == pytest.approx(1 / math.log(2))
    assert alike.low is None or alike.high - alike.low < 1e-9, "a constant ratio has no spread"


def test_the_interval_of_bits_per_byte_covers() -> None:
    """95 % of 1,500 samples of 60 texts whose length and price are related (binomial error 1.1 %)."""
    rng = np.random.default_rng(0)

    def sample(n: int) -> Losses:
        size = rng.geometric(0.1, n) + 1
        return made(rng.gamma(size * 2.0, 0.7) + rng.exponential(1.0, n), size, size)

    truth = sample(2_000_000).bits_per_byte.mean
    inside = [(b := sample(60).bits_per_byte).low <= truth <= b.high for _ in range(1500)]
    assert 0.93 <= np.mean(inside) <= 0.97


def test_wilson() -> None:
    """Against scipy's; its ends stay in [0, 1] and are not 0 wide where all are right."""
    for right, n in ((0, 5), (5, 5), (1, 9), (30, 50), (1, 1)):
        found = wilson(np.arange(n) < right)
        want = stats.binomtest(right, n).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((want.low, want.high), abs=1e-12)
        assert 0.0 <= found.low <= found.mean <= found.high <= 1.0 and found.low < found.high
        assert (found.mean, found.n) == (right / n, n)


def test_bootstrap() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = bootstrap(values, seed=0)
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)
    assert found.mean == pytest.approx(values.mean()) and found == bootstrap(values, seed=0)
    shifted = bootstrap(values + 1, seed=0)
    assert shifted.low == pytest.approx(found.low + 1)
    assert bootstrap(np.array([2.0]), seed=0).low is None
    assert bootstrap(np.zeros(9), seed=0) == Interval(0.0, None, None, 9)


def task(**splits: tuple[Example, ...]) -> Task:
    parts = {"train": (), "valid": (), "test": ()} | splits
    return Task("t", parts["train"], parts["valid"], parts["test"], (), True, {})


def test_held_out_takes_the_first_split_that_there_is() -> None:
    render, some = render_for(loaded()), examples()
    both = task(valid=some[:5], test=some[5:])
    assert held_out(both, ["test"], None, 0, render).split == "test"
    assert held_out(both, ["valid", "test"], None, 0, render).split == "valid"
    assert held_out(task(valid=some), ["test", "valid"], None, 0, render).split == "valid"


def test_a_limit_draws_by_content_whatever_the_order() -> None:
    render, some = render_for(loaded()), examples()
    first = held_out(task(test=some), ["test"], 5, 0, render)
    assert first == held_out(task(test=some[::-1]), ["test"], 5, 0, render)
    whole = held_out(task(test=some), ["test"], None, 0, render)
    assert first.ids == whole.ids[:5] and len(whole.ids) == 12
    assert whole.ids != held_out(task(test=some), ["test"], None, 1, render).ids
    assert (first.available, whole.available) == (12, 12)


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    some = examples()
    long = replace(some[0], id="long", prompt="word " * CONTEXT)
    found = held_out(task(test=(*some, long)), ["test"], None, 0, render_for(loaded()))
    assert (len(found.ids), found.too_long, found.available) == (12, 1, 13)
    assert "long" not in found.ids


def test_a_task_without_such_examples_is_refused() -> None:
    render = render_for(loaded())
    with pytest.raises(DataError) as caught:
        held_out(task(valid=examples()), ["test"], None, 0, render)
    assert str(caught.value) == (
        "task 't': expected examples of split test, found examples of valid only; measure on valid "
        "(--split valid), or hold out some examples"
    )
    with pytest.raises(DataError, match="expected examples of split test or valid, found"):
        held_out(task(train=examples()), ["test", "valid"], None, 0, render)


def test_values_that_are_none_are_refused() -> None:
    ready = loaded()
    ready.model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="task 't': expected finite log-probabilities, found NaN"):
        losses(ready, held(render_for(ready), examples()))
