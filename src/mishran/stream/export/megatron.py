"""Megatron-LM: token files, a blend, and a page with the flags.

A document is a row, ended by EOD (the tokenizer's EOS) where it does not end in it already; it is the only
border that Megatron knows. Materialised: one pair of files in the plan's order, which Megatron shuffles.
Config only: a pair per task, and weights in tokens, since what it weighs are sequences of one length. It
has no mask for prompts: they are trained on too. Source: code of megatron-core 0.16.1
(core/datasets/indexed_dataset.py, gpt_dataset.py, blended_megatron_dataset_builder.py, utils.py),
executed by `tools/readback/megatron.py`.

A file `.idx` holds, in little endian: 9 bytes of magic; 1 as 8 bytes; the code of the tokens' type as 1
byte; number of sequences n and of borders n + 1, 8 bytes each; (n,) int32 lengths; (n,) int64 places in the
`.bin` in bytes; (n + 1,) int64 borders of documents, here 0 ... n. The `.bin` is the tokens.
"""

from __future__ import annotations

import json
import os
import shlex
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mishran.errors import ArtifactError, ConfigError, first_line
from mishran.stream.export.target import Job, Prediction
from mishran.stream.texts import Kind
from mishran.stream.tokens import TokenRows

MAGIC = b"MMIDIDX\x00\x00"
# Of its DType, those that it writes tokens with.
CODES: dict[int, np.dtype[Any]] = {4: np.dtype("<i4"), 8: np.dtype("<u2")}
SMALL = 65500  # vocabularies below are written as uint16 (its DType.optimal_dtype)
HEAD = struct.Struct("<9sQBQQ")
PART = 1 << 16  # rows of the order at a time


class Megatron:
    """See the module."""

    title: ClassVar[str] = "Megatron-LM"
    versions: ClassVar[str] = "megatron-core 0.16.1"
    config_only: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = ("prompt", "chat", "text")

    def predict(self, job: Job) -> Prediction:
        """Documents of each task, or its tokens.

        Raises:
            ConfigError: a tokenizer without EOS.
        """
        tokens = _tokens(job)
        notes = []
        if job.config_only:
            notes.append(
                "the blend is in tokens and each task is within one sequence of its share; length is "
                "--train-samples times --seq-length, and a task that is too short is read again"
            )
        else:
            notes.append(
                "it shuffles the documents and cuts them into sequences; what fills no sequence at the end "
                "is left out"
            )
        if job.kind != "text":
            notes.append("it has no mask for prompts, and trains on them too")
        added = sum(tokens) - job.plan.tokens
        if added:
            notes.append(
                f"{added:,} rows do not end in EOS and get one, which the plan does not count"
            )
        note = "; ".join(notes)
        if job.config_only:
            return Prediction(tuple(map(float, tokens)), exact=False, unit="tokens", note=note)
        return Prediction(tuple(float(t.rows) for t in job.plan.tasks), exact=True, note=note)

    def write(self, job: Job, folder: Path) -> str:
        """See `Target`.

        Raises:
            ConfigError: a tokenizer without EOS.
        """
        data = folder / "data"
        data.mkdir()
        tokens, code = _tokens(job), _code(job)
        if job.config_only:
            blend = []
            for i in job.used:
                name = job.plan.tasks[i].name
                _write(data / name, _documents(job, _once(job, i), code), code)
                blend += [str(tokens[i]), f"data/{name}"]
        else:
            _write(data / "train", _documents(job, _in_order(job), code), code)
            blend = ["data/train"]
        lines = [" ".join(pair) for pair in zip(blend[::2], blend[1::2], strict=False)] or blend
        (folder / "blend.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        splits = {"train": blend, "valid": None, "test": None}
        text = json.dumps(splits, indent=1, ensure_ascii=False) + "\n"
        (folder / "blend.json").write_text(text, encoding="utf-8")
        (folder / "README.md").write_text(_page(job, sum(tokens)), encoding="utf-8")
        return "pretrain_gpt.py --data-args-path blend.txt --split 100,0,0 ...: README.md has the flags"

    def count(self, job: Job, folder: Path) -> Counter[str]:
        """See `Target`: rows, or tokens by weight, whose documents are what they should be.

        Raises:
            ArtifactError: files that cannot be read.
        """
        names = {f"data/{task.name}": i for i, task in enumerate(job.plan.tasks)}
        out: Counter[str] = Counter()
        for weight, prefix in _blend(folder / "blend.txt"):
            if weight is None:
                out += _same(job, list(_in_order(job)), folder / prefix)
            elif prefix in names:
                wanted = list(_once(job, names[prefix]))
                same = _same(job, wanted, folder / prefix)
                out += Counter({n: weight for n, num in same.items() if num == len(wanted)})
        return out


def _tokens(job: Job) -> tuple[int, ...]:
    """(n,) tokens of the plan's rows of each task, with EOD.

    Raises:
        ConfigError: there is no EOD.
    """
    if job.eos_id is None:
        raise ConfigError(
            expected="a tokenizer with an EOS token, with which Megatron-LM ends documents",
            found="none",
            where="--to megatron",
            fix="give one with --tokenizer, or add eos_token to its tokenizer_config.json",
        )
    open_ = [_open(rows, job.eos_id) for rows in job.tokens]
    added = np.zeros(len(open_), dtype=np.int64)
    order = job.plan.order
    for start in range(0, len(order) if any(o.any() for o in open_) else 0, PART):
        rows = order.rows(start, start + PART)
        for i in job.used:
            added[i] += open_[i][rows.example[rows.task == i]].sum()
    return tuple(task.tokens + int(a) for task, a in zip(job.plan.tasks, added, strict=True))


def _open(rows: TokenRows, eod: int) -> np.ndarray:
    """(n,) bool rows that do not end in EOD."""
    last = np.full(len(rows), -1, dtype=np.int64)
    full = rows.lengths > 0
    last[full] = rows.tokens[rows.offsets[1:][full] - 1]
    out: np.ndarray = last != eod
    return out


def _code(job: Job) -> int:
    """Megatron's code of the type that holds every id; one for all files, so that they can be merged."""
    largest = max(int(rows.tokens.max(initial=0)) for rows in job.tokens)
    return 8 if max(largest, job.eos_id or 0) + 1 < SMALL else 4


def _in_order(job: Job) -> Iterator[tuple[int, int]]:
    """(task, example) of every row of the plan."""
    order = job.plan.order
    for start in range(0, len(order), PART):
        rows = order.rows(start, start + PART)
        yield from zip(rows.task.tolist(), rows.example.tolist(), strict=True)


def _once(job: Job, task: int) -> Iterator[tuple[int, int]]:
    """(task, example) of every row of a task."""
    yield from ((task, example) for example in range(len(job.tokens[task])))


def _documents(job: Job, places: Iterable[tuple[int, int]], code: int) -> Iterator[np.ndarray]:
    """Tokens of rows, each ended by EOD."""
    end = np.array([job.eos_id], dtype=CODES[code])
    for task, example in places:
        rows = job.tokens[task]
        row = rows.tokens[rows.offsets[example] : rows.offsets[example + 1]].astype(CODES[code])
        yield row if len(row) and row[-1] == end[0] else np.concatenate([row, end])


def _write(prefix: Path, documents: Iterable[np.ndarray], code: int) -> None:
    """`prefix`.bin and `prefix`.idx of documents of one sequence each."""
    lengths = []
    with open(f"{prefix}.bin", "wb") as handle:
        for document in documents:
            handle.write(document.tobytes())
            lengths.append(len(document))
        handle.flush()
        os.fsync(handle.fileno())
    sizes = np.array(lengths, dtype=np.int64)
    places = (np.cumsum(sizes) - sizes) * CODES[code].itemsize
    with open(f"{prefix}.idx", "wb") as handle:
        handle.write(HEAD.pack(MAGIC, 1, code, len(sizes), len(sizes) + 1))
        handle.write(sizes.astype("<i4").tobytes())
        handle.write(places.astype("<i8").tobytes())
        handle.write(np.arange(len(sizes) + 1, dtype="<i8").tobytes())
        handle.flush()
        os.fsync(handle.fileno())


def _read(prefix: Path) -> tuple[int, Iterator[np.ndarray]]:
    """Code of the type, and every document.

    Raises:
        ArtifactError: the files cannot be read.
    """
    try:
        index = Path(f"{prefix}.idx").read_bytes()
        magic, version, code, sequences, borders = HEAD.unpack_from(index)
        if (magic, version, borders) != (MAGIC, 1, sequences + 1) or code not in CODES:
            raise ValueError(f"an index that begins with {index[:34]!r}")
        lengths = np.frombuffer(index, "<i4", sequences, HEAD.size)
        places = np.frombuffer(index, "<i8", sequences, HEAD.size + 4 * sequences)
        np.frombuffer(index, "<i8", borders, HEAD.size + 12 * sequences)
        size = CODES[code].itemsize
        tokens = np.memmap(f"{prefix}.bin", CODES[code], "r")
        if sequences and places[-1] // size + lengths[-1] != len(tokens):
            raise ValueError(f"{len(tokens):,} tokens")
    except (OSError, ValueError, struct.error) as error:
        raise ArtifactError(
            expected=f"{prefix.name}.idx and {prefix.name}.bin that belong together",
            found=first_line(error),
            where=str(prefix.parent),
            fix="make it again; if that does not help, check the disk",
        ) from error
    begins = (places // size).tolist()
    pairs = zip(begins, lengths.tolist(), strict=True)
    return code, (tokens[begin : begin + length] for begin, length in pairs)


def _same(job: Job, wanted: list[tuple[int, int]], prefix: Path) -> Counter[str]:
    """Rows of each task whose document in a file is what it should be."""
    code, found = _read(prefix)
    out: Counter[str] = Counter()
    # Not strict: a file of another length is told by the counts.
    for (task, _), document, row in zip(wanted, _documents(job, wanted, code), found, strict=False):
        out[job.plan.tasks[task].name] += np.array_equal(document, row)
    return out


def _blend(path: Path) -> list[tuple[int | None, str]]:
    """Weights and prefixes, as Megatron tells them apart: an odd number of words has no weights.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        words = path.read_text(encoding="utf-8").split()
        if len(words) % 2:
            return [(None, prefix) for prefix in words]
        return [(int(w), prefix) for w, prefix in zip(words[::2], words[1::2], strict=True)]
    except (OSError, ValueError) as error:
        raise ArtifactError(
            expected="prefixes, with tokens before each or without",
            found=first_line(error),
            where=str(path),
            fix="make it again",
        ) from error


def _page(job: Job, tokens: int) -> str:
    """README.md: the flags, and what they mean."""
    if job.config_only:
        told = (
            "Each task lies in files of its own. The numbers in `blend.txt` are weights: the tokens that "
            "the plan has\nof each task. Megatron-LM divides by their sum, draws sequences in these "
            "proportions, and reads a task\nagain, without saying so, when it is at its end."
        )
    else:
        told = (
            "`data/train` holds every row of the plan once for each time that it is drawn. Megatron-LM "
            "shuffles the\ndocuments, cuts them into sequences and shuffles those; more samples than one "
            "pass has begin another."
        )
    blend = (
        "\n- With many tasks and few sequences it may stop with an IndexError that names\n"
        "  `mid_level_dataset_surplus` (0.005): raise that, as it says; no count changes."
        if job.config_only
        else ""
    )
    mask = (
        ""
        if job.kind == "text"
        else "\n- Prompts are trained on too: Megatron-LM has no mask for them."
    )
    return f"""# Data for Megatron-LM

Made by `mishran export`. {tokens:,} tokens in one pass, as the plan has them. Run in this folder, with the
flags of your model:

```
torchrun pretrain_gpt.py \\
  --data-args-path blend.txt --split 100,0,0 --eval-iters 0 \\
  --data-cache-path cache \\
  --tokenizer-type HuggingFaceTokenizer --tokenizer-model {shlex.quote(job.model)} \\
  --seq-length LENGTH --train-samples SAMPLES
```

{told}

- One pass is SAMPLES = ({tokens} - 1) // LENGTH.
- `--split 100,0,0` gives every document to training. Any other split cuts each file by its order, the last
  documents for validation. For validation data of your own, write its prefix into `blend.json` and give
  `--per-split-data-args-path blend.json` in place of `--data-args-path` and `--split`.
- Without `--data-cache-path` it writes its index below `data/`.
- Prefixes are seen from this folder.
- A document is a row, and ends with EOD, the EOS of the tokenizer. Attention crosses documents inside a
  sequence, unless you give `--reset-attention-mask --reset-position-ids`.{blend}{mask}
"""
