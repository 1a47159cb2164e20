"""The peers of benchmarks/train.py do our work: the same losses at every step, of the same rows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import train as benchmark  # noqa: E402
from train_case import Case, Outcome, make_work, ours  # noqa: E402
from train_page import line, met, page  # noqa: E402
from train_peers import PEERS, Example, in_line, padded, sorted_parts  # noqa: E402

KINDS = [("lora", "rows"), ("full", "rows"), ("lora", "packs")]


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without data: rows drawn at random."""
    for name in ("MISHRAN_DATA", "MISHRAN_MODELS"):
        monkeypatch.delenv(name, raising=False)


def tiny(kind: str, text: str) -> Case:
    return Case(kind, text, size="tiny", steps=3, batch_size=4, length=48, micro_tokens=100)


@pytest.mark.parametrize(("kind", "text"), KINDS, ids=["lora rows", "full rows", "lora packs"])
def test_every_peer_has_our_losses(kind: str, text: str) -> None:
    work = make_work(tiny(kind, text))
    mine = ours(work)
    assert len(mine.losses) == len(work.steps) >= 3 and min(mine.seconds) > 0
    assert max(np.abs(np.diff(mine.losses))) > 1e-4, "the steps differ"
    for name, run in PEERS.items():
        found = run(work)
        assert len(found.losses) == len(work.steps), name
        if name != benchmark.OTHER_STEPS:
            assert np.abs(np.array(found.losses) - mine.losses).max() < 1e-4, name


def test_peers_get_the_rows_of_the_plan() -> None:
    work = make_work(tiny("lora", "rows"))
    lengths = sorted(len(e.input_ids) for step in work.steps for e in step)
    assert sum(lengths) == work.tokens == work.plan.tokens
    assert all(len(step) == 4 for step in work.steps)
    assert 0 < work.answers < work.tokens
    whole = [e for e in work.steps[0]]
    for places in (1, 100, 10**6):
        parts = sorted_parts(whole, places)
        assert sorted(len(e.input_ids) for p in parts for e in p) == sorted(
            len(e.input_ids) for e in whole
        )
        assert all(len(p) == 1 or len(p) * len(p[0].input_ids) <= places for p in parts)


def example(ids: list[int], first: int) -> Example:
    import torch

    made = torch.tensor(ids)
    labels = made.clone()
    labels[:first] = -100
    return Example(made, labels, torch.arange(len(ids)))


def test_layouts_keep_labels_with_their_tokens() -> None:
    rows = [example([5, 6, 7], 2), example([8, 9], 1)]
    batch = padded(rows)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch["labels"].tolist() == [[-100, -100, 7], [-100, 9, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert "attention_mask" not in padded([rows[0], rows[0]]), "no mask where nothing is padded"
    flat = in_line(rows)
    assert flat["labels"].tolist() == [[-100, -100, 7, -100, 9]]
    assert flat["position_ids"].tolist() == [[0, 1, 2, 0, 1]]


def test_bars_are_on_the_fastest_of_each() -> None:
    case = Case("lora", "rows")

    def of(*seconds: float) -> list[Outcome]:
        return [Outcome((s, s), [2.0, 1.0]) for s in seconds]

    found = {"ours": of(1, 1, 4), "loop": of(3, 3, 3), "loop_lines": of(0.9, 1.2, 4.4)}
    found |= {"trainer": of(1.1, 1.1, 4.4), "trainer_grouped": of(2, 2, 2)}
    lines = list(benchmark.lines_of(case, found, 1000, {"ours": 10.0, "loop": 15.0}))
    bars = {x["peer_name"]: met(x) for x in lines if x["name"].endswith("tokens/s")}
    assert bars == {
        "plain loop, padded, labels": None,
        "plain loop, one line, answers only": True,  # 1.1 times
        "Trainer, padded": False,
        "Trainer, group_by_length": None,
    }
    speeds = [x for x in lines if x["name"].endswith("tokens/s")]
    assert speeds[1]["ratio"] == pytest.approx(1.1) and speeds[1]["ours"] == 1000
    (peak,) = [x for x in lines if x["name"].endswith("MiB")]
    assert peak["ratio"] == 1.5
    text = page(lines, 2)
    assert "**missed**" in text and "4 met, 1 missed" in text
    apart = line("x: losses apart", 2e-4, None, "loop", None, "ours <= 0.0001")
    assert met(apart) is False
