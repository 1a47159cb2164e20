"""Any tokenizer is opened by what is in its file, and says where its tokens begin."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
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
from mishran.tokenizer.open_sentencepiece import SentencePiece, spread
from mishran.tokenizer.open_tiktoken import Tiktoken
from mishran.tokenizer.opened import open_tokenizer
from mishran.tokenizer.train_sentencepiece import parsed

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


def ranked(pieces: list[bytes], same: bool = False) -> bytes:
    lines = [base64.b64encode(p).decode() + f" {0 if same else i}" for i, p in enumerate(pieces)]
    return "\n".join(lines).encode()


def tekken(size: int) -> bytes:
    vocab = [{"token_bytes": base64.b64encode(p).decode()} for p in ranks()]
    config = {"default_vocab_size": size, "default_num_special_tokens": 10, "pattern": "."}
    return json.dumps({"config": config, "vocab": vocab}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ranked(ranks(), same=True), "two pieces of one rank"),
        (ranked([b"no byte", *ranks()[1:]]), "no rank for 1 of the 256 bytes"),
        (tekken(300), "261 pieces of 290"),
        (b'{"vocab": [], "config": {}}', "default_vocab_size"),
    ],
)
def test_ranks_that_the_library_would_end_the_program_for(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "ranks").write_bytes(content)
    with pytest.raises(ModelError, match=said):
        open_tokenizer(str(tmp_path / "ranks"))


def test_special_tokens_of_tekken_count(files: Path) -> None:
    assert open_tokenizer(str(files / "tekken.json")).size == 271


def test_a_model_that_ends_after_any_of_its_fields_is_none() -> None:
    """The library takes some of them, and puts a space in front of every text."""
    import sentencepiece

    whole = trained("sentencepiece-bpe").model or b""
    message = parsed(whole)
    ends = []
    for field in ("trainer_spec", "normalizer_spec", "denormalizer_spec"):
        message.ClearField(field)
    ends.append(message.SerializeToString())
    message.trainer_spec.CopyFrom(parsed(whole).trainer_spec)
    ends.append(message.SerializeToString())
    assert all(whole.startswith(end) for end in ends)
    sentencepiece.SentencePieceProcessor(model_proto=ends[1])
    for end in ends:
        with pytest.raises(RuntimeError, match=r"ends before its normalizer|INTERNAL"):
            SentencePiece(end, "")


def test_a_space_put_in_front_takes_no_byte() -> None:
    """A mark or letter after it begins at 0, not inside a character; bytes begin one after another."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    pieces = ["<unk>", *(f"<0x{b:02X}>" for b in range(256)), "▁", "क", "ि"]
    core = Tokenizer(
        models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=[], byte_fallback=True)
    )
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    llama = HuggingFace(core.to_str(), "")
    assert llama.encode(["िक ☃"])[0].starts.tolist() == [0, 0, 3, 6, 7, 8, 9]
    assert llama.encode(["☃"])[0].starts.tolist() == [0, 0, 1, 2]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(letters)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    assert HuggingFace(core.to_str(), "").encode(["क"])[0].starts.tolist() == [0, 0, 1, 2]
    model = SentencePiece(NFKC, "")
    (found,) = model.encode(["िनदी"])
    assert model.piece(int(found.ids[0])) == " " and found.starts.tolist()[:2] == [0, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), max_size=12))
def test_places_never_fall_and_stay_inside(rows: list[tuple[int, int, bool]]) -> None:
    starts = np.cumsum([step for step, _, _ in rows], dtype=np.int64)
    ends = np.maximum.accumulate(starts + np.array([size for _, size, _ in rows], dtype=np.int64))
    found = spread(starts, ends, np.array([space for _, _, space in rows], dtype=bool))
    assert (np.diff(found) >= 0).all() and (found >= starts).all()
    assert (found < np.maximum(ends.max(initial=0), starts + 1)).all()


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


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(ModelError, match=r"expected a file that can be read, found .*permissions"):
        open_tokenizer(str(tmp_path))


def test_with_the_network_and_without_an_answer(
    monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    import huggingface_hub
    import tiktoken

    def fails(*args, **kwargs):
        raise OSError("no route\nto host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    monkeypatch.setattr(tiktoken, "get_encoding", fails)
    with pytest.raises(
        ModelError, match="a repository of the hub with a tokenizer, found no route"
    ):
        open_tokenizer("someone/model", online=True)
    with pytest.raises(ModelError, match="the ranks of o200k_base, found no route; check"):
        open_tokenizer("tiktoken:o200k_base", online=True)
    with pytest.raises(ModelError, match="no such file"):  # a path is none of the hub's names
        open_tokenizer("./someone/model", online=True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: files / "ours")
    assert open_tokenizer("someone/model", online=True).name == "someone/model"
