"""A training beside one written by hand, cut into parts, killed and gone on with, and on several ranks."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import soft_capped_model
from training_cases import CPU, by_hand, data, fit, loaded, recipe, records, trainable

from mishran.errors import (
    ArtifactError,
    ConfigError,
    DependencyError,
    ModelError,
    TrainingError,
)
from mishran.train import trainer
from mishran.train.models import Loaded
from mishran.train.trainable import Trainable
from mishran.train.world import World, own_device, ranks_asked, world

Parameters = dict[str, torch.Tensor]


def parameters(model: Trainable) -> Parameters:
    return {name: p.detach().clone() for name, p in model.trained.items()}


def largest(a: Parameters, b: Parameters) -> float:
    """Difference."""
    assert list(a) == list(b)
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def same(a: Parameters, b: Parameters) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


# ---- against a loop by hand


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "full"},
        {"kind": "full", "schedule": "wsd", "final": 0.1, "betas": (0.8, 0.95), "epsilon": 1e-6},
        {"kind": "lora"},
        {"kind": "lora", "schedule": "linear", "micro_tokens": 9},
    ],
)
def test_the_loop_is_the_one_by_hand(tmp_path, family, changes):
    """Parameters, losses, norms and each task's losses, in double precision."""
    given, settings = data(), recipe(**changes)
    model = trainable(settings, loaded(family))
    wanted = by_hand(model, given, settings)
    before = parameters(model)
    done = fit(model, given, settings, tmp_path)
    own = dict(wanted.model.named_parameters())
    assert largest(parameters(model), {k: own[k].detach() for k in before}) < 1e-10
    assert largest(before, parameters(model)) > 1e-3
    lines = records(tmp_path)
    assert [x["loss"] for x in lines] == pytest.approx(wanted.losses, rel=1e-10)
    assert [x["gradient_norm"] for x in lines] == pytest.approx(wanted.norms, rel=1e-8)
    assert any(norm > settings.clip for norm in wanted.norms)
    for line, tasks in zip(lines, wanted.tasks, strict=True):
        assert line["tasks"] == pytest.approx(tasks, rel=1e-10)
    assert done.steps == len(wanted.losses) == 7 and sum(done.tokens) == given.plan.tokens
    assert [t.tokens for t in given.plan.tasks] == list(done.tokens)


@pytest.mark.parametrize("changes", [{"kind": "full"}, {"kind": "lora"}, {"packed": 16}])
@pytest.mark.parametrize("packs", [True, False])
def test_accumulation_is_a_large_batch(changes, packs):
    given = data()
    ends = []
    for micro in (1, 17, 4096):
        settings = recipe(micro_tokens=micro, **changes)
        model = trainable(settings)
        fit(model, given, settings, packs=packs)
        ends.append(parameters(model))
    assert largest(ends[0], ends[2]) < 1e-10 and largest(ends[1], ends[2]) < 1e-10


def test_layers_computed_twice_give_the_same():
    from mishran.train.checkpointing import checkpointed

    given, settings = data(rows=12), recipe(dropout=0.3)
    ends = []
    for wanted in (False, True):
        found = loaded()
        with checkpointed(found.model, wanted, "train.checkpointing"):
            model = trainable(settings, found)
            fit(model, given, settings)
        ends.append(parameters(model))
    assert largest(*ends) < 1e-12


def test_losses_since_the_last_record_are_pooled(tmp_path):
    """With log_every each task's loss is over all of its answer tokens since the last line."""
    given = data()
    fit(trainable(recipe()), given, recipe(micro_tokens=10), tmp_path / "each")
    fit(trainable(recipe()), given, recipe(micro_tokens=10, log_every=3), tmp_path / "third")
    assert [x["step"] for x in records(tmp_path / "third")] == [3, 6, 7]
    last = records(tmp_path / "third")[-1]
    assert last["tasks"] == pytest.approx(records(tmp_path / "each")[-1]["tasks"], rel=1e-12)
    assert set(records(tmp_path / "third")[0]["tasks"]) == {"t0", "t1", "t2"}


def test_validation_points_are_halvings_and_do_not_change_training(tmp_path):
    given = data()
    seen: list[bool] = []

    def validate(model: Trainable) -> dict[str, float]:
        seen.append(model.training)
        model.eval()
        return {"a": 1.0, "b": 2.0}

    settings = recipe(validations=4, dropout=0.2)
    watched, plain = trainable(settings), trainable(settings)
    done = fit(watched, given, settings, tmp_path, validate=validate)
    fit(plain, given, settings)
    assert same(parameters(watched), parameters(plain))
    total = given.plan.tokens
    assert [p.loss for p in done.points] == [1.5] * 4 and len(seen) == 4
    assert done.points[0].tokens == 0 and done.points[-1].tokens == total
    for point, wanted in zip(done.points[1:], (total / 4, total / 2, total), strict=True):
        assert wanted // 1 <= point.tokens < wanted + 6 * 12
    lines = [x for x in records(tmp_path) if x["kind"] == "valid"]
    assert [(x["step"], x["tokens"]) for x in lines] == [(p.step, p.tokens) for p in done.points]
    assert all(x["loss"] == 1.5 and x["tasks"] == {"a": 1.0, "b": 2.0} for x in lines)


# ---- killed, and gone on with


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "lora", "dropout": 0.3},
        {"kind": "full", "schedule": "wsd"},
        {"kind": "lora", "packed": 16, "batch_size": 3, "dropout": 0.1, "micro_tokens": 20},
        {"kind": "full", "dtype": torch.bfloat16},
        {"kind": "lora", "dtype": torch.bfloat16, "dropout": 0.2},
    ],
    ids=["lora", "full", "packed", "full bfloat16", "lora bfloat16"],
)
def test_going_on_is_bit_exact(tmp_path, changes):
    """Parameters, records (pooled over steps before and after the kill) and what is said at the end."""
    changes = dict(changes)
    dtype = changes.pop("dtype", torch.float32)
    given = data()
    settings = recipe(checkpoint_every=2, log_every=3, validations=3, **changes)
    checks = {
        "validate": lambda model: {
            "t0": sum(float(p.detach().sum()) for p in model.trained.values())
        }
    }

    def begun() -> Trainable:
        return trainable(settings, loaded(dtype=dtype))

    whole = begun()
    wanted = fit(whole, given, settings, tmp_path / "whole", **checks)
    folder = tmp_path / "killed"
    for steps in (3, 2):  # after steps 3 and 2 + 2: at a checkpoint and between two
        calls = 0

        def count(tokens: int, last: int = steps + 1) -> None:
            nonlocal calls
            calls += 1
            if calls > last:
                raise Killed

        with pytest.raises(Killed):
            fit(begun(), given, settings, folder, on_tokens=count, **checks)
    news: list[str] = []
    again = begun()
    found = fit(again, given, settings, folder, say=news.append, **checks)
    assert found.resumed == 4 and news[0].startswith("going on after step 4, ")
    assert same(parameters(again), parameters(whole))
    assert (found.steps, found.tokens, found.points) == (wanted.steps, wanted.tokens, wanted.points)
    assert records(folder) == records(tmp_path / "whole")
    assert all(p.dtype == torch.float32 for p in again.trained.values())


def test_a_training_that_is_done_has_nothing_to_do(tmp_path):
    given, settings = data(rows=12), recipe(checkpoint_every=2)
    first = trainable(settings)
    fit(first, given, settings, tmp_path)
    before = records(tmp_path)
    again = trainable(settings)
    done = fit(again, given, settings, tmp_path)
    assert done.resumed == done.steps == 2 and same(parameters(first), parameters(again))
    assert records(tmp_path) == before


def test_checkpoints_of_another_training_are_refused(tmp_path):
    given, settings = data(rows=12), recipe(checkpoint_every=1)
    fit(trainable(settings), given, settings, tmp_path)
    with pytest.raises(ArtifactError) as caught:
        fit(trainable(settings), given, settings, tmp_path, key="other")
    assert str(caught.value) == (
        f"{tmp_path / 'checkpoints'}: expected checkpoints of this training, found those of another one: "
        "its plan, its model or its settings differ; give another --out, or delete that folder to begin "
        "anew"
    )


def test_checkpoints_of_other_parameters_are_refused(tmp_path):
    given, settings = data(rows=12), recipe(checkpoint_every=1)
    fit(trainable(settings), given, settings, tmp_path)
    other = recipe(checkpoint_every=1, rank=3)
    with pytest.raises(
        ArtifactError, match="a checkpoint of the parameters that are trained, found others"
    ):
        fit(trainable(other), given, other, tmp_path)


def test_without_a_number_checkpoints_are_made_by_the_clock(tmp_path, monkeypatch):
    given, settings = data(), recipe()
    fit(trainable(settings), given, settings, tmp_path / "slow")
    assert not (tmp_path / "slow" / "checkpoints").exists()
    monkeypatch.setattr(trainer, "CHECKPOINT_S", 0.0)
    fit(trainable(settings), given, settings, tmp_path / "fast")
    kept = sorted(p.name for p in (tmp_path / "fast" / "checkpoints").iterdir())
    assert kept == ["step-00000006", "step-00000007"]


# ---- dropout


def test_masks_differ_by_step_and_are_the_same_again(tmp_path):
    """One row again and again, with a rate that moves nothing: losses differ by the mask alone."""
    given = data(sizes=(1,), rows=5)
    settings = recipe(dropout=0.5, learning_rate=1e-30, batch_size=1, schedule="constant")

    def losses(name: str, seed: int) -> list[float]:
        fit(trainable(settings), given, settings, tmp_path / name, seed=seed)
        return [x["loss"] for x in records(tmp_path / name)]

    first = losses("first", 0)
    assert len(set(first)) == 5
    assert losses("again", 0) == first
    assert not set(losses("other", 1)) & set(first)


def test_random_state_of_others_is_left_alone():
    given, settings = data(rows=12), recipe(dropout=0.5)
    model = trainable(settings)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fit(model, given, settings)
    assert torch.equal(torch.rand(3), wanted)


def test_nothing_of_the_base_is_dropped_out():
    """GPT-2's own dropout is 0.1, which training mode would switch on."""
    model = Trainable(loaded("gpt2", torch.float32), recipe(dropout=0.5), 0, "base").train()
    on = {
        n for n, m in model.model.named_modules() if isinstance(m, torch.nn.Dropout) and m.training
    }
    assert on and all("lora_dropout" in name for name in on)
    assert not any(m.training for m in model.eval().modules())


# ---- what can be trained


def test_bfloat16_is_computed_in_and_never_trained_in():
    """Both kinds keep what changes in single precision; a whole model is computed in bfloat16."""
    given = data(rows=12)
    seen: dict[str, torch.dtype] = {}
    for kind in ("full", "lora"):
        settings = recipe(kind=kind)
        model = trainable(settings, loaded(dtype=torch.bfloat16))
        layer = next(m for m in model.model.modules() if isinstance(m, torch.nn.Linear))
        layer.register_forward_hook(lambda m, a, out, kind=kind: seen.update({kind: out.dtype}))
        fit(model, given, settings)
        assert {p.dtype for p in model.trained.values()} == {torch.float32}
    assert seen == {"full": torch.bfloat16, "lora": torch.bfloat16}


def test_a_finished_model_is_in_the_type_that_it_came_in():
    for kind, wanted in (("full", torch.bfloat16), ("lora", torch.float32)):
        model = trainable(recipe(kind=kind), loaded(dtype=torch.bfloat16))
        model.finish()
        assert {p.dtype for p in model.trained.values()} == {wanted} and not model.training


def test_float16_is_refused_for_all_parameters():
    with pytest.raises(
        TrainingError, match=r"^dtype: expected bfloat16 or float32 .* found float16"
    ):
        trainable(recipe(kind="full"), loaded(dtype=torch.float16))


def test_quantised_models_are_refused_for_all_parameters():
    found = loaded(dtype=torch.float32)
    head = found.model.lm_head
    head.weight = torch.nn.Parameter(head.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(
        ModelError, match=r"^train\.kind: .*found lm_head\.weight in int8; use kind: lora"
    ):
        trainable(recipe(kind="full"), found)


def test_layers_that_are_not_there_are_refused():
    with pytest.raises(
        ModelError, match=r"train\.targets that name linear layers of the model, found"
    ):
        trainable(recipe(targets=("nope",)))


def test_a_model_without_layers_is_not_compiled():
    plain = torch.nn.Module()
    plain.config = loaded().model.config
    found = Loaded(plain, None, CPU, torch.float32, 0, ())
    with pytest.raises(ModelError) as caught:
        Trainable(found, recipe(kind="full"), 0, "base").compile_layers()
    assert str(caught.value) == (
        "train.compile: expected a model whose decoder layers are known, found model type 'llama', without "
        "GradientCheckpointingLayer; remove compile"
    )


def test_without_a_compiler_nothing_is_compiled(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DependencyError) as caught:
        trainable(recipe()).compile_layers()
    assert str(caught.value) == (
        "train.compile: expected a C++ compiler (no-such-compiler), as torch.compile needs on a CPU, found "
        "none; install one, name it in CXX, or remove compile"
    )


def test_what_comes_after_the_head_is_trained_through():
    """A soft cap: the fused way from states to losses does not apply. Gemma's norms are in float32."""
    given, settings = data(rows=12), recipe(kind="lora")
    found = Loaded(soft_capped_model(), None, CPU, torch.float64, 0, ())
    model = trainable(settings, found)
    wanted = by_hand(model, given, settings)
    fit(model, given, settings)
    own = dict(wanted.model.named_parameters())
    ours = parameters(model)
    assert largest(ours, {k: own[k].detach() for k in ours}) < 1e-4


def test_a_loss_that_is_not_finite_names_its_step_and_leaves_the_checkpoints(tmp_path):
    given = data()
    settings = recipe(kind="full", checkpoint_every=1, learning_rate=1e30)
    with pytest.raises(TrainingError) as caught:
        fit(trainable(settings, loaded(dtype=torch.float32)), given, settings, tmp_path)
    assert "lower train.learning_rate" in str(caught.value)
    assert str(caught.value).startswith("step ")


# ---- ranks: real processes and gloo


def _rank(rank: int, ranks: int, port: int, folder: Path, changes: dict[str, Any]) -> None:
    own = {"RANK": rank, "WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in own.items()})
    torch.set_num_threads(1)
    settings = recipe(**changes)
    model = trainable(settings)
    with world(CPU) as here:
        fit(model, data(), settings, folder, world=here)
    torch.save(parameters(model), folder / f"{rank}.pt")


def on_ranks(ranks: int, folder: Path, **changes: Any) -> list[Parameters]:
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=_rank, args=(r, ranks, port, folder, changes)) for r in range(ranks)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
        assert process.exitcode == 0
    return [torch.load(folder / f"{r}.pt", weights_only=True) for r in range(ranks)]


@pytest.mark.parametrize(
    ("ranks", "changes"),
    [
        (2, {"kind": "full", "checkpoint_every": 2}),
        (3, {"packed": 16, "batch_size": 2, "log_every": 2}),  # fewer sequences than ranks
    ],
)
def test_ranks_learn_what_one_process_learns(tmp_path, ranks, changes):
    found = on_ranks(ranks, tmp_path / "ranks", **changes)
    settings = recipe(**changes)
    alone = trainable(settings)
    fit(alone, data(), settings, tmp_path / "alone")
    assert all(same(one, found[0]) for one in found)
    assert largest(found[0], parameters(alone)) < 1e-10
    lines, wanted = records(tmp_path / "ranks"), records(tmp_path / "alone")
    assert len(lines) == len(wanted)
    for a, b in zip(lines, wanted, strict=True):
        assert {k: a[k] for k in ("step", "tokens")} == {k: b[k] for k in ("step", "tokens")}
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-10)
        assert a["tasks"] == pytest.approx(b["tasks"], rel=1e-10)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [({}, (0, 1)), ({"RANK": "1", "WORLD_SIZE": "2"}, (1, 2)), ({"RANK": "0"}, (0, 1))],
)
def test_ranks_are_read_from_the_environment(monkeypatch, found, wanted):
    environment(monkeypatch, found)
    assert ranks_asked() == wanted


@pytest.mark.parametrize(
    "found", [{"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "1"}, {"RANK": "x"}, {"WORLD_SIZE": "0"}]
)
def test_ranks_that_contradict_each_other(monkeypatch, found):
    environment(monkeypatch, found)
    with pytest.raises(ConfigError) as caught:
        ranks_asked()
    assert str(caught.value).startswith("environment: expected RANK from 0 to WORLD_SIZE - 1")
    assert f"RANK={found.get('RANK')} and WORLD_SIZE={found.get('WORLD_SIZE')}" in str(caught.value)


def test_ranks_without_an_address(monkeypatch):
    environment(monkeypatch, {"RANK": "0", "WORLD_SIZE": "2"})
    with pytest.raises(ConfigError) as caught, world(CPU):
        pass
    assert "expected 2 processes that find each other, as torchrun arranges" in str(caught.value)
    assert "MASTER_ADDR" in str(caught.value)


def test_alone_nothing_is_exchanged(monkeypatch):
    environment(monkeypatch, {})
    with world(CPU) as here:
        assert here == World() and here.leads
        tensor = torch.ones(2)
        here.add([tensor])
        here.wait()
        assert tensor.tolist() == [1.0, 1.0]
    assert own_device("auto") == "auto" and own_device("cpu") == "cpu"


def environment(monkeypatch: pytest.MonkeyPatch, found: dict[str, str]) -> None:
    names: Sequence[str] = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
