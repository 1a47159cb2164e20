"""The demo's own parts, without its two minutes: the bar of its training, and what counts as twins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mishran.pipeline import demo
from mishran.pipeline.progress import Silent
from mishran.train.demo_model import train_demo_model


def test_the_bar_of_the_training_moves_in_whole_steps_to_its_end(
    tmp_path: Path, monkeypatch
) -> None:
    """The command line's bar counts whole things: fractions of 1 never moved it."""
    bars: list[tuple[float, list[float]]] = []

    class Recorded(Silent):
        @contextmanager
        def bar(self, title: str, total: float) -> Iterator[Callable[[float], None]]:
            bars.append((total, []))
            yield bars[-1][1].append

    monkeypatch.setattr(demo, "STEPS", 2)
    monkeypatch.setattr(demo, "train_demo_model", lambda *args: train_demo_model(*args, steps=2))
    monkeypatch.setattr(demo, "fit", lambda *args, **kwargs: None)
    monkeypatch.setattr(demo, "planted", lambda fitted: ())
    demo.run_demo(tmp_path / "demo", 0, Recorded())
    assert bars == [(2, [1, 1])]


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [(0.109, 0.1, True), (0.1, 0.1112, False), (0, 0, True), (0, 0.1, False)],
)
def test_twins_are_a_tenth_of_the_smaller_weight_apart(one, other, are) -> None:
    assert demo.alike(one, other) is are
