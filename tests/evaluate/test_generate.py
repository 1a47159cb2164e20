"""What a model writes: token by token against argmax, batched against alone, and whose settings count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from measured_cases import CONTEXT, chat, examples, held, loaded, render_for
from tiny_tokenizers import CHATML, NO_END
from transformers import GenerationConfig

from mishran.evaluate.generate import ends, generate, write

NO_STOP = frozenset()


def prompts(ready) -> list[tuple[int, ...]]:
    rows = render_for(ready).render_many(examples())
    return [row.input_ids[: row.num_prompt_tokens] for row in rows]


def greedy(model, prompt: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The oracle: the likeliest token, again and again, without a cache or padding."""
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(count):
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])


def test_the_likeliest_tokens_one_by_one() -> None:
    ready = loaded()
    asked = prompts(ready)
    assert len({len(p) for p in asked}) > 3, "padding has to matter"
    found = generate(ready, asked, NO_STOP, 8, CONTEXT)
    for prompt, (ids, ended) in zip(asked, found, strict=True):
        assert ids == greedy(ready.model, prompt, 8) and not ended


def test_in_a_batch_as_alone() -> None:
    ready = loaded()
    asked = prompts(ready)
    together = generate(ready, asked, NO_STOP, 6, CONTEXT)
    assert together == [generate(ready, [p], NO_STOP, 6, CONTEXT)[0] for p in asked]
    assert together[::-1] == generate(ready, asked[::-1], NO_STOP, 6, CONTEXT)


def test_a_stop_ends_a_text_and_is_not_part_of_it() -> None:
    ready = loaded()
    asked = prompts(ready)
    free = generate(ready, asked, NO_STOP, 8, CONTEXT)
    stop = free[0][0][3]
    found = generate(ready, asked, frozenset({stop}), 8, CONTEXT)
    assert any(ended for _, ended in found) and not all(ended for _, ended in found)
    for (ids, ended), (whole, _) in zip(found, free, strict=True):
        assert ended == (stop in whole)
        assert ids == (whole[: whole.index(stop)] if ended else whole)


def test_the_settings_of_the_model_do_not_count() -> None:
    """And it has them back afterwards, also where generating failed."""
    ready = loaded()
    asked = prompts(ready)
    want = generate(ready, asked, NO_STOP, 6, CONTEXT)
    own = GenerationConfig(
        do_sample=True,
        temperature=50.0,
        repetition_penalty=9.0,
        min_new_tokens=5,
        max_new_tokens=1,
        num_beams=3,
        no_repeat_ngram_size=1,
        bad_words_ids=[[want[0][0][0]]],
        eos_token_id=want[1][0][1],
    )
    ready.model.generation_config = own
    assert generate(ready, asked, NO_STOP, 6, CONTEXT) == want
    assert ready.model.generation_config is own
    with pytest.raises(IndexError):
        generate(ready, [(10**6,)], NO_STOP, 2, CONTEXT)
    assert ready.model.generation_config is own


def test_nobody_writes_beyond_the_context() -> None:
    ready = loaded()
    long = (1, *[7] * (CONTEXT - 3))
    full = (1, *[7] * (CONTEXT - 1))
    asked = [*prompts(ready)[:3], long, full]
    found = generate(ready, asked, NO_STOP, 6, CONTEXT)
    assert [len(ids) for ids, _ in found] == [6, 6, 6, 2, 0]
    assert found[:3] == generate(ready, asked[:3], NO_STOP, 6, CONTEXT)
    assert found[3][0] == greedy(ready.model, long, 2)


def test_what_ends_a_text() -> None:
    ready, some = loaded(), examples()
    render = render_for(ready)
    eos = ready.tokenizer.eos_token_id
    ready.model.generation_config.eos_token_id = [eos, 41]
    assert ends(ready, render, some) == {eos, 41}
    ready.model.generation_config.eos_token_id = 42
    assert ends(ready, render, some) == {eos, 42}
    ready.model.generation_config.eos_token_id = None
    assert ends(ready, render, some) == {eos}
    silent = loaded(eos=False)
    silent.model.generation_config.eos_token_id = None
    assert ends(silent, render_for(silent), some) == frozenset()


def test_a_chat_ends_where_its_template_says() -> None:
    ready = loaded(chat_template=CHATML, additional_special_tokens=["<|im_end|>"])
    ready.model.resize_token_embeddings(len(ready.tokenizer))
    ready.model.generation_config.eos_token_id = None
    turn = ready.tokenizer.convert_tokens_to_ids("<|im_end|>")
    some = tuple(map(chat, examples(3)))
    assert ends(ready, render_for(ready), some) == {turn, ready.tokenizer.eos_token_id}
    plain = loaded(chat_template=NO_END)
    plain.model.generation_config.eos_token_id = None
    assert ends(plain, render_for(plain), some) == {plain.tokenizer.eos_token_id}


def test_write_decodes_and_compares() -> None:
    ready = loaded()
    render = render_for(ready)
    some = examples(4)
    found = write(ready, held(render, some), render, 5)
    assert found.answers == tuple(e.answer for e in some)
    want = generate(ready, prompts(ready)[:4], ends(ready, render, some), 5, CONTEXT)
    texts = [ready.tokenizer.decode(ids, skip_special_tokens=True) for ids, _ in want]
    assert found.texts == tuple(texts) and found.tokens.tolist() == [len(i) for i, _ in want]
    told = tuple(replace(e, answer=t or "x") for e, t in zip(some, texts, strict=True))
    right = write(ready, held(render, told), render, 5)
    assert right.exact.mean == 1.0 == right.normalised.mean and right.exact.low < 1.0
    assert right.exact.n == 4
