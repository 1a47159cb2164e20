"""Another vocabulary for a model: what stays bit for bit, what new rows are, what a tokenizer becomes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import model_with_a_biased_head, soft_capped_model, tiny_llama, tiny_model
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from typer.testing import CliRunner

from mishran.cli import tokenizer_transfer
from mishran.errors import ArtifactError, ConfigError, DataError, ModelError
from mishran.pipeline.transfer import _read_back, helper_from_text, transfer
from mishran.tokenizer.alphabet import alphabet_of
from mishran.tokenizer.train import train
from mishran.tokenizer.words import count_words
from mishran.train.cooccurrence import cooccurrence
from mishran.train.models import load_model
from mishran.train.new_embeddings import GRID, Helper, fvt, linear_map, random
from mishran.train.pieces import Vocabulary, read_vocabulary, vocabulary
from mishran.train.retokenized import helper_of, retokenize
from mishran.train.vocabulary import Change, extend, replace

ENGLISH = [
    "the cat sat on the mat and the dog sat on the log",
    "a cat and a dog walked to the old mill by the sea",
    "they said that the sea was old and the mill was older",
]
HINDI = [
    "बिल्ली चटाई पर बैठी है और कुत्ता लकड़ी पर बैठा है",
    "पुरानी चक्की समुद्र के किनारे है और बिल्ली वहाँ है",
    "वे कहते हैं कि समुद्र पुराना है",
]
SPECIAL = ["<pad>", "<s>", "</s>"]


def byte_level(text: list[str], size: int, special: list[str] = SPECIAL) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=special,
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    return core


def spaced(text: list[str], size: int, kind: str = "BPE") -> Tokenizer:
    """As Llama 2: "▁", and bytes for characters that were not seen."""
    special = ["<unk>", *SPECIAL, *(f"<0x{b:02X}>" for b in range(256))]
    if kind == "BPE":
        core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        made: Any = trainers.BpeTrainer(
            vocab_size=size, special_tokens=special, show_progress=False
        )
    else:
        core = Tokenizer(models.Unigram())
        made = trainers.UnigramTrainer(
            vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    core.train_from_iterator(text, made)
    spec = json.loads(core.to_str())
    spec["added_tokens"] = [one for one in spec["added_tokens"] if one["id"] < 4]
    spec["model"]["byte_fallback"] = True
    core = Tokenizer.from_str(json.dumps(spec))
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return core


def llama_2(text: list[str], size: int) -> Tokenizer:
    """Spaces are replaced before anything is cut, and nothing is."""
    spec = json.loads(spaced(text, size).to_str())
    core = Tokenizer.from_str(json.dumps({**spec, "pre_tokenizer": None}))
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    core.normalizer = normalizers.Sequence(steps)
    return core


def ours(text: list[str], size: int, algorithm: str) -> Tokenizer:
    """What `mishran tokenizer train` makes: a space is a space, and bytes for what was not seen."""
    words = count_words(text)
    alphabet = alphabet_of({"all": words}, 1.0)
    return Tokenizer.from_str(train(words.counts, alphabet, algorithm, size).json)


def word_piece(text: list[str]) -> Tokenizer:
    core = Tokenizer(models.WordPiece(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<unk>", *SPECIAL]
    core.train_from_iterator(
        text, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    )
    return core


def read(core: Tokenizer, where: str = "here") -> Vocabulary:
    names = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>"}
    found = {role: core.token_to_id(name) for role, name in names.items()}
    roles = {role: i for role, i in found.items() if i is not None}
    return vocabulary(json.loads(core.to_str()), roles, where)


def saved(core: Tokenizer, folder: Path, **more: Any) -> Path:
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"} | more
    PreTrainedTokenizerFast(
        tokenizer_object=core, clean_up_tokenization_spaces=False, **roles
    ).save_pretrained(folder)
    return folder


OLD = read(byte_level(ENGLISH, 320))
NEW = read(byte_level([*ENGLISH, *HINDI * 2], 400))
SPACED = read(spaced([*ENGLISH, *HINDI], 420))
SPACED_OLD = read(spaced(ENGLISH, 320))
PLAIN = read(ours([*ENGLISH, *HINDI], 420, "sentencepiece-bpe"))
PLAIN_OLD = read(ours(ENGLISH, 320, "bpe"))
LLAMA_2 = read(llama_2(ENGLISH, 320))
UNIGRAM = read(spaced([*ENGLISH, *HINDI], 400, "Unigram"))
UNIGRAM_OLD = read(spaced(ENGLISH, 320, "Unigram"))


def llama(size: int = len(OLD), **more: Any) -> Any:
    return tiny_llama(vocab_size=size, **more)


def logits(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0]


# What ids stand for


@pytest.mark.parametrize(
    "one",
    [OLD, NEW, SPACED, PLAIN, LLAMA_2, UNIGRAM],
    ids=["old", "new", "spaced", "plain", "llama 2", "unigram"],
)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="▁")))
@settings(max_examples=60)
def test_pieces_of_a_text_are_its_bytes(one, text):
    ids = one.core.encode(text, add_special_tokens=False).ids
    found = b"".join(one.pieces[i] for i in ids)
    if one.spelling == "bytes":
        text = unicodedata.normalize("NFC", text)
    assert found in (text.encode(), f" {text}".encode())


def test_byte_letters_are_those_of_the_library():
    assert {OLD.spelled(bytes([b])) for b in range(256)} == set(pre_tokenizers.ByteLevel.alphabet())
    library = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    text = "é क़ \u200d😀\n"
    assert OLD.spelled(text.encode()) == library.pre_tokenize_str(text)[0][0]


def test_special_tokens_have_a_role_and_no_text():
    assert OLD.pieces[:3] == (None, None, None)
    assert OLD.roles == {"pad": 0, "bos": 1, "eos": 2}
    assert OLD.special == {"<pad>": 0, "<s>": 1, "</s>": 2}


def test_the_same_text_in_three_alphabets_is_one_piece():
    words = read(word_piece([*ENGLISH, *HINDI]))
    for piece in (b" the", " और".encode()):
        assert piece in NEW.ids and piece in SPACED.ids and piece in words.ids
    kept = replace(NEW, SPACED).kept
    assert kept[SPACED.ids[b" the"]] == NEW.ids[b" the"]
    assert kept[SPACED.roles["eos"]] == NEW.roles["eos"]
    assert kept[SPACED.roles["unk"]] == -1
    assert kept[SPACED.byte_ids[0xE0]] == NEW.ids[b"\xe0"]
    back = replace(SPACED, NEW).kept
    assert back[NEW.ids[b"\xe0"]] == SPACED.byte_ids[0xE0]
    assert back[NEW.ids[b"t"]] == SPACED.ids[b"t"] != SPACED.byte_ids[ord("t")]
    both = replace(SPACED_OLD, SPACED).kept
    assert both[SPACED.byte_ids[ord("t")]] == SPACED_OLD.byte_ids[ord("t")]
    assert both[SPACED.ids[b"t"]] == SPACED_OLD.ids[b"t"]


def test_what_a_tokenizer_cannot_write_has_no_parts():
    assert SPACED.spelled("▁".encode()) is None  # it would be read back as a space
    assert SPACED.parts(["ж".encode(), b"\xe0"]) == [
        [SPACED.byte_ids[b] for b in "ж".encode()],
        [SPACED.byte_ids[0xE0]],
    ]
    model = {**SPACED.spec["model"], "byte_fallback": False}
    plain = vocabulary({**SPACED.spec, "model": model}, SPACED.roles, "here")
    assert plain.parts(["ж".encode(), b"\xe0", b"t"]) == [[], [], [SPACED.ids[b"t"]]]


def test_special_tokens_of_another_name_are_matched_by_role():
    other = byte_level(ENGLISH, 320, ["<|end|>", "<|begin|>", "<|mask|>"])
    named = vocabulary(json.loads(other.to_str()), {"eos": 0, "bos": 1}, "here")
    assert replace(OLD, named).kept[:3].tolist() == [2, 1, -1]


# Replace


FAMILIES: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: tiny_model(name) for name in ("llama", "gpt2", "neox", "qwen2")},
    "tied": lambda: tiny_llama(vocab_size=97, tie_word_embeddings=True),
    "bias": model_with_a_biased_head,
    "bfloat16": lambda: tiny_llama(vocab_size=97).bfloat16(),
    "soft-capped": soft_capped_model,
}


def of_size(size: int) -> Vocabulary:
    """A byte-level vocabulary that is no larger than small models have rows."""
    vocab = {**{s: i for i, s in enumerate(SPECIAL)}}
    for letter in sorted(pre_tokenizers.ByteLevel.alphabet())[: size - len(SPECIAL)]:
        vocab[letter] = len(vocab)
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.add_special_tokens(SPECIAL)
    return read(core)


@pytest.mark.parametrize("method", ["fvt", "random", "sava"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_same_tokenizer_changes_no_bit(family, method):
    model, same = FAMILIES[family](), of_size(97)
    ids = [1, 5, 96, 40, 2]
    before, dtype = logits(model, ids), model.get_input_embeddings().weight.dtype
    names = {name: p.shape for name, p in model.state_dict().items()}
    change = replace(same, same)
    helper = helper_of(FAMILIES[family](), same, same)
    done = retokenize(model, change, method, helper=helper)
    assert (done.shared, done.new, done.dropped) == (97, 0, 0)
    assert torch.equal(before, logits(model, ids))
    assert model.get_input_embeddings().weight.dtype == dtype
    assert names == {name: p.shape for name, p in model.state_dict().items()}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_permuted_vocabulary_permutes_rows(family):
    same, rng = of_size(97), np.random.default_rng(3)
    order = np.concatenate([[0, 1, 2], 3 + rng.permutation(94)])  # special ones stay
    spec = json.loads(json.dumps(same.spec))
    spec["model"]["vocab"] = {n: int(order[i]) for n, i in same.spec["model"]["vocab"].items()}
    other = vocabulary(spec, same.roles, "here")
    model = FAMILIES[family]()
    ids = np.array([1, 5, 96, 40, 2])
    before, rows = logits(model, ids.tolist()), model.get_input_embeddings().weight.clone()
    retokenize(model, replace(same, other), "fvt")
    assert torch.equal(rows, model.get_input_embeddings().weight[torch.from_numpy(order)])
    after = logits(model, order[ids].tolist())[:, torch.from_numpy(order)]
    torch.testing.assert_close(before, after, rtol=1e-6, atol=1e-6)  # sums in another order


@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_fvt_are_means_of_old_pieces(tied):
    model = llama(tie_word_embeddings=tied)
    matrices = [
        m.weight.clone() for m in (model.get_input_embeddings(), model.get_output_embeddings())
    ]
    change = replace(OLD, NEW)
    piece = " और".encode()
    assert piece in NEW.ids and piece not in OLD.ids
    done = retokenize(model, change, "fvt")
    assert model.config.vocab_size == len(NEW) == done.shared + done.new
    old_ids = Tokenizer.from_str(json.dumps(OLD.spec)).encode(" और").ids
    after = (model.get_input_embeddings().weight, model.get_output_embeddings().weight)
    assert (after[0] is after[1]) == tied
    for before, now in zip(matrices, after, strict=True):
        expected = before[old_ids].double().mean(dim=0).float()
        assert torch.equal(now[NEW.ids[piece]], expected)
        assert torch.equal(now[NEW.ids[b" the"]], before[OLD.ids[b" the"]])


@pytest.mark.parametrize("tied", [True, False])
def test_a_bias_of_the_head_is_moved_with_its_rows(tied):
    model, same = model_with_a_biased_head(), of_size(97)
    if tied:
        model.config.tie_word_embeddings = True
        model.lm_head.weight = model.get_input_embeddings().weight
    bias = model.lm_head.bias.clone()
    vocab = dict(same.spec["model"]["vocab"])
    a, b = sorted(vocab, key=vocab.get)[10:12]
    spec = {**same.spec, "model": {**same.spec["model"], "vocab": {**vocab, a + b: 97}}}
    spec["model"]["merges"] = [[a, b]]
    change = replace(same, vocabulary(spec, same.roles, "here"))
    retokenize(model, change, "fvt")
    assert model.lm_head.bias.shape == (98,)
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
    assert torch.equal(model.lm_head.bias[:97], bias)
    torch.testing.assert_close(model.lm_head.bias[97], bias[10:12].mean())


def test_padding_rows_are_dropped_and_counted():
    model = llama(len(OLD) + 24)
    before = logits(model, [1, 50, 60])
    done = retokenize(model, replace(OLD, OLD), "fvt")
    assert done.dropped == 24 and model.get_input_embeddings().num_embeddings == len(OLD)
    torch.testing.assert_close(logits(model, [1, 50, 60]), before[:, : len(OLD)])


def test_ids_of_the_configuration_follow_their_tokens():
    other = byte_level(ENGLISH, 330, ["<|end|>", "<|begin|>", "<|turn|>"])
    new = vocabulary(json.loads(other.to_str()), {"eos": 0, "bos": 1}, "here")
    model = llama()
    model.generation_config.eos_token_id = [2, 0]  # of which one has no counterpart
    model.generation_config.bos_token_id = None
    retokenize(model, replace(OLD, new), "fvt")
    assert (model.config.bos_token_id, model.config.eos_token_id) == (1, 0)
    assert model.config.pad_token_id is None and model.get_input_embeddings().padding_idx is None
    assert model.generation_config.eos_token_id == [0]
    assert model.generation_config.bos_token_id is None


def test_tokens_that_nothing_is_known_of_have_the_mean():
    other = byte_level(ENGLISH, 330, [*SPECIAL, "<|mask|>"])
    new = read(other)
    model = llama(len(OLD) + 8)
    model.get_input_embeddings().weight[len(OLD) :] = 1e3  # padding tells nothing
    mean = model.get_input_embeddings().weight[: len(OLD)].double().mean(dim=0).float()
    done = retokenize(model, replace(OLD, new), "fvt")
    assert done.unwritten == 1
    torch.testing.assert_close(model.get_input_embeddings().weight[3], mean)


# First values


def test_random_rows_have_mean_and_covariance_of_the_old_ones():
    rng = np.random.default_rng(0)
    old = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4)) + [1.0, -2.0, 0.0, 5.0]
    rows = random(old, 200_000, np.random.default_rng(1))
    np.testing.assert_allclose(rows.mean(axis=0), old.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(rows.T), np.cov(old.T), atol=0.1)
    assert np.array_equal(
        random(old, 3, np.random.default_rng(1)), random(old, 3, np.random.default_rng(1))
    )


def test_random_depends_on_its_seed_alone():
    def rows(seed: int, state: int) -> torch.Tensor:
        torch.manual_seed(state)
        before = torch.get_rng_state()
        model = llama()
        retokenize(model, replace(OLD, NEW), "random", seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        return model.get_input_embeddings().weight

    assert torch.equal(rows(1, 5), rows(1, 6))
    assert not torch.equal(rows(1, 5), rows(2, 5))


def test_fvt_of_no_pieces_is_the_mean():
    old = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(
        fvt(old, [[0, 2], [], [1, 1, 0]]), [[2, 3], [2, 3], [4 / 3, 7 / 3]]
    )
    assert fvt(old, []).shape == (0, 2)


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_ridge_leaves_each_row_out(seed):
    """Against fits that really leave it out, for the penalty that was chosen and all others."""
    rng = np.random.default_rng(seed)
    n, h, d = int(rng.integers(4, 12)), int(rng.integers(1, 6)), int(rng.integers(1, 4))
    x = rng.normal(size=(n, h)) + 3.0
    y = x @ rng.normal(size=(h, d)) + rng.normal(size=(n, d)) + 7.0

    def fit(x: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        cx, cy = x - x.mean(axis=0), y - y.mean(axis=0)
        w = np.linalg.solve(cx.T @ cx + ridge * np.eye(h), cx.T @ cy)
        return w, y.mean(axis=0) - x.mean(axis=0) @ w

    def error(ridge: float) -> float:
        total = 0.0
        for i in range(n):
            others = np.arange(n) != i
            w, b = fit(x[others], y[others], ridge)
            total += float(np.sum((y[i] - x[i] @ w - b) ** 2))
        return total

    found = linear_map(x, y)
    scale = float(np.sum((x - x.mean(axis=0)) ** 2)) / h
    errors = {g: error(g * scale) for g in GRID if g >= 1e-6 or n > h + 2}
    least = min(errors, key=lambda g: errors[g])
    assert errors[least] <= error(found.ridge) * (1 + 1e-5)
    assert error(found.ridge) <= errors[least] * (1 + 1e-5)
    mean = sum(float(np.sum((y[i] - np.delete(y, i, axis=0).mean(axis=0)) ** 2)) for i in range(n))
    np.testing.assert_allclose(found.explained, 1 - error(found.ridge) / mean, rtol=1e-4, atol=1e-6)
    w, b = fit(x, y, found.ridge)
    np.testing.assert_allclose(found(x), x @ w + b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("tied", [True, False])
def test_sava_recovers_rows_from_a_linear_image_of_them(tied):
    """The helper knows what the rows of the new tokens should be, in a turned and moved space."""
    rng = np.random.default_rng(0)
    change = replace(OLD, NEW)
    model = llama(tie_word_embeddings=tied, hidden_size=8, num_attention_heads=2, head_dim=4)
    wanted = {}
    rows = []
    for name, one in (("in", model.get_input_embeddings()), ("out", model.get_output_embeddings())):
        truth = rng.normal(size=(len(NEW), 8))
        both = change.kept >= 0
        truth[both] = one.weight.double().numpy()[change.kept[both]]
        wanted[name] = truth
        rows.append(truth @ rng.normal(size=(8, 8)) + rng.normal(size=8))
        rows[-1][:3] = 1e3  # of special tokens, which are nothing that a map could go by
    helper = Helper(rows[0], rows[1], np.ones(len(NEW), dtype=bool))
    done = retokenize(model, change, "sava", helper=helper)
    found = model.get_input_embeddings().weight.double().numpy()
    np.testing.assert_allclose(found, wanted["in"], atol=1e-5)
    if not tied:
        head = model.get_output_embeddings().weight.double().numpy()
        np.testing.assert_allclose(head, wanted["out"], atol=1e-5)
    assert len(done.maps) == 2 - tied and all(share > 0.999 for _, share in done.maps)


def test_what_the_helper_does_not_know_is_by_fvt():
    change = replace(OLD, NEW)
    by_fvt, by_sava = llama(), llama()
    retokenize(by_fvt, change, "fvt")
    seen = np.ones(len(NEW), dtype=bool)
    seen[change.added[::2]] = False
    rows = np.random.default_rng(0).normal(size=(len(NEW), 3))
    done = retokenize(by_sava, change, "sava", helper=Helper(rows, rows, seen))
    a, b = (m.get_input_embeddings().weight[change.added] for m in (by_fvt, by_sava))
    same = (a == b).all(dim=1).numpy()
    assert done.unseen == len(change.added[::2]) and np.array_equal(same, ~seen[change.added])


def test_cooccurrences_against_a_dense_computation():
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 7, size=30) for _ in range(5)]
    rows, known = cooccurrence(texts, 8, dimensions=6, least=1)
    counts = np.zeros((8, 8))
    for one in texts:
        for a, b in pairwise(one):
            counts[a, b] += 1
    halves = []
    for table in (counts, counts.T):
        smooth = table.sum(axis=0) ** 0.75
        with np.errstate(divide="ignore", invalid="ignore"):
            pmi = np.log(table * smooth.sum() / np.outer(table.sum(axis=1), smooth))
        halves.append(np.where(table > 0, np.maximum(pmi, 0), 0))
    u, s, _ = np.linalg.svd(np.hstack(halves), full_matrices=False)
    np.testing.assert_allclose(rows @ rows.T, (u[:, :6] * s[:6]) @ u[:, :6].T, atol=1e-10)
    assert known.tolist() == [True] * 7 + [False]


def test_cooccurrences_of_too_little_text_know_nothing():
    rows, known = cooccurrence([[1, 2, 3]], 5)
    assert rows.shape == (5, 1) and not known.any()
    assert cooccurrence([[1, 2] * 5, [3] * 4], 5)[1].tolist() == [False, True, True, False, False]


# Extend


PAIRS = {
    "bytes and bytes": (OLD, NEW),
    "bytes and spaces": (OLD, SPACED),
    "bytes and unigram": (OLD, UNIGRAM),
    "spaces and bytes": (SPACED_OLD, NEW),
    "spaces and spaces": (SPACED_OLD, SPACED),
    "spaces and unigram": (SPACED_OLD, UNIGRAM),
    "bytes and plain": (OLD, PLAIN),
    "plain and plain": (PLAIN_OLD, PLAIN),
    "plain and bytes": (PLAIN_OLD, NEW),
    "llama 2 and bytes": (LLAMA_2, NEW),
    "llama 2 and spaces": (LLAMA_2, SPACED),
}
EXTENDED = {name: extend(*pair) for name, pair in PAIRS.items()}
LETTERS = sorted({c for line in [*ENGLISH, *HINDI] for c in line})
WORDS = sorted({word for line in [*ENGLISH, *HINDI] for word in line.split()})
TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from([*WORDS, *LETTERS, " ", "\n"])).map("".join),
    st.lists(st.sampled_from(WORDS)).map(" ".join),
)


@pytest.mark.parametrize("name", sorted(PAIRS))
@given(text=TEXTS)
@settings(max_examples=80)
def test_an_extended_bpe_joins_old_tokens_and_nothing_else(name, text):
    change = EXTENDED[name]
    old = change.old.core.encode(text, add_special_tokens=False).ids
    new = change.new.core.encode(text, add_special_tokens=False).ids
    written = change.old.parts([change.new.pieces[i] or b"" for i in new])
    apart = [ids if i >= len(change.old) else [i] for i, ids in zip(new, written, strict=True)]
    assert [i for ids in apart for i in ids] == old
    decoded = change.new.core.decode(new, skip_special_tokens=False)
    assert decoded == change.old.core.decode(old, skip_special_tokens=False)


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_every_piece_that_was_added_can_come_up(name):
    change = EXTENDED[name]
    assert len(change.added) > 20
    assert np.array_equal(change.kept[: len(change.old)], np.arange(len(change.old)))
    found = change.new.parts([change.new.pieces[i] for i in change.added])
    assert found == [[i] for i in change.added]
    text = HINDI[0]
    before, after = (len(v.core.encode(text).ids) for v in (change.old, change.new))
    assert after < 0.6 * before


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_pieces_are_added_or_counted(name):
    change, (old, other) = EXTENDED[name], PAIRS[name]
    of_bytes = set(other.byte_ids.values())
    pieces = {p for i, p in enumerate(other.pieces) if p and i not in of_bytes}
    lacking = {p for p in pieces if p not in old.ids}
    left = sum(n for reason, n in change.left_out.items() if reason != "special")
    added = {change.new.pieces[i] for i in change.added}
    between = added - lacking  # first bytes of a character, and letters that were bytes
    for piece in between:
        assert len(piece.decode()) == 1 if _is_text(piece) else old.spelling == "bytes"
    assert len(added) + left == len(lacking) + len(between)


@given(text=TEXTS)
@settings(max_examples=80)
def test_an_extended_unigram_leaves_texts_without_new_pieces(text):
    change = extend(UNIGRAM_OLD, UNIGRAM)
    old = change.old.core.encode(text, add_special_tokens=False).ids
    new = change.new.core.encode(text, add_special_tokens=False).ids
    own = (" " + text).encode()
    if not any(change.new.pieces[i] in own for i in change.added):
        assert new == old
    decoded = change.new.core.decode(new, skip_special_tokens=False)
    assert decoded == change.old.core.decode(old, skip_special_tokens=False)
    assert len(change.added) > 20


def test_a_piece_may_be_made_of_later_ones():
    spec = json.loads(json.dumps(UNIGRAM.spec))
    spec["model"]["vocab"] = [["<unk>", 0.0], ["qxzj", -1.0], ["qx", -2.0], ["zj", -3.0]]
    spec |= {"added_tokens": []}
    change = extend(OLD, vocabulary(spec, {"unk": 0}, "here"))
    assert {change.new.pieces[i] for i in change.added} == {b"qxzj", b"qx", b"zj"}


def test_extending_by_itself_changes_nothing():
    for one in (OLD, SPACED, UNIGRAM):
        change = extend(one, one)
        assert change.new.spec == one.spec and not len(change.added) and not change.left_out


def test_pieces_that_the_old_tokenizer_would_never_see_are_left_out():
    core = byte_level(ENGLISH, 320)
    spec = json.loads(core.to_str())
    for piece in (" cat and", "e\u0301", "\u0958"):  # cut; composed by NFC; taken apart by NFC
        letters = NEW.spelled(piece.encode())
        spec["model"]["vocab"][letters] = len(spec["model"]["vocab"])
    other = vocabulary(spec, OLD.roles, "here")
    assert extend(OLD, other).left_out == {"cut": 1, "normalised": 2}


def test_bytes_inside_a_character_have_no_letters_with_spaces():
    left = extend(SPACED_OLD, NEW).left_out
    assert left["alphabet"] == sum(
        1 for p in NEW.pieces if p and p not in SPACED_OLD.ids and not _is_text(p)
    )


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
def test_added_tokens_keep_their_ids_when_the_model_grows(kind):
    core = byte_level(ENGLISH, 320) if kind == "BPE" else spaced(ENGLISH, 320, "Unigram")
    core.add_special_tokens(["<|turn|>"])
    core.add_tokens(["<|name|>"])
    old = read(core)
    change = extend(old, NEW if kind == "BPE" else UNIGRAM)
    assert len(change.added) > 20
    text = "the<|turn|>cat<|name|> है"
    for name in ("<|turn|>", "<|name|>"):
        i = core.token_to_id(name)
        assert change.new.core.token_to_id(name) == i in change.new.core.encode(text).ids


def test_an_extended_model_says_the_same_of_old_tokens():
    model = llama()
    before = logits(model, [1, 50, 60])
    change = extend(OLD, NEW)
    done = retokenize(model, change, "fvt")
    assert done.shared == len(OLD)
    torch.testing.assert_close(logits(model, [1, 50, 60])[:, : len(OLD)], before)


# Folders


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    old, new = byte_level(ENGLISH, 320), byte_level([*ENGLISH, *HINDI], 380)
    llama().save_pretrained(root / "model")
    llama(len(NEW)).save_pretrained(root / "helper")
    (root / "text.jsonl").write_text(
        "\n".join(json.dumps({"text": t}) for t in [*ENGLISH, *HINDI] * 3), encoding="utf-8"
    )
    return {
        "model": saved(old, root / "model"),
        "new": saved(new, root / "new"),
        "helper": saved(new, root / "helper"),
        "text": root / "text.jsonl",
    }


@pytest.mark.parametrize("method", ["fvt", "random", "sava"])
@pytest.mark.parametrize("how", ["replace", "extend"])
def test_a_folder_that_transformers_loads(folders, tmp_path, how, method):
    text = folders["text"] if method == "sava" else None
    asked = {"how": how, "method": method, "text": text, "seed": 3}
    outs = [tmp_path / name for name in ("a", "b")]
    done = [transfer(folders["model"], folders["new"], out, **asked) for out in outs]
    names = {p.name for p in outs[0].iterdir()}
    assert names >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "transfer.json",
    }
    for name in names:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
    facts = json.loads((outs[0] / "transfer.json").read_text())
    assert facts == done[0].facts and facts["how"] == how and facts["method"] == method
    assert facts["shared"] + facts["new"] == facts["tokens"]
    loaded = load_model(str(outs[0]), Path(), device="cpu")
    old, new = read_vocabulary(folders["model"])[0], read_vocabulary(folders["new"])[0]
    change = (extend if how == "extend" else replace)(old, new)
    assert len(loaded.tokenizer) == facts["tokens"] == len(change.new)
    assert loaded.model.config.vocab_size == len(change.new)
    text_ids = loaded.tokenizer(HINDI[0], add_special_tokens=False)["input_ids"]
    assert text_ids == change.new.core.encode(HINDI[0], add_special_tokens=False).ids
    assert loaded.tokenizer.decode(text_ids) == HINDI[0]
    model = AutoModelForCausalLM.from_pretrained(folders["model"])
    helper = helper_from_text([*ENGLISH, *HINDI] * 3, change.new) if text else None
    retokenize(model, change, method, helper=helper, seed=3)
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name


def test_the_same_call_finds_it_done(folders, tmp_path):
    out = tmp_path / "out"
    first = transfer(folders["model"], folders["new"], out)
    stamps = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    again = transfer(folders["model"], folders["new"], out)
    assert first.made and not again.made and again.facts == first.facts
    assert stamps == {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    for seed in (0, 1):
        assert transfer(folders["model"], folders["new"], out, method="random", seed=seed).made


def test_an_extended_tokenizer_keeps_its_own_names(folders, tmp_path):
    core = byte_level([*ENGLISH, *HINDI], 380, ["<|end|>", "<|begin|>"])
    other = saved(core, tmp_path / "other", eos_token="<|end|>", bos_token=None, pad_token=None)
    out = transfer(folders["model"], other, tmp_path / "out", how="extend").folder
    again = AutoTokenizer.from_pretrained(out)
    assert (again.bos_token, again.eos_token, again.pad_token) == ("<s>", "</s>", "<pad>")


def test_a_helper_model_gives_its_rows(folders, tmp_path):
    out = tmp_path / "out"
    done = transfer(folders["model"], folders["new"], out, method="sava", helper=folders["helper"])
    assert done.facts["unseen"] == 0 and len(done.facts["maps"]) == 2  # untied: two maps
    assert done.facts["helper"] is not None and done.facts["text"] is None


def test_bfloat16_stays(folders, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(folders["model"]).bfloat16()
    model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(folders["model"]).save_pretrained(tmp_path / "model")
    out = transfer(tmp_path / "model", folders["new"], tmp_path / "out").folder
    again = AutoModelForCausalLM.from_pretrained(out)
    assert {p.dtype for p in again.parameters()} == {torch.bfloat16}


# The command line


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command(epilog=tokenizer_transfer.EXAMPLES)(tokenizer_transfer.transfer)
    return app


def test_command(folders, tmp_path, app):
    out = tmp_path / "out"
    words = [str(folders["model"]), str(folders["new"]), "--out", str(out), "--how", "extend"]
    found = CliRunner().invoke(app, [*words, "--json", "--quiet"], catch_exceptions=False)
    facts = json.loads(found.stdout)
    assert facts["made"] and facts["how"] == "extend" and facts["out"] == str(out)
    again = CliRunner().invoke(app, [*words, "--quiet"], catch_exceptions=False)
    assert f"{facts['shared']:,} keep their rows, {facts['new']:,} new by fvt" in again.stdout
    assert "already there, as asked" in again.stdout


def test_command_says_what_is_lost(folders, tmp_path, app):
    new = saved(
        byte_level(ENGLISH, 330, ["</s>", "<s>", "<|mask|>"]), tmp_path / "new", pad_token=None
    )
    words = [str(folders["model"]), str(new), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    assert "note: no pad token any more" in found
    assert "1 new tokens have the mean of the old rows" in found


# Errors


def test_errors_of_options(folders, tmp_path):
    def asked(**more: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            transfer(folders["model"], folders["new"], tmp_path / "out", **more)
        return str(caught.value)

    assert asked(how="merge").startswith("--how: expected replace or extend, found 'merge'")
    assert asked(method="mean").startswith("--method: expected fvt or sava or random, found 'mean'")
    assert "one of --text and --helper with sava" in asked(method="sava")
    assert "found --text and --helper" in asked(
        method="sava", text=folders["text"], helper=folders["helper"]
    )
    assert asked(text=folders["text"]).endswith("found --text; leave it away")
    with pytest.raises(ConfigError, match="found 'mean'; give a helper or text, or use fvt"):
        retokenize(llama(), replace(OLD, NEW), "mean")
    with pytest.raises(ConfigError, match="found sava without a helper"):
        retokenize(llama(), replace(OLD, NEW), "sava")


def test_errors_of_folders(folders, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ModelError, match="expected a local model folder, found no such folder"):
        transfer(tmp_path / "none", folders["new"], out)
    with pytest.raises(ModelError, match="expected a causal language model in safetensors"):
        transfer(folders["new"], folders["new"], out)
    with pytest.raises(DataError, match="no such file"):
        transfer(folders["model"], folders["new"], out, method="sava", text=tmp_path / "none.jsonl")
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    with pytest.raises(ArtifactError, match=r"a folder with other things in it \(mine.txt\)"):
        transfer(folders["model"], folders["new"], out)
    short = tmp_path / "short"
    llama(len(OLD) - 20).save_pretrained(short)
    AutoTokenizer.from_pretrained(folders["model"]).save_pretrained(short)
    with pytest.raises(ModelError, match=f"expected a tokenizer with at most {len(OLD) - 20}"):
        transfer(short, folders["new"], tmp_path / "fresh")


def test_a_tokenizer_that_reads_back_as_another_is_refused(folders):
    with pytest.raises(ModelError, match=f"expected the {len(NEW)} tokens that were written"):
        _read_back(folders["model"], NEW)


def test_errors_of_tokenizers(monkeypatch):
    from mishran.train import pieces

    monkeypatch.setattr(pieces, "load_tokenizer", lambda name, base: object())
    with pytest.raises(ModelError, match=r"with a tokenizer.json, found a object without one"):
        read_vocabulary(Path("somewhere"))
    words = read(word_piece(ENGLISH))
    for pair in ((words, NEW), (OLD, words)):
        with pytest.raises(
            ModelError, match=r"two tokenizers that are BPE or Unigram.*use replace"
        ):
            extend(*pair)
    with pytest.raises(
        ModelError, match=r"a Unigram beside a Unigram.*Unigram and BPE; use replace"
    ):
        extend(UNIGRAM, NEW)
    with pytest.raises(ModelError, match="expected a model with a tokenizer that is byte-level"):
        replace(words, NEW)
    plain = {**OLD.spec, "pre_tokenizer": {"type": "Whitespace"}}
    with pytest.raises(ModelError, match="found BPE without them"):
        vocabulary(plain, {}, "here")
    ended = {**OLD.spec, "model": {**OLD.spec["model"], "end_of_word_suffix": "</w>"}}
    with pytest.raises(ModelError, match="found BPE with end_of_word_suffix"):
        vocabulary(ended, {}, "here")
    gaps = json.loads(json.dumps(OLD.spec))
    del gaps["model"]["vocab"]["a"]
    missing = OLD.ids[b"a"]
    with pytest.raises(
        ModelError, match=f"ids from 0 without gaps, found no token with id {missing}"
    ):
        vocabulary(gaps, {}, "here")


def test_errors_of_the_map_and_the_head():
    rows = np.ones((len(NEW), 3))
    change = replace(OLD, NEW)
    with pytest.raises(ModelError, match="expected shared tokens that the helper knows"):
        retokenize(llama(), change, "sava", helper=Helper(rows, rows, np.ones(len(NEW), bool)))
    with pytest.raises(ModelError, match="found 0 shared tokens"):
        retokenize(llama(), change, "sava", helper=Helper(rows, rows, np.zeros(len(NEW), bool)))
    model = llama()
    model.lm_head = torch.nn.Sequential(model.lm_head)
    with pytest.raises(ModelError, match=r"a causal LM whose head is linear.*found Sequential"):
        retokenize(model, change, "fvt")


def test_a_change_lists_what_is_new():
    change = Change(OLD, NEW, np.array([3, -1, 5, -1]), {})
    assert change.added.tolist() == [1, 3]
