"""What a GPU does, on the CPU: many specialists in a pass, and adapters there in groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
import torch
from tiny_models import VOCAB, tiny_model

from mishran.config import SpecialistConfig
from mishran.specialists import panel as panel_module
from mishran.specialists.adapters import read_adapter, save_adapter, template
from mishran.specialists.lora import Layout
from mishran.specialists.panel import StackedPanel, room_for
from mishran.specialists.probe import Answers, answer_pool
from mishran.specialists.validate import Tokens
from mishran.train.batch import TOKENS, chunks
from mishran.train.models import Loaded

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def base() -> Loaded:
    return Loaded(tiny_model("llama").float(), None, CPU, torch.float32, 0, ())


@pytest.fixture(scope="module")
def adapters(base: Loaded, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Of different ranks and layers, so that what one leaves behind would show in the next."""
    found = {}
    for i, name in enumerate(NAMES):
        targets = r".*(q|v)_proj" if i % 2 else "all-linear"
        recipe = SpecialistConfig(rank=1 + i % 3, targets=targets, tokens=100)
        begin = template(base.model, recipe, 0, "base")
        noise = torch.randn(begin.initial.shape, generator=torch.Generator().manual_seed(i))
        folder = tmp_path_factory.mktemp(name)
        save_adapter(begin, begin.initial + 0.2 * noise, folder)
        found[name] = read_adapter(base.model, folder, name)
    return found


def probes(count: int = 100) -> list[Tokens]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 40, count)
    return [Tokens(tuple(rng.integers(3, VOCAB, int(n)).tolist()), 3) for n in sizes]


@contextmanager
def passes(model: torch.nn.Module) -> Iterator[list[int]]:
    """Lines of each forward pass within it."""
    found: list[int] = []
    handle = model.register_forward_pre_hook(
        lambda _, args, kwargs: found.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    try:
        yield found
    finally:
        handle.remove()


def ask(base: Loaded, adapters: dict, count: int = 100, **more) -> tuple[Answers, int]:
    """The answers to the pool, and the forward passes that they took."""
    with closing(StackedPanel(base.model, adapters, merge=False, **more)) as asked:
        with passes(base.model) as found:
            answers = answer_pool(asked, base, probes(count), answer_tokens=4)
        return answers, len(found)


def same(one: Answers, other: Answers) -> None:
    np.testing.assert_allclose(one.nats, other.nats, rtol=1e-5)
    np.testing.assert_array_equal(one.base_nats, other.base_nats)
    np.testing.assert_allclose(one.jsd, other.jsd, atol=1e-5)


def test_a_gpu_asks_many_specialists_in_a_pass(base, adapters, monkeypatch) -> None:
    """Batches of the pool are full, so more tokens in a pass are more specialists."""
    alone, single = ask(base, adapters)
    monkeypatch.setattr(panel_module, "room_for", lambda *args: room_for(GPU, *args[1:]))
    monkeypatch.setattr(panel_module, "free_bytes", lambda device: 1 << 36)
    together, few = ask(base, adapters)
    batches = len(list(chunks(probes(), TOKENS)))  # the last one is not full
    assert few == 2 * batches and single > batches + (batches - 1) * len(NAMES)
    same(alone, together)


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("most", [1, 2, 4])
def test_specialists_in_groups_answer_as_all_at_once(base, adapters, most, merge, monkeypatch):
    """For several stretches of the pool, of which the next begins with the group that is there."""
    monkeypatch.setattr("mishran.specialists.probe.MEMORY", 1 << 17)
    held: list[range] = []
    real = StackedPanel._put
    monkeypatch.setattr(
        StackedPanel, "_put", lambda self, group: held.append(group) or real(self, group)
    )
    said = []
    for size in (len(NAMES), most):
        with closing(StackedPanel(base.model, adapters, merge=merge, most=size)) as asked:
            assert asked.merges == merge
            said.append(answer_pool(asked, base, probes(), answer_tokens=4))
            taken = len(asked._bank.weights)
        assert taken == size
    same(*said)
    groups = -(-len(NAMES) // most)
    stretches = (len(held) - 2) // (groups - 1)
    assert stretches >= 3 and len(held) == 2 + stretches * (groups - 1)
    assert (np.abs(said[0].nats - said[0].base_nats).max(axis=1) > 0.1).all()


def test_room_is_what_is_free(monkeypatch) -> None:
    layout = Layout.of([("x", 1000, 3000), ("y", 3000, 1000)], 8, 1.0)
    each, place = 4 * layout.size, 4 * panel_module.ARRAYS * 3000
    assert room_for(CPU, layout, 4, 300) == (300, TOKENS), "a CPU goes on as it did"
    for free in (0, 1 << 20, 40 * each, 1 << 28, 1 << 40):
        monkeypatch.setattr(panel_module, "free_bytes", lambda device, free=free: free)
        most, tokens = room_for(GPU, layout, 4, 300)
        assert 1 <= most <= 300 and TOKENS <= tokens <= panel_module.TOKENS_GPU
        assert most == 1 or most * each <= panel_module.SHARE * free
        assert tokens == TOKENS or tokens * place <= panel_module.SHARE_PASS * free
    assert (most, tokens) == (300, panel_module.TOKENS_GPU)
