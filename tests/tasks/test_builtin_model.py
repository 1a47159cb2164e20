"""The demo's tokenizer and model: Devanagari survives, same seed gives same bytes, no answer leaks."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from mishran.tasks.builtin import BUILTIN, generate
from mishran.tasks.builtin.text import demo_text
from mishran.train.demo_model import train_demo_model, train_tokenizer
from mishran.train.models import load_model


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(demo_text(4000, 0))


@pytest.mark.parametrize(
    "text",
    [
        "ज़िन्दगी क्या बढ़िया, पढ़ाई; कौआ ऊँट छह १९",
        "क्‍या क्‌ष श्री",  # joiners decide how a conjunct is drawn
        "Plural of small deer: deer",
        "★○ ◆□  two spaces\nand a line",
        "कि" + "़",
        "emoji 🙂 and 漢字, never seen",
    ],
)
def test_decoding_gives_the_text_back(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)
    assert tokenizer.unk_token_id is None


def test_hindi_words_are_not_cut_at_vowel_signs(tokenizer):
    """About as many tokens for an answer in Hindi as for one in English."""

    def per_answer(name):
        answers = sorted({" " + row["target"] for row in generate(name, 0)})
        ids = tokenizer(answers, add_special_tokens=False)["input_ids"]
        return sum(map(len, ids)) / len(ids)

    assert per_answer("animal_en_hi") < 1.5
    assert per_answer("opposite_hi") < 1.5
    assert per_answer("opposite_en") < 1.5


def test_the_text_does_not_answer_the_prompts():
    """A prompt is followed by its own answer no more often than chance has it."""
    answers = {row["input"]: row["target"] for name in BUILTIN for row in generate(name, 0)}
    asked = [line.rsplit(": ", 1) for line in demo_text(12_000, 0) if ": " in line]
    right = [prompt for prompt, found in asked if answers.get(prompt) == found]
    assert len(asked) > 5000
    assert len(right) < 0.02 * len(asked)


def test_same_seed_same_bytes(tmp_path):
    steps: list[tuple[int, int]] = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_demo_model(
            tmp_path / folder, seed, lambda step, total: steps.append((step.index, total)), steps=2
        )
    assert steps == [(1, 2), (2, 2)] * 3

    def content(folder: str) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in Path(tmp_path / folder).iterdir()}

    assert content("a") == content("b")
    assert content("a")["model.safetensors"] != content("c")["model.safetensors"]
    assert all(not name.endswith((".bin", ".pt", ".pkl")) for name in content("a"))


def test_the_folder_is_a_model_like_any_other(tmp_path):
    train_demo_model(tmp_path / "model", 0, steps=1)
    loaded = load_model("model", tmp_path)
    tokens = loaded.tokenizer
    assert (tokens.bos_token, tokens.eos_token, tokens.pad_token) == ("<s>", "</s>", "<pad>")
    assert loaded.notes == ()
    assert len(tokens) == loaded.model.config.vocab_size
