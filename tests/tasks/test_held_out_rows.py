"""Held-out rows of a prepared task: the first that fit, in an order decided by content."""

from __future__ import annotations

from dataclasses import replace

from task_files import message
from tiny_tokenizers import byte_level

from mishran.config import FitConfig, TaskConfig
from mishran.errors import DataError
from mishran.pipeline.prepare import PreparedTask, _prepare
from mishran.tasks.render import renderer
from mishran.tasks.splits import by_content
from mishran.tasks.task import Example, Task

CONFIG = FitConfig(model="m", tasks=(TaskConfig(name="a", path="x"),))


def prepared(num: int, fits_every: int) -> PreparedTask:
    """Of `num` held-out examples every `fits_every`-th fits."""
    examples = tuple(
        Example(str(i), "word " * (60 if i % fits_every else 2) + str(i), "yes", f"f:{i}")
        for i in range(num)
    )
    train = (Example("t", "a", "b", "f:t"),)
    task = Task("a", train, examples, (), (), False, {"records": num})
    return _prepare(task, renderer(byte_level(), True, True, 64), CONFIG, None)


def test_a_rare_example_that_fits_is_found_and_what_was_left_out_is_counted() -> None:
    found = prepared(1000, 20)  # 50 fit; 2 x 64 in the order of their hashes hold about 6
    assert len(found.held_out.rows) == 50 and len(found.probes.rows) == 32
    assert found.task.counts == {"records": 1000, "too_long_held_out": 950}


def test_where_all_fit_they_are_the_first_by_content() -> None:
    found = prepared(200, 1)
    order = by_content(found.task.valid, CONFIG.seed)
    assert found.held_out.ids == tuple(e.id for e in order[:64])
    assert found.probes.ids == found.held_out.ids[:32]
    assert found.task.counts["too_long_held_out"] == 0


def test_a_task_of_which_nothing_fits_is_refused() -> None:
    examples = tuple(replace(e, prompt="word " * 60) for e in prepared(150, 1).task.valid)
    task = Task("a", examples, examples, (), (), False, {})
    text = message(
        DataError, lambda: _prepare(task, renderer(byte_level(), True, True, 64), CONFIG, None)
    )
    assert "task 'a': expected examples of at most 64 tokens, found 150 examples" in text
