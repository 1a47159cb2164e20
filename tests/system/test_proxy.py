"""Merged specialists of a run against trainings: the tiny project, real workers, one study."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from tiny_project import TASKS, digests, make_project, settings

from mishran.errors import ArtifactError, ConfigError, DataError
from mishran.evaluate.load import load_subject
from mishran.evaluate.losses import losses
from mishran.evaluate.results import TRAINED, UNTRAINED
from mishran.methods import Evidence
from mishran.methods.curves import Expected
from mishran.methods.decay import decays
from mishran.methods.random import Random
from mishran.pipeline.compare_train import watched
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import read_run
from mishran.pipeline.proxy import Proxy, open_proxy
from mishran.pipeline.proxy_study import (
    CURVES,
    KL,
    PRIMARY,
    Asked,
    free_predictions,
    random_mixtures,
    scales_for,
    study,
    trainings,
)
from mishran.run import Run

NAMES = list(TASKS)
ASKED = Asked(tokens=300, seeds=(0, 1), examples=6)
MIXTURES = random_mixtures(NAMES, 4, seed=0)
KEPT = [0, 1, 3]  # the training of the other one fails
AGAIN = "training again, seed 1"


@pytest.fixture(scope="module")
def run(fitted_once, tmp_path_factory) -> Path:
    """A run of this module's own."""
    folder = tmp_path_factory.mktemp("proxy") / "p"
    shutil.copytree(fitted_once.parent, folder)
    return folder / "runs" / "mix"


@pytest.fixture(scope="module")
def proxy(run) -> Proxy:
    return open_proxy(run, examples=6)


@pytest.fixture(scope="module")
def full_run(tmp_path_factory, tiny_model, fork_server) -> Path:
    recipe = {k: v for k, v in settings()["specialists"].items() if k != "rank"} | {"kind": "full"}
    mix = make_project(tmp_path_factory.mktemp("full") / "p", tiny_model, specialists=recipe)
    said = fork_server.run(["fit", "mix.yaml", "--quiet"], mix.parent)
    assert said.code == 0, said
    return mix.parent / "runs" / "mix"


def alone(proxy: Proxy, folder: Path, base: Path | None = None) -> dict[str, float]:
    """What a model on disk loses on the same rows, as `mishran evaluate` loads it."""
    subject = load_subject(folder, base=base, device="cpu", dtype="float32").loaded
    found = {name: losses(replace(subject, packs=False), one) for name, one in proxy.held.items()}
    return {name: float((one.nats / one.tokens).mean()) for name, one in found.items()}


def test_at_a_vertex_it_is_the_specialist_and_at_zero_the_base(run, proxy):
    base = run.parent.parent / "model"
    assert list(proxy.names) == NAMES and {*proxy.held} == {*NAMES, "exam"}
    assert proxy.losses([0.0] * 4) == pytest.approx(alone(proxy, base), rel=1e-5)
    for k, name in enumerate(NAMES):
        found = proxy.losses(np.eye(4)[k])
        assert found == pytest.approx(alone(proxy, run / "specialists" / name, base), rel=1e-5)
    assert proxy.losses(np.eye(4)[0], scale=0.5) == proxy.losses(0.5 * np.eye(4)[0])


def test_whole_models_too(full_run, tmp_path):
    proxy = open_proxy(full_run, examples=6)
    base = full_run.parent.parent / "model"
    for k, name in enumerate(NAMES[:2]):
        shutil.copytree(base, tmp_path / name)
        shutil.copy(full_run / "specialists" / name / "model.safetensors", tmp_path / name)
        found = proxy.losses(np.eye(4)[k])
        assert found == pytest.approx(alone(proxy, tmp_path / name), rel=1e-5)


def test_the_rows_are_not_those_that_trained_models_are_measured_on(run, proxy):
    from mishran.pipeline.ingredients import gather, settings_of
    from mishran.pipeline.measured import fresh_sets
    from mishran.pipeline.progress import Silent

    fresh, read = fresh_sets(run, gather(settings_of(run), Silent()), 4)
    for name in set(proxy.held) - set(read):
        assert not set(proxy.held[name].ids[:4]) & set(fresh[name].ids), name
    assert set(NAMES) - set(read)


def test_a_task_whose_only_unread_examples_are_too_long_is_measured_on_those_read(run, tmp_path):
    """Said, and not refused; of a smaller context the same."""
    from mishran.errors import DataError
    from mishran.pipeline.ingredients import gather, settings_of
    from mishran.pipeline.measured import fresh_sets
    from mishran.pipeline.progress import Silent

    shutil.copytree(run.parent.parent, tmp_path / "p")
    there = tmp_path / "p" / "runs" / "mix"
    found = gather(settings_of(there), Silent())
    (task,) = [task for task in found.tasks if task.name == NAMES[0]]
    few = task.valid[:3]
    long = [replace(e, id=f"long {i}", prompt="many words " * 200) for i, e in enumerate(few)]
    rest = [other for other in found.tasks if other is not task]
    for valid, why in (((*few, *long), ""), (tuple(long), "examples of at most")):
        mine = replace(task, valid=valid, test=())
        changed = replace(found, tasks=(mine, *rest))
        if why:
            with pytest.raises(DataError, match=why):
                fresh_sets(there, changed, 4)
            continue
        fresh, read = fresh_sets(there, changed, 4)
        assert task.name in read and set(fresh[task.name].ids) == {e.id for e in few}
        assert fresh[task.name].too_long == 3
    shortest = min(len(row.input_ids) for one in fresh.values() for row in one.rows)
    with pytest.raises(DataError, match=f"at most {shortest - 1} tokens"):
        fresh_sets(there, found, 4, context=shortest - 1)


def test_another_base_is_refused(run, tmp_path):
    shutil.copytree(run.parent.parent, tmp_path / "p")
    weights = tmp_path / "p" / "model" / "model.safetensors"
    save_file({k: v + 1e-3 for k, v in load_file(weights).items()}, weights, {"format": "pt"})
    with pytest.raises(ArtifactError) as caught:
        open_proxy(tmp_path / "p" / "runs" / "mix", examples=4)
    assert (
        "the base model that the specialist of 'capitals' was trained on, found another one"
        in str(caught.value)
    )


def test_a_damaged_specialist_is_refused(run, tmp_path):
    shutil.copytree(run.parent.parent, tmp_path / "p")
    there = tmp_path / "p" / "runs" / "mix"
    (there / "specialists" / "sums" / "adapter_config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"sums/adapter_config\.json as it was written"):
        open_proxy(there, examples=4)


def spoil(run: Path, mixture: int) -> str:
    """Put something else where a mixture's training would go; the folder's name."""
    recipe = watched(read_run(Run(run)).train)
    jobs = trainings(Run(run / "proxy"), NAMES, MIXTURES, ASKED, recipe)
    folder = Path(jobs[mixture, 0]["out"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    return folder.name


@pytest.fixture(scope="module")
def studied(run):
    spoil(run, 2)
    return study(run, MIXTURES, ASKED, workers=1)


def test_a_study_holds_what_was_measured(run, proxy, studied):
    """Losses of trainings are those in their folders, scores those of the merged models themselves."""
    assert studied.names == tuple(NAMES)
    (failed,) = studied.failed
    assert failed.startswith("mixture 2, seed 0: ")
    assert "a folder with other things in it (notes.txt)" in failed
    np.testing.assert_array_equal(studied.weights, MIXTURES[KEPT])
    said = [json.loads(p.read_text()) for p in (run / "proxy/runs").glob("*/training.json")]
    for i, mixture in enumerate(MIXTURES[KEPT]):
        own = {task: values[i] for task, values in studied.trained.tasks.items()}
        (found,) = [one for one in said if one["losses"] == pytest.approx(own, rel=1e-12)]
        rows = np.array([found["tasks"][name]["rows"] for name in NAMES])
        np.testing.assert_allclose(rows / rows.sum(), mixture, atol=1 / rows.sum())
        assert found["seed"] == 0 and found["tokens"] == pytest.approx(300, rel=0.1)
        for name, c in studied.scales.items():
            merged = {t: values[i] for t, values in studied.predicted[name].tasks.items()}
            assert merged == pytest.approx(proxy.losses(mixture, c), rel=1e-12)
    again = studied.predicted[AGAIN]
    seeded = [one["losses"]["sums"] for one in said if one["seed"] == 1]
    assert {*again.tasks["sums"]} < {*seeded} and len(seeded) == 4, "mixture 2 as well, for nothing"
    for told in (studied.trained, studied.predicted[PRIMARY], again):
        mean = np.mean([told.tasks[name] for name in NAMES], axis=0)
        np.testing.assert_allclose(told.groups[TRAINED], mean)
        np.testing.assert_array_equal(told.groups[UNTRAINED], told.tasks["exam"])
    assert {PRIMARY, CURVES, KL} < {*studied.predicted} and len(studied.scales) == 4
    assert len(studied.predicted) == 7
    data = json.loads(json.dumps(studied.to_dict(), allow_nan=False))
    assert data["predicted"][PRIMARY]["advantage"][UNTRAINED].keys() == {KL, AGAIN}
    assert data["predicted"][PRIMARY]["agreement_by_task"].keys() == {*NAMES, "exam"}


def test_the_page_of_the_example(studied):
    """Every prediction has a row; those that are tested are compared with each of the others."""
    place = Path(__file__).parents[2] / "examples" / "does-it-help" / "merged.py"
    spec = importlib.util.spec_from_file_location("merged_example", place)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = studied.to_dict() | {"mixtures": {"concentration": 1}, "tokens": 300, "predicts": False}
    text = "\n".join(example.lines(found))
    for name, one in found["predicted"].items():
        told = "-" if (rho := one["agreement"][TRAINED]["rho"]) is None else f"{rho:.2f}"
        assert f"| {name} | {told} | " in text
    assert f"| prediction | {AGAIN} | {KL} | {CURVES} |" in text
    assert "**not passed**" in text and "Trainings that failed: mixture 2, seed 0: " in text

    def judged(low: float | None, gain: float | None) -> bool:
        gains = {CURVES: {"low": gain}} if gain != -1 else {}
        return example.predicts(
            {"agreement": {TRAINED: {"low": low}}, "advantage": {TRAINED: gains}}
        )

    assert judged(0.51, 0.01)
    for low, gain in ((0.5, 0.01), (None, 0.01), (0.9, 0.0), (0.9, None), (0.9, -1)):
        assert not judged(low, gain)


def test_it_goes_on_where_it_was(run, studied):
    """A lost score is made again, the same, and trainings that are done are kept; too few are an error."""
    spoiled = [spoil(run, mixture) for mixture in (0, 2, 3)]
    before = digests(run / "proxy")
    next((run / "proxy" / "merged").glob("*.json")).unlink()
    with pytest.raises(DataError) as caught:
        study(run, MIXTURES, ASKED, workers=1)
    said = str(caught.value)
    assert "expected at least two mixtures whose trainings end, found mixture 0, seed 0: " in said
    assert "what is done is kept" in said
    after = digests(run / "proxy")
    locks = {f"runs/{name}/.lock" for name in spoiled}
    assert {name: sha for name, sha in after.items() if name not in locks} == before


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        (MIXTURES[:1], "an array of shape (1, 4)"),
        (MIXTURES[:, :3], "an array of shape (4, 3)"),
        (MIXTURES[[0, 1, 0]], "the same one twice"),
        (MIXTURES[0], "an array of shape (4,)"),
        (MIXTURES * 1.01, "one whose weights sum to 1.01"),
        ([[1.5, -0.5, 0, 0], [1, 0, 0, 0]], "a weight that is negative or not finite"),
        ([[np.nan, 1, 0, 0], [1, 0, 0, 0]], "a weight that is negative or not finite"),
    ],
)
def test_what_is_no_mixture_is_refused(run, weights, found):
    with pytest.raises(ConfigError) as caught:
        study(run, weights, ASKED)
    assert str(caught.value) == (
        "proxy study: expected two or more different mixtures of 4 tasks, whose weights sum to 1, found "
        f"{found}; give a row for each mixture and a column for each task of the run"
    )


def test_random_mixtures():
    """On the simplex, even over it, the same for any order of names, and the first of more."""
    found = random_mixtures(NAMES, 4000, seed=3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found.mean(axis=0), 0.25, atol=0.01)
    np.testing.assert_allclose(found.std(axis=0), np.sqrt(3 / 80), atol=0.01)
    np.testing.assert_allclose(random_mixtures(NAMES[::-1], 5, seed=3)[:, ::-1], found[:5])
    assert not np.allclose(random_mixtures(NAMES, 5, seed=4), found[:5])
    drawn = Random(seed=3).solve(Evidence(tuple(NAMES), np.ones(4), np.ones(4)))
    np.testing.assert_allclose(drawn.weights, found[0], atol=1e-12)
    assert random_mixtures(NAMES, 500, 0, concentration=100).std() < 0.03


def test_scales():
    assert scales_for(9, 600, 200) == {
        PRIMARY: 1.0,
        "merged, c = 2": 2.0,
        "merged, c = sqrt(n)": 3.0,
        "merged, c = N/T": 3.0,
    }
    assert list(scales_for(9, 600, None).values()) == [1.0, 2.0, 3.0], "epochs have no T"


@pytest.mark.parametrize("shares", ["rows", "tokens"])
def test_what_needs_no_forward_pass(run, shares):
    """The curves are those of the method; KL is 0 at uniform and ln n at a vertex."""
    weights = np.vstack([MIXTURES, np.full(4, 0.25), np.eye(4)[1]])
    found = free_predictions(Run(run), weights, replace(ASKED, shares=shares), (TRAINED, UNTRAINED))
    evidence = evidence_of(Run(run), ("curves",), bounds=False)
    fitted = decays([(c.tokens, c.nats) for c in evidence.curves])
    expected = Expected(fitted, 300.0 * np.eye(4))
    for i, p in enumerate(weights):
        part = p * evidence.mean_tokens / (p @ evidence.mean_tokens) if shares == "rows" else p
        assert found[CURVES].groups[TRAINED][i] == pytest.approx(expected.value(part), rel=1e-12)
    assert {*found[CURVES].tasks} == {*NAMES} and {*found[CURVES].groups} == {TRAINED}
    assert {*found[KL].groups} == {TRAINED, UNTRAINED} and not found[KL].tasks
    np.testing.assert_allclose(found[KL].groups[TRAINED][4:], [0.0, np.log(4)], atol=1e-12)
    assert (found[KL].groups[TRAINED][:4] > 0).all()
