"""Running text over the words of the built-in tasks, for the demo's base model.

Everyday sentences in the three languages, lists of answers, and prompts followed by an answer drawn
from any task whatever or by a word of their own: the base model knows the words, what an answer looks
like and that prompts matter, and nothing about which answer belongs to which prompt. That is left to
the specialists. Measured, docs/log.md: without drawn answers specialists need three times as many
steps; without a word of the prompt some never find the word that decides; with nothing else they echo
foreign prompts and all look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from mishran.tasks.builtin import words
from mishran.tasks.builtin.catalogue import ANSWER, BUILTIN, PROMPT, generate

T = TypeVar("T")

_NAMES_HI = ("आशा", "रवि", "मीना", "अर्जुन", "लीला", "इमरान", "सारा", "विक्रम", "निशा", "गोपाल")


def _one(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _english(rng: np.random.Generator) -> str:
    name, day = _one(rng, words.NAMES_EN), _one(rng, words.DAYS_EN)
    adjective, noun = _one(rng, words.ADJECTIVES_EN), _one(rng, list(words.PLURALS_EN))
    place = _one(rng, words.THINGS_EN)
    return _one(
        rng,
        (
            f"On {day} {name} saw a {adjective} {noun} near the {place}.",
            f"The {place} is {_one(rng, _one(rng, words.OPPOSITES_EN))}, says {name}.",
            f"{name} keeps {_one(rng, words.NUMBERS_EN[1:])} things in the {place}.",
            f"Where is the {noun}? The {noun} is in the {adjective} {place}.",
            f"{name} painted the {place} {_one(rng, words.LUCKY_COLOURS)} in "
            f"{_one(rng, words.MONTHS_EN)}.",
        ),
    )


def _hindi(rng: np.random.Generator) -> str:
    name, place = _one(rng, _NAMES_HI), _one(rng, words.THINGS_HI)
    adjective = _one(rng, list(words.ADJECTIVES_HI_EN))
    animal = _one(rng, list(words.ANIMALS_HI_EN))
    return _one(
        rng,
        (
            f"{name} ने आज एक {adjective} {animal} को देखा।",
            f"यह {place} {_one(rng, _one(rng, words.OPPOSITES_HI))} है।",
            f"{name} के पास {_one(rng, words.NUMBERS_HI[1:])} {_one(rng, words.COUNTED_HI)} हैं।",
            f"{animal} कहाँ है? {animal} उस {place} के पास है।",
        ),
    )


def _hinglish(rng: np.random.Generator) -> str:
    name = _one(rng, words.NAMES_EN)
    masculine, feminine = _one(rng, words.ADJECTIVES_HINGLISH)
    food, gender, _ = _one(rng, words.FOODS_HINGLISH)
    subject, of_subject = _one(rng, words.SUBJECTS_HINGLISH)
    return _one(
        rng,
        (
            f"{name} ko {masculine if gender == 'm' else feminine} {food} pasand hai.",
            f"aaj {name} market se {food} aur {_one(rng, words.FOODS_HINGLISH)[0]} laayi.",
            f"{name} bola ki {subject} dekhne layak {'tha' if of_subject == 'm' else 'thi'}.",
        ),
    )


_WRITERS: tuple[Callable[[np.random.Generator], str], ...] = (_english, _hindi, _hinglish)


def demo_text(num_lines: int, seed: int) -> list[str]:
    """Lines of text: a quarter sentences, a quarter lists, a half prompts with any answer."""
    rng = np.random.default_rng([seed, 1])
    rows = [generate(name, seed) for name in BUILTIN]
    prompts = [[row["input"] for row in task] for task in rows]
    answers = [sorted({row["target"] for row in task}) for task in rows]
    lines = []
    for k in range(num_lines):
        if k % 4 == 0:
            lines.append(_one(rng, _WRITERS)(rng))
        elif k % 4 == 1:
            lines.append(", ".join(_one(rng, _one(rng, answers)) for _ in range(4)))
        else:
            prompt = _one(rng, _one(rng, prompts))
            own = prompt.replace(",", "").split()
            word = _one(rng, own if k % 8 == 2 else _one(rng, answers))
            lines.append(PROMPT.format(input=prompt) + ANSWER.format(target=word))
    return lines
