"""`mishran tokenizer train`: text of several languages -> a fair tokenizer, its baseline and their report.

Stages of a run directory: `words` (tables of words, the dear pass over the text), `line` (the shares at
which parity is equal), `search/*` (candidates, a file per algorithm and place on the line), `tokenizer`
(the one that was chosen, and `proportional/`, the one from the text as it is), `measures` (both on text
that the search did not see). Killed anywhere, the same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
from mishran.tokenizer.words import count_words, proportional, save_words

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
        tags = planned.tags
        ready = material(planned.config, place.path("words"), planned.base, tags)
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
    with progress.bar("count words", len(planned.tags)) as done:
        for tag, texts in planned.texts.items():
            save_words(count_words(texts()), folder / "words" / f"{tag}.parquet")
            done(1)


def _search(planned: PlannedTokenizer, ready: Material, place: Run, progress: Progress) -> bool:
    """The line and every candidate; whether any was made."""
    config, reference = planned.config, planned.reference
    shares = proportional(ready.tables)
    searched = planned.searched

    def line(folder: Path) -> None:
        found = find_line(ready, shares, searched, reference, config.vocabularies)
        text = canonical_json({"proportional": shares, "line": found}) + "\n"
        (folder / "line.json").write_text(text, encoding="utf-8")

    progress.say("find the shares at which parity is equal")
    made = place.complete(planned.line, line, progress.say)
    direction = _line(place)["line"]
    attempts = [(a, i) for a in config.algorithms for i in range(len(config.strengths))]
    with progress.bar("try tokenizers", len(attempts)) as done:
        for algorithm, i in attempts:
            stage = planned.attempt(algorithm, i)

            def attempt(
                folder: Path, stage: Stage = stage, algorithm: Any = algorithm, i: int = i
            ) -> None:
                at = tilted(shares, direction, config.strengths[i])
                found = try_strength(ready, at, algorithm, config.vocabularies, searched, reference)
                target = folder / stage.outputs[0]
                target.parent.mkdir()
                target.write_text(canonical_json(found) + "\n", encoding="utf-8")

            made |= place.complete(stage, attempt, progress.say)
            done(1)
    return made


def _line(place: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.path("line.json").read_text(encoding="utf-8"))
    return found


def _chosen(planned: PlannedTokenizer, place: Run) -> dict[str, Any]:
    """search.json: every candidate, which one it is, and why."""
    config, line = planned.config, _line(place)
    candidates = read_candidates(
        place.path("search"),
        config.algorithms,
        config.strengths,
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
        }
    else:
        chosen = next(one for one in search["candidates"] if one["chosen"])
        names = ("algorithm", "vocabulary", "shares", "strength")
        wanted = {name: chosen[name] for name in names}
    return planned.tokenizer(wanted), wanted


def _train(ready: Material, wanted: Mapping[str, Any], folder: Path) -> None:
    """The tokenizer that is wanted, and the one of the same kind from the text as it is."""
    kinds = {"tokenizer": wanted["shares"], "proportional": proportional(ready.tables)}
    for name, shares in kinds.items():
        trained = ready.train(shares, wanted["algorithm"], wanted["vocabulary"])
        facts = about(
            shares,
            trained,
            alphabet=len(ready.alphabet.characters),
            coverage=dict(ready.alphabet.coverage),
            bytes={tag: words.num_bytes for tag, words in ready.tables.items()},
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
