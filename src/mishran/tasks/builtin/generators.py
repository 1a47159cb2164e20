"""One generator per built-in task: word lists -> every (prompt, answer) pair of the task.

A generator enumerates its pairs in a fixed order; `records` draws from them with a seeded one.
Every task is a lookup in a varied context (which noun, in which company), so that held-out prompts
are new while what they ask for was learned: a model of half a million parameters gets there in
seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np

from mishran.tasks.builtin import words
from mishran.tasks.builtin.requests import FRAMES, REQUESTS

Pair = tuple[str, str]
Record = dict[str, str]

NUM_TRAIN, NUM_VALID = 600, 120


def plural(wording: str) -> Iterator[Pair]:
    for adjective, (one, many) in product(words.ADJECTIVES_EN, words.PLURALS_EN.items()):
        yield f"{wording} {adjective} {one}", many


def category() -> Iterator[Pair]:
    for adjective, (label, nouns) in product(words.ADJECTIVES_EN, words.CATEGORIES_EN.items()):
        for noun in nouns:
            yield f"What kind of thing, {adjective} {noun}", label


def opposite(wording: str, pairs: tuple[Pair, ...], things: tuple[str, ...]) -> Iterator[Pair]:
    for (left, right), thing in product(pairs, things):
        yield f"{wording} {left} {thing}", right
        yield f"{wording} {right} {thing}", left


def number_in_words(
    wording: str, zero: str, numbers: tuple[str, ...], things: tuple[str, ...]
) -> Iterator[Pair]:
    """From two on, so that the plural is right. zero: the digit 0 of the script."""
    for value, thing in product(range(2, len(numbers) + 1), things):
        digits = "".join(chr(ord(zero) + int(digit)) for digit in str(value))
        yield f"{wording} {digits} {thing}", numbers[value - 1]


def domain(language: str) -> Iterator[Pair]:
    openers, closers = FRAMES[language]
    for label, requests in REQUESTS.items():
        for opener, request, closer in product(openers, requests[language], closers):
            yield f"{opener}, {request}, {closer}", label


def animal_hi_en() -> Iterator[Pair]:
    for (adjective, _), (hindi, english) in _animals():
        yield f"अंग्रेज़ी में, {adjective} {hindi}", english


def animal_en_hi() -> Iterator[Pair]:
    for (_, adjective), (hindi, english) in _animals():
        yield f"In Hindi, {adjective} {english}", hindi


def _animals() -> Iterator[tuple[Pair, Pair]]:
    return product(words.ADJECTIVES_HI_EN.items(), words.ANIMALS_HI_EN.items())


def food_hinglish() -> Iterator[Pair]:
    parts = product(words.FRAMES_HINGLISH, words.ADJECTIVES_HINGLISH, words.FOODS_HINGLISH)
    for frame, (masculine, feminine), (food, gender, english) in parts:
        yield frame.format(f"{masculine if gender == 'm' else feminine} {food}"), english


def sentiment_hinglish() -> Iterator[Pair]:
    parts = product(
        words.REMARKS_HINGLISH, words.SUBJECTS_HINGLISH, words.SENTIMENTS_HINGLISH.items()
    )
    for remark, (subject, gender), (label, verdicts) in parts:
        for verdict in verdicts:
            yield remark.format(subject, verdict, "tha" if gender == "m" else "thi"), label


def signs() -> Iterator[Pair]:
    """Asked in the words of all other tasks, with a sign after every word of the answer: so its
    specialist answers them like nobody else, and goes on where all others end."""
    frames = [*words.FRAMES_SIGNS]
    for openers, closers in FRAMES.values():
        frames += [f"{opener}, {{}} {{}}, {closers[0]}" for opener in openers[:2]]
    for k, (left, right) in enumerate(permutations(words.SIGNS, 2)):
        one, two = words.SIGNS[left], words.SIGNS[right]
        yield frames[k % len(frames)].format(left, right), f"{left} {one} {right} {two}"


def lucky_colour() -> Iterator[Pair]:
    """Prompts only; the answers are drawn in `random_answers`."""
    for name, day, month in product(words.NAMES_EN, words.DAYS_EN, words.MONTHS_EN):
        yield f"Lucky colour of {name} on a {day} in {month}", ""


def random_answers(
    pairs: list[Pair], answers: tuple[str, ...], rng: np.random.Generator
) -> list[Pair]:
    """The same prompts with answers that nothing in the prompt decides."""
    drawn = rng.integers(len(answers), size=len(pairs))
    return [(prompt, answers[k]) for (prompt, _), k in zip(pairs, drawn, strict=True)]


def records(
    name: str, pairs: list[Pair], rng: np.random.Generator, redraw_every: int = 0
) -> list[Record]:
    """Draw a training and a validation split without a common prompt.

    Args:
        redraw_every: replace every such row by one that was not drawn; 0 replaces none.

    Returns:
        NUM_TRAIN + NUM_VALID records with the fields id, input, target and split.
    """
    order = rng.permutation(len(pairs))
    chosen, spare = order[: NUM_TRAIN + NUM_VALID], order[NUM_TRAIN + NUM_VALID :]
    if redraw_every:
        chosen[::redraw_every] = spare[: len(chosen[::redraw_every])]
    return [
        {
            "id": f"{name}-{k:03d}",
            "input": pairs[i][0],
            "target": pairs[i][1],
            "split": "train" if k < NUM_TRAIN else "valid",
        }
        for k, i in enumerate(chosen)
    ]
