"""Choices of a record: where they are found, how they are written, and who gets errors about them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from task_files import content, load, message, write_jsonl

from mishran.errors import ConfigError, DataError
from mishran.tasks.duplicates import overlaps

LABELS = ["(A)", "(B)", "(C)"]


def rows(num=12, **more):
    fields = {"target": "(B)", "choices": LABELS} | more
    return [{"input": f"q {i}", **fields} for i in range(num)]


@pytest.fixture
def path(tmp_path):
    def make(records, **task):
        write_jsonl(tmp_path / "t.jsonl", records)
        task.setdefault("prompt", "{input}")
        task.setdefault("answer", "{target}")
        given = {k: v for k, v in task.items() if v is not None}
        return load(tmp_path, path="t.jsonl", **given)

    return make


def everything(task):
    return (*task.train, *task.valid, *task.test)


def test_a_field_called_choices_is_used_where_the_answer_is_a_bare_field(path):
    for task in (path(rows()), path(rows(), prompt=None, answer=None)):
        assert {e.choices for e in everything(task)} == {tuple(LABELS)}


@pytest.mark.parametrize("answer", ["the answer is {target}", "{target} ", "{input}{target}", "x"])
def test_beside_other_text_they_are_used_only_when_asked_for(path, answer):
    assert {e.choices for e in everything(path(rows(), answer=answer))} == {()}


def test_asked_for_they_get_the_text_around_the_answer(path):
    task = path(rows(), answer="It is {target}.", choices="choices")
    for example in everything(task):
        assert example.choices == ("It is (A).", "It is (B).", "It is (C).")
        assert example.answer in example.choices


def test_they_may_be_anywhere_and_numbers(path):
    records = rows(target=2, choices=None, options={"text": [1, 2.5, 2]})
    task = path(records, choices="options.text")
    assert {e.choices for e in everything(task)} == {("1", "2.5", "2")}


def test_of_chats(path):
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "(A)"}]
    records = [{"m": [{**turns[0], "content": f"? {i}"}, turns[1]], "c": LABELS} for i in range(9)]
    task = path(records, messages="m", choices="c", prompt=None, answer=None)
    assert {e.choices for e in everything(task)} == {tuple(LABELS)}
    task = path(records, messages="m", prompt=None, answer=None)
    assert {e.choices for e in everything(task)} == {()}


def test_they_are_no_part_of_what_is_trained_on(path):
    """Splits, ids, texts and the texts that tasks share are the same without them."""
    with_, without = path(rows()), path(rows(choices=None))
    assert content(with_) == content(without)
    assert with_.counts == without.counts
    other = replace(without, name="other")
    assert [s.num for s in overlaps([with_, other]).shared] == [12]


@pytest.mark.parametrize(
    "choices", [None, [], ["(B)"], "(A) (B)", {"text": LABELS}, [["(A)"], ["(B)"]], ["(A)", None]]
)
def test_who_does_not_ask_gets_no_errors(path, choices):
    assert {e.choices for e in everything(path(rows(choices=choices)))} == {()}


def test_who_asks_gets_them(path):
    def refused(**record):
        return message(DataError, lambda: path(rows(**record), choices="choices"))

    said = refused(choices=["(B)"])
    assert "t.jsonl:1: expected a list of at least two choices in field 'choices'" in said
    assert "found a list; correct the record, or choices: in the task" in said
    assert "found 'A B'" in refused(choices="A B")
    assert "expected text or a number in field 'choices[1]'" in refused(choices=["(A)", ["(B)"]])
    said = message(DataError, lambda: path(rows(), choices="choice"))
    assert "expected field 'choice'" in said and "did you mean {choices}?" in said


def test_half_a_character_is_no_choice(tmp_path):
    lines = [r'{"prompt": "q", "answer": "a", "choices": ["a", "\ud83d"]}'] * 9
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    said = message(DataError, lambda: load(tmp_path, path="t.jsonl", choices="choices"))
    assert "half a surrogate pair" in said


def test_impossible_settings(path):
    for answer, found in (("{target} {input}", "with 2"), ("yes", "with none")):
        said = message(ConfigError, lambda a=answer: path(rows(), answer=a, choices="choices"))
        assert said.startswith("task 't': choices: expected an answer template with one field")
        assert f"found {answer!r}, {found}; change the answer template" in said
    said = message(ConfigError, lambda: path(rows(), choices="a..b"))
    assert "expected a field such as {input}" in said and "task 't': choices" in said
