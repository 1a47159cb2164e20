"""Any tokenizer is opened by what is in its file, and says where its tokens begin."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_cases import EXTRA, trained

from mishran.errors import ModelError
from mishran.tokenizer import open_tiktoken
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.folder import write_tokenizer
from mishran.tokenizer.open_bytes import Bytes, utf8_bytes, whole_text
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.open_sentencepiece import SentencePiece
from mishran.tokenizer.open_tiktoken import Tiktoken
from mishran.tokenizer.opened import open_tokenizer

TEXT = ["the river and the city", "नदी और शहर का पानी है", "a😀b ﬁ ½"] * 20


def nfkc_model() -> bytes:
    """As people train them: NFKC, a space put in front, no bytes."""
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=out, vocab_size=34, minloglevel=2
    )
    return out.getvalue()


def word_piece() -> str:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=90, special_tokens=["[UNK]"], show_progress=False
    )
    core.train_from_iterator(TEXT, trainer)
    return core.to_str()


def ranks() -> list[bytes]:
    return [
        *(bytes([b]) for b in range(256)),
        b"th",
        b"the",
        b" the",
        "क".encode()[:2],
        "क".encode(),
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers")
    write_tokenizer(trained("sentencepiece-unigram"), folder / "ours", EXTRA, {})
    write_tokenizer(trained("byte-bpe"), folder / "bytes-bpe", EXTRA, {})
    (folder / "nfkc.model").write_bytes(nfkc_model())
    (folder / "unigram.model").write_bytes(trained("sentencepiece-unigram").model or b"")
    (folder / "merges.model").write_bytes(trained("sentencepiece-bpe").model or b"")
    (folder / "words.json").write_text(word_piece())
    lines = [base64.b64encode(p).decode() + f" {i}" for i, p in enumerate(ranks())]
    (folder / "own.tiktoken").write_text("\n".join(lines) + "\n")
    (folder / "tokenizer.model").write_text("\n".join(lines) + "\n")  # as Llama 3's is called
    config = {
        "default_vocab_size": 271,
        "default_num_special_tokens": 10,
        "pattern": r"\s?\w+|.|\s",
    }
    vocab = [
        {"rank": i, "token_bytes": base64.b64encode(p).decode()} for i, p in enumerate(ranks())
    ]
    (folder / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab}))
    return folder


@pytest.fixture(autouse=True)
def known_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_tiktoken._PATTERNS, len(ranks()), open_tiktoken._CL100K)


KINDS = {
    "ours": (HuggingFace, True),
    "ours/tokenizer.json": (HuggingFace, True),
    "bytes-bpe": (HuggingFace, True),
    "words.json": (HuggingFace, False),
    "unigram.model": (SentencePiece, True),
    "merges.model": (SentencePiece, True),
    "nfkc.model": (SentencePiece, False),
    "own.tiktoken": (Tiktoken, True),
    "tokenizer.model": (Tiktoken, True),
    "tekken.json": (Tiktoken, True),
}


def check(tokenizer: Tokenizer, text: str) -> None:
    (encoded,) = tokenizer.encode([text])
    raw = utf8_bytes(text)
    assert encoded.ids.size == encoded.starts.size == tokenizer.counts([text])[0]
    assert all(0 <= i < tokenizer.size for i in encoded.ids)
    starts = encoded.starts.tolist()
    assert starts == sorted(starts)
    assert not starts or (starts[0] >= 0 and starts[-1] < max(1, len(raw)))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind(files: Path, name: str) -> None:
    kind, exact = KINDS[name]
    tokenizer = open_tokenizer(str(files / name))
    assert isinstance(tokenizer, kind)
    for text in (*TEXT[:3], "", " ", "a\ud83db", "\n▁ \x00"):
        check(tokenizer, text)
        if exact:
            whole = whole_text(text)
            assert tokenizer.decode(tokenizer.encode([text])[0].ids) == whole
    assert all(isinstance(tokenizer.piece(i), str) for i in range(tokenizer.size))


@given(text=st.text())
@settings(max_examples=80)
def test_starts_are_in_order_whatever_the_text(text: str) -> None:
    for tokenizer in (SentencePiece(NFKC, ""), HuggingFace(WORDS, ""), Bytes("bytes")):
        check(tokenizer, text)


NFKC, WORDS = nfkc_model(), word_piece()


@pytest.mark.parametrize("name", ["bytes-bpe", "own.tiktoken", "unigram.model", "ours"])
def test_parts_of_a_character_begin_at_its_bytes(files: Path, name: str) -> None:
    tokenizer = open_tokenizer(str(files / name))
    (encoded,) = tokenizer.encode(["a𝔘b"])
    assert encoded.starts.tolist() == [0, 1, 2, 3, 4, 5]


def test_pieces_are_shown_as_text() -> None:
    tokenizer = HuggingFace(trained("byte-bpe").json, "")
    shown = [tokenizer.piece(i) for i in tokenizer.encode(["का 😀"])[0].ids]
    assert "".join(shown[:-4]).replace(" ", "").startswith("क") and shown[-1] == "<0x80>"
    assert open_tiktoken.shown_bytes("क".encode() + b"\xe0") == "क<0xE0>"


def test_names() -> None:
    assert open_tokenizer("bytes").name == "bytes" and open_tokenizer("bytes", "raw").name == "raw"


def test_named_after_folder_or_file(files: Path) -> None:
    assert open_tokenizer(str(files / "ours")).name == "ours"
    assert open_tokenizer(str(files / "ours/tokenizer.json")).name == "ours"
    assert open_tokenizer(str(files / "nfkc.model")).name == "nfkc.model"


BAD = {
    "absent": (None, "no such file"),
    "empty.json": (b"", "an empty file"),
    "notes.txt": (b"no tokenizer", r"a file of another kind \(.txt\)"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "copy it again"),
    "cut.json": (b'{"version": "1.0", "model": {"ty', "copy it again"),
    "other.json": (b'{"a": 1}', "neither `model`"),
    "wrong.json": (b'{"model": {"type": "Nothing"}}', "copy it again"),
    "few.tiktoken": (b"YQ== 0\nYg== 1\n", "2 ranks, of no release whose cut is known"),
    "torn.tiktoken": (b"YQ== 0\nnot a rank\n", "line 2 is no piece with its rank"),
    "zeros": (b"\0" * 100, "copy it again"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_tokenizer_is_one_line(name: str, tmp_path: Path) -> None:
    content, said = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=said) as stop:
        open_tokenizer(str(tmp_path / name))
    assert name in str(stop.value) and "\n" not in str(stop.value)


@pytest.mark.parametrize("part", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["sentencepiece-bpe", "sentencepiece-unigram"])
def test_a_model_that_was_cut_is_one_line(tmp_path: Path, kind, part: float) -> None:
    whole = trained(kind).model or b""
    (tmp_path / "cut.model").write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ModelError, match="copy it again"):
        open_tokenizer(str(tmp_path / "cut.model"))


def test_folders_without_a_tokenizer_and_names_without_the_network(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"a")
    with pytest.raises(ModelError, match=r"found a.bin; give the folder"):
        open_tokenizer(str(tmp_path))
    with pytest.raises(ModelError, match="expected --online with a name of tiktoken"):
        open_tokenizer("tiktoken:o200k_base")
    with pytest.raises(ModelError, match="an encoding of tiktoken: gpt2"):
        open_tokenizer("tiktoken:none")
    with pytest.raises(ModelError, match="or add --online"):
        open_tokenizer("someone/model")
