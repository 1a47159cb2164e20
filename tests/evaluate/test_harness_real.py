"""lm-evaluation-harness and our own ranking on the same real tasks and a real model, item by item."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mishran.config import TaskConfig
from mishran.evaluate.choices import rank
from mishran.evaluate.harness import run_harness
from mishran.evaluate.harness_tasks import write_task
from mishran.evaluate.held_out import held_out
from mishran.tasks.load import load_task
from mishran.tasks.render import Renderer, renderer
from mishran.train.models import Loaded, load_model

pytestmark = pytest.mark.data
TASKS = ("tasks/bbh_disambiguation_qa", "tasks/arc_easy", "hindi/parambench_percussion_instruments")


@pytest.fixture(scope="module")
def ready(models_root: Path) -> Loaded:
    return load_model("base-6m", models_root, device="cpu")


@pytest.fixture(scope="module")
def render(ready: Loaded) -> Renderer:
    return renderer(ready.tokenizer, True, True, 1024)


@pytest.mark.parametrize("name", TASKS)
def test_items_are_the_same(data_root: Path, tmp_path: Path, ready, render, name: str) -> None:
    """Its choices are labels of one length, so all three ways to count come to the same."""
    config = TaskConfig(name=Path(name).name, path=f"{name}.jsonl.gz", eval_only=True)
    held = held_out(load_task(config, data_root), ["test"], 25, 0, render)
    ours = rank(ready, held, render)
    names = [write_task(tmp_path, held, render)]
    (theirs,) = run_harness(ready, tmp_path, names, context=1024, own_bos=True)
    assert theirs.task == held.task and theirs.num == len(ours.ids) == 25
    for metric in ("acc", "acc_norm", "acc_bytes"):
        assert theirs.metric(metric).values.tolist() == ours.right("sum").tolist()
    assert ours.right("byte").tolist() == ours.right("sum").tolist()
    assert theirs.metric("acc").value == ours.accuracy()
    assert 0 < ours.accuracy().mean < 1


def test_words_of_many_lengths(data_root: Path, tmp_path: Path, ready, render) -> None:
    """The answers of four other examples as further choices; nothing ends in whitespace."""
    config = TaskConfig(
        name="antonyms",
        path="tasks/ii_antonyms.jsonl.gz",
        prompt="The opposite of {input} is the word:",
        answer="{target}",
        separator="",
    )
    held = held_out(load_task(config, data_root), ["test", "valid"], 60, 0, render)
    answers = list(dict.fromkeys(e.answer for e in held.examples))
    some = []
    for i, example in enumerate(held.examples):
        others = [a for a in answers[i:] + answers[:i] if a != example.answer][:4]
        some.append(replace(example, choices=(*others[: i % 5], example.answer, *others[i % 5 :])))
    held = replace(held, examples=tuple(some))
    ours = rank(ready, held, render)
    names = [write_task(tmp_path, held, render)]
    (theirs,) = run_harness(ready, tmp_path, names, context=1024, own_bos=True)
    assert theirs.metric("acc").values.tolist() == ours.right("sum").tolist()
    assert theirs.metric("acc_bytes").values.tolist() == ours.right("byte").tolist()
    assert theirs.metric("acc_bytes").value == ours.accuracy("byte")
    assert (ours.chosen("sum") != ours.chosen("byte")).any(), "or nothing would tell them apart"
    assert len(np.unique(ours.chosen())) > 2 and 0 < ours.accuracy().mean < 1
