"""The peers of benchmarks/specialists.py compute what we compute: adapters, scores and divergences."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import tiny_model

from mishran.affinity import pairwise_jsd

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from specialist_case import Clock, Outcome, Recipe, Row, Task  # noqa: E402
from specialist_page import flat, met, page, plot  # noqa: E402
from specialist_peer_batches import answer_collator  # noqa: E402
from specialist_peer_scores import direct_jsd, entropy_jsd, score_peft  # noqa: E402
from specialist_peers import TRAIN, one_after_another  # noqa: E402

# Long answers beside short ones, more of them than distributions are compared, and two stretches.
RECIPE = Recipe(
    learning_rate=1e-2,
    rank=4,
    batch_size=4,
    grouped=False,
    answer_tokens=3,
    score_batch=3,
    memory=1,
)


def rows(count: int, seed: int) -> tuple[Row, ...]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, (count, 2))
    return tuple(
        Row((1, *(int(i) for i in rng.integers(3, 90, p + a))), int(p) + 1) for p, a in lengths
    )


BATCHES = ((3, 1, 0, 2), (7, 4), (5, 9, 8, 6), (10, 11, 0, 5), (2, 3, 9))
TASKS = [Task(f"t{k}", rows(12, k), BATCHES, rows(5, 10 + k)) for k in range(3)]
POOL = tuple(row for task in TASKS for row in task.probes)


def answer(contender: str, folder: Path, **more: object) -> Outcome:
    model = tiny_model("llama").float()
    recipe = replace(RECIPE, **more)
    return one_after_another(contender, model, TASKS, 3, POOL, recipe, folder, Clock())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return {name: answer(name, tmp_path_factory.mktemp(name)) for name in TRAIN}


def weights(outcome: Outcome, i: int) -> dict[str, torch.Tensor]:
    return load_file(outcome.folders[i] / "adapter_model.safetensors")


@pytest.mark.parametrize("peer", [name for name in TRAIN if name != "one_by_one"])
def test_same_batches_give_the_same_adapters(outcomes: dict[str, Outcome], peer: str) -> None:
    for i in range(len(TASKS)):
        ours, theirs = weights(outcomes["one_by_one"], i), weights(outcomes[peer], i)
        assert ours.keys() == theirs.keys() and len(ours) == 2 * 7 * 2
        for name, value in ours.items():
            assert theirs[name].shape == value.shape
            assert torch.allclose(theirs[name], value, atol=2e-5), f"{peer}: {name}"
    moved = [float(v.abs().max()) for k, v in weights(outcomes[peer], 0).items() if "lora_B" in k]
    assert min(moved) > 1e-3, "B begins at 0"


def test_the_tasks_give_different_adapters(outcomes: dict[str, Outcome]) -> None:
    a, b = weights(outcomes["trainer"], 0), weights(outcomes["trainer"], 1)
    assert max(float((a[k] - b[k]).abs().max()) for k in a) > 1e-2


def by_hand(outcome: Outcome) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row and one adapter at a time in float64, the library's own loss, our float64 JSD."""
    from peft import PeftModel

    nats, logp = np.zeros((4, len(POOL))), []
    for s in range(4):
        model = tiny_model("llama")
        if s:
            folder = str(outcome.folders[s - 1])
            model = PeftModel.from_pretrained(model, folder).double().eval()
        logp.append([])
        for m, row in enumerate(POOL):
            ids = torch.tensor([row.input_ids])
            labels = ids.clone()
            labels[:, : row.num_prompt_tokens] = -100
            with torch.inference_mode():
                logits = model(ids).logits[0].double()
                loss = model(ids, labels=labels).loss
            answers = len(row.input_ids) - row.num_prompt_tokens
            nats[s, m] = float(loss) * answers
            start = row.num_prompt_tokens - 1
            kept = min(answers, RECIPE.answer_tokens)
            logp[-1].append(torch.log_softmax(logits[start : start + kept], -1).numpy())
    jsd = [
        pairwise_jsd(np.stack([found[m] for found in logp[1:]])).mean(0) for m in range(len(POOL))
    ]
    return nats[1:], nats[0], np.stack(jsd)


@pytest.mark.parametrize("peer", list(TRAIN))
def test_scores_and_divergences_are_those_of_the_reference(
    outcomes: dict[str, Outcome], peer: str
) -> None:
    nats, base, jsd = by_hand(outcomes[peer])
    found = outcomes[peer].scores
    assert np.abs(found.nats - nats).max() < 1e-4
    assert np.abs(found.base_nats - base).max() < 1e-4
    assert np.abs(found.jsd - jsd).max() < 1e-5
    assert jsd.max() > 0.01, "the specialists differ"


def test_stretches_of_any_length_say_the_same(outcomes: dict[str, Outcome], tmp_path: Path) -> None:
    few = outcomes["trainer"]
    for size, memory in ((1, 1), (4, 1 << 30), (100, 1 << 30)):
        recipe = replace(RECIPE, score_batch=size, memory=memory)
        model = tiny_model("llama").float()
        many = score_peft(model, few.folders, POOL, recipe, Clock())
        for a, b in zip(many, few.scores, strict=True):
            assert np.abs(a - b).max() < 1e-5


def test_both_forms_of_the_divergence_agree_with_float64() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(300, 0.05), (5, 7))
    probs[0, 0] = np.eye(300)[0]
    probs[1, 0] = np.eye(300)[1]
    given = torch.from_numpy(probs).float()
    with np.errstate(divide="ignore"):
        want = pairwise_jsd(np.log(probs))
    assert want[0, 0] == pytest.approx(1.0)
    for form in (direct_jsd, entropy_jsd):
        for entries in (1, 1000, 1 << 20):
            assert np.abs(form(given, entries).numpy() - want).max() < 2e-6


def test_only_columns_before_an_answer_reach_the_head() -> None:
    batch = answer_collator(
        [{"input_ids": (1, 5, 6, 7), "prompt": 3}, {"input_ids": (1, 8, 9), "prompt": 1}], pad_id=0
    )
    assert batch["input_ids"].tolist() == [[1, 5, 6, 7], [0, 1, 8, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3], [0, 0, 1, 2]]
    assert batch["logits_to_keep"].tolist() == [1, 2]
    assert batch["labels"].tolist() == [[-100, 7], [8, 9]]


def test_a_subset_is_trained_and_its_adapters_answer_for_the_rest(tmp_path: Path) -> None:
    model = tiny_model("llama").float()
    found = one_after_another("one_by_one", model, TASKS[:2], 3, POOL, RECIPE, tmp_path, Clock())
    assert [f.name for f in found.folders] == ["0", "0", "1"]
    assert np.array_equal(found.scores.nats[0], found.scores.nats[1])
    assert found.scores.jsd[:, 0].max() < 1e-6 < found.scores.jsd[:, 1].max()


def test_lengths_are_grouped_as_the_library_does_it(tmp_path: Path) -> None:
    """Other batches, so other adapters; that it runs and trains is all there is to see."""
    found = answer("trainer_plain", tmp_path, grouped=True)
    assert (
        float(weights(found, 0)[next(k for k in weights(found, 0) if "lora_B" in k)].abs().max())
        > 1e-3
    )


def result(contender: str, n: int, seconds: float, k: int = 0) -> dict[str, Any]:
    """Half of the training and a quarter of the pool of a case whose phases grow as they should."""
    wall = {"train": seconds * n / 2, "load": 1.0, "forward": n**2 / 400, "jsd": n**3 / 40_000}
    return {
        **{"contender": contender, "size": "small", "n": n, "k": k, "parts": 2, "threads": 1},
        **{"device": "cpu", "dtype": "float32", "tokens": 100, "probes": 4, "batch_size": 16},
        **{"wall": wall, "cpu": wall, "scale": {"train": 2.0, "pool": 4.0}},
        **{"tokens_trained": 50 * n, "weights": "w", "data": "drawn"},
        "peak_mb": {phase: 1.0 for phase in wall},
        "commit": "abc",
    }


def test_the_page_scales_parts_to_the_whole_and_judges_the_bars() -> None:
    found = [result("ours", n, 1.0) for n in (8, 24, 64)]
    found += [result("trainer", n, 4.0, k) for n in (8, 24, 64) for k in (0, 1)]
    rows = {(entry["name"], entry["peer_name"]): entry for entry in flat(found)}
    gate = rows["training and scoring, small, n=24", "PEFT + Trainer"]
    score = 1 + 24**2 / 100 + 24**3 / 10_000
    assert gate["ours"] == pytest.approx(24 + score)
    assert gate["ratio"] == pytest.approx((96 + score) / (24 + score)) and met(gate).endswith(
        ": met"
    )
    share = rows["share of the JSD in the fit, small, n=24", None]
    assert share["ours"] == pytest.approx(24**3 / 10_000 / (24 + score))
    assert met({**share, "ours": 0.2}).endswith("**missed**")
    assert rows["training, small, n=24", "PEFT + Trainer"]["ratio"] == pytest.approx(4.0)
    assert "| small | bank | jsd | 3 | 0.0001 | 3.00 | 0% | 53 min |" in page(found)
    assert "Commit abc." in page(found)
    later = page([*found, {**found[0], "commit": "def"}])
    assert "Commits: abc (small 8, small 24, small 64); def (small 8)." in later
    assert plot(found).count("<polyline") == 2


def test_where_the_bank_was_not_measured_nothing_is_claimed() -> None:
    found = [result("trainer", 24, 4.0)]
    gate = flat(found)[0]
    assert gate["ours"] is None and gate["ratio"] is None
    assert met(gate) == "ratio >= 2.5: not measured" and "not measured" in page(found)


def test_parts_of_a_task_are_disjoint_and_make_the_whole() -> None:
    parts = [TASKS[0].part(k, 2) for k in range(2)]
    rows_of = [[task.rows[i] for b in task.batches for i in b] for task in (*parts, TASKS[0])]
    assert sorted(rows_of[0] + rows_of[1]) == sorted(rows_of[2])
    assert [len(b) for b in parts[1].batches] == [2, 4]
    assert sum(part.tokens for part in parts) == sum(len(r.input_ids) for r in rows_of[2])


def test_time_of_an_inner_phase_is_not_the_outer_one_s() -> None:
    clock = Clock()
    with clock("outer"):
        with clock("inner"):
            time.sleep(0.05)
        time.sleep(0.01)
    assert clock.wall["inner"] >= 0.05 > clock.wall["outer"] >= 0.01
    assert min(clock.peak.values()) > 1 << 20
