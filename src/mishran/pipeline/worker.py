"""One of the processes of a comparison: data and tokenizer once, then one training after another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mishran.config import TrainConfig, parse_config
from mishran.engine.local import serve
from mishran.errors import DataError
from mishran.evaluate.choices import check_choices, has_choices, rank
from mishran.evaluate.held_out import HeldOut
from mishran.evaluate.losses import Losses
from mishran.pipeline.build import Planned
from mishran.pipeline.facts import read_run
from mishran.pipeline.ingredients import Ingredients, gather, settings_of
from mishran.pipeline.measured import fresh_sets, read_by_fit, validation_sets
from mishran.pipeline.progress import Silent
from mishran.pipeline.tables import write_npz
from mishran.pipeline.train import Start, start_of, train_model
from mishran.quiet import quiet_libraries
from mishran.run import Run, sha256_value
from mishran.stream.apportion import Wish
from mishran.stream.plan import make_plan
from mishran.train.models import Loaded
from mishran.train.trainable import Trainable

ANSWERS = "answers.npz"


@dataclass(frozen=True)
class Ready:
    """What every job of a worker needs.

    held: examples that measure; chooses: those that choose. ranked: tasks whose accuracy is measured;
    notes: why that of others with choices is not.
    """

    found: Ingredients
    start: Start
    recipe: TrainConfig
    held: dict[str, HeldOut]
    chooses: dict[str, HeldOut]
    max_epochs: float | None
    ranked: frozenset[str]
    notes: tuple[str, ...]


def begin(setup: dict[str, Any]) -> Ready:
    """Load what the setup names: place, model, train, examples, max_epochs, accuracy."""
    place = Path(setup["place"])
    recipe: TrainConfig = parse_config(setup["train"], "train", TrainConfig)
    found = gather(settings_of(place), Silent())
    start = start_of(place, setup["model"])
    if start.device.startswith("cuda:"):  # a worker sees one GPU, its own
        start = replace(start, device="cuda")
    held, read = fresh_sets(place, found, setup["examples"], start.context)
    notes = [f"{name}: measured on examples that fit has read; it has no others" for name in read]
    ranked: set[str] = set()
    for name, one in held.items() if setup["accuracy"] else ():
        if has_choices(one.examples):
            try:
                check_choices(one)
                ranked.add(name)
            except DataError as error:
                notes.append(f"no accuracy of {name}: {error}")
    return Ready(
        found,
        start,
        recipe,
        held,
        validation_sets(
            place,
            found,
            min(setup["examples"], read_by_fit(read_run(Run(place)))),  # others measure
            start.context,
        ),
        setup["max_epochs"],
        frozenset(ranked),
        tuple(notes),
    )


def work(ready: Ready, job: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Train on a mixture and measure: weights, tokens, shares, seed, out -> what was done.

    Unless keep_model says so, weights of the trained model are not kept; its answers are, in answers.npz:
    to the fresh held-out examples of all tasks, or of those in `tasks`; with `chooses`, to the examples
    that `fit` validates on, since these runs help to choose a mixture.
    """
    names = [supply.name for supply in ready.found.supplies]
    weights = np.array([job["weights"][name] for name in names])
    plan = make_plan(
        ready.found.supplies,
        [Wish(weights / weights.sum(), job["tokens"], "tokens", job["shares"])],
        max_epochs=ready.max_epochs,
        redistribute=True,
        seed=job["seed"],
        tokenizer=ready.found.tokenizer,
    )
    out = Path(job["out"])
    among = ready.chooses if job.get("chooses") else ready.held
    asked = {name: among[name] for name in job.get("tasks") or among}

    def measure(model: Trainable, loaded: Loaded, answers: dict[str, Losses], folder: Path) -> None:
        arrays: dict[str, Any] = {}
        for number, (name, held) in enumerate(asked.items()):
            own = answers[name]
            arrays[f"{number}/name"] = np.array([name])
            arrays[f"{number}/ids"] = np.array(own.ids, dtype=np.str_)
            arrays[f"{number}/nats"] = own.nats
            arrays[f"{number}/tokens"] = own.tokens
            arrays[f"{number}/bytes"] = own.bytes
            if name in ready.ranked and not job.get("chooses"):
                ranked = rank(replace(loaded, model=model), held, ready.found.render)
                if ranked.ids == own.ids:
                    arrays[f"{number}/correct"] = ranked.right().astype(np.float64)
        write_npz(folder / ANSWERS, **arrays)

    done = train_model(
        Planned(ready.found, plan),
        ready.start,
        ready.recipe,
        asked,
        out,
        seed=job["seed"],
        progress=_Reports(report),
        keep_model=job.get("keep_model", False),
        measure=measure,
        measure_key={
            "accuracy": sorted(ready.ranked & set(asked)),
            "examples": sha256_value(
                {
                    name: [[e.id, e.answer_text, list(e.choices)] for e in one.examples]
                    for name, one in asked.items()
                }
            ),
        },
    )
    return {
        "tokens": done.facts["tokens"],
        "steps": done.facts["steps"],
        "notes": list(plan.notes),
        "all": list(ready.notes),
        "digest": Run(out).outputs("train")[ANSWERS],
    }


class _Reports(Silent):
    """Progress bars as numbers on the way to whoever waits."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report

    @contextmanager
    def bar(self, title: str, total: float, unit: str = "") -> Iterator[Callable[[float], None]]:
        yield self._report

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)


if __name__ == "__main__":
    quiet_libraries()
    serve(begin, work)
