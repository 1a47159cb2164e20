"""The built-in tasks: same seed, same bytes; real language; and what is planted in them is there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from scipy import stats

from mishran.config import read_config
from mishran.errors import ConfigError
from mishran.tasks.builtin import (
    BUILTIN,
    CROSS_LANGUAGE,
    OUTLIER,
    RANDOM,
    TWINS,
    generate,
    write_builtin,
)
from mishran.tasks.builtin.requests import FRAMES, REQUESTS
from mishran.tasks.builtin.words import (
    ADJECTIVES_HI_EN,
    ANIMALS_HI_EN,
    LUCKY_COLOURS,
    OPPOSITES_EN,
    OPPOSITES_HI,
    SIGNS,
)
from mishran.tasks.load import load_tasks

SEEDS = range(5)
TASKS = {seed: {name: generate(name, seed) for name in BUILTIN} for seed in SEEDS}


def part(rows, split):
    return [(row["input"], row["target"]) for row in rows if row["split"] == split]


def scripts(text: str) -> set[str]:
    return {unicodedata.name(c).split()[0] for c in text if unicodedata.category(c)[0] in "LM"}


def test_there_are_enough_in_three_languages():
    assert len(BUILTIN) >= 14
    groups = Counter(group for task in BUILTIN.values() for group in task.groups)
    assert min(groups["english"], groups["hindi"], groups["codemixed"]) >= 3
    assert all(name == task.name and task.description for name, task in BUILTIN.items())
    assert {*TWINS, *CROSS_LANGUAGE, OUTLIER, RANDOM} <= set(BUILTIN)


@pytest.mark.parametrize("seed", SEEDS)
def test_prompts_are_new_and_what_they_ask_for_is_not(seed):
    prompts = Counter(row["input"] for rows in TASKS[seed].values() for row in rows)
    assert set(prompts.values()) == {1}, prompts.most_common(3)
    for name, rows in TASKS[seed].items():
        train, valid = part(rows, "train"), part(rows, "valid")
        assert (len(train), len(valid)) == (600, 120)
        assert len({row["id"] for row in rows}) == 720
        known = {word for _, answer in train for word in answer.split()}
        assert {word for _, answer in valid for word in answer.split()} <= known, name
        common = Counter(answer for _, answer in train).most_common(1)[0][1]
        assert common <= 0.45 * len(train), f"{name}: one answer would do"


def test_a_prompt_has_one_answer_except_in_the_random_task():
    for name in BUILTIN:
        answers: dict[str, set[str]] = {}
        for seed in SEEDS:
            for row in TASKS[seed][name]:
                answers.setdefault(row["input"], set()).add(row["target"])
        several = [prompt for prompt, found in answers.items() if len(found) > 1]
        if name == RANDOM:
            assert len(several) > 0.5 * len(answers)
        else:
            assert not several, (name, several[:3])


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_in_the_prompt_tells_the_random_answer(seed):
    rows = TASKS[seed][RANDOM]
    assert {row["target"] for row in rows} == set(LUCKY_COLOURS)
    words = [row["input"].split() for row in rows]
    for place in range(len(words[0])):
        values = sorted({w[place] for w in words})
        if len(values) > 1:
            counts = Counter((w[place], row["target"]) for w, row in zip(words, rows, strict=True))
            table = [[counts[value, colour] for colour in LUCKY_COLOURS] for value in values]
            assert stats.chi2_contingency(table).pvalue > 1e-3


def test_languages_are_what_they_say():
    for name, task in BUILTIN.items():
        rows = TASKS[0][name]
        prompts = set().union(*(scripts(row["input"]) for row in rows))
        answers = set().union(*(scripts(row["target"]) for row in rows))
        if "hindi" in task.groups:
            assert "DEVANAGARI" in prompts | answers, name
        elif name == OUTLIER:  # asked in the words of all others
            assert prompts == answers == {"LATIN", "DEVANAGARI"}
        else:
            assert prompts == {"LATIN"}, name
            assert answers <= {"LATIN"}, name
        text = "".join(row["input"] + row["target"] for row in rows)
        assert unicodedata.is_normalized("NFC", text), name


def test_no_other_task_writes_the_signs_of_the_outlier():
    signs = set("".join(SIGNS.values()))
    for name, rows in TASKS[0].items():
        text = {c for row in rows for c in row["input"] + row["target"]}
        assert (name == OUTLIER) == bool(text & signs), name
    others = {row["target"] for name in BUILTIN if name != OUTLIER for row in TASKS[0][name]}
    assert set(SIGNS) <= others  # so that its specialist goes on where theirs end
    for row in TASKS[0][OUTLIER]:
        one, first, two, second = row["target"].split()
        assert (SIGNS[one], SIGNS[two]) == (first, second)
        assert f"{one} {two}" in row["input"]


def test_requests_are_parallel():
    for domain, languages in REQUESTS.items():
        assert set(languages) == set(FRAMES) == {"en", "hi", "hinglish"}, domain
        assert {len(lines) for lines in languages.values()} == {10}, domain
    one, other = (TASKS[0][name] for name in CROSS_LANGUAGE)
    assert {row["target"] for row in one} == {row["target"] for row in other} == set(REQUESTS)


def test_word_lists_have_one_reading():
    """A word that stood for two things would make its task impossible, not difficult."""
    for pairs in (OPPOSITES_EN, OPPOSITES_HI):
        words = [word for pair in pairs for word in pair]
        assert len(words) == len(set(words)), Counter(words).most_common(1)
    for table in (ADJECTIVES_HI_EN, ANIMALS_HI_EN, SIGNS):
        assert len(set(table.values())) == len(table), Counter(table.values()).most_common(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_near_duplicates_are_near_and_no_more(seed):
    """Other words for the same question; nine rows of ten ask for the same thing, in order."""
    one, two = (TASKS[seed][name] for name in TWINS)

    def asked(row):
        return tuple(row["input"].split()[-2:])

    same = [asked(a) == asked(b) for a, b in zip(one, two, strict=True)]
    assert sum(same) == 9 * len(same) // 10
    assert not {row["input"] for row in one} & {row["input"] for row in two}


def test_the_folder_loads_as_it_was_written(tmp_path):
    write_builtin(tmp_path, 0)
    config = read_config(tmp_path / "mix.yaml")
    assert (config.model, config.seed) == ("model", 0)
    assert {t.name: t.groups for t in config.tasks} == {n: t.groups for n, t in BUILTIN.items()}
    for task in load_tasks(config, tmp_path):
        rows = TASKS[0][task.name]
        assert (len(task.train), len(task.valid), len(task.test)) == (600, 120, 0)
        assert {n for n, c in task.counts.items() if c} == {"records"}, task.counts
        assert task.train[0].prompt == rows[0]["input"] + ":"
        assert task.train[0].answer == " " + rows[0]["target"]
    assert set(config.mixture.floors) <= {g for t in config.tasks for g in t.groups}


def test_what_somebody_changed_is_not_replaced(tmp_path):
    write_builtin(tmp_path, 0)
    write_builtin(tmp_path, 0)  # its own files are no obstacle
    mine = tmp_path / "mix.yaml"
    mine.write_text(mine.read_text() + "# mine\n")
    (tmp_path / "capitals_en.jsonl").unlink(missing_ok=True)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=r"found another mix\.yaml in it; run `mishran fit "):
        write_builtin(tmp_path, 0)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_same_seed_same_bytes_in_any_process(tmp_path):
    script = (
        "import sys; from pathlib import Path; from mishran.tasks.builtin import write_builtin;"
    )
    script += "write_builtin(Path(sys.argv[1]), int(sys.argv[2]))"

    def written(hash_seed: str, seed: int) -> str:
        folder = tmp_path / f"{hash_seed}-{seed}"
        subprocess.run(
            [sys.executable, "-c", script, str(folder), str(seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
        )
        files = sorted(Path(folder).iterdir())
        assert len(files) == len(BUILTIN) + 1
        content = b"\0".join(p.name.encode() + b"\0" + p.read_bytes() for p in files)
        return hashlib.sha256(content).hexdigest()

    assert written("1", 3) == written("2", 3) != written("1", 4)
