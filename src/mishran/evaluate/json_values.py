"""What was found on a task as JSON values: numbers with intervals, and what each example gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mishran.evaluate.choices import WAYS, By, Ranked
from mishran.evaluate.generate import Written
from mishran.evaluate.harness import HarnessTask
from mishran.specialists.validate import Interval

if TYPE_CHECKING:
    from mishran.evaluate.run import TaskEvaluation


def interval_as_dict(found: Interval) -> dict[str, float | int | None]:
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}


def task_as_dict(task: TaskEvaluation, examples: bool) -> dict[str, Any]:
    held = task.held
    out: dict[str, Any] = {
        "split": held.split,
        "available": held.available,
        "examples": len(held.ids),
        "too_long": held.too_long,
    }
    if examples:
        out["ids"] = list(held.ids)
    if task.losses is not None:
        found = task.losses
        out["nats"] = {
            "per_token": interval_as_dict(found.nats_per_token),
            "bits_per_byte": interval_as_dict(found.bits_per_byte),
            "answer_tokens": int(found.tokens.sum()),
            "answer_bytes": int(found.bytes.sum()),
            **_each(examples, nats=found.nats, tokens=found.tokens, bytes=found.bytes),
        }
    if task.ranked is not None:
        out["accuracy"] = _ranked(task.ranked, examples)
    if task.written is not None:
        out["generate"] = _written(task.written, examples)
    if task.harness is not None:
        out["harness"] = harness_as_dict(task.harness, examples)
    return out


def _ranked(ranked: Ranked, examples: bool) -> dict[str, Any]:
    ways: dict[By, Any] = {by: interval_as_dict(ranked.accuracy(by)) for by in WAYS}
    out = {"by": ways, "chance": ranked.chance, "too_long": ranked.too_long}
    if not examples:
        return out
    return {
        **out,
        "ids": list(ranked.ids),
        "gold": ranked.gold.tolist(),
        "chosen": {by: ranked.chosen(by).tolist() for by in WAYS},
        "nats": [nats.tolist() for nats in ranked.nats],
    }


def _written(written: Written, examples: bool) -> dict[str, Any]:
    like = written.likeness
    return {
        "exact": interval_as_dict(written.exact),
        "normalised": interval_as_dict(written.normalised),
        "rouge_l": interval_as_dict(written.rouge_l),
        "chrf": interval_as_dict(written.chrf),
        "ended": float(np.mean(written.ended)),
        **_each(
            examples,
            texts=written.texts,
            tokens=written.tokens,
            exact_each=like.exact,
            normalised_each=like.normalised,
            rouge_l_each=like.rouge_l,
            chrf_each=like.chrf,
        ),
    }


def harness_as_dict(task: HarnessTask, examples: bool) -> dict[str, Any]:
    metrics = {}
    for metric in task.metrics:
        one: dict[str, Any] = interval_as_dict(metric.value)
        if examples and metric.values is not None:
            one["each"] = metric.values.tolist()
        metrics[f"{metric.name},{metric.filter}"] = one
    return {"examples": task.num, "metrics": metrics}


def _each(examples: bool, **values: Any) -> dict[str, list[Any]]:
    return {name: np.asarray(v).tolist() for name, v in values.items()} if examples else {}
