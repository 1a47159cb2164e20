"""A small model on a tokenizer: its shape, the text that every tokenizer gets alike, and its training.

What has to be equal for bits per byte to compare tokenizers, and how it is made so here:

- *The text.* Documents are cut into passages of at most `PASSAGE` bytes before any tokenizer sees them. A
  passage is a row: every arm reads the same passages in the same steps, in the same order. Cut by tokens, a
  step or a context would hold more text for the tokenizer that needs fewer of them.
- *The context.* Nothing but its own passage is before a token, in training and in validation; the context
  of the model holds a passage of single bytes, so that no arm ever loses any. The other fairness, a context
  of so many tokens, would add to what a tokenizer with few tokens gains.
- *The bytes.* Every byte is predicted: each passage begins with BOS. (Without it the first token would be
  free, and free of more bytes for long tokens.) The text is NFC, and a tokenizer that does not give it back
  is refused: it would be measured on an easier text.

Trade-off: all arms take as many steps on as much text, so that one with fewer tokens computes less; the
operations of each training are counted (`Trained.flops`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from mishran.errors import DataError, ModelError
from mishran.evaluate.held_out import HeldOut
from mishran.pipeline.build import plan_from
from mishran.pipeline.ingredients import tokenizer_sha256
from mishran.pipeline.train import settings_for, start_of, train_model
from mishran.run import atomic_write, sha256_value
from mishran.tasks.render import Rendered
from mishran.tasks.task import Example
from mishran.train.models import load_tokenizer

VERSION = 1  # of what a kept result means
PASSAGE = 1024  # bytes: about 250 tokens of English or Hindi
CONTEXT = (
    2 * PASSAGE
)  # tokens: a passage of bytes fits, with room for what a normaliser writes longer
MARKS = ("<pad>", "<s>", "</s>", "<unk>")  # as text they are tokens of their own to some tokenizers
HEAD = 16  # dimensions of an attention head
RATE, RATE_WIDTH = 7e-3, 64  # learning rate at a width, see `rate_for`
# Measured on a million bytes, at the better of two rates or more: steps of 8, 4, 2 passages came to 2.167,
# 2.136, 2.116 bits per byte; smaller ones take longer. All else here is an assumption.
TRAIN: dict[str, Any] = {
    "kind": "full",
    "batch_size": 4,  # passages
    "micro_tokens": 2048,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 0.1,
    "betas": [0.9, 0.95],
    "validations": 0,
    "log_every": 50,
}


@dataclass(frozen=True)
class Shape:
    """A model of the Llama kind whose output head is its embedding.

    width: of the residual stream. ffn: width inside the gated feed-forward part.
    """

    vocabulary: int
    width: int
    layers: int
    ffn: int

    @property
    def heads(self) -> int:
        """As many of `HEAD` dimensions as come nearest to the width, which they must divide."""
        return max(1, round(self.width / HEAD))

    @property
    def embedding(self) -> int:
        """Parameters of the embedding."""
        return self.vocabulary * self.width

    @property
    def body(self) -> int:
        """All others: queries, keys, values, outputs; gate, up, down; two norms a layer and the last."""
        layer = 4 * self.width * self.heads * HEAD + 3 * self.width * self.ffn + 2 * self.width
        return self.layers * layer + self.width

    @property
    def parameters(self) -> int:
        return self.embedding + self.body

    def config(self, tokenizer: Any) -> dict[str, Any]:
        """config.json of transformers."""
        return {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "intermediate_size": self.ffn,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "head_dim": HEAD,
            "max_position_embeddings": CONTEXT,
            "tie_word_embeddings": True,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }


def equal_parameters(vocabulary: int, total: int, like: Shape) -> Shape:
    """The shape with `total` parameters, embedding included, of proportions nearest to those of `like`.

    All even widths that the heads divide and depths up to three times that of `like` are tried; the
    feed-forward width takes what is left. Of the shapes within 0.1 % of `total`, the one whose depth
    and feed-forward width (in widths) are nearest to those of `like`, as ratios.

    Raises:
        ModelError: there is none; the vocabulary is too large for so few parameters.
    """
    wanted = like.ffn / like.width
    best: tuple[float, int, Shape] | None = None
    for width in range(2, total // vocabulary + 1, 2):
        if width % Shape(vocabulary, width, 1, 1).heads:
            continue
        for layers in range(1, 3 * like.layers + 1):
            bare = Shape(vocabulary, width, layers, 0)
            ffn = round((total - bare.parameters) / (3 * width * layers))
            made = Shape(vocabulary, width, layers, ffn)
            if ffn < 1 or abs(made.parameters - total) > total / 1000:
                continue
            strange = abs(math.log(layers / like.layers)) + abs(math.log(ffn / width / wanted))
            found = (strange, abs(made.parameters - total), made)
            if best is None or found[:2] < best[:2]:
                best = found
    if best is None:
        raise ModelError(
            expected=f"a model of {total:,} parameters, embedding included",
            found=f"{vocabulary:,} tokens, which leave no room for a body",
            where="the equal-parameter design",
            fix=f"allow {vocabulary * 16:,} parameters or more, or leave this vocabulary out",
        )
    return best[2]


def rate_for(width: int, rate: float = RATE) -> float:
    """Peak learning rate: `rate` at `RATE_WIDTH`, falling with the root of the width.

    With one rate for all, one of two widths would be favoured. Measured in 554 steps: 5e-3 was better than
    1e-2 at widths 120 and 64 (by 0.06 and 0.02 bits per byte), and worse at width 18 (by 0.02).
    """
    return float(f"{rate * (RATE_WIDTH / width) ** 0.5:.3g}")


@dataclass(frozen=True)
class Texts:
    """Passages of each language that are trained on, and others that are measured."""

    train: Mapping[str, tuple[str, ...]]
    valid: Mapping[str, tuple[str, ...]]

    @property
    def sha256(self) -> str:
        return sha256_value({"train": self.train, "valid": self.valid})


def num_bytes(passages: Sequence[str]) -> int:
    """Of UTF-8 text."""
    return sum(len(p.encode()) for p in passages)


def read_texts(folder: Path, languages: Sequence[str], train_bytes: int, valid_bytes: int) -> Texts:
    """Passages of `{language}_*.train.jsonl.gz` and `{language}_*.valid.jsonl.gz`.

    Args:
        train_bytes: of all languages together, the same of each. valid_bytes: of each.
    """
    share = train_bytes // len(languages)
    return Texts(
        train={g: _passages(folder, f"{g}_*.train.jsonl.gz", share) for g in languages},
        valid={g: _passages(folder, f"{g}_*.valid.jsonl.gz", valid_bytes) for g in languages},
    )


def _passages(folder: Path, pattern: str, limit: int) -> tuple[str, ...]:
    """Of documents in the order of their hashes, until there are `limit` bytes.

    Raises:
        DataError: there are fewer.
    """
    documents = (unicodedata.normalize("NFC", text) for text in _documents(folder, pattern))
    out: list[str] = []
    size = 0
    for document in sorted(documents, key=lambda d: hashlib.sha256(d.encode()).digest()):
        for passage in cut(document):
            if size >= limit:
                return tuple(out)
            if not any(mark in passage for mark in MARKS):
                out.append(passage)
                size += len(passage.encode())
    if size < limit:
        raise DataError(
            expected=f"{limit:,} bytes of text",
            found=f"{size:,}",
            where=str(folder / pattern),
            fix="ask for fewer bytes",
        )
    return tuple(out)


def _documents(folder: Path, pattern: str) -> Iterator[str]:
    for file in sorted(folder.glob(pattern)):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


def cut(document: str, limit: int = PASSAGE) -> list[str]:
    """Passages of at most `limit` bytes, as long as they can be; cut at whitespace, which is left out.

    A word longer than that is cut between characters.
    """
    data = document.strip().encode()
    out: list[str] = []
    while data:
        if len(data) <= limit:
            part = data.decode()
        else:  # a character that is cut off is dropped from the part, not from what is left
            part = data[: limit + 1].decode(errors="ignore")
            words = part.rstrip() if part[-1].isspace() else part.rpartition(" ")[0]
            lines = part.rpartition("\n")[0]
            part = max(words, lines, key=len).rstrip() or data[:limit].decode(errors="ignore")
        out.append(part)
        data = data[len(part.encode()) :].decode().lstrip().encode()
    return out


@dataclass(frozen=True)
class Arm:
    """A model of a shape on a tokenizer. tokenizer: folder of it."""

    name: str
    tokenizer: Path
    shape: Shape


@dataclass(frozen=True)
class Trained:
    """One training.

    bits: language -> bits per byte of the validation passages. bytes: of these. tokens: language ->
    tokens trained on, with BOS and EOS of every passage. cpu_s: seconds of the processor for training and
    measuring.
    """

    arm: str
    seed: int
    shape: Shape
    bits: Mapping[str, float]
    bytes: Mapping[str, int]
    tokens: Mapping[str, int]
    steps: int
    cpu_s: float

    @property
    def mean(self) -> float:
        """Bits per byte, every language of equal weight."""
        return math.fsum(self.bits.values()) / len(self.bits)

    @property
    def flops(self) -> float:
        """6 N D of all tokens; attention between tokens is not counted.

        A tied embedding is counted once, as the head that it is: to look up a row costs nothing.
        Source: Kaplan et al., arXiv 2001.08361, section 2.1.
        """
        return 6.0 * self.shape.parameters * sum(self.tokens.values())


def vocabulary_of(tokenizer: Path) -> int:
    """Tokens of it, special ones counted."""
    return len(load_tokenizer(str(tokenizer), Path.cwd()))


def held_out(tokenizer: Any, valid: Mapping[str, Sequence[str]]) -> dict[str, HeldOut]:
    """The passages as rows: BOS, and all of the text to be predicted.

    Raises:
        ModelError: the tokenizer has no BOS, or does not give the text back.
    """
    if tokenizer.bos_token_id is None:
        raise ModelError(
            expected="a tokenizer with a BOS token, so that the first token is predicted too",
            found="none",
            where=tokenizer.name_or_path,
            fix='name one in tokenizer_config.json ("bos_token")',
        )
    out = {}
    for language, passages in valid.items():
        all_ids = tokenizer(list(passages), add_special_tokens=False)["input_ids"]
        for passage, ids in zip(passages, all_ids, strict=True):
            back = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            if back != passage:
                same = next(
                    (i for i, (a, b) in enumerate(zip(back, passage, strict=False)) if a != b),
                    min(len(back), len(passage)),
                )
                raise ModelError(
                    expected=f"a tokenizer that gives back {passage[same : same + 20]!r}",
                    found=f"{back[same : same + 20]!r}",
                    where=tokenizer.name_or_path,
                    fix="use one with byte fallback, its decoder, and no normaliser beyond NFC",
                )
        out[language] = HeldOut(
            task=language,
            split="valid",
            examples=tuple(
                Example(str(i), "", passage, f"{language} passage {i}")
                for i, passage in enumerate(passages)
            ),
            rows=tuple(Rendered((tokenizer.bos_token_id, *ids), 1) for ids in all_ids),
            available=len(passages),
            too_long=0,
        )
    return out


def train(arm: Arm, texts: Texts, seed: int, rate: float, threads: int, work: Path) -> Trained:
    """One model from new weights, measured and thrown away; what `work` has kept is read from there.

    The seed fixes the weights, and the order of the passages: the same for every arm.

    Args:
        rate: learning rate, see `rate_for`.
    """
    tokenizer = load_tokenizer(str(arm.tokenizer), Path.cwd())
    settings = TRAIN | {"learning_rate": rate_for(arm.shape.width, rate), "threads": threads}
    config = arm.shape.config(tokenizer)
    decides = [VERSION, tokenizer_sha256(tokenizer), config, texts.sha256, settings, seed]
    key = sha256_value(decides)[:12]
    kept = work / "trained" / f"{arm.name}-{seed}-{key}.json"
    if kept.is_file():
        return read_trained(kept)
    held = held_out(tokenizer, texts.valid)
    folder = work / f"training-{key}"
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed: minutes, begun again
    recipe = _write_recipe(folder, arm, config, texts, settings)
    planned = plan_from(recipe, seed=seed)
    start = start_of(recipe, scratch=True)
    began = time.process_time()
    done = train_model(
        planned, start, settings_for(recipe), held, folder / "out", seed=seed, keep_model=False
    )
    assert done.answers is not None  # the folder is new
    made = Trained(
        arm=arm.name,
        seed=seed,
        shape=arm.shape,
        bits={g: one.bits_per_byte.mean for g, one in done.answers.items()},
        bytes={g: int(one.bytes.sum()) for g, one in done.answers.items()},
        tokens={g: one["tokens"] for g, one in done.facts["tasks"].items()},
        steps=done.facts["steps"],
        cpu_s=time.process_time() - began,
    )
    assert made.bytes == {g: num_bytes(p) for g, p in texts.valid.items()}, "every byte counts"
    atomic_write(kept, json.dumps(asdict(made), indent=1) + "\n")
    shutil.rmtree(folder)
    return made


def read_trained(path: Path) -> Trained:
    """What `train` kept."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Trained(**data | {"shape": Shape(**data["shape"])})


def _write_recipe(
    folder: Path, arm: Arm, config: Mapping[str, Any], texts: Texts, settings: Mapping[str, Any]
) -> Path:
    """The training as the project's own recipe, with its text beside it."""
    shape = folder / "shape"
    shape.mkdir(parents=True)
    (shape / "config.json").write_text(json.dumps(config, indent=1))
    for language, passages in texts.train.items():
        lines = (json.dumps({"text": p}, ensure_ascii=False) + "\n" for p in passages)
        (folder / f"{language}.jsonl").write_text("".join(lines), encoding="utf-8")
    data = {
        "tokenizer": str(arm.tokenizer.resolve()),
        "model": "shape",
        "sources": [{"name": g, "path": f"{g}.jsonl"} for g in texts.train],
        "weights": "proportional",
        "epochs": 1,
        "train": dict(settings),
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(data))
    return recipe
