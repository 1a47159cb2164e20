"""Megatron-LM: an export through megatron-core's own readers and its builder of blends, on the CPU.

    python -P tools/readback/megatron.py FOLDER --reference FILE

See `tools/readback.py` for what comes out. The files are opened with `IndexedDataset`, mapped and not.
Then `BlendedMegatronDatasetBuilder` builds `GPTDataset`s of what `blend.txt` says at the split 100,0,0, in
one process (gloo), with a short sequence length: of a single prefix, the documents that one pass reaches
are counted; of a blend, the sequences that each task gives.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

try:
    import numpy as np
    import torch.distributed

    warnings.filterwarnings("ignore")
    from megatron.core.datasets.blended_megatron_dataset_builder import (
        BlendedMegatronDatasetBuilder,
    )
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from megatron.core.datasets.utils import Split, get_blend_from_list
except ImportError as error:
    print(f"megatron-core cannot be imported: {error}", file=sys.stderr)
    sys.exit(3)


def documents(prefix: str) -> list[list[int]]:
    """Tokens of every document, the same with both readers."""
    mapped, plain = (IndexedDataset(prefix, mmap=mmap) for mmap in (True, False))
    assert len(mapped) == len(plain) == len(mapped.document_indices) - 1
    out = [mapped[i].tolist() for i in range(len(mapped))]
    assert out == [plain[i].tolist() for i in range(len(plain))], "the readers disagree"
    return out


def built(blend: tuple, samples: int, length: int, eod: int, largest: int, cache: str):
    """What training would read: the dataset of the train split."""
    tokenizer = SimpleNamespace(
        eod=eod, eos=eod, pad=-1, vocab_size=largest + 1, unique_identifiers={"class": "ids"}
    )
    config = GPTDatasetConfig(
        random_seed=1234,
        sequence_length=length,
        blend=blend,
        split="100,0,0",
        path_to_cache=cache,
        tokenizer=tokenizer,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    builder = BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config)
    return builder.build()[Split.train.value]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.reference.open(encoding="utf-8")]
    os.chdir(given.folder)
    blend = get_blend_from_list(Path("blend.txt").read_text(encoding="utf-8").split())
    splits = json.loads(Path("blend.json").read_text(encoding="utf-8"))
    assert (
        get_blend_from_list(splits["train"]) == blend and splits["valid"] is splits["test"] is None
    )
    prefixes, weights = blend
    texts = {prefix: documents(prefix) for prefix in prefixes}
    eod = texts[prefixes[0]][0][-1]
    assert all(text[-1] == eod for of in texts.values() for text in of)
    largest = max(max(text) for of in texts.values() for text in of)

    def ended(row: dict) -> list[int]:
        ids = row["input_ids"]
        return ids if ids and ids[-1] == eod else [*ids, eod]

    if weights is None:
        (found,) = texts.values()
        assert len(found) == len(rows)
        same = [found[i] == ended(row) for i, row in enumerate(rows)]
    else:
        sets = {prefix: set(map(tuple, of)) for prefix, of in texts.items()}
        same = [tuple(ended(row)) in sets[f"data/{row['task']}"] for row in rows]
    exact = sum(
        ok and row["num_prompt_tokens"] == 0 and ended(row) == row["input_ids"]
        for ok, row in zip(same, rows, strict=True)
    )
    tokens = sum(len(ended(row)) for row in rows)
    with tempfile.TemporaryDirectory() as cache:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{cache}/store", rank=0, world_size=1
        )
        if weights is None:
            # A length that leaves as little as can be at the end.
            length = min(range(8, 65), key=lambda n: (tokens - 1) % n)
            data = built(blend, (tokens - 1) // length, length, eod, largest, cache)
            reached = set()
            for i in range(len(data)):
                reached |= set(data._query_document_sample_shuffle_indices(i)[1].tolist())
            counts = Counter(rows[i]["task"] for i in reached)
            what = f"GPTDataset, sequences of {length}: {len(reached):,} documents in one pass"
        else:
            length = 16
            data = built(blend, (tokens - 1) // length, length, eod, largest, cache)
            drawn = np.bincount(data.dataset_index, minlength=len(prefixes)) * length
            counts = Counter(
                {
                    prefix.removeprefix("data/"): int(n)
                    for prefix, n in zip(prefixes, drawn, strict=True)
                }
            )
            what = f"BlendedMegatronDatasetBuilder, {len(data):,} sequences of {length}"
        torch.distributed.destroy_process_group()
    what = (
        f"IndexedDataset, mapped and not: {sum(same):,} of {len(rows):,} rows of the plan are documents "
        f"with our ids and EOD; {what}"
    )
    out = {
        "trainer": "Megatron-LM",
        "version": f"megatron-core {version('megatron-core')}",
        "what": what,
        "tasks": dict(sorted(counts.items())),
        "rows": sum(counts.values()),
        "unit": "rows" if weights is None else "tokens",
        "checked": len(rows),
        "same_tokens": exact,
        "in_order": False,
    }
    print(json.dumps(out, ensure_ascii=False))


if __name__ == "__main__":
    main()
