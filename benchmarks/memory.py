"""Memory of waves: what the planner predicts beside what whole trainings use, and what a 7B model would.

    python benchmarks/memory.py [--quick] [--json FILE] [--page FILE]

Each row is a process of its own: load, train a little (imports and first calls), note the level, plan,
train all tasks to the end with their held-out passes, and compare the peak with the prediction. On a
GPU that is what PyTorch allocated. On a CPU it is resident memory, once with freed blocks given back
(MALLOC_MMAP_THRESHOLD_=131072), which is what is predicted, and once as glibc does it by default, with
holes (`holes`, used over used), for which the planner leaves room. Rows of 7B are predictions: bytes per
token are linear in widths and layers, with factors from small shapes that are run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import ROOT, build_model, make_tasks, peak_bytes, reset_peak, used_bytes

from mishran.config import SpecialistConfig
from mishran.specialists.adapters import template
from mishran.specialists.bank import bank
from mishran.specialists.evidence import Trainee
from mishran.specialists.fit import fit_specialists
from mishran.specialists.sizing import SHARE_GPU, size_waves
from mishran.specialists.validate import Tokens
from mishran.train.answers import group_losses
from mishran.train.batch import Part, lay_out
from mishran.train.memory import live_bytes
from mishran.train.models import Loaded
from mishran.train.quantize import keep_packing, quantization

MIB = 2**20
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": str(128 << 10)}
CASES: list[tuple[str, int, int, dict[str, Any]]] = [
    ("small", 8, 1024, {}),
    ("small", 24, 512, {}),
    ("small", 8, 2048, {}),
    ("small", 24, 1024, {"adapter_dtype": "bfloat16"}),
    ("small", 8, 1024, {"patience": 1}),
    ("small", 8, 2048, {"checkpointing": True}),
    ("medium", 4, 1024, {}),
    ("medium", 8, 512, {}),
    ("medium", 4, 2048, {"checkpointing": True}),
]
CASES_GPU: list[tuple[str, int, int, dict[str, Any]]] = [
    ("100m", 24, 2048, {}),
    ("1b", 8, 2048, {}),
    ("1b", 8, 4096, {"checkpointing": True}),
    ("7b", 2, 1024, {"quantize": "4bit", "checkpointing": True, "adapter_dtype": "bfloat16"}),
]
QUICK = 2


def measure(
    size: str, slots: int, tokens: int, more: dict[str, Any], budget: int
) -> dict[str, Any]:
    """One row, here: float32 on a CPU, bfloat16 on a GPU."""
    settings = dict(more)
    quantize = settings.pop("quantize", None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model, _ = build_model(size, "cpu" if quantize else device, str(dtype).removeprefix("torch."))
    if quantize:
        model = in_4_bits(model, device, dtype)
    loaded = Loaded(model, None, model.device, dtype, 0, ())
    kept = ROOT / "build" / "benchmark-specialists"
    tasks = make_tasks(slots, budget, 8, 16, kept)
    recipe = SpecialistConfig(tokens=budget, learning_rate=1e-3, curve_points=2, **settings)
    begin = template(model, recipe, 0, "base")
    trainees = [Trainee(task.name, task.rows, task.probes) for task in tasks]
    little = recipe.model_copy(update={"tokens": 200})
    fit_specialists(trainees[:1], loaded, begin, little, seed=0, max_tokens=256, tokens=128)
    level = used_bytes()
    sizing = size_waves(
        loaded,
        begin,
        recipe,
        [t.rows for t in trainees],
        [t.held_out for t in trainees],
        seed=0,
        max_tokens=256,
        tokens=tokens,
    )
    reset_peak()
    fit_specialists(trainees, loaded, begin, recipe, seed=0, max_tokens=256, tokens=tokens)
    used = peak_bytes() - level
    return {
        "size": size,
        "slots": slots,
        "tokens": tokens,
        **more,
        "predicted_mib": sizing.predicted(slots, tokens) / MIB,
        "used_mib": used / MIB,
        "ratio": sizing.predicted(slots, tokens) / used,
        "per_slot_mib": sizing.per_slot / MIB,
        "per_token_kib": sizing.per_token / 1024,
        "fixed_mib": sizing.fixed / MIB,
        "asked_mib": sizing.asked / MIB,
        "device": device,
    }


def in_4_bits(model: Any, device: str, dtype: torch.dtype) -> Any:
    """The model saved, and loaded as `quantize: 4bit` loads it."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        packed = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=quantization("4bit", dtype),
            device_map={"": device},
        )
    keep_packing(packed)
    return packed.eval().requires_grad_(False)


# ---- a shape too large to run here: Llama 2 7B

HIDDEN, INTERMEDIATE, LAYERS, VOCAB, RANK, WIDTH = 4096, 11008, 32, 32_000, 16, 256


def step_bytes(hidden: int, wide: int, layers: int, tokens: int) -> int:
    """Live bytes of a step of a small Llama in bfloat16, adapters in float32, lines of 256 tokens."""
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=WIDTH,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).to(torch.bfloat16).eval().requires_grad_(False)
    begin = template(model, SpecialistConfig(rank=RANK), 0, "base")
    row = Tokens(tuple(range(3, 3 + WIDTH)), WIDTH // 2)
    batch = lay_out([Part([row] * (tokens // WIDTH), 0)], 0, packs=True)
    weights = begin.initial.clone()[None]
    with bank(model, begin.layout, weights, train=True, by_line=True) as made:
        made.train()

        def step() -> None:
            group_losses(made, batch, fused=True).sum().backward()

        step()
        return live_bytes(torch.device("cpu"), step)


def per_token() -> Callable[[int, int, int], tuple[float, float]]:
    """(hidden, intermediate, layers) -> bytes per token and fixed bytes of a step.

    Every tensor of a step is tokens times hidden, intermediate, rank or a head's width, once or per
    layer, so bytes per token are linear in those products: fitted on nine small shapes.
    """
    shapes = [(h, i, n) for h in (128, 256) for i in (256, 512) for n in (1, 3)] + [(192, 384, 2)]
    found = [[step_bytes(*shape, t) for t in (512, 1024)] for shape in shapes]
    slopes = np.array([(high - low) / 512 for low, high in found])
    fixed = max(low - 512 * slope for (low, _), slope in zip(found, slopes, strict=True))

    def features(h: int, i: int, n: int) -> list[float]:
        return [1, h, i, n, n * h, n * i]

    design = np.array([features(*shape) for shape in shapes])
    factors, *_ = np.linalg.lstsq(design, slopes, rcond=None)
    assert np.abs(design @ factors / slopes - 1).max() < 0.02, "not linear"
    return lambda h, i, n: (float(np.dot(features(h, i, n), factors)), float(fixed))


def seven_b() -> list[dict[str, Any]]:
    """Rows of predictions for cards of 24 and 80 GB."""
    linear = LAYERS * (4 * HIDDEN**2 + 3 * HIDDEN * INTERMEDIATE)
    # 4 bits a weight, an 8-bit scale per 64, a float32 per 256 of those; embedding and head in bfloat16.
    base = linear * (0.5 + 1 / 64 + 4 / (64 * 256)) + 2 * 2 * VOCAB * HIDDEN
    unpacked = 2 * HIDDEN * INTERMEDIATE  # the layer at work, in bfloat16
    size = LAYERS * RANK * (4 * 2 * HIDDEN + 3 * (HIDDEN + INTERMEDIATE))
    rows = []
    measured = per_token()
    plain, fixed = measured(HIDDEN, INTERMEDIATE, LAYERS)
    # Derived: the input of every layer, in bfloat16, and all that one layer keeps.
    less = LAYERS * 2 * HIDDEN + measured(HIDDEN, INTERMEDIATE, 1)[0]
    for checkpointing, token in ((False, plain), (True, less)):
        for dtype, itemsize in (("float32", 4), ("bfloat16", 2)):
            slot = 4 * size * itemsize
            for card in (24, 80):
                usable = SHARE_GPU * (card * 10**9 - base) - unpacked - fixed
                slots = int((usable - 1024 * token) // slot)
                rows.append(
                    {
                        "card_gb": card,
                        "checkpointing": checkpointing,
                        "adapter_dtype": dtype,
                        "base_gib": base / 2**30,
                        "per_slot_mib": slot / MIB,
                        "per_token_mib": token / MIB,
                        "slots_at_1024_tokens": max(0, slots),
                        "tokens_with_8_slots": max(0, int((usable - 8 * slot) // token)),
                    }
                )
    return rows


# ---- the page


def flat(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each row: ours is the prediction in MiB, beside it what was used."""
    return [
        {
            "name": f"{row['size']}, {row['slots']} slots, {row['tokens']} tokens{recipe(row)}",
            "ours": row["predicted_mib"],
            "peer": row["used_mib"],
            "peer_name": "resident" if row["device"] == "cpu" else "allocated",
            "ratio": row["ratio"],
            "goal": "0.9 <= ratio <= 1.1",
        }
        for row in measured
    ]


def recipe(row: dict[str, Any]) -> str:
    """What differs from the default, each behind a comma."""
    names = ("quantize", "checkpointing", "adapter_dtype", "patience")
    return "".join(f", {name}: {row[name]}" for name in names if name in row)


def table(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = (row.get(name, "") for name in columns)
        shown = (f"{c:.2f}" if isinstance(c, float) and c < 10 else c for c in cells)
        texts = (f"{c:,.0f}" if isinstance(c, float) else str(c) for c in shown)
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def page(found: dict[str, Any]) -> str:
    columns = ["size", "slots", "tokens", "recipe", "predicted_mib", "used_mib", "ratio", "holes"]
    heads = ["model", "slots", "tokens", "recipe", "predicted MiB", "used MiB", "ratio", "holes"]
    rows = [{**row, "recipe": recipe(row)[2:]} for row in found["measured"]]
    seven = {
        "card_gb": "card, GB",
        "checkpointing": "checkpointing",
        "adapter_dtype": "adapters",
        "base_gib": "base GiB",
        "per_slot_mib": "MiB per slot",
        "per_token_mib": "MiB per token",
        "slots_at_1024_tokens": "slots at 1,024 tokens",
        "tokens_with_8_slots": "tokens with 8 slots",
    }
    return f"""# Memory of waves

Made by `python benchmarks/memory.py`. {found["versions"]}.

## Predicted and used

The peak of whole trainings (steps, held-out passes, the end), above the level after loading, resident
memory of a process of its own. small is base-6m with 32,768 tokens of vocabulary, medium a Llama of
25M parameters beside its embedding; rank 16 on all linear layers.

{table(rows, dict(zip(columns, heads, strict=True)))}

## Predictions for a 7B base in 4 bits: nothing of this was run

The shape of Llama 2 7B, rank 16 on all linear layers, lines of 256 tokens, {SHARE_GPU:.0%} of what the base
leaves. Bytes per token are linear in the widths and the number of layers; the factors come from nine
small shapes that were run. With checkpointing: the input of every layer and all of one.

{table(found["predicted"], seven)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rows, little training")
    parser.add_argument("--budget", type=int, default=2000, help="training tokens per task")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(*json.loads(given.case))))
        return
    budget = 400 if given.quick else given.budget
    cases = CASES_GPU if torch.cuda.is_available() else CASES
    measured = []
    for case in cases[:QUICK] if given.quick else cases:
        command = [sys.executable, __file__, "--case", json.dumps([*case, budget])]
        row, usual = (
            json.loads(
                subprocess.run(
                    command,
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **more},
                ).stdout.splitlines()[-1]
            )
            for more in (GIVEN_BACK, {})
        )
        row["holes"] = usual["used_mib"] / row["used_mib"]
        measured.append(row)
        print(
            f"{case[0]}, {case[1]} slots, {case[2]} tokens {case[3] or ''}: predicted "
            f"{row['predicted_mib']:.0f} MiB, used {row['used_mib']:.0f} MiB, {row['ratio']:.2f}, "
            f"holes {row['holes']:.2f}",
            flush=True,
        )
    found = {
        "measured": measured,
        "predicted": seven_b(),
        "versions": f"{platform.machine()}, {platform.system()}, torch {torch.__version__}, "
        f"{measured[0]['device']}, {torch.get_num_threads()} threads, {budget} training tokens a task",
    }
    for row in found["predicted"]:
        print("predicted, 7B in 4 bits:", row)
    if given.json:
        given.json.write_text(json.dumps(flat(measured), indent=1) + "\n")
    if given.page:
        given.page.write_text(page(found))


if __name__ == "__main__":
    main()
