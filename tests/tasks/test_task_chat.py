"""Chat messages of a record: both conventions, what is the answer, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from task_files import load, message, write_jsonl

from mishran.errors import DataError
from mishran.tasks.chat import SHAREGPT_ROLES, read_messages

USER = {"role": "user", "content": "hi"}
REPLY = {"role": "assistant", "content": "hello"}


def read(value):
    return read_messages(value, "messages", "x.jsonl:7")


def test_last_assistant_message_is_the_answer():
    system = {"role": "system", "content": "be short"}
    assert read([system, USER, REPLY]) == ([system, USER, REPLY], 0)
    assert read([USER, REPLY, USER, REPLY, USER, USER]) == ([USER, REPLY, USER, REPLY], 2)


def test_sharegpt():
    value = [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "q"},
        {"from": "observation", "value": "o"},
        {"from": "gpt", "value": "a", "weight": None},
    ]
    roles = [m["role"] for m in read(value)[0]]
    assert roles == ["system", "user", "tool", "assistant"]
    assert read(value)[0][3] == {"role": "assistant", "content": "a"}


def test_other_keys_are_kept_and_nulls_are_left_out():
    reply = {**REPLY, "tool_calls": None, "name": "bot"}
    assert read([USER, reply])[0][1] == {**REPLY, "name": "bot"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "hi",
            "expected a list of messages in field 'messages', found 'hi'; "
            'write it as [{"role": "user", "content": "..."}, {"role": "assistant", ...}]',
        ),
        (
            [],
            "expected a list of messages in field 'messages', found an empty list; "
            'write it as [{"role": "user", "content": "..."}, {"role": "assistant", ...}]',
        ),
        (
            [USER, "hello"],
            "expected an object with role and content in messages[1], found 'hello'; "
            'write it as {"role": "user", "content": "..."}',
        ),
        (
            [USER, USER, {"role": "tool", "content": ""}],
            "expected an assistant message in field 'messages' (the last one is the answer), found "
            "messages of user, tool only; add the answer as a message of role assistant, or remove "
            "the record",
        ),
        (
            [REPLY],
            "expected a message before the assistant's in field 'messages', found only the "
            "assistant's; add the user's message, or remove the record",
        ),
        (
            [USER, {"role": "assistant"}],
            "expected text as 'content' in messages[1], found the fields role; "
            "messages are {role, content} or {from, value}, with text in both",
        ),
        (
            [USER, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}],
            "expected text as 'content' in messages[1], found a list; "
            "messages are {role, content} or {from, value}, with text in both",
        ),
        (
            [{"content": "hi"}, REPLY],
            "expected text as 'role' in messages[0], found the fields content; "
            "messages are {role, content} or {from, value}, with text in both",
        ),
        (
            [{"from": "human"}, REPLY],
            "expected text as 'content' in messages[0], found nothing; "
            "messages are {role, content} or {from, value}, with text in both",
        ),
        (
            [{"from": "narrator", "value": "x"}, REPLY],
            f"expected one of {', '.join(SHAREGPT_ROLES)} as 'from' in messages[0], found "
            "'narrator'; rename the role",
        ),
        (
            [{"from": ["human"], "value": "x"}, REPLY],
            f"expected one of {', '.join(SHAREGPT_ROLES)} as 'from' in messages[0], found "
            "['human']; rename the role",
        ),
    ],
)
def test_what_is_refused(value, text):
    assert message(DataError, lambda: read(value)) == f"x.jsonl:7: {text}"


def test_through_the_loader(tmp_path):
    rows = [
        {"chat": {"turns": [{"from": "human", "value": f"q{i}"}, {"from": "gpt", "value": "a"}]}}
        for i in range(12)
    ]
    rows[3]["chat"]["turns"].append({"from": "human", "value": "thanks"})
    write_jsonl(tmp_path / "x.jsonl", rows)
    task = load(tmp_path, path="x.jsonl", messages="chat.turns", eval_only=True)
    assert task.counts["cut_messages"] == 1
    assert task.rendering == "messages from 'chat.turns', through the model's chat template"
    assert task.valid[3].messages == (
        {"role": "user", "content": "q3"},
        {"role": "assistant", "content": "a"},
    )
    assert (task.valid[3].prompt, task.valid[3].answer) == ("", "")


@pytest.mark.parametrize("field", ["messages", "conversations"])
def test_usual_names_need_no_configuration(tmp_path, field):
    write_jsonl(tmp_path / "x.jsonl", [{"id": i, field: [USER, REPLY]} for i in range(4)])
    task = load(tmp_path, path="x.jsonl", eval_only=True)
    assert task.rendering == f"messages from {field!r}, through the model's chat template"


def test_field_that_is_missing_names_file_and_line(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", [{"messages": [USER, REPLY]}, {"message": []}])
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")) == (
        f"{path}:2: expected field 'messages', found the fields message; did you mean {{message}}?"
    )


def test_values_that_json_has_not(tmp_path):
    rows = [{"messages": [{**USER, "image": b"png"}, REPLY]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    assert message(DataError, lambda: load(tmp_path, path="x.parquet")) == (
        f"{tmp_path}/x.parquet:1: expected messages of text, numbers, lists and objects in field "
        "'messages', found Object of type bytes is not JSON serializable; remove the other values "
        "from the messages"
    )


def test_half_a_surrogate_pair(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "\\udc00"},'
        ' {"role": "assistant", "content": "a"}]}\n'
    )
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")).startswith(
        f"{path}:1: expected text that is valid Unicode, found half a surrogate pair"
    )
