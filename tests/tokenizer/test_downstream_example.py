"""examples/fair-tokenizer/downstream.py on little text: what is promised to be equal is, and it resumes."""

from __future__ import annotations

import gzip
import json
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from tokenizers import (  # noqa: E402
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from mishran.errors import ConfigError, DataError, ModelError  # noqa: E402
from mishran.pipeline.build import plan_from  # noqa: E402
from mishran.train.models import load_tokenizer  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fair-tokenizer"
sys.path.insert(0, str(EXAMPLE))

import downstream  # noqa: E402
import small_models as small  # noqa: E402

SMALL = small.Shape(0, 16, 1, 32)
ENGLISH = "the cat sat on a mat and then it ran over to see who had come in from the rain"
HINDI = "यह एक छोटा सा वाक्य है जो कि हिन्दी में लिखा गया था और वह घर पर नहीं थी"
WORDS = {"en": ENGLISH.split(), "hi": HINDI.split()}


def prose(language: str, seed: int, num_words: int = 60) -> str:
    """Words of a language in random order."""
    rng = np.random.default_rng([seed, *language.encode()])
    return " ".join(rng.choice(WORDS[language], num_words))


def tokenizer_folder(folder: Path, size: int, byte_fallback: bool = True) -> Path:
    """BPE over the words, as a folder that transformers loads."""
    core = Tokenizer(models.BPE(byte_fallback=byte_fallback, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\S+|\s+"), "isolated")
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    single = [f"<0x{i:02X}>" for i in range(256)] if byte_fallback else []
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[*special, *single], show_progress=False
    )
    core.train_from_iterator([prose(g, s) for g in WORDS for s in range(20)], trainer)
    data = json.loads(core.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] in special]
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(json.dumps(data))
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Tokenizers of 320 and 400 tokens: characters and some pairs, and most of the words."""
    root = tmp_path_factory.mktemp("tokenizers")
    return [tokenizer_folder(root / str(size), size) for size in (320, 400)]


@pytest.fixture(scope="module")
def arms(folders: list[Path]) -> list[small.Arm]:
    return [
        small.Arm(f.name, f, replace(SMALL, vocabulary=small.vocabulary_of(f))) for f in folders
    ]


@pytest.fixture
def texts() -> small.Texts:
    return small.Texts(
        train={g: tuple(prose(g, s) for s in range(20)) for g in WORDS},
        valid={g: tuple(prose(g, 100 + s) for s in range(3)) for g in WORDS},
    )


def parameters_of(shape: small.Shape, tokenizer: Path) -> int:
    """As transformers counts them, tied ones once."""
    config = shape.config(load_tokenizer(str(tokenizer), Path()))
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**config))
    assert shape.embedding == model.get_input_embeddings().weight.numel()
    return model.num_parameters()


@pytest.mark.parametrize(
    "shape",
    [
        small.Shape(320, 16, 1, 32),
        small.Shape(4096, 120, 4, 321),
        small.Shape(65536, 18, 5, 53),
        downstream.BODY,
    ],
)
def test_the_parameters_of_a_shape_are_those_of_transformers(
    shape: small.Shape, folders: list[Path]
) -> None:
    shape = replace(shape, vocabulary=shape.vocabulary or 8192)
    assert shape.parameters == parameters_of(shape, folders[0])


@pytest.mark.parametrize("total", [1_200_000, 2_000_000])
@pytest.mark.parametrize("vocabulary", [4096, 8192, 16384, 32768, 65536])
def test_equal_parameters_are_equal(vocabulary: int, total: int, folders: list[Path]) -> None:
    shape = small.equal_parameters(vocabulary, total, downstream.BODY)
    assert shape.vocabulary == vocabulary
    assert abs(parameters_of(shape, folders[0]) - total) <= total / 1000


def test_the_nearest_proportions_win() -> None:
    """Oracle: every shape, feed-forward widths one by one."""
    like, total = small.Shape(0, 16, 2, 40), 20_000
    every = [
        small.Shape(320, width, layers, ffn)
        for width in range(2, 63, 2)
        for layers in range(1, 7)
        for ffn in range(1, 700)
    ]
    fit = [s for s in every if abs(s.parameters - total) <= total / 1000 and not s.width % s.heads]

    def strange(s: small.Shape) -> float:
        return abs(np.log(s.layers / like.layers)) + abs(np.log(s.ffn / s.width * 16 / 40))

    found = small.equal_parameters(320, total, like)
    assert strange(found) == pytest.approx(min(map(strange, fit)), abs=0.05)


def test_wider_models_learn_in_smaller_steps() -> None:
    assert small.rate_for(small.RATE_WIDTH, 0.5) == 0.5
    assert small.rate_for(4 * small.RATE_WIDTH, 0.5) == 0.25


def test_a_vocabulary_without_room_for_a_body_is_refused() -> None:
    with pytest.raises(ModelError, match=r"1,000,000 tokens, which leave no room for a body"):
        small.equal_parameters(1_000_000, 1_200_000, downstream.BODY)


@given(
    st.text(st.sampled_from("ab क्षि\u200d😀\n\t  ."), max_size=300), st.integers(8, 64)
)  # every width of UTF-8
def test_passages_are_the_document_without_the_whitespace_between(text: str, limit: int) -> None:
    passages = small.cut(text, limit)
    assert "".join("".join(passages).split()) == "".join(text.split())
    for passage in passages:
        assert 0 < len(passage.encode()) <= limit
        assert passage == passage.strip()


def test_every_arm_reads_and_is_measured_on_the_same_bytes(
    arms: list[small.Arm], texts: small.Texts, tmp_path: Path
) -> None:
    found = [small.train(arm, texts, 0, 1e-2, 1, tmp_path) for arm in arms]
    valid = {g: sum(len(p.encode()) for p in ps) for g, ps in texts.valid.items()}
    assert [t.bytes for t in found] == [valid, valid]
    assert found[0].steps == found[1].steps == 40 / small.TRAIN["batch_size"]
    assert sum(found[0].tokens.values()) > sum(found[1].tokens.values())  # the smaller vocabulary
    for one in found:
        assert all(0 < bits < 8 for bits in one.bits.values())
        assert one.flops == 6 * one.shape.parameters * sum(one.tokens.values())


def test_a_step_holds_the_same_passages_for_every_arm(
    arms: list[small.Arm], texts: small.Texts, tmp_path: Path
) -> None:
    steps = []
    for arm in arms:
        tokenizer = load_tokenizer(str(arm.tokenizer), Path())
        config = arm.shape.config(tokenizer)
        recipe = small._write_recipe(tmp_path / arm.name, arm, config, texts, small.TRAIN)
        stream = plan_from(recipe, seed=3).rows(small.TRAIN["batch_size"])
        read = [
            [
                tokenizer.decode(batch.tokens[a:b], skip_special_tokens=True)
                for a, b in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
            ]
            for batch in (stream[i] for i in range(len(stream)))
        ]
        steps.append(read)
    assert steps[0] == steps[1]
    every = sorted(p for passages in texts.train.values() for p in passages)
    assert sorted(p for step in steps[0] for p in step) == every  # once each


def test_a_kept_training_is_not_done_again_and_a_new_one_gives_the_same_numbers(
    arms: list[small.Arm], texts: small.Texts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = small.train(arms[0], texts, 1, 1e-2, 1, tmp_path / "one")
    again = small.train(arms[0], texts, 1, 1e-2, 1, tmp_path / "two")
    assert replace(again, cpu_s=made.cpu_s) == made
    assert not list((tmp_path / "one").glob("training-*"))

    def fail(*args: object, **more: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(small, "train_model", fail)
    assert small.train(arms[0], texts, 1, 1e-2, 1, tmp_path / "one") == made
    with pytest.raises(AssertionError, match="trained again"):  # what decides has changed
        small.train(arms[0], texts, 1, 2e-2, 1, tmp_path / "one")


def test_a_tokenizer_that_loses_text_is_refused(tmp_path: Path, texts: small.Texts) -> None:
    core = tokenizer_folder(tmp_path / "unknown", 100, byte_fallback=False)
    tokenizer = load_tokenizer(str(core), Path())
    with pytest.raises(ModelError, match=r"gives back 'ß'.*found.*'<unk>'") as error:
        small.held_out(tokenizer, {"en": ["the ß"]})
    assert "byte fallback" in str(error.value)
    folder = tokenizer_folder(tmp_path / "lower", 320)
    tokenizer = load_tokenizer(str(folder), Path())
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(ModelError, match="gives back 'Cat sat'"):
        small.held_out(tokenizer, {"en": ["the Cat sat"]})


def test_the_first_token_counts_and_no_end_does(folders: list[Path]) -> None:
    tokenizer = load_tokenizer(str(folders[0]), Path())
    (row,) = small.held_out(tokenizer, {"en": ["the cat"]})["en"].rows
    assert row.input_ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(row.input_ids[row.num_prompt_tokens :]) == "the cat"


def made(vocabulary: int, seed: int, bits: float) -> small.Trained:
    """A result of one language."""
    shape = replace(SMALL, vocabulary=vocabulary)
    counts = {"en": 100}
    return small.Trained(str(vocabulary), seed, shape, {"en": bits}, counts, counts, 1, 1.0)


@pytest.mark.parametrize(
    ("smaller", "best", "wanted", "why"),
    [
        ([1.02], [1.000, 1.010, 1.020], 100, "this is the smallest within its interval"),
        ([1.02], [1.010, 1.0101, 1.0102], 200, "no smaller one lies within"),
        ([1.004, 1.0141, 1.024], [1.000, 1.010, 1.020], 200, "not shown worse at the same seeds"),
        ([1.02], [1.010], 200, "with one seed there is no interval"),
    ],
)
def test_the_smallest_as_good_as_the_best_is_recommended(
    smaller: list[float], best: list[float], wanted: int, why: str
) -> None:
    """The interval of the best one's mean is wide, narrow, wide but with clear differences, or none."""
    found = [made(100, s, bits) for s, bits in enumerate(smaller)]
    found += [made(200, s, bits) for s, bits in enumerate(best)]
    arms = [small.Arm(str(size), Path(), replace(SMALL, vocabulary=size)) for size in (100, 200)]
    arm, said = downstream.recommended(found, arms)
    assert arm.shape.vocabulary == wanted
    assert why in said
    assert "200 reaches the fewest bits per byte, at the upper end of what was tried" in said


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of our own."""
    folder = tmp_path / "data" / "pretrain"
    folder.mkdir(parents=True)
    for number, language in enumerate(WORDS):
        for split, seeds in (("train", range(30)), ("valid", range(900, 904))):
            with gzip.open(folder / f"{language}_all.{split}.jsonl.gz", "wt") as out:
                for seed in seeds:
                    text = prose(language, seed, 40 + number) + " <unk>" * (seed == 0)
                    out.write(json.dumps({"text": text}) + "\n")
    monkeypatch.setenv("MISHRAN_DATA", str(tmp_path / "data"))
    return folder


def test_from_the_command_line(
    data: Path, folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "numbers.json", tmp_path / "curve.svg"
    words = ["--seeds", "2", "--bytes", "4000", "--valid-bytes", "300", "--rate", "0.01"]
    words += ["--arm", f"small={folders[0]}", "--arm", f"large={folders[1]}"]
    words += ["--vocabulary", *map(str, folders), "--parameters", "30000", "--once", "400"]
    words += ["--work", str(tmp_path / "work"), "--json", str(out), "--plot", str(plot)]
    assert downstream.main(words) == 0
    said = capsys.readouterr().out
    numbers = json.loads(out.read_text())
    trained = numbers["downstream"]["trained"]
    assert [t["arm"] for t in trained] == ["small", "large"] * 2
    few, many = (
        np.array([t["bits"]["en"] for t in trained if t["arm"] == a]) for a in ("small", "large")
    )
    assert f"| large - small | en | {(many - few).mean():+.4f} |" in said
    curve = numbers["curve"]
    assert set(curve) == {"train_bytes", "equal parameters", "equal body"}
    assert curve["train_bytes"] == numbers["downstream"]["train_bytes"]
    assert sum(curve["train_bytes"].values()) >= 4000
    for design in downstream.DESIGNS:
        sizes = [t["shape"]["vocabulary"] for t in curve[design]["trained"]]
        assert sizes == [320, 320, 400]
        assert f"Recommended: **{curve[design]['recommended']}**" in said
    for one in curve["equal parameters"]["trained"]:
        assert abs(one["parameters"] - 30_000) <= 30
    drawn = ElementTree.fromstring(plot.read_text())
    assert len([e for e in drawn.iter() if e.tag.endswith("polyline")]) == 6  # 3 panels, 2 designs
    assert downstream.main(words) == 0  # everything is kept
    assert capsys.readouterr().out == said


def test_two_tokenizers_of_one_size_are_no_curve(folders: list[Path]) -> None:
    with pytest.raises(ConfigError, match="2 of 320 tokens; give one of them"):
        downstream.curve_arms([folders[0], folders[1], folders[0]], 30_000)


def test_text_that_is_not_there_and_marks_in_it(data: Path) -> None:
    texts = small.read_texts(data, ["en"], 3000, 300)
    assert not any("<unk>" in p for p in texts.train["en"])
    with pytest.raises(DataError, match=r"expected.*900,000 bytes of text"):
        small.read_texts(data, ["en"], 900_000, 300)


def test_what_is_asked_for_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ([], "expected --arm NAME=FOLDER"),
        (["--arm", "a=x"], "at least two --arm"),
        (["--arm", "a=x", "--arm", "a=y"], "of different names"),
        (["--arm", "x"], "expected NAME=FOLDER, got 'x'"),
        (["--vocabulary", "x", "--seeds", "0"], "one seed or more"),
    ):
        with pytest.raises(SystemExit):
            downstream.main(words)
        assert said in capsys.readouterr().err


def test_real_text_is_read(data_root: Path) -> None:
    texts = small.read_texts(data_root / "pretrain", downstream.LANGUAGES, 20_000, 5_000)
    for passages in (*texts.train.values(), *texts.valid.values()):
        assert max(len(p.encode()) for p in passages) <= small.PASSAGE
    for language in downstream.LANGUAGES:
        assert 10_000 <= small.num_bytes(texts.train[language]) < 10_000 + small.PASSAGE
        assert 5_000 <= small.num_bytes(texts.valid[language]) < 5_000 + small.PASSAGE
