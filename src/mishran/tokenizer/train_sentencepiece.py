"""SentencePiece models from counts of words, and the Hugging Face tokenizer that is the same.

SentencePiece writes a space as U+2581 and reads every U+2581 as a space, so that a text that holds one does
not come back. The model is given rules that write U+2581 as two private-use characters and back, and one
for the first of those, so that encoding and decoding is exact for every text. The Hugging Face tokenizer
has plain spaces in its pieces and needs none of it.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mishran.config_tokenizer import SPECIAL
from mishran.errors import ConfigError, first_line
from mishran.tokenizer.alphabet import Alphabet, check_vocabulary
from mishran.tokenizer.open_sentencepiece import SPACE
from mishran.tokenizer.train_bpe import merge_model, whole

# Two private-use characters, chosen for being nobody's; the first one escapes itself.
_RULES = "2581\tF8FE F8FF\nF8FE\tF8FE F8FE\n"
_BACK = "F8FE F8FF\t2581\nF8FE F8FE\tF8FE\n"
# The order in which sums are made depends on it, the machine does not: same text, same model.
_THREADS = 2
_NORMAL, _CONTROL = 1, 3  # of the kinds of pieces in a model: of text, special tokens


def train_sentencepiece(
    counts: Mapping[str, int],
    alphabet: Alphabet,
    vocabulary: int,
    extra: Sequence[str],
    kind: Literal["bpe", "unigram"],
) -> tuple[bytes, str, int]:
    """The model, the text of tokenizer.json, and how many tokens they have.

    Raises:
        ConfigError: the library refuses the text or the vocabulary; its own words.
    """
    import sentencepiece

    written = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="mishran-") as folder:
        forward, back = Path(folder) / "rules.tsv", Path(folder) / "back.tsv"
        forward.write_text(_RULES, encoding="utf-8")
        back.write_text(_BACK, encoding="utf-8")
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(f"{word}\t{count}" for word, count in counts.items()),
                input_format="tsv",
                model_writer=written,
                model_type=kind,
                vocab_size=vocabulary,
                hard_vocab_limit=False,
                normalization_rule_tsv=str(forward),
                denormalization_rule_tsv=str(back),
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                byte_fallback=True,
                character_coverage=1.0,  # words are cut to the alphabet already
                required_chars="".join(c for c in alphabet.characters if c not in (" ", SPACE)),
                allow_whitespace_only_pieces=True,
                # Words were cut at the pre-tokens: nothing is to be cut again.
                split_by_unicode_script=False,
                split_by_number=False,
                split_by_whitespace=False,
                split_digits=False,
                max_sentencepiece_length=64,
                max_sentence_length=2**16,
                control_symbols=list(extra),
                pad_id=0,
                bos_id=1,
                eos_id=2,
                unk_id=3,
                pad_piece=SPECIAL[0],
                num_threads=_THREADS,
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise ConfigError(
                expected=f"text that SentencePiece learns {vocabulary:,} tokens from",
                found=first_line(error),
                where="vocabulary",
                fix="give more text, or make the vocabulary smaller",
            ) from error
    model = without_names(written.getvalue())
    proto = parsed(model)
    return model, hugging_face(proto, extra), len(proto.pieces)


def parsed(model: bytes) -> Any:
    """The model as a message of protobuf."""
    from sentencepiece import sentencepiece_model_pb2

    message = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    message.ParseFromString(model)
    return message


def without_names(model: bytes) -> bytes:
    """The model without the names of the files that it was made with, which differ each time."""
    message = parsed(model)
    for spec in (message.normalizer_spec, message.denormalizer_spec):
        spec.ClearField("normalization_rule_tsv")
    return bytes(message.SerializeToString(deterministic=True))


def hugging_face(proto: Any, extra: Sequence[str]) -> str:
    """tokenizer.json of a model that was trained here: the same pieces, with plain spaces."""
    pieces = [(_plain(piece), piece.score) for piece in proto.pieces]
    if proto.trainer_spec.model_type == 1:  # unigram
        model = {
            "type": "Unigram",
            "unk_id": SPECIAL.index("<unk>"),
            "vocab": [list(one) for one in pieces],
            "byte_fallback": True,
        }
        return whole(model, extra, by_bytes=False)
    scores = {
        text: score
        for (text, score), piece in zip(pieces, proto.pieces, strict=True)
        if piece.type == _NORMAL
    }
    ids = {text: i for i, (text, _) in enumerate(pieces)}
    model = merge_model(ids, merges_of(scores), fallback=True)
    return whole(model, extra, by_bytes=False)


def _plain(piece: Any) -> str:
    text = str(piece.piece)
    return text.replace(SPACE, " ") if piece.type == _NORMAL else text


def merges_of(scores: Mapping[str, float]) -> list[list[str]]:
    """Every pair of pieces that makes a piece, in the order in which SentencePiece would merge them.

    SentencePiece merges the pair whose piece has the highest score, whichever two parts it is made of.
    """
    found: list[tuple[float, float, str, str]] = []
    for piece, score in scores.items():
        for i in range(1, len(piece)):
            left, right = piece[:i], piece[i:]
            if left in scores and right in scores:
                found.append((-score, -min(scores[left], scores[right]), left, right))
    return [[left, right] for _, _, left, right in sorted(found)]


def truncated_sentencepiece(model: bytes, vocabulary: int) -> bytes:
    """The byte-pair model that training would have given for a smaller vocabulary: its first merges.

    Raises:
        ConfigError: it does not hold the alphabet.
    """
    message = parsed(model)
    surplus = len(message.pieces) - vocabulary
    merged = [p for p in message.pieces if p.type == _NORMAL and len(p.piece) > 1]
    alphabet = tuple(p.piece for p in message.pieces if p.type == _NORMAL and len(p.piece) == 1)
    extra = [p.piece for p in message.pieces if p.type == _CONTROL and p.piece not in SPECIAL]
    check_vocabulary(vocabulary, Alphabet(alphabet, {}), extra)
    last = sorted(p.score for p in merged)[surplus - 1] if surplus > 0 else float("-inf")
    kept = [
        p
        for p in message.pieces
        if not (len(p.piece) > 1 and p.type == _NORMAL and p.score <= last)
    ]
    letters = [p for p in kept if p.type == _NORMAL and len(p.piece) == 1]
    lowest = min((p.score for p in kept if p.type == _NORMAL and len(p.piece) > 1), default=0.0)
    out = parsed(model)
    del out.pieces[:]
    out.pieces.extend(kept)
    names = {p.piece: i for i, p in enumerate(sorted(letters, key=lambda p: -p.score), start=1)}
    for piece in out.pieces:  # letters come after the merges, as they do in every model
        if piece.piece in names and piece.type == _NORMAL:
            piece.score = lowest - names[piece.piece]
    out.trainer_spec.vocab_size = vocabulary
    return bytes(out.SerializeToString(deterministic=True))
