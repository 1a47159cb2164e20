"""`mishran tokenizer train`: text of several languages -> a fair tokenizer, its baseline and their report.

Stages of a run directory: `words` (tables of words, the dear pass over the text), `line` (the shares at
which parity is equal), `search/*` (candidates, a file per algorithm and place on the line), `tokenizer`
(the one that was chosen, and `proportional/`, the one from the text as it is), `measures` (both on text
that the search did not see). Killed anywhere, the same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from mishran.config_tokenizer import TokenizerConfig
from mishran.errors import ArtifactError
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.tokenizer_measure import compare
from mishran.pipeline.tokenizer_plan import PlannedTokenizer, plan_tokenizer
from mishran.pipeline.tokenizer_search import (
    find_line,
    read_candidates,
    search_facts,
    try_strength,
)
from mishran.pipeline.tokenizer_train import Material, about, material
from mishran.report.tokenizer import render_tokenizer
from mishran.run import Run, Stage, atomic_write, canonical_json
from mishran.tokenizer.fair import choose, tilted
from mishran.tokenizer.folder import write_tokenizer
from mishran.tokenizer.opened import open_tokenizer
from mishran.tokenizer.words import count_words, save_words

FAIR, PLAIN = "fair", "proportional"  # what the two tokenizers are called in tables


@dataclass(frozen=True)
class TrainedTokenizer:
    """A finished run.

    measures, search, training: what measures.json, search.json and tokenizer/training.json hold. made:
    whether anything was done just now.
    """

    folder: Path
    measures: dict[str, Any]
    search: dict[str, Any]
    training: dict[str, Any]
    made: bool = False


def train_tokenizer(
    path: str | Path,
    run: str | Path | None = None,
    progress: Progress | None = None,
    **changed: Any,
) -> TrainedTokenizer:
    """Train what a recipe asks for; run again, it goes on where it was.

    Args:
        path: the recipe, see `docs/reference/tokenizer.md`.
        run: folder of the result instead of the recipe's.
        changed: fields of the recipe with other values, where not None.

    Raises:
        MishranError: bad input; one line that says what to do.
    """
    progress = progress or Silent()
    planned = plan_tokenizer(path, run, **changed)
    place = Run(planned.folder)
    with place.locked():
        place.sweep()
        made = place.complete(
            planned.words, lambda folder: _count(planned, folder, progress), progress.say
        )
        ready = material(planned.config, place.path("words"), planned.base, planned.texts)
        search: dict[str, Any] = {"candidates": [], "reached": True, "why": "shares were given"}
        if planned.config.shares is None:
            made |= _search(planned, ready, place, progress)
            search = _chosen(planned, place)
        stage, wanted = _wanted(planned, search)
        made |= place.complete(stage, lambda folder: _train(ready, wanted, folder), progress.say)
        measures = planned.measures(stage)
        made |= place.complete(
            measures, lambda folder: _measure(planned, place, folder, progress), progress.say
        )
        atomic_write(place.path("search.json"), canonical_json(search) + "\n")
        atomic_write(place.path("recipe.yaml"), _recipe(planned.config))
        done = open_run(planned.folder, made)
        name = planned.folder.resolve().name
        page = render_tokenizer(done.measures, done.search, done.training, name)
        atomic_write(place.path("report.html"), page)
    return done


def open_run(folder: Path, made: bool = False) -> TrainedTokenizer:
    """A finished run.

    Raises:
        ArtifactError: there is none.
    """
    run = Run(folder)
    if run.manifest("measures") is None or not run.path("search.json").is_file():
        raise ArtifactError(
            expected="a folder with a trained tokenizer",
            found="none",
            where=str(folder),
            fix="run `mishran tokenizer train recipe.yaml` first",
        )
    measures, search, training = (
        json.loads(run.path(name).read_text(encoding="utf-8"))
        for name in ("measures.json", "search.json", "tokenizer/training.json")
    )
    return TrainedTokenizer(folder, measures, search, training, made)


def _count(planned: PlannedTokenizer, folder: Path, progress: Progress) -> None:
    (folder / "words").mkdir()
    with progress.bar("count words", sum(map(len, planned.texts.values()))) as done:
        for tag, own in planned.texts.items():
            for i, texts in enumerate(own.values()):
                save_words(count_words(texts()), folder / "words" / f"{tag}-{i}.parquet")
                done(1)


def _search(planned: PlannedTokenizer, ready: Material, place: Run, progress: Progress) -> bool:
    """The line and every candidate; whether any was made."""
    config, reference = planned.config, planned.reference
    shares, searched = ready.proportional, planned.searched

    def line(folder: Path) -> None:
        found = find_line(ready, shares, searched, reference, config.vocabularies)
        text = canonical_json({"proportional": shares, "line": found}) + "\n"
        (folder / "line.json").write_text(text, encoding="utf-8")

    progress.say("find the shares at which parity is equal")
    made = place.complete(planned.line, line, progress.say)
    direction = _line(place)["line"]
    with progress.bar("try tokenizers", len(planned.attempts)) as done:
        for name, algorithm, temperature, strength in planned.attempts:
            stage = planned.attempt(name, algorithm, temperature, strength)
            found = partial(
                try_strength,
                *(ready, tilted(shares, direction, strength), temperature, algorithm),
                *(config.vocabularies, searched, reference),
            )
            made |= place.complete(stage, partial(_write_found, name, found), progress.say)
            done(1)
    return made


def _write_found(name: str, find: Callable[[], Any], folder: Path) -> None:
    target = folder / name
    target.parent.mkdir()
    target.write_text(canonical_json(find()) + "\n", encoding="utf-8")


def _line(place: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.path("line.json").read_text(encoding="utf-8"))
    return found


def _chosen(planned: PlannedTokenizer, place: Run) -> dict[str, Any]:
    """search.json: every candidate, which one it is, and why."""
    config, line = planned.config, _line(place)
    candidates = read_candidates(
        place.root,
        planned.attempts,
        line["proportional"],
        line["line"],
        planned.reference,
        planned.shape,
    )
    choice = choose(candidates, config.parity, config.max_cost, config.max_embedding_share)
    return search_facts(candidates, choice, line)


def _wanted(planned: PlannedTokenizer, search: Mapping[str, Any]) -> tuple[Stage, dict[str, Any]]:
    """The stage of the tokenizer, and what it trains."""
    config = planned.config
    if config.shares is not None:
        wanted: dict[str, Any] = {
            "algorithm": config.algorithms[0],
            "vocabulary": config.vocabularies[0],
            "shares": {tag: config.shares.get(tag, 0.0) for tag in planned.tags},
            "strength": None,
            "temperature": config.temperatures[0],
        }
    else:
        chosen = next(one for one in search["candidates"] if one["chosen"])
        names = ("algorithm", "vocabulary", "shares", "strength", "temperature")
        wanted = {name: chosen[name] for name in names}
    return planned.tokenizer(wanted), wanted


def _train(ready: Material, wanted: Mapping[str, Any], folder: Path) -> None:
    """The tokenizer that is wanted, and the one of the same kind from the text as it is."""
    kinds = {
        "tokenizer": (wanted["shares"], wanted["temperature"]),
        "proportional": (ready.proportional, 1.0),
    }
    for name, (shares, temperature) in kinds.items():
        trained = ready.train(shares, wanted["algorithm"], wanted["vocabulary"], temperature)
        facts = about(
            shares,
            trained,
            temperature=temperature,
            alphabet=len(ready.alphabet.characters),
            coverage=dict(ready.alphabet.coverage),
            bytes={k: sum(one.num_bytes for one in v) for k, v in ready.sources.items()},
        )
        write_tokenizer(trained, folder / name, ready.extra, facts)


def _measure(planned: PlannedTokenizer, place: Run, folder: Path, progress: Progress) -> None:
    both = [
        open_tokenizer(str(place.path("proportional")), PLAIN),
        open_tokenizer(str(place.path("tokenizer")), FAIR),
    ]
    found = compare(
        both,
        planned.reported,
        planned.reference,
        planned.shape,
        progress,
        seed=planned.config.seed,
        worst=planned.tags,
        speed=False,
    )
    text = canonical_json(found) + "\n"
    (folder / "measures.json").write_text(text, encoding="utf-8")


def _recipe(config: TokenizerConfig) -> str:
    data = json.loads(canonical_json(config.model_dump(mode="json")))
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
