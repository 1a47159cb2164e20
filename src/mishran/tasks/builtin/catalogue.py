"""The catalogue of built-in tasks and the demo folder that is written from it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mishran.errors import ConfigError
from mishran.run import atomic_write
from mishran.tasks.builtin import generators as make
from mishran.tasks.builtin import words


@dataclass(frozen=True)
class Builtin:
    """A task that needs no data.

    groups: its language (english, hindi, codemixed) and its skill. generate: seeded generator ->
    records with the fields id, input, target and split. draw: name that seeds it; near-duplicates
    share theirs.
    """

    name: str
    description: str
    groups: tuple[str, ...]
    generate: Callable[[np.random.Generator], list[make.Record]]
    draw: str


def _task(
    name: str,
    description: str,
    groups: tuple[str, ...],
    pairs: Callable[[], Iterable[make.Pair]],
    answers: tuple[str, ...] = (),
    near_duplicate_of: str = "",
) -> Builtin:
    """answers: draw the answers from these, whatever the prompt says."""

    def generate(rng: np.random.Generator) -> list[make.Record]:
        listed = list(pairs())
        if answers:
            listed = make.random_answers(listed, answers, rng)
        return make.records(name, listed, rng, redraw_every=10 if near_duplicate_of else 0)

    return Builtin(name, description, groups, generate, near_duplicate_of or name)


_EN, _HI, _MIXED = "english", "hindi", "codemixed"

_TASKS = (
    _task(
        "plural_en",
        "the plural of an English noun",
        (_EN, "grammar"),
        lambda: make.plural("Plural of"),
    ),
    _task(
        "plural_en_v2",
        "plural_en issued again: other wording, a tenth of its rows replaced; a near-duplicate",
        (_EN, "grammar"),
        lambda: make.plural("The plural of"),
        near_duplicate_of="plural_en",
    ),
    _task("category_en", "what kind of thing a noun names", (_EN, "meaning"), make.category),
    _task(
        "opposite_en",
        "the opposite of an English adjective",
        (_EN, "opposites"),
        lambda: make.opposite("Opposite of", words.OPPOSITES_EN, words.THINGS_EN),
    ),
    _task(
        "opposite_hi",
        "the opposite of a Hindi adjective",
        (_HI, "opposites"),
        lambda: make.opposite("विलोम,", words.OPPOSITES_HI, words.THINGS_HI),
    ),
    _task(
        "number_en",
        "a number in English words",
        (_EN, "numbers"),
        lambda: make.number_in_words(
            "In words,", "0", words.NUMBERS_EN, tuple(words.PLURALS_EN.values())
        ),
    ),
    _task(
        "number_hi",
        "a number in Hindi words, from Devanagari digits",
        (_HI, "numbers"),
        lambda: make.number_in_words("शब्दों में,", "०", words.NUMBERS_HI, words.COUNTED_HI),
    ),
    _task(
        "domain_en",
        "the domain of an English request",
        (_EN, "domains"),
        lambda: make.domain("en"),
    ),
    _task(
        "domain_hi",
        "the domain of a Hindi request, with the labels of domain_en: one skill, two languages",
        (_HI, "domains"),
        lambda: make.domain("hi"),
    ),
    _task(
        "domain_hinglish",
        "the domain of a code-mixed request, with the same labels again",
        (_MIXED, "domains"),
        lambda: make.domain("hinglish"),
    ),
    _task(
        "animal_hi_en",
        "the name of an animal, from Hindi to English",
        (_HI, "translation"),
        make.animal_hi_en,
    ),
    _task(
        "animal_en_hi",
        "the name of an animal, from English to Hindi",
        (_HI, "translation"),
        make.animal_en_hi,
    ),
    _task(
        "food_hinglish",
        "the food that a code-mixed sentence is about, in English",
        (_MIXED, "translation"),
        make.food_hinglish,
    ),
    _task(
        "sentiment_hinglish",
        "whether a code-mixed remark is positive, negative or neutral",
        (_MIXED, "opinion"),
        make.sentiment_hinglish,
    ),
    _task(
        "signs",
        "a secret sign set after every word, in a script that no other task uses: the outlier",
        ("symbols", "code"),
        make.signs,
    ),
    _task(
        "lucky_colour",
        "a colour drawn at random whatever the prompt says: nothing to learn",
        (_EN, "noise"),
        make.lucky_colour,
        words.LUCKY_COLOURS,
    ),
)

BUILTIN: dict[str, Builtin] = {task.name: task for task in _TASKS}
PROMPT, ANSWER = "{input}:", " {target}"

# What was planted; the demo says whether it was found again.
TWINS = ("plural_en", "plural_en_v2")
CROSS_LANGUAGE = ("domain_en", "domain_hi")
OUTLIER = "signs"
RANDOM = "lucky_colour"

_HEAD = """\
# The demo: {count} built-in tasks and a model trained on the spot. Change it and run
#     mishran fit {name}
model: model
seed: {seed}

tasks:
"""

_TAIL = """
specialists:
  epochs: 4
  batch_size: 16
  curve_points: 4
  validation: 120
probes: {per_task: 32}

mixture:
  affinity: jsd
  t: 0.9                    # 1 is uniform; smaller is less redundant, larger is more central
  ridge: 0.1                # a light pull to uniform: it decides between near-duplicates
  floors: {hindi: 0.25}
  budget: {rows: 8000}
"""


def generate(name: str, seed: int) -> list[make.Record]:
    """The records of one task; a task's draw does not depend on which other tasks there are."""
    task = BUILTIN[name]
    return task.generate(np.random.default_rng([seed, zlib.crc32(task.draw.encode())]))


def write_builtin(folder: Path, seed: int) -> None:
    """Write `<task>.jsonl` for every task, and a `mix.yaml` over them; same seed, same bytes.

    Raises:
        ConfigError: the folder has files of these names with other content, which somebody may want.
    """
    files = {}
    lines = []
    for name, task in BUILTIN.items():
        rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in generate(name, seed))
        files[f"{name}.jsonl"] = "".join(rows)
        lines.append(
            f"  # {task.description}\n"
            f'  - {{name: {name}, path: {name}.jsonl, prompt: "{PROMPT}", answer: "{ANSWER}", '
            f"groups: [{', '.join(task.groups)}]}}\n"
        )
    head = _HEAD.format(count=len(BUILTIN), name="mix.yaml", seed=seed)
    files["mix.yaml"] = head + "".join(lines) + _TAIL
    old = {name: folder / name for name in files if (folder / name).exists()}
    for name, path in old.items():
        if not path.is_file() or path.read_bytes() != files[name].encode():
            raise ConfigError(
                expected="a new folder, or one that `mishran demo` made with this seed",
                found=f"another {name} in it",
                where=str(folder),
                fix=f"run `mishran fit {folder / 'mix.yaml'}` if you changed it, or give another "
                "--folder",
            )
    for name, text in files.items():
        if name not in old:
            atomic_write(folder / name, text)
