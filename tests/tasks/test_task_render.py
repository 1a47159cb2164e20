"""Examples to tokens: special tokens once, the border exactly where the answer begins."""

from __future__ import annotations

import pytest
import tiny_tokenizers as tiny
from hypothesis import given
from hypothesis import strategies as st
from task_files import load, message

from mishran.errors import DataError, ModelError
from mishran.tasks.render import Rendered, render_all, renderer
from mishran.tasks.task import Example

PLAIN = Example("1", "What is the capital of France?\n", "Paris", "x.jsonl:7")
HINDI = Example("2", "भारत की राजधानी क्या है?\n", "नई दिल्ली", "x.jsonl:8")
CHAT = Example(
    "3",
    "",
    "",
    "x.jsonl:9",
    (
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris"},
    ),
)
KINDS = {
    "byte_level": tiny.byte_level(),
    "adds_bos_itself": tiny.adds_bos_itself(),
    "sentencepiece": tiny.sentencepiece(),
    "no_special": tiny.byte_level(bos=False, eos=False, pad=False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("example", [PLAIN, HINDI], ids=["english", "hindi"])
def test_bos_prompt_answer_eos(kind, example):
    tokenizer = KINDS[kind]
    prompt = tokenizer(example.prompt, add_special_tokens=False)["input_ids"]
    answer = tokenizer(example.answer, add_special_tokens=False)["input_ids"]
    bos = [] if kind == "no_special" else [tokenizer.bos_token_id]
    eos = [] if kind == "no_special" else [tokenizer.eos_token_id]
    row = renderer(tokenizer, True, True, 100).render(example)
    assert row == Rendered((*bos, *prompt, *answer, *eos), len(bos) + len(prompt))
    assert row.num_answer_tokens == len(answer) + len(eos)
    if bos:
        assert row.input_ids.count(bos[0]) == 1 and row.input_ids.count(eos[0]) == 1
    bare = renderer(tokenizer, False, False, 100).render(example)
    assert bare == Rendered((*prompt, *answer), len(prompt))


@pytest.mark.parametrize("kind", ["byte_level", "adds_bos_itself", "no_special"])
@given(prompt=st.text(min_size=1), answer=st.text(min_size=1), other=st.text(min_size=1))
def test_prompt_tokens_do_not_depend_on_the_answer(kind, prompt, answer, other):
    render = renderer(KINDS[kind], True, True, 100)
    one = render.render(Example("1", prompt, answer, ""))
    two = render.render(Example("1", prompt, other, ""))
    n = one.num_prompt_tokens
    assert n == two.num_prompt_tokens and one.input_ids[:n] == two.input_ids[:n]
    decode = KINDS[kind].decode
    assert decode(one.input_ids[n:], skip_special_tokens=True) == answer
    assert decode(one.input_ids[:n], skip_special_tokens=True) == prompt


def test_special_tokens_in_the_text_are_not_added_again():
    tokenizer = KINDS["byte_level"]
    render = renderer(tokenizer, True, True, 100)
    written = Example("1", "<s>" + PLAIN.prompt, PLAIN.answer + "</s>", "")
    assert render.render(written) == render.render(PLAIN)


def test_many_are_the_same_as_one_by_one():
    render = renderer(tiny.byte_level(chat_template=tiny.CHATML), True, True, 100)
    examples = [PLAIN, CHAT, HINDI]
    assert render.render_many(examples) == [render.render(e) for e in examples]
    assert render.render_many([]) == []


# --- chat templates

TEMPLATES = {"chatml": tiny.CHATML, "llama2": tiny.LLAMA2, "no_end": tiny.NO_END}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("make", [tiny.byte_level, tiny.sentencepiece])
def test_chat_tokens_are_those_of_the_template(make, template):
    """Oracle: the tokenizer's own rendering, which is what the chat model was trained on."""
    tokenizer = make(chat_template=TEMPLATES[template])
    row = renderer(tokenizer, True, True, 200).render(CHAT)
    whole = tokenizer.apply_chat_template(list(CHAT.messages), tokenize=True, return_dict=False)
    prompt = tokenizer.apply_chat_template(
        list(CHAT.messages[:-1]), tokenize=True, return_dict=False, add_generation_prompt=True
    )
    eos = (tokenizer.eos_token_id,) if template == "no_end" else ()
    if whole[: len(prompt)] == prompt:
        assert row == Rendered((*whole, *eos), len(prompt))
    else:
        # A tokenizer that merges across the seam: the prompt is still what the model will see.
        assert row.input_ids[: row.num_prompt_tokens] == tuple(prompt)
        assert row.input_ids[row.num_prompt_tokens :] != ()
    assert row.input_ids.count(tokenizer.bos_token_id) == (template == "llama2")
    answer = tokenizer.decode(row.input_ids[row.num_prompt_tokens :], skip_special_tokens=True)
    assert answer.strip() == "Paris"


def test_chat_end_of_turn_is_learned():
    tokenizer = tiny.byte_level(chat_template=tiny.CHATML)
    row = renderer(tokenizer, True, True, 200).render(CHAT)
    answer = tokenizer.decode(row.input_ids[row.num_prompt_tokens :])
    assert answer == "Paris<|im_end|>\n"
    trimmed = tiny.byte_level(chat_template=tiny.LLAMA2)
    spaced = Example(
        "1", "", "", "", (CHAT.messages[0], {"role": "assistant", "content": " Paris \n"})
    )
    assert renderer(trimmed, True, True, 200).render(spaced) == renderer(
        trimmed, True, True, 200
    ).render(CHAT)


def test_earlier_turns_are_prompt():
    tokenizer = tiny.byte_level(chat_template=tiny.CHATML)
    turns = (*CHAT.messages, {"role": "user", "content": "and Spain?"}, CHAT.messages[1])
    row = renderer(tokenizer, True, True, 200).render(Example("1", "", "", "", turns))
    prompt = tokenizer.decode(row.input_ids[: row.num_prompt_tokens])
    assert prompt.endswith("and Spain?<|im_end|>\n<|im_start|>assistant\n")
    assert prompt.count("Paris") == 1


def test_several_templates_use_the_default():
    tokenizer = tiny.byte_level(chat_template={"default": tiny.CHATML, "other": tiny.NO_END})
    plain = tiny.byte_level(chat_template=tiny.CHATML)
    render = renderer(tokenizer, True, True, 200)
    assert render.render(CHAT) == renderer(plain, True, True, 200).render(CHAT)


# --- what is refused


def test_template_that_does_not_continue_its_prompt():
    tokenizer = tiny.byte_level(chat_template=tiny.COUNTS_MESSAGES, name_or_path="models/odd")
    assert message(DataError, lambda: renderer(tokenizer, True, True, 200).render(CHAT)) == (
        "x.jsonl:9: expected the chat template of models/odd to continue its own prompt, found "
        "'2 messages: <|im_start|>user\\nW' instead of '1 messages: <|im_start|>user\\nW' at "
        "character 1; use a template whose text with add_generation_prompt=True begins the text of "
        "the whole chat, or give the task prompt and answer templates"
    )


def test_template_that_refuses_the_messages():
    tokenizer = tiny.byte_level(chat_template=tiny.REFUSES)
    assert message(DataError, lambda: renderer(tokenizer, True, True, 200).render(CHAT)) == (
        "x.jsonl:9: expected messages that the chat template of this model accepts, found roles "
        "must "
        "alternate; change the messages, or give the task prompt and answer templates"
    )


def test_messages_without_a_chat_template():
    tokenizer = tiny.byte_level(name_or_path="models/base")
    assert message(ModelError, lambda: renderer(tokenizer, True, True, 200).render(CHAT)) == (
        "models/base (for x.jsonl:9): expected a tokenizer with a chat template, since the task "
        "has "
        "messages, found none; use a chat model, put chat_template.jinja into its folder, or write "
        'the task as prompt: "{messages[0].content}" and answer: "{messages[1].content}"'
    )


def test_the_remedy_for_messages_without_a_chat_template_works(tmp_path):
    from task_files import write_jsonl

    rows = [{"messages": list(CHAT.messages), "id": i} for i in range(3)]
    write_jsonl(tmp_path / "x.jsonl", rows)
    task = load(
        tmp_path,
        path="x.jsonl",
        prompt="{messages[0].content}",
        answer="{messages[1].content}",
        eval_only=True,
    )
    assert (task.valid[0].prompt, task.valid[0].answer) == (PLAIN.prompt, PLAIN.answer)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", "an empty answer"),
        ("  \n ", "an empty answer"),
        ("\u200b", "'\\u200b', which has none"),
    ],
)
def test_answer_without_tokens(answer, found):
    render = renderer(tiny.words(), True, True, 100)
    example = Example("1", "yes", answer, "x.jsonl:3")
    assert message(DataError, lambda: render.render(example)) == (
        f"x.jsonl:3: expected an answer of at least one token, found {found}; "
        "fill it in or remove the record"
    )


def test_empty_answer_of_a_chat():
    """The template's end of turn would hide it."""
    tokenizer = tiny.byte_level(chat_template=tiny.CHATML)
    empty = Example("1", "", "", "x:2", (CHAT.messages[0], {"role": "assistant", "content": " "}))
    assert message(DataError, lambda: renderer(tokenizer, True, True, 100).render(empty)) == (
        "x:2: expected an answer of at least one token, found an empty answer; "
        "fill it in or remove the record"
    )


def test_nothing_to_predict_the_answer_from():
    example = Example("1", "", "Paris", "x.jsonl:4")
    assert renderer(KINDS["byte_level"], True, True, 100).render(example).num_prompt_tokens == 1
    for tokenizer, bos in ((KINDS["byte_level"], False), (KINDS["no_special"], True)):
        render = renderer(tokenizer, bos, True, 100)
        assert message(DataError, lambda render=render: render.render(example)) == (
            "x.jsonl:4: expected a prompt of at least one token to predict the answer from, "
            "found an "
            "empty prompt, and no BOS before it; give the task a prompt template, or set bos: true "
            "with a model that has a BOS"
        )


# --- length


def test_too_long_examples_are_dropped_and_counted():
    tokenizer = KINDS["byte_level"]
    examples = [Example(str(i), "x" * (i + 1), "y", f"x:{i}") for i in range(10)]
    lengths = [len(renderer(tokenizer, True, True, 9).render(e).input_ids) for e in examples]
    assert lengths == list(range(4, 14))
    rows, dropped = render_all(examples, renderer(tokenizer, True, True, 9), "t")
    assert [i for i, _ in rows] == [0, 1, 2, 3, 4, 5] and dropped == 4
    assert max(len(row.input_ids) for _, row in rows) == 9
    assert render_all([], renderer(tokenizer, True, True, 9), "t") == ([], 0)


def test_all_too_long():
    examples = [PLAIN, HINDI]
    render = renderer(KINDS["byte_level"], True, True, 8)
    shortest = min(len(render.render(e).input_ids) for e in examples)
    assert message(DataError, lambda: render_all(examples, render, "capitals")) == (
        "task 'capitals': expected examples of at most 8 tokens, found 2 examples, the shortest of "
        f"{shortest} tokens; raise max_tokens (up to the model's context), shorten the examples, "
        f"or "
        "remove the task"
    )


def test_long_texts_make_no_noise(capfd, caplog):
    tokenizer = tiny.byte_level(model_max_length=8)
    renderer(tokenizer, True, True, 8).render(Example("1", "x " * 100, "y", ""))
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_real_model(models_root, data_root):
    """base-6m has BOS and EOS, and adds neither by itself."""
    import transformers
    from transformers import AutoTokenizer

    if int(transformers.__version__.split(".")[0]) < 5:
        pytest.skip("base-6m was saved by transformers 5, which 4.x cannot read")
    tokenizer = AutoTokenizer.from_pretrained(models_root / "base-6m")
    task = load(data_root, path="hindi/tatoeba_hi2en.jsonl.gz", limit=200)
    rows, dropped = render_all(task.train, renderer(tokenizer, True, True, 1024), task.name)
    assert (len(rows), dropped) == (200, 0)
    for i, row in rows:
        example, n = task.train[i], row.num_prompt_tokens
        assert row.input_ids[0] == 1 and row.input_ids[-1] == 2
        assert row.input_ids.count(1) == row.input_ids.count(2) == 1
        decoded = tokenizer.decode(row.input_ids[n:-1], clean_up_tokenization_spaces=False)
        assert decoded == example.answer
