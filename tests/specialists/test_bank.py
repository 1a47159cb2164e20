"""The gate: N specialists at once are what N are one by one, in every family of models.

Two oracles: the bank with one slot, and PEFT's own module in a plain loop of PyTorch.
"""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model

from mishran.affinity import pairwise_jsd
from mishran.config import SpecialistConfig
from mishran.errors import MishranError, ModelError, TrainingError
from mishran.specialists.adapters import Template, new_adapter, read_adapter, save_adapter, template
from mishran.specialists.bank import SlotUpdates, bank
from mishran.specialists.fit import Trained, Trainee, fit_specialists
from mishran.specialists.panel import panel
from mishran.specialists.validate import Tokens
from mishran.train.batch import Part, collate, pack
from mishran.train.loop import Step, train, warmup_linear
from mishran.train.models import Loaded, load_model
from mishran.train.order import training_batches

CPU = torch.device("cpu")
RECIPE = SpecialistConfig(
    epochs=10, rank=4, batch_size=8, learning_rate=1e-2, weight_decay=0.01, curve_points=2
)
STEPS = 50


def loaded(family: str = "llama", dtype: torch.dtype = torch.float64) -> Loaded:
    model = tiny_model(family).to(dtype)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # the frozen base drops nothing out in the bank; PEFT's would
    return Loaded(model, None, CPU, dtype, 0, ())


@pytest.fixture(scope="module")
def real_base(models_root: Path) -> Loaded:
    return load_model("base-6m", models_root, device="cpu", dtype="float32")


def trainee(number: int, count: int = 40, longest: int | None = None) -> Trainee:
    rng = np.random.default_rng(number)

    def rows(n: int) -> list[Tokens]:
        sizes = rng.integers(4, longest or 8 + 8 * number, n)
        return [Tokens(tuple(rng.integers(3, VOCAB, int(s)).tolist()), 2) for s in sizes]

    return Trainee(f"t{number}", rows(count), rows(4))


def fit(
    base: Loaded, trainees: list[Trainee], recipe: SpecialistConfig = RECIPE, tokens: int = 200
) -> tuple[Template, list[Trained | MishranError]]:
    begin = template(base.model, recipe, 0, "base")
    found = fit_specialists(trainees, base, begin, recipe, seed=0, max_tokens=64, tokens=tokens)
    return begin, found


def peft(base: Loaded, task: Trainee, recipe: SpecialistConfig) -> tuple[torch.Tensor, list[float]]:
    """One adapter in a loop that owes nothing to the bank; its parameters and losses."""
    plan = training_batches(
        [len(r.input_ids) for r in task.rows], recipe.batch_size, 0, epochs=recipe.epochs
    )
    losses = []
    with new_adapter(base.model, recipe, 0, "base") as wrapped:
        wrapped.to(base.dtype)
        wrapped.train()
        parameters = [p for p in wrapped.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, warmup_linear(len(plan), recipe.warmup)
        )
        for step in plan:
            batch = collate([task.rows[i] for i in step], 0)
            labels = batch.input_ids.masked_fill(~batch.answer_mask, -100)[:, 1:]
            logits = wrapped(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
            ).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        vector = torch.cat([p.detach().flatten() for p in parameters])
    return vector, losses


@pytest.mark.parametrize(
    ("family", "dtype", "bar"),
    [(family, torch.float64, 1e-9) for family in FAMILIES]
    + [(family, torch.float32, 1e-4) for family in ("llama", "gpt2")],
)
def test_many_at_once_are_what_one_by_one_and_peft_give(family, dtype, bar) -> None:
    """50 steps; in single precision at the default learning rate of a model 256 wide."""
    rate = SpecialistConfig().peak_learning_rate(256)
    recipe = RECIPE if dtype == torch.float64 else RECIPE.model_copy(update={"learning_rate": rate})
    base, tasks = loaded(family, dtype), [trainee(0, 24), trainee(1, 40)]
    _, (first, second) = fit(base, tasks, recipe)
    assert (first.evidence.steps, second.evidence.steps) == (30, STEPS)
    _, (alone,) = fit(base, tasks[1:], recipe, tokens=10_000)
    for vector, want in (
        (second.vector, alone.vector),
        (second.vector, peft(base, tasks[1], recipe)[0]),
    ):
        assert (vector - want).abs().max() <= bar


@pytest.mark.data
def test_on_a_real_model_at_its_default_learning_rate_too(real_base) -> None:
    """50 steps of 4 rows in single precision: what was learned, and held-out losses.

    All but one number in 10,000, and all by norm: AdamW gives a number whose gradient is rounding a step of
    full size. From 50 steps in double precision PEFT's plain loop is 1.3e-4 away by norm, the bank 1.5e-4.
    """
    recipe = SpecialistConfig(epochs=5, batch_size=4, curve_points=2)
    recipe = recipe.model_copy(update={"learning_rate": recipe.peak_learning_rate(256)})
    tasks = [trainee(0), trainee(1)]
    begin, together = fit(real_base, tasks, recipe)
    for task, found in zip(tasks, together, strict=True):
        _, (alone,) = fit(real_base, [task], recipe, tokens=10_000)
        assert found.evidence.steps == STEPS
        off = (found.vector - alone.vector).abs()
        assert (off > 1e-4).sum() <= 1e-4 * len(off)
        assert off.norm() <= 1e-3 * (found.vector - begin.initial).norm()
        assert found.evidence.specialist == pytest.approx(alone.evidence.specialist, abs=1e-4)


@pytest.mark.parametrize("tokens", [1, 60, 10_000])
def test_how_steps_are_cut_into_batches_changes_nothing(tokens: int) -> None:
    base, tasks = loaded(), [trainee(i) for i in range(3)]
    recipe = RECIPE.model_copy(update={"dropout": 0.2, "epochs": 1.0})
    _, want = fit(base, tasks, recipe)
    _, found = fit(base, tasks, recipe, tokens=tokens)
    for a, b in zip(found, want, strict=True):
        assert (a.vector - b.vector).abs().max() < 1e-9
        assert a.evidence.curve[-1].nats == pytest.approx(b.evidence.curve[-1].nats, abs=1e-9)
        assert [p.tokens for p in a.evidence.curve] == [p.tokens for p in b.evidence.curve]


def test_dropout_is_each_task_s_own_and_works() -> None:
    base, tasks = loaded(), [trainee(i) for i in range(3)]
    recipe = RECIPE.model_copy(update={"dropout": 0.3, "epochs": 2.0})
    _, together = fit(base, tasks, recipe)
    _, without = fit(base, tasks, recipe.model_copy(update={"dropout": 0.0}))
    for task, found, plain in zip(tasks, together, without, strict=True):
        _, (alone,) = fit(base, [task], recipe)
        assert (found.vector - alone.vector).abs().max() < 1e-9
        assert (found.vector - plain.vector).abs().max() > 1e-3


def test_dropout_keeps_what_it_should_and_scales_the_rest() -> None:
    base = loaded()
    begin = template(base.model, RECIPE.model_copy(update={"dropout": 0.25}), 0, "base")
    rows = trainee(3, 60).rows
    with bank(
        base.model, begin.layout, begin.initial.double()[None], train=True, dropout=0.25
    ) as m:
        m.train()
        batch = pack([Part(rows)], 0)
        m.route(batch)
        layers = [x for x in m.modules() if type(x).__name__ == "StackedLora"]
        (group,) = batch.groups
        masks = [layer.keep(group, torch.float64, CPU) for layer in layers[:2]]
        kept = masks[0][(batch.owners >= 0).flatten()]
        assert sorted(kept.unique().tolist()) == [0.0, pytest.approx(4 / 3)]
        share = float((kept > 0).double().mean())
        assert share == pytest.approx(0.75, abs=5 * math.sqrt(0.19 / kept.numel()))
        assert not masks[0].equal(masks[1][:, : masks[0].shape[1]]), "layers differ"
        m.routes.steps[0] = 1
        assert not layers[0].keep(group, torch.float64, CPU).equal(masks[0]), "steps differ"
        m.eval()
        assert layers[0].keep(group, torch.float64, CPU) is None


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_by_line_and_by_slice_are_the_same_numbers(dropout: float) -> None:
    base, tasks = loaded(), [trainee(i) for i in range(4)]
    begin = template(base.model, RECIPE, 0, "base")
    results = []
    for by_line in (False, True):
        weights = begin.initial.double().repeat(4, 1)
        weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1))
        with bank(
            base.model, begin.layout, weights, train=True, by_line=by_line, dropout=dropout
        ) as model:
            updates = SlotUpdates(
                model, [lambda i: 1.0] * 4, learning_rate=0.01, weight_decay=0.0, clip=1.0
            )
            # Slots out of order, one missing, another in two parts, a third twice in a batch.
            parts = [
                Part(tasks[2].rows[:5], 2, False, 20),
                Part(tasks[0].rows[:3], 0, False, 20),
                Part(tasks[3].rows[:9], 3),
                Part(tasks[2].rows[5:7], 2, True, 20),
            ]
            rest = [Part(tasks[0].rows[3:5], 0, True, 20)]
            steps: list[Step] = []
            train(model, [pack(parts, 0), pack(rest, 0)], updates, steps.append)
        results.append((weights.clone(), [s.loss for s in steps]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-12)
    assert len(results[0][1]) == 3


@pytest.mark.parametrize("by_line", [False, True])
def test_a_slot_that_breaks_breaks_alone(by_line: bool) -> None:
    """NaN in the parameters of one task, in batches that others share."""
    base, tasks = loaded(dtype=torch.float32), [trainee(i) for i in range(3)]
    begin = template(base.model, RECIPE, 0, "base")
    weights = begin.initial.repeat(3, 1)
    want = weights.clone()
    for broken, rows in ((None, want), (1, weights)):
        if broken is not None:
            rows[broken, 5] = math.nan
        with bank(base.model, begin.layout, rows, train=True, by_line=by_line) as model:
            updates = SlotUpdates(
                model, [lambda i: 1.0] * 3, learning_rate=0.01, weight_decay=0.0, clip=1.0
            )
            parts = [Part(t.rows[:8], slot) for slot, t in enumerate(tasks)]
            steps: list[Step] = []
            train(model, [pack(parts, 0)] * 3, updates, steps.append)
        slots = [s.slot for s in steps]
        if broken is None:
            assert slots == [0, 1, 2] * 3 and not updates.failed
        else:
            assert slots == [0, 2] * 3
            assert "step 1: expected a finite loss and gradient" in str(updates.failed[1])
    assert weights[[0, 2]].equal(want[[0, 2]]), "bit for bit"


def test_a_task_that_fails_is_named_and_the_others_are_what_they_are(monkeypatch) -> None:
    base, tasks = loaded(), [trainee(i) for i in range(3)]
    recipe = RECIPE.model_copy(update={"epochs": 2.0})
    _, want = fit(base, tasks, recipe)
    original = SlotUpdates.__call__

    def breaks(self, batch, losses):
        hit = [g.slot == 1 and self._routes.steps.get(1, 0) == 6 for g in batch.groups]
        return original(
            self, batch, [math.nan if h else x for h, x in zip(hit, losses, strict=True)]
        )

    monkeypatch.setattr(SlotUpdates, "__call__", breaks)
    _, found = fit(base, tasks, recipe)
    assert isinstance(found[1], TrainingError)
    assert str(found[1]).startswith("task 't1', step 7 of 10: expected a finite loss")
    for i in (0, 2):
        assert (found[i].vector - want[i].vector).abs().max() < 1e-9


def test_clipping_is_by_each_task_s_own_norm() -> None:
    """With a clip that binds for one task and not for the other, as if each were alone."""
    base, tasks = loaded(), [trainee(0), trainee(2)]
    recipe = RECIPE.model_copy(update={"clip": 0.02, "epochs": 2.0})
    _, together = fit(base, tasks, recipe)
    _, free = fit(base, tasks, recipe.model_copy(update={"clip": 1e9}))
    for task, found, other in zip(tasks, together, free, strict=True):
        want, _ = peft(base, task, recipe)
        assert (found.vector - want).abs().max() < 1e-9
        assert (found.vector - other.vector).abs().max() > 1e-6


def test_early_stopping_is_each_task_s_own_and_keeps_the_best_weights() -> None:
    """One task is learned by heart, so that its held-out loss rises; another goes on falling."""
    rng = np.random.default_rng(0)

    def rows(n: int, copies: bool) -> list[Tokens]:
        made = []
        for _ in range(n):
            a, b = (int(i) for i in rng.integers(10, 18, 2))
            made.append(Tokens((1, a, b, b if copies else int(rng.integers(10, 90)), 2), 3))
        return made

    tasks = [
        Trainee("copies", rows(200, True), rows(32, True)),
        Trainee("random", rows(12, False), rows(32, False)),
    ]
    recipe = SpecialistConfig(
        tokens=4000, rank=4, batch_size=8, learning_rate=2e-2, curve_points=7, patience=1
    )
    base = loaded(dtype=torch.float32)
    _, (copies, random) = fit(base, tasks, recipe)
    assert copies.evidence.kept == copies.evidence.steps == copies.evidence.curve[-1].step
    assert random.evidence.kept < random.evidence.steps < copies.evidence.steps
    assert random.evidence.train_tokens < 4000 <= copies.evidence.train_tokens
    curve = {p.step: p.nats for p in random.evidence.curve}
    assert random.evidence.specialist == pytest.approx(curve[random.evidence.kept])
    assert random.evidence.gain.n == 16, "the other half of the held-out rows chose"
    _, (_, patient) = fit(base, tasks, recipe.model_copy(update={"patience": None}))
    assert patient.evidence.kept == patient.evidence.steps > random.evidence.steps
    assert patient.evidence.gain.n == 32


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_specialists_load_in_peft_with_the_same_logits(family, tmp_path) -> None:
    from peft import PeftModel

    base, tasks = loaded(family, torch.float32), [trainee(i) for i in range(2)]
    begin, found = fit(base, tasks, RECIPE.model_copy(update={"epochs": 2.0}))
    folders = {}
    for task, trained in zip(tasks, found, strict=True):
        folders[task.task] = tmp_path / task.task
        save_adapter(begin, trained.vector, folders[task.task])
    rows = trainee(3, 9, 20).rows
    batch = pack([Part(rows)], 0)
    with torch.inference_mode(), closing(panel(base.model, folders)) as asked:
        _, *ours = asked.logits(asked.states([batch]))
    for mine, folder in zip(ours, folders.values(), strict=True):
        theirs = PeftModel.from_pretrained(loaded(family, torch.float32).model, str(folder)).eval()
        with torch.inference_mode():
            want = [theirs(input_ids=torch.tensor([row.input_ids])).logits[0, 1:-1] for row in rows]
        assert (mine - torch.cat(want)).abs().max() <= 1e-5 * float(mine.abs().max())


def test_affinities_of_both_ways_differ_by_less_than_those_of_two_seeds(tmp_path) -> None:
    base, tasks = loaded(dtype=torch.float32), [trainee(i, 16) for i in range(4)]
    probes = pack([Part(trainee(9, 12, 20).rows)], 0)

    def affinity(name: str, found: list[Trained], begin: Template) -> np.ndarray:
        folders = {}
        for task, trained in zip(tasks, found, strict=True):
            folders[task.task] = tmp_path / name / task.task
            save_adapter(begin, trained.vector, folders[task.task])
        with torch.inference_mode(), closing(panel(base.model, folders)) as asked:
            logits = asked.logits(asked.states([probes]))[1:]
            logs = torch.log_softmax(logits.double(), -1)
        return pairwise_jsd(logs.numpy()).mean(axis=0)

    begin, together = fit(base, tasks)
    alone = [fit(base, [task])[1][0] for task in tasks]
    other = template(base.model, RECIPE, 1, "base")
    seeded = fit_specialists(tasks, base, other, RECIPE, seed=1, max_tokens=64)
    want = affinity("together", together, begin)
    apart = np.abs(affinity("alone", alone, begin) - want).max()
    noise = np.abs(affinity("seeded", seeded, other) - want).max()
    assert apart < 1e-4 < noise


def test_the_base_is_given_back_bit_for_bit_and_evaluates() -> None:
    base = loaded(dtype=torch.float32)
    before = {k: v.clone() for k, v in base.model.state_dict().items()}
    names = [name for name, _ in base.model.named_modules()]
    fit(base, [trainee(0)], RECIPE.model_copy(update={"epochs": 1.0}))
    assert [name for name, _ in base.model.named_modules()] == names
    assert not base.model.training
    after = base.model.state_dict()
    assert before.keys() == after.keys() and all(before[k].equal(after[k]) for k in before)


def test_layers_that_are_not_linear_are_refused() -> None:
    recipe = RECIPE.model_copy(update={"targets": ("q_proj", "embed_tokens")})
    with pytest.raises(
        ModelError, match=r"name linear layers.*found model\.embed_tokens, a Embedd"
    ):
        template(loaded().model, recipe, 0, "base")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("fast", [False, True])
def test_the_output_head_is_refused(family: str, fast: bool) -> None:
    """Of its own, and one with the embedding."""
    own = "q_proj" if family == "llama" else "c_attn"
    recipe = RECIPE.model_copy(update={"targets": (own, "lm_head"), "fast": fast})
    with pytest.raises(ModelError) as caught:
        template(loaded(family).model, recipe, 0, "base")
    assert str(caught.value) == (
        "specialists.targets: expected layers below the output head, which all specialists share, found "
        "lm_head; use all-linear, or leave it out"
    )


def test_an_adapter_of_other_widths_is_refused(tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    base = loaded(dtype=torch.float32)
    begin = template(base.model, RECIPE, 0, "base")
    save_adapter(begin, begin.initial, tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    save_file({**tensors, name: tensors[name][:, :5].contiguous()}, path)
    with pytest.raises(ModelError, match=r"that fits the model, found matrices \(4, 5\) and"):
        read_adapter(base.model, tmp_path, "task 'a'")


def test_updates_need_a_bank_that_is_trained() -> None:
    base = loaded()
    begin = template(base.model, RECIPE, 0, "base")
    with (
        bank(base.model, begin.layout, begin.initial[None], train=False) as model,
        pytest.raises(ValueError, match="made to be trained"),
    ):
        SlotUpdates(model, [], learning_rate=0.1, weight_decay=0.0, clip=1.0)
