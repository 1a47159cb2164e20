"""Packing changes nothing for a row: no other row's logits, labels or loss, by positions or by mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stream_cases import plan_of, wish
from tiny_models import tiny_llama

from mishran.stream.batch import PackBatch
from mishran.stream.pack_stream import PackStream
from mishran.stream.tokens import TokenRows

VOCABULARY = 64


def random_rows(size: int, longest: int, vocabulary: int, seed: int = 0) -> TokenRows:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest + 1, size=size)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = rng.integers(3, vocabulary, size=int(offsets[-1])).astype(np.uint16)
    return TokenRows(tokens, offsets, (lengths // 2).astype(np.int32))


def batches(rows: tuple[TokenRows, ...], capacity: int, how: str) -> list[PackBatch]:
    plan = plan_of(rows, wish(60, weights=[0.5, 0.5]))
    stream = PackStream(plan, rows, capacity, 4, 0, how)  # type: ignore[arg-type]
    return [batch for batch, _ in stream.batches()]


def logits(model, batch: PackBatch, by: str) -> np.ndarray:  # type: ignore[no-untyped-def]
    given = {"input_ids": torch.from_numpy(batch.input_ids), "use_cache": False}
    given["position_ids"] = torch.from_numpy(batch.position_ids)
    if by == "mask":
        allowed = torch.from_numpy(batch.block_mask())
        given["attention_mask"] = torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))
    with torch.no_grad():
        return model(**given).logits.numpy()


@pytest.fixture(scope="module")
def model():  # type: ignore[no-untyped-def]
    return tiny_llama(vocab_size=VOCABULARY).eval()


@pytest.mark.parametrize("how", ["bfd", "wrapped"])
@pytest.mark.parametrize("by", ["positions", "mask"])
def test_a_changed_row_changes_no_other_rows_logits(model, how: str, by: str) -> None:  # type: ignore[no-untyped-def]
    rows = tuple(random_rows(40, 14, VOCABULARY, seed) for seed in (0, 1))
    for batch in batches(rows, 32, how)[:4]:
        before = logits(model, batch, by)
        for piece in (1, 2):
            changed = batch.input_ids.copy()
            mine = batch.segments == piece
            changed[mine] = (changed[mine] + 11) % VOCABULARY
            other = PackBatch(**{**vars(batch), "input_ids": changed})
            after = logits(model, other, by)
            assert np.abs(after - before)[~mine].max() == 0.0
            assert np.abs(after - before)[mine].max() > 1e-3


def test_positions_and_mask_agree_with_the_row_alone(model) -> None:  # type: ignore[no-untyped-def]
    rows = tuple(random_rows(40, 14, VOCABULARY, seed) for seed in (0, 1))
    batch = batches(rows, 32, "bfd")[0]
    both = [logits(model, batch, by) for by in ("positions", "mask")]
    for line in range(len(batch)):
        for piece in range(1, int(batch.segments[line].max()) + 1):
            at = batch.segments[line] == piece
            with torch.no_grad():
                alone = model(torch.from_numpy(batch.input_ids[line][at][None])).logits[0].numpy()
            for packed in both:
                assert np.abs(packed[line][at] - alone).max() < 1e-5


def test_the_loss_of_a_batch_is_that_of_its_rows(model) -> None:  # type: ignore[no-untyped-def]
    """Shifted labels of transformers on packs, against each row by itself."""
    rows = tuple(random_rows(40, 14, VOCABULARY, seed) for seed in (0, 1))
    total = packed_total = 0.0
    for batch in batches(rows, 32, "bfd"):
        with torch.no_grad():
            out = model(
                input_ids=torch.from_numpy(batch.input_ids),
                position_ids=torch.from_numpy(batch.position_ids),
                labels=torch.from_numpy(batch.labels),
                use_cache=False,
            )
        packed_total += float(out.loss) * int(batch.trained_by_task.sum())
        for task, example in zip(batch.piece_task, batch.piece_example, strict=True):
            store = rows[task]
            ids = store.tokens[store.offsets[example] : store.offsets[example + 1]].astype(np.int64)
            labels = ids.copy()
            labels[: max(1, store.prompts[example])] = -100
            with torch.no_grad():
                out = model(torch.from_numpy(ids)[None], labels=torch.from_numpy(labels)[None])
            total += float(out.loss) * int((labels != -100).sum())
    assert packed_total == pytest.approx(total, rel=1e-5)


@pytest.mark.data
def test_on_the_real_base_model(models_root: Path) -> None:
    from transformers import AutoModelForCausalLM

    real = AutoModelForCausalLM.from_pretrained(
        models_root / "base-6m", local_files_only=True, trust_remote_code=False, dtype=torch.float32
    ).eval()
    rows = tuple(random_rows(30, 60, 8000, seed) for seed in (0, 1))
    batch = batches(rows, 128, "bfd")[0]
    before = logits(real, batch, "positions")
    changed = batch.input_ids.copy()
    mine = batch.segments == 2
    changed[mine] = (changed[mine] + 501) % 8000
    after = logits(real, PackBatch(**{**vars(batch), "input_ids": changed}), "positions")
    assert np.abs(after - before)[~mine].max() == 0.0
    assert np.abs(after - before)[mine].max() > 1e-2
