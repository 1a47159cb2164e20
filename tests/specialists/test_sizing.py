"""The planner's prediction beside what trainings take, and that it never plans what does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import tiny_llama

from mishran.config import SpecialistConfig
from mishran.errors import TrainingError
from mishran.specialists import sizing as planner
from mishran.specialists.adapters import template
from mishran.specialists.evidence import Trainee
from mishran.specialists.fit import fit_specialists
from mishran.specialists.sizing import SHARE, Sizing, size_waves
from mishran.specialists.validate import Tokens
from mishran.train.memory import live_bytes
from mishran.train.models import Loaded

CPU = torch.device("cpu")
VOCAB = 4096
RECIPE = SpecialistConfig(tokens=700, rank=8, learning_rate=1e-3, curve_points=2)


def trainee(seed: int) -> Trainee:
    rng = np.random.default_rng(seed)

    def rows(count: int) -> list[Tokens]:
        return [
            Tokens(tuple(rng.integers(3, VOCAB, int(n)).tolist()), int(n) // 2)
            for n in rng.integers(8, 60, count)
        ]

    return Trainee(f"t{seed}", rows(40), rows(8))


TASKS = [trainee(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def base() -> Loaded:
    model = tiny_llama(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=176, num_key_value_heads=4
    )
    return Loaded(model, None, CPU, torch.float32, 0, ())


def size(base: Loaded, recipe: SpecialistConfig = RECIPE, tokens: int = 256, n: int = 8) -> Sizing:
    return size_waves(
        base,
        template(base.model, recipe, 0, "base"),
        recipe,
        [t.rows for t in TASKS[:n]],
        [t.held_out for t in TASKS[:n]],
        seed=0,
        max_tokens=64,
        tokens=tokens,
    )


@pytest.mark.parametrize(
    ("slots", "tokens", "more"),
    [
        (4, 256, {}),
        (8, 256, {}),
        (4, 1024, {}),
        (4, 1024, {"checkpointing": True}),
        (8, 256, {"adapter_dtype": "bfloat16"}),
        (6, 256, {"patience": 1, "dropout": 0.1}),
    ],
)
def test_a_training_takes_what_was_predicted(base: Loaded, slots, tokens, more) -> None:
    recipe = RECIPE.model_copy(update=more)
    predicted = size(base, recipe, tokens, slots).predicted(slots, tokens)
    begin = template(base.model, recipe, 0, "base")
    taken = live_bytes(
        CPU,
        lambda: fit_specialists(
            TASKS[:slots], base, begin, recipe, seed=0, max_tokens=64, tokens=tokens
        ),
    )
    assert predicted == pytest.approx(taken, rel=0.1)


def test_terms_of_a_slot(base: Loaded) -> None:
    parameters = template(base.model, RECIPE, 0, "base").layout.size
    found = size(base)
    assert (found.per_slot, found.saved) == (16 * parameters, 4 * parameters)
    half = size(base, RECIPE.model_copy(update={"adapter_dtype": "bfloat16"}))
    assert (half.per_slot, half.saved) == (8 * parameters, 2 * parameters)
    patient = size(base, RECIPE.model_copy(update={"patience": 2}))
    assert patient.per_slot == 20 * parameters
    assert found.predicted(3, 100) - found.predicted(2, 100) in (
        found.per_slot,
        found.per_slot + found.saved,
    )


def test_checkpointing_takes_less_per_token(base: Loaded) -> None:
    plain, less = (
        size(base, RECIPE.model_copy(update={"checkpointing": wanted}), 1024)
        for wanted in (False, True)
    )
    assert less.per_token < 0.7 * plain.per_token


def test_equal_inputs_are_planned_alike(base: Loaded, monkeypatch) -> None:
    monkeypatch.setattr(planner, "free_bytes", lambda device: 1 << 34)
    assert size(base) == size(base)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(free=st.integers(1 << 20, 1 << 27))
def test_what_is_planned_fits_or_is_refused(base: Loaded, free: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "free_bytes", lambda device: free)
        try:
            found = size(base, tokens=512)
        except TrainingError:
            return
    assert found.slots >= 1 and found.tokens >= 59
    assert found.predicted(found.slots, found.tokens) <= SHARE * free


def test_more_memory_is_never_refused_where_less_is_not(base: Loaded, monkeypatch) -> None:
    plans = []
    for free in (12 << 20, 24 << 20, 48 << 20, 1 << 30):
        monkeypatch.setattr(planner, "free_bytes", lambda device, free=free: free)
        found = size(base)
        plans.append((found.tokens, found.slots))
    assert plans == sorted(plans) and plans[-1] == (256, planner.FEWEST)


def test_too_little_memory_is_one_line(base: Loaded, monkeypatch) -> None:
    monkeypatch.setattr(planner, "free_bytes", lambda device: 1 << 20)
    with pytest.raises(TrainingError) as caught:
        size(base)
    text = str(caught.value)
    assert text.startswith(
        "specialists: expected memory for one specialist and a row of 59 tokens, "
    )
    assert text.endswith(
        " MiB, found 1 MiB free, of which 55% are planned with; lower max_tokens or specialists.rank, use "
        "a smaller model, or set specialists.checkpointing: true"
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_while_planning_is_the_same_line(base, monkeypatch, error) -> None:
    def out(*args: object) -> None:
        raise error

    monkeypatch.setattr(planner, "train", out)
    with pytest.raises(
        TrainingError, match=r"memory for one specialist .* more than there is, found"
    ):
        size(base)
    monkeypatch.setattr(planner, "train", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        size(base)


@pytest.mark.full
def test_resident_memory_of_a_training_is_what_was_predicted(tmp_path: Path) -> None:
    """In a process of its own, on 6M parameters with 32k tokens of vocabulary; Linux tells."""
    root = Path(__file__).resolve().parent.parent.parent
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the system does not tell")
    case = json.dumps(["small", 8, 512, {}, 400])
    done = subprocess.run(
        [sys.executable, root / "benchmarks" / "memory.py", "--case", case],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "131072"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["ratio"] == pytest.approx(1.0, abs=0.15)
