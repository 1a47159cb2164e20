"""Templates: what they fill in, and every way in which a record or a template does not fit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_files import load, message, pairs, write_jsonl

from mishran.errors import ConfigError, DataError
from mishran.tasks.template import parse_template

RECORD = {
    "input": "2 + 2",
    "n": 4,
    "x": 0.5,
    "yes": True,
    "meta": {"answer": "four", "deep": [{"a": "b"}]},
    "refs": ["4", "four"],
    "a.b": "flat",
    "a": {"b": "nested"},
    "प्रश्न": "दो",
    "none": None,
    "mixed case": "ok",
}


def fill(template: str, record=RECORD) -> str:
    return parse_template(template, "task 't': prompt").fill(record, "x.jsonl:7")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{input}", "2 + 2"),
        ("Q: {input}\nA: ", "Q: 2 + 2\nA: "),
        ("{n} {x} {yes}", "4 0.5 true"),
        ("{meta.answer}", "four"),
        ("{meta.deep[0].a}", "b"),
        ("{refs[0]}{refs[-1]}", "4four"),
        ("{a.b}", "flat"),
        ("{प्रश्न}? {mixed case}", "दो? ok"),
        ('{{"q": "{input}"}}', '{"q": "2 + 2"}'),
        ("{{{n}}}", "{4}"),
        ("{{}}", "{}"),
        ("", ""),
        ("no field", "no field"),
    ],
)
def test_fill(template, text):
    assert fill(template) == text


@given(st.text(), st.text(), st.text())
def test_values_are_inserted_as_they_are(before, value, after):
    """Braces in values and around fields survive; nothing is expanded twice."""
    source = (
        before.replace("{", "{{").replace("}", "}}")
        + "{f}"
        + after.replace("{", "{{").replace("}", "}}")
    )
    assert parse_template(source, "").fill({"f": value}, "") == before + value + after


def test_no_attributes_are_reached():
    assert (
        "expected field 'input.__class__', found input = \"2 + 2\", which has no fields"
        in message(DataError, lambda: fill("{input.__class__}"))
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{inptu}",
            "expected field 'inptu', found the fields input, n, x, yes, meta, refs, a.b, a, "
            "प्रश्न, "
            "none, mixed case; did you mean {input}?",
        ),
        (
            "{meta.anwser}",
            "expected field 'meta.anwser', found in 'meta' the fields answer, deep; "
            "did you mean {meta.answer}?",
        ),
        (
            "{meta.zzz}",
            "expected field 'meta.zzz', found in 'meta' the fields answer, deep; "
            "add the field to the record or change the template",
        ),
        (
            "{refs[2]}",
            "expected field 'refs[2]', found refs with 2 entries; "
            "add the field to the record or change the template",
        ),
        (
            "{n[0]}",
            "expected field 'n[0]', found n = 4, which is no list; "
            "add the field to the record or change the template",
        ),
        (
            "{n.x}",
            "expected field 'n.x', found n = 4, which has no fields; "
            "add the field to the record or change the template",
        ),
        (
            "{refs}",
            'expected text or a number in field \'refs\', found a list, ["4", "four"]; '
            "index it, for example {refs[0]}",
        ),
        (
            "{meta}",
            "expected text or a number in field 'meta', found an object, "
            '{"answer": "four", "deep": [{"a": "b"}]}; name a field of it, for example '
            "{meta.answer}",
        ),
        (
            "{none}",
            "expected text or a number in field 'none', found null; fill it in, or remove the "
            "record",
        ),
    ],
)
def test_record_that_does_not_fit(template, text):
    assert message(DataError, lambda: fill(template)) == f"x.jsonl:7: {text}"


def test_values_that_are_no_text():
    assert message(DataError, lambda: fill("{b}", {"b": b"bytes"})) == (
        "x.jsonl:7: expected text or a number in field 'b', found a value of type bytes; store "
        "it as text"
    )
    for value, found in ((float("nan"), "NaN"), (float("-inf"), "-Infinity")):
        assert message(DataError, lambda value=value: fill("{b}", {"b": value})) == (
            f"x.jsonl:7: expected text or a number in field 'b', found {found}; "
            "fill it in, or remove the record"
        )
    assert message(DataError, lambda: fill("{b}", {})) == (
        "x.jsonl:7: expected field 'b', found no fields; "
        "add the field to the record or change the template"
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{input",
            "expected braces in pairs, found a lone '{' at character 1 of '{input'; "
            "write {{ for a brace, {field} for a field",
        ),
        (
            "a } b",
            "expected braces in pairs, found a lone '}' at character 3 of 'a } b'; "
            "write }} for a brace, {field} for a field",
        ),
    ],
)
def test_unpaired_braces(template, text):
    assert message(ConfigError, lambda: fill(template)) == f"task 't': prompt: {text}"


@pytest.mark.parametrize(
    "inside", ["", ".", "a.", "a..b", "[0]", "a[x]", "a[0", "a]", ".a", "a[0]b]"]
)
def test_braces_around_something_that_is_no_field(inside):
    template = f"{{{inside}}}"
    assert message(ConfigError, lambda: fill(template)) == (
        "task 't': prompt: expected a field such as {input}, {meta.answer} or {refs[0]}, found "
        f"{template} in {template!r}; mend the template; write {{{{ and }}}} for braces that are "
        f"text"
    )


# --- through the loader: which fields are used, and what people see of it


def test_missing_field_names_file_and_line(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", [*pairs(6), {"input": "q"}])
    text = message(DataError, lambda: load(tmp_path, path="x.jsonl"))
    assert text == (
        f"{path}:7: expected field 'target', found the fields input; "
        "add the field to the record or change the template"
    )


@pytest.mark.parametrize(
    ("record", "prompt", "answer"),
    [
        ({"prompt": "p", "answer": "a", "messages": []}, "p\n", "a"),
        ({"prompt": "p", "completion": " c"}, "p", " c"),
        ({"prompt": "p", "response": "r"}, "p\n", "r"),
        ({"input": "i", "target": "t"}, "i\n", "t"),
        ({"input": "i", "output": "o"}, "i\n", "o"),
        ({"instruction": "d", "input": "i", "output": "o"}, "d\ni\n", "o"),
        ({"instruction": "d", "input": "", "output": "o"}, "d\n", "o"),
        ({"instruction": "d", "input": None, "output": "o"}, "d\n", "o"),
        ({"instruction": "d", "output": "o"}, "d\n", "o"),
        ({"instruction": "d", "response": "o"}, "d\n", "o"),
        ({"question": "q", "answer": 4}, "q\n", "4"),
        ({"input": "i\t", "target": "t"}, "i\t", "t"),
        ({"input": "", "target": "t"}, "", "t"),
    ],
)
def test_usual_fields(tmp_path, record, prompt, answer):
    write_jsonl(tmp_path / "x.jsonl", [record, {**record, "id": "other"}])
    task = load(tmp_path, path="x.jsonl", eval_only=True)
    assert (task.valid[0].prompt, task.valid[0].answer) == (prompt, answer)


def test_alpaca_input_is_used_wherever_it_is_even_when_the_first_record_has_none(tmp_path):
    rows = [
        {"instruction": "Say hi", "output": "hi"},
        {"instruction": "Translate", "input": "word", "output": "Wort"},
        {"instruction": "Count", "input": "", "output": "one"},
    ]
    write_jsonl(tmp_path / "x.jsonl", rows)
    task = load(tmp_path, path="x.jsonl", eval_only=True)
    assert [e.prompt for e in task.valid] == ["Say hi\n", "Translate\nword\n", "Count\n"]


def test_rendering_is_words_for_people(tmp_path):
    write_jsonl(tmp_path / "x.jsonl", pairs(5))
    write_jsonl(
        tmp_path / "y.jsonl",
        [{"instruction": f"d{i}", "input": "", "output": "o"} for i in range(5)],
    )
    between = '"\\n" between them where neither has whitespace there'
    assert load(tmp_path, path="x.jsonl").rendering == (
        f'prompt "{{input}}", answer "{{target}}", {between}'
    )
    assert load(tmp_path, path="y.jsonl").rendering == (
        'prompt "{instruction}\\n{input}" (where input is empty or missing: "{instruction}"), '
        f'answer "{{output}}", {between}'
    )
    assert (
        load(
            tmp_path, path="x.jsonl", prompt="Q: {input}\nA:", answer=" {target}", separator=""
        ).rendering
        == 'prompt "Q: {input}\\nA:", answer " {target}", joined as they are'
    )


def test_separator(tmp_path):
    write_jsonl(tmp_path / "x.jsonl", pairs(5))

    def prompt(**fields: str) -> str:
        task = load(tmp_path, path="x.jsonl", answer="{target}", eval_only=True, **fields)
        return task.valid[0].prompt

    assert prompt(prompt="{input}") == "q 0\n"
    assert prompt(prompt="{input}", separator=" -> ") == "q 0 -> "
    assert prompt(prompt="{input}", separator="") == "q 0"
    assert prompt(prompt="{input} ") == "q 0 "
    assert prompt(prompt="") == ""


def test_nothing_usual(tmp_path):
    path = write_jsonl(tmp_path / "x.jsonl", [{"text": "a", "label": 1, "prompt": ["list"]}])
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")) == (
        f"{path}:1: expected templates, or fields prompt/answer, prompt/completion, "
        "prompt/response, instruction/output, instruction/response, input/target, input/output, "
        "inputs/targets, question/answer, messages or conversations, found the fields text, label, "
        "prompt; give task 't' a prompt and an answer template, for example prompt: \"{text}\", or "
        "messages: FIELD"
    )


def test_half_a_surrogate_pair(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(pairs(1)[0]) + '\n{"input": "ab\\ud83d", "target": "x"}\n')
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")) == (
        f"{path}:2: expected text that is valid Unicode, found half a surrogate pair, '\\ud83d', "
        f"at "
        "character 3; remove it (an emoji cut in two is the usual cause)"
    )


def test_half_a_surrogate_pair_in_an_id(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "\\udc00", "input": "a", "target": "b"}\n')
    assert message(DataError, lambda: load(tmp_path, path="x.jsonl")).startswith(
        f"{path}:1: expected text that is valid Unicode, found half a surrogate pair, '\\udc00'"
    )


def test_template_that_does_not_parse_names_the_task(tmp_path):
    write_jsonl(tmp_path / "x.jsonl", pairs(3))
    text = message(ConfigError, lambda: load(tmp_path, path="x.jsonl", prompt="{", answer="a"))
    assert text.startswith("task 't': prompt: expected braces in pairs")
    text = message(ConfigError, lambda: load(tmp_path, path="x.jsonl", prompt="a", answer="}"))
    assert text.startswith("task 't': answer: expected braces in pairs")
    text = message(ConfigError, lambda: load(tmp_path, path="x.jsonl", messages="a["))
    assert text.startswith("task 't': messages: expected a field such as")
