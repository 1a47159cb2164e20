"""A pass cut before the output head gives the logits of a whole pass, whatever comes after the head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import (
    FAMILIES,
    VOCAB,
    model_with_a_biased_head,
    soft_capped_model,
    tiny_model,
)

from mishran.specialists.validate import Tokens
from mishran.train.answers import answer_logits
from mishran.train.batch import Part, pack
from mishran.train.head import Head, has_plain_head


def batch():
    rng = np.random.default_rng(0)
    rows = [Tokens(tuple(rng.integers(3, VOCAB, n).tolist()), 2) for n in (5, 9, 4, 12)]
    return pack([Part(rows)], 0)


class Other(torch.nn.Module):
    """A model whose logits do not come from a module that it names as its head."""

    def __init__(self) -> None:
        super().__init__()
        self.model = tiny_model("llama")

    def forward(self, **inputs):
        return self.model(**inputs)


@pytest.mark.parametrize(
    ("make", "plain", "cut"),
    [
        *((lambda name=name: tiny_model(name), True, True) for name in FAMILIES),
        (model_with_a_biased_head, True, True),
        (soft_capped_model, False, True),
        (Other, False, False),
    ],
    ids=[*FAMILIES, "phi", "gemma2", "other"],
)
@pytest.mark.parametrize("with_room", [True, False])
def test_states_give_the_logits_of_a_whole_pass(make, plain, cut, with_room) -> None:
    model = make()
    head = Head.of(model)
    assert (head.plain, head.cut, head.width) == (plain, cut, 32 if cut else VOCAB)
    with torch.inference_mode():
        want = answer_logits(model, batch()).logits
        states = head.states(model, batch())
        room = states.new_empty(3 * len(states) * VOCAB) if with_room else None
        got = head.logits(model, torch.stack([states, states.flip(0)]), room)
    assert states.shape == (len(want), head.width)
    torch.testing.assert_close(got[0], want)
    torch.testing.assert_close(got[1], want.flip(0))
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_logits_are_written_where_there_is_room() -> None:
    model = tiny_model("llama")
    with torch.inference_mode():
        states = Head.of(model).states(model, batch())
        room = states.new_empty(2 * len(states) * VOCAB)
        found = Head.of(model).logits(model, states, room)
    assert found.data_ptr() == room.data_ptr()


def test_a_head_followed_by_something_is_not_plain() -> None:
    assert has_plain_head(tiny_model("llama")) and not has_plain_head(soft_capped_model())
    assert not has_plain_head(Other())
