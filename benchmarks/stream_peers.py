"""What `benchmarks/stream.py` compares with: datasets, Megatron-Core, MosaicML streaming and TRL.

Every function imports what it needs when it is called and raises `Missing` where that is not installed.
Data is prepared in the peers' favour before the clock starts: ids in 16 bits, flat Arrow buffers, no
column that is not needed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from stream_case import Missing

os.environ.setdefault("HF_HUB_OFFLINE", "1")
STUBS = ("torchvision", "torchvision.datasets", "torchvision.transforms")


def module(name: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ImportError as error:
        raise Missing(f"{name} is not installed ({error})") from error


def hf() -> Any:
    """datasets, without bars and without files of results that a second run would find."""
    datasets = module("datasets")
    datasets.disable_progress_bars()
    datasets.disable_caching()
    return datasets


def numbered(sizes: Sequence[int]) -> list[Any]:
    """A dataset per task in memory, whose rows say task and example."""
    datasets, pa = hf(), module("pyarrow")
    return [
        datasets.Dataset(
            pa.table({"task": np.full(n, i, np.int32), "example": np.arange(n, dtype=np.int32)})
        )
        for i, n in enumerate(sizes)
    ]


def interleaved(parts: Sequence[Any], weights: np.ndarray) -> Any:
    """What `interleave_datasets` makes: rows at random by weights until all were read once."""
    return hf().interleave_datasets(
        list(parts), probabilities=weights.tolist(), seed=0, stopping_strategy="all_exhausted"
    )


def column(rows: Any, name: str) -> np.ndarray:
    """A column of a dataset in its order."""
    indices = rows._indices  # read as a column; reading row by row takes a minute for a million
    values = rows.data.column(name)
    return (values if indices is None else values.take(indices.column(0))).to_numpy()


def blended(weights: np.ndarray, rows: int) -> np.ndarray:
    """(rows,) task of each row, as Megatron-Core's compiled helper has it: whoever lags most."""
    helpers = module("megatron.core.datasets.helpers_cpp")
    task, number = np.empty(rows, np.int16), np.empty(rows, np.int64)
    helpers.build_blending_indices(task, number, weights, len(weights), rows, False)
    return task


def token_table(tokens: np.ndarray, offsets: np.ndarray) -> Any:
    """Rows of ids as a dataset of one column over the same memory."""
    pa = module("pyarrow")
    lists = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(tokens))
    return hf().Dataset(pa.table({"input_ids": lists}))


def on_disk(rows: Any, folder: Path) -> Any:
    """The same rows, mapped from Arrow files."""
    rows.save_to_disk(str(folder))
    return hf().load_from_disk(str(folder))


def _ids(table: Any, copied: bool) -> np.ndarray:
    """Flat ids of an Arrow slice; without a copy only where it lies in one piece."""
    parts = [chunk.flatten().to_numpy() for chunk in table.column("input_ids").chunks]
    return np.concatenate(parts) if copied or len(parts) > 1 else parts[0]


def arrow_slices(rows: Any, batch: int) -> Iterator[np.ndarray]:
    """Flat ids of each batch, by slicing."""
    table = rows.with_format("arrow")
    for start in range(0, len(rows), batch):
        yield _ids(table[start : start + batch], True)


def arrow_views(rows: Any, batch: int) -> Iterator[np.ndarray]:
    """The same without a copy: nothing is read, the pages of a mapped file come when they are touched."""
    table = rows.with_format("arrow")
    for start in range(0, len(rows), batch):
        yield _ids(table[start : start + batch], False)


def arrow_iter(rows: Any, batch: int) -> Iterator[np.ndarray]:
    for table in rows.with_format("arrow").iter(batch_size=batch):
        yield _ids(table, True)


def numpy_slices(rows: Any, batch: int) -> Iterator[Any]:
    """(rows, length) where rows are of one length, else an array of arrays."""
    table = rows.with_format("numpy")
    for start in range(0, len(rows), batch):
        yield table[start : start + batch]["input_ids"]


def numpy_iter(rows: Any, batch: int) -> Iterator[Any]:
    for part in rows.with_format("numpy").iter(batch_size=batch):
        yield part["input_ids"]


READERS: dict[str, Callable[[Any, int], Iterator[Any]]] = {
    "arrow, slices": arrow_slices,
    "arrow, iter": arrow_iter,
    "numpy, slices": numpy_slices,
    "numpy, iter": numpy_iter,
}


def streaming() -> Any:
    """MosaicML streaming. Its package imports torchvision for image datasets that are not used here;
    where that is missing, empty modules stand in during the import."""
    try:
        return module("streaming")
    except Missing as error:
        if "torchvision" not in str(error):
            raise
    module(
        "transformers.feature_extraction_utils"
    )  # it looks for torchvision too: before the stand-ins
    functional = "torchvision.transforms.functional"
    stubs = {name: ModuleType(name) for name in (*STUBS, functional)}
    stubs["torchvision.datasets"].VisionDataset = object  # type: ignore[attr-defined]
    stubs[functional].to_tensor = None  # type: ignore[attr-defined]
    for name in [name for name in sys.modules if name.partition(".")[0] == "streaming"]:
        del sys.modules[name]  # what a first try left behind
    sys.modules.update(stubs)
    try:
        return module("streaming")
    finally:
        for name in stubs:
            del sys.modules[name]


def write_mds(folder: Path, tokens: np.ndarray, offsets: np.ndarray) -> None:
    """Rows as MDS shards, of fixed shape where they have one length."""
    lengths = np.unique(np.diff(offsets))
    shape = f":{lengths[0]}" if len(lengths) == 1 else ""
    columns = {"input_ids": f"ndarray:{tokens.dtype}{shape}"}
    with streaming().MDSWriter(out=str(folder), columns=columns) as out:
        for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            out.write({"input_ids": np.asarray(tokens[start:stop])})


def mds_mix(folders: Sequence[Path], weights: np.ndarray, rows: int, batch: int) -> Any:
    """A shuffled mixture of local MDS folders, by proportion.

    With nothing to download, its thread that looks ahead may run to the end: 3 times as fast as with the
    setting that it would choose.
    """
    package = streaming()
    package.base.util.clean_stale_shared_memory()
    parts = [
        package.Stream(local=str(folder), proportion=float(w))
        for folder, w in zip(folders, weights, strict=True)
    ]
    return package.StreamingDataset(
        streams=parts,
        epoch_size=rows,
        predownload=rows,
        shuffle=True,
        batch_size=batch,
        num_canonical_nodes=1,
    )


def mds_batches(rows: Any, batch: int) -> Iterator[np.ndarray]:
    """Flat ids of each batch, row by row in one process, as it reads."""
    held: list[np.ndarray] = []
    for row in rows:
        held.append(row["input_ids"])
        if len(held) == batch:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def packed(rows: Any, capacity: int, strategy: str, window: int) -> Any:
    """TRL's packs, `window` rows packed together."""
    return module("trl").pack_dataset(rows, capacity, strategy, map_kwargs={"batch_size": window})


def packs_of(rows: Any) -> list[np.ndarray]:
    """Ids of each pack of TRL's result, views."""
    return [
        pack
        for chunk in rows.data.column("input_ids").chunks
        for pack in np.split(
            chunk.flatten().to_numpy(), np.diff(chunk.offsets.to_numpy()).cumsum()[:-1]
        )
    ]


def collated(rows: Any, batch: int) -> Iterator[Any]:
    """Batches of TRL's packs with ids, labels, positions and borders, from its own collator.

    In numpy's format: lists, the default, take it ten times as long. Ids are to be int64.
    """
    collator = module("trl.trainer.sft_trainer").DataCollatorForLanguageModeling(
        pad_token_id=0, padding_free=True
    )
    rows = rows.with_format("numpy")
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        lines = zip(*part.values(), strict=True)
        yield collator([dict(zip(part, line, strict=True)) for line in lines])
