"""What `mishran inspect` shows: numbers that add up, text that is all there, the answer marked."""

from __future__ import annotations

import pytest
import tiny_tokenizers as tiny
from task_files import load, pairs, write_jsonl

from mishran.tasks.inspect import Span, describe
from mishran.tasks.render import renderer


def test_numbers(tmp_path):
    write_jsonl(
        tmp_path / "x.jsonl",
        [
            *pairs(4, "train"),
            *pairs(2, "valid", "a much longer question, too long"),
            *pairs(3, "test", "w"),
        ],
    )
    task = load(tmp_path, path="x.jsonl", groups=("g",))
    render = renderer(tiny.byte_level(), True, True, 20)
    (found,) = describe([task], render, rows=2)
    assert (found.name, found.groups, found.eval_only) == ("t", ("g",), False)
    assert (found.num_train, found.num_valid, found.num_test) == (4, 2, 3)
    assert found.num_too_long == 2
    assert (found.rendering, found.counts) == (task.rendering, task.counts)
    rows = [render.render(e) for e in (*task.train, *task.test)]
    lengths = [len(row.input_ids) for row in rows]
    assert found.mean_tokens == pytest.approx(sum(lengths) / 7)
    assert found.max_tokens == max(lengths)
    answers = sum(row.num_answer_tokens for row in rows)
    assert found.answer_share == pytest.approx(answers / sum(lengths))
    assert [(e.id, e.split) for e in found.examples] == [("1", "train"), ("2", "train")]
    assert found.examples[0].where == f"{tmp_path}/x.jsonl:1"


@pytest.mark.parametrize("make", [tiny.byte_level, tiny.adds_bos_itself, tiny.sentencepiece])
def test_spans_and_tokens_show_everything(tmp_path, make):
    write_jsonl(tmp_path / "x.jsonl", [{"input": "राजधानी ?", "target": "दिल्ली 🙂"}] * 2)
    task = load(tmp_path, path="x.jsonl", eval_only=True)
    (found,) = describe([task], renderer(make(), True, True, 100), rows=5)
    assert len(found.examples) == 2
    shown = found.examples[0]
    assert [span.is_answer for span in shown.spans] == [False, True]
    if make is not tiny.sentencepiece:
        assert shown.spans == (Span("<s>राजधानी ?\n", False), Span("दिल्ली 🙂</s>", True))
        for answer in (False, True):
            text = "".join(t.text for t in shown.tokens if t.is_answer is answer)
            assert text == shown.spans[answer].text
        assert "🙂" in [t.text.strip() for t in shown.tokens]
    assert shown.num_prompt_tokens > 1 and shown.num_answer_tokens > 1
    assert sum(not t.is_answer for t in shown.tokens) <= shown.num_prompt_tokens


def test_bytes_that_are_no_character_are_still_shown(tmp_path):
    """A token limit or a broken tokenizer may leave half a character at the end."""
    from mishran.tasks.inspect import _pieces

    tokenizer = tiny.byte_level()
    ids = tokenizer("🙂", add_special_tokens=False)["input_ids"]
    assert len(ids) > 1
    render = renderer(tokenizer, True, True, 100)
    assert _pieces(render, ids) == ["🙂"]
    assert _pieces(render, ids[:-1]) == ["\ufffd"]
