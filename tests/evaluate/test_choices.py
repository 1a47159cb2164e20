"""Ranking choices against a plain loop over them, one unpadded row at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from measured_cases import LABELS, chat, examples, held, loaded, loss_times_tokens, render_for
from tiny_tokenizers import CHATML

from mishran.errors import DataError
from mishran.evaluate.choices import Ranked, gold, has_choices, rank, with_answer
from mishran.specialists.validate import nats_per_row
from mishran.tasks.task import Example


def ids(ready, text: str) -> list[int]:
    return ready.tokenizer(text, add_special_tokens=False)["input_ids"]


def labelled() -> tuple[Example, ...]:
    """Some examples whose choices are one token each, in lists of several lengths, among others."""
    letters = ("A", "B", "C", "D", "E")
    return tuple(
        replace(e, answer="B", choices=letters[: 2 + i % 4]) if i % 3 else e
        for i, e in enumerate(examples(14))
    )


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("some", [examples(), labelled()], ids=["texts", "labels"])
def test_against_one_choice_at_a_time(packs: bool, some: tuple[Example, ...]) -> None:
    ready = loaded(packs)
    found = rank(ready, held(render_for(ready), some), render_for(ready))
    for k, example in enumerate(some):
        prompt = [1, *ids(ready, example.prompt)]
        nats, tokens, sizes = [], [], []
        for choice in example.choices:
            row = prompt + ids(ready, choice)
            nats.append(loss_times_tokens(ready.model, row, len(prompt)))
            tokens.append(len(row) - len(prompt))
            sizes.append(len(choice.encode()))
        np.testing.assert_allclose(found.nats[k], nats, rtol=1e-6)
        assert found.tokens[k].tolist() == tokens and found.bytes[k].tolist() == sizes
        want = {"sum": nats, "token": np.divide(nats, tokens), "byte": np.divide(nats, sizes)}
        for by, costs in want.items():
            assert found.chosen(by)[k] == np.argmin(costs)
            assert found.right(by)[k] == (example.choices[np.argmin(costs)] == example.answer)
    assert found.accuracy("byte").mean == found.right("byte").mean()
    assert found.chance == pytest.approx(np.mean([1 / len(e.choices) for e in some]))


def test_one_pass_for_all_labels_of_a_prompt() -> None:
    ready, some = loaded(), tuple(e for e in labelled() if e.answer == "B")
    passes: list[int] = []
    ready.model.register_forward_pre_hook(
        lambda m, args, kwargs: passes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    found = rank(ready, held(render_for(ready), some), render_for(ready))
    assert {n for t in found.tokens for n in t.tolist()} == {1}
    together = sum(passes)
    passes.clear()
    flat = [r for e in some for r in render_for(ready, eos=False).render_many([e])]
    nats_per_row(ready.model, flat, ready)
    assert together == sum(passes), "as much as the true answers alone"


def test_a_model_in_training_is_measured_without_dropout_and_goes_on() -> None:
    ready = loaded()
    render, some = render_for(ready), labelled()
    want = rank(ready, held(render, some), render)
    ready.model.config.attention_dropout = 0.9
    for layer in ready.model.model.layers:
        layer.self_attn.attention_dropout = 0.9
    ready.model.train()
    found = rank(ready, held(render, some), render)
    np.testing.assert_allclose(np.concatenate(found.nats), np.concatenate(want.nats))
    assert ready.model.training


def test_the_end_of_an_answer_is_not_scored() -> None:
    ready, some = loaded(), examples()
    found = rank(ready, held(render_for(ready), some), render_for(ready))
    other = rank(ready, held(render_for(ready, eos=False), some), render_for(ready, eos=False))
    np.testing.assert_allclose(np.concatenate(found.nats), np.concatenate(other.nats))


def test_chats() -> None:
    ready = loaded(chat_template=CHATML)
    render, some = render_for(ready), tuple(map(chat, examples(4)))
    found = rank(ready, held(render, some), render)
    for k, example in enumerate(some):
        for nats, choice in zip(found.nats[k], example.choices, strict=True):
            row = render.render(with_answer(example, choice))
            want = loss_times_tokens(ready.model, list(row.input_ids), row.num_prompt_tokens)
            assert nats == pytest.approx(want, rel=1e-6)


def test_the_order_of_choices_and_examples_does_not_matter() -> None:
    ready = loaded()
    render, some = render_for(ready), examples()
    found = rank(ready, held(render, some), render)
    turned = tuple(replace(e, choices=e.choices[::-1]) for e in some[::-1])
    back = rank(ready, held(render, turned), render)
    for by in ("sum", "token", "byte"):
        assert found.right(by).tolist() == back.right(by)[::-1].tolist()
        assert (2 - found.chosen(by)).tolist() == back.chosen(by)[::-1].tolist()


def made(*nats: list[float], gold: int = 0) -> Ranked:
    m = len(nats)
    sizes = tuple(np.array([1, 2, 4][: len(n)]) for n in nats)
    golds = np.full(m, gold)
    return Ranked(tuple(map(str, range(m))), golds, tuple(map(np.array, nats)), sizes, sizes, 0)


def test_of_equal_choices_the_first_wins() -> None:
    tie = made([1.0, 1.0, 4.0], [2.0, 1.0, 1.0])
    assert tie.chosen().tolist() == [0, 1]
    assert tie.chosen("byte").tolist() == [1, 2]
    assert made([3.0, 6.0, 12.0]).chosen("token").tolist() == [0]


def test_accuracy_is_a_share_with_a_wilson_interval() -> None:
    found = made([1.0, 2.0], [2.0, 1.0], [0.0, 9.0], [0.5, 0.75]).accuracy()
    assert (found.mean, found.n) == (0.75, 4)
    assert (found.low, found.high) == pytest.approx((0.30064, 0.95441), abs=1e-5)
    assert made([1.0, 2.0], [1.0, 2.0, 3.0]).chance == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_examples_whose_choices_do_not_fit_are_left_out_and_counted() -> None:
    ready, some = loaded(), examples(3)
    render = render_for(ready)
    long = replace(some[1], choices=(some[1].answer, "word " * 60))
    found = rank(ready, held(render, (some[0], long, some[2])), render)
    assert (found.ids, found.too_long) == (("e0", "e2"), 1)
    alone = rank(ready, held(render, (some[2],)), render)
    np.testing.assert_allclose(found.nats[1], alone.nats[0])
    with pytest.raises(
        DataError, match="task 't': expected choices of at most 64 tokens with their"
    ):
        rank(ready, held(render, (long,)), render)


def refused(ready, *some) -> str:
    render = render_for(ready)
    with pytest.raises(DataError) as caught:
        rank(ready, held(render, some), render)
    return str(caught.value)


def test_impossible_choices_are_refused() -> None:
    ready, one = loaded(), examples(2)[1]
    said = refused(ready, one, replace(one, answer="(D)"))
    assert said == (
        "t.jsonl:2: expected the answer among the choices '(A)', '(B)', '(C)', found '(D)'; correct "
        "or remove the record, or leave accuracy out of the measures"
    )
    said = refused(ready, one, replace(one, choices=()))
    assert "expected a list of choices in every held-out example of task 't', found none" in said
    said = refused(ready, replace(one, choices=("(B)", "(B)", "(A)")))
    assert "t.jsonl:2: expected choices that differ, found '(B)' twice" in said


def test_helpers() -> None:
    one = examples(2)[1]
    assert gold(one) == LABELS.index(one.answer) and gold(chat(one)) == gold(one)
    assert has_choices([replace(one, choices=()), one])
    assert not has_choices([replace(one, choices=())])
    assert with_answer(one, "x") == replace(one, answer="x")
