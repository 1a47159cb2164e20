"""`mishran evaluate` on the tiny project: against the oracle, against the run, and what it refuses."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_project import CAPITALS, LANDS, rows, settings, write_mix, write_rows

from mishran.pipeline.evaluate import evaluate_model
from mishran.pipeline.fit import read_evidence
from mishran.run import Run

SETS = ["capitals", "capitals_hi", "sums", "turned", "exam"]


@pytest.fixture
def run(fitted_once: Path) -> Path:
    """Only to read."""
    return fitted_once.parent / "runs" / "mix"


@pytest.fixture
def model(tiny_model: Path) -> Path:
    return tiny_model


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A folder of two tasks with a test split; one has choices."""
    folder = tmp_path / "data"
    folder.mkdir()
    cities = [
        {
            "input": f"{i}: capital of {LANDS[i % 8]}?",
            "target": CAPITALS[i % 8],
            "choices": [CAPITALS[i % 8], CAPITALS[(i + 3) % 8], CAPITALS[(i + 5) % 8]],
            "split": "test",
        }
        for i in range(10)
    ]
    write_rows(folder / "cities.jsonl", cities)
    write_rows(folder / "sums.jsonl", [{**r, "split": "test"} for r in rows("sums")[:10]])
    return folder


def loss(model: Path, prompt: str, answer: str, eos: bool = True) -> tuple[float, int]:
    """Hugging Face's loss times tokens of one example, as the configuration renders it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    lm = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    before = [1, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    after = [*tokenizer(answer, add_special_tokens=False)["input_ids"], *[2] * eos]
    with torch.inference_mode():
        labels = torch.tensor([[-100] * len(before) + after])
        found = lm(input_ids=torch.tensor([before + after]), labels=labels).loss
    return float(found) * len(after), len(after)


def test_numbers_are_the_oracles(mishran, model: Path, asked: Path, tmp_path: Path) -> None:
    said = mishran("evaluate", model, asked, "--json", "--quiet", "--out", tmp_path / "found.json")
    assert said.code == 0 and said.err == ""
    shown, kept = json.loads(said.out), json.loads((tmp_path / "found.json").read_text())
    nats = kept["tasks"]["sums"]["nats"]
    per_token = []
    for k, name in enumerate(kept["tasks"]["sums"]["ids"]):
        record = rows("sums")[int(name) - 1]
        want, tokens = loss(model, record["input"] + "\n", record["target"])
        assert nats["nats"][k] == pytest.approx(want, rel=1e-4)
        assert (nats["tokens"][k], nats["bytes"][k]) == (tokens, len(record["target"]))
        per_token.append(want / tokens)
    assert nats["per_token"]["mean"] == pytest.approx(sum(per_token) / 10, rel=1e-4)
    bits = sum(nats["nats"]) / math.log(2) / sum(nats["bytes"])
    assert nats["bits_per_byte"]["mean"] == pytest.approx(bits)
    ranked = kept["tasks"]["cities"]["accuracy"]
    assert ranked["chance"] == pytest.approx(1 / 3)
    k = ranked["ids"].index("4")
    choices = [CAPITALS[3], CAPITALS[6], CAPITALS[0]]
    costs = [loss(model, "3: capital of Egypt?\n", c, eos=False)[0] for c in choices]
    assert ranked["nats"][k] == pytest.approx(costs, rel=1e-4)
    assert ranked["chosen"]["sum"][k] == costs.index(min(costs))
    right = [c == g for c, g in zip(ranked["chosen"]["sum"], ranked["gold"], strict=True)]
    assert ranked["by"]["sum"]["mean"] == sum(right) / 10
    assert "accuracy" not in kept["tasks"]["sums"], "what was not measured is absent"
    assert shown["tasks"]["sums"]["nats"]["per_token"] == nats["per_token"]
    assert "nats" not in shown["tasks"]["sums"]["nats"], "examples are in the file only"
    assert kept["settings"]["splits"] == ["test"] and kept["model"]["name"] == "model"


def test_a_specialist_has_the_loss_that_its_run_found(mishran, run: Path) -> None:
    """Same rows, same adapter, another path through the code."""
    for task in ("capitals", "turned"):
        said = mishran(
            "evaluate", run / "specialists" / task, run, "--split", "valid", "--task", task,
            "--limit", 8, "--measures", "nats", "--json", "--quiet",
        )  # fmt: skip
        found = json.loads(said.out)
        evidence = read_evidence(Run(run), task)
        mean = found["tasks"][task]["nats"]["per_token"]["mean"]
        assert mean == pytest.approx(evidence.specialist, rel=1e-4)
        assert abs(mean - evidence.base) > 0.01
        assert found["model"]["base"] == "model" and list(found["tasks"]) == [task]


def test_what_is_measured_on(mishran, fitted_once: Path, model: Path, run: Path) -> None:
    """A configuration and the run that was made of it say the same; splits are tried in order."""
    measured = [
        mishran("evaluate", model, place, "--split", "test,valid", "--json", "--quiet").out
        for place in (fitted_once, run)
    ]
    assert measured[0] == measured[1]
    found = json.loads(measured[0])["tasks"]
    assert list(found) == SETS
    assert {t["split"] for t in found.values()} == {"valid"}
    assert [found[n]["examples"] for n in ("capitals", "exam")] == [12, 8]


def test_the_same_bytes_every_time(mishran, model: Path, asked: Path, tmp_path: Path) -> None:
    argv = ["evaluate", model, asked, "--measures", "nats,accuracy,generate", "--max-new-tokens", 4]
    for name in ("one", "two"):
        assert mishran(*argv, "--out", tmp_path / name, "--quiet").code == 0
    one = (tmp_path / "one").read_bytes()
    assert one == (tmp_path / "two").read_bytes()
    text = one.decode()
    assert str(tmp_path) not in text, "no paths of this machine"
    assert json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n" == text


def test_all_measures_as_tables(mishran, model: Path, asked: Path, tmp_path: Path) -> None:
    argv = ["evaluate", model, asked, "--measures", "nats,accuracy,generate,harness", "--limit", 6]
    said = mishran(*argv, "--max-new-tokens", 5, "--out", tmp_path / "f.json")
    assert said.code == 0, said
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert lines[0] == "model, float32 on cpu"
    found = json.loads((tmp_path / "f.json").read_text())["tasks"]
    for title in ("nats", "accuracy", "generate", "harness"):
        assert title in lines
    mean = found["cities"]["nats"]["per_token"]
    cell = f"{mean['mean']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]"
    assert any("cities" in line and cell in line and "6 test" in line for line in lines)
    assert any(line.strip().startswith("mean of tasks") for line in lines)
    theirs = found["cities"]["harness"]["metrics"]["acc,none"]
    assert theirs["mean"] == found["cities"]["accuracy"]["by"]["sum"]["mean"]
    assert len(found["sums"]["generate"]["texts"]) == 6
    assert all(n <= 5 for n in found["sums"]["generate"]["tokens"])
    assert "harness" not in found["sums"]


def test_a_folder_that_train_wrote(mishran, model: Path, asked: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "trained" / "model")
    argv = [asked, "--json", "--quiet"]
    one, other = (
        json.loads(mishran("evaluate", m, *argv).out) for m in (model, tmp_path / "trained")
    )
    assert one["tasks"] == other["tasks"]
    assert one["model"]["sha256"] == other["model"]["sha256"]


def test_task_files_of_the_users_own(mishran, model: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    docs = [{"q": f"{i}?", "c": ["yes", "no"], "a": i % 2} for i in range(4)]
    write_rows(own / "d.jsonl", docs)
    config = {
        "task": "yn",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "d.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{q}}",
        "doc_to_choice": "c",
        "doc_to_target": "a",
    }
    (own / "yn.yaml").write_text(yaml.safe_dump(config))
    said = mishran("evaluate", model, "--harness", own, "--json", "--quiet")
    assert said.code == 0 and said.err == "", said
    found = json.loads(said.out)
    assert found["tasks"] == {} and found["harness"]["yn"]["examples"] == 4
    assert found["harness"]["yn"]["metrics"]["acc,none"]["n"] == 4


def test_what_was_too_long_is_said(mishran, model: Path, asked: Path) -> None:
    long = [{"input": "why " * 80, "target": "x", "split": "test"}]
    write_rows(asked / "sums.jsonl", [{**r, "split": "test"} for r in rows("sums")[:10]] + long)
    said = mishran("evaluate", model, asked, "--measures", "nats")
    assert said.out.rstrip().endswith("left out: sums: 1 too long")


def test_help_has_examples(mishran) -> None:
    said = mishran("evaluate", "--help")
    assert said.code == 0 and "mishran evaluate models/base mix.yaml" in said.out


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--measures", "nats,acuracy"], "--measures: expected measures among nats, accuracy, "
         "generate, harness, found 'acuracy'; write some of them"),
        (["--measures", ","], "found none; write some of them, with commas between"),
        (["--split", "tset"], "--split: expected a split named train, training"),
        (["--split", ","], "--split: expected a split: test, valid or train, found none"),
        (["--split", "valid"], "task 'cities': expected examples of split valid, found examples of "
         "test only; measure on test (--split test)"),
        (["--limit", "0"], "--limit: expected a whole number of at least 1, found 0"),
        (["--max-new-tokens", "0"], "--max-new-tokens: expected a whole number of at least 1"),
        (["--task", "citys"], "--task: expected a task among cities, sums, found 'citys'"),
        (["--task", "sums", "--measures", "accuracy"], "--measures accuracy: expected at least one "
         "task whose records offer choices, found none; name their field with choices:"),
        (["--device", "cuda:99"], "expected a usable device cuda:99"),
    ],
)  # fmt: skip
def test_what_is_refused(refuses, model: Path, asked: Path, argv: list[str], line: str) -> None:
    assert line in refuses("evaluate", model, asked, *argv, "--quiet")


def test_places_that_are_none(refuses, model: Path, asked: Path, tmp_path: Path, run: Path) -> None:
    said = refuses("evaluate", model, tmp_path / "gone", "--quiet")
    assert "expected a mix.yaml, a folder of data files, or a run directory, found no such" in said
    assert "expected tasks to measure the model on, found none" in refuses("evaluate", model)
    assert "expected a local model folder" in refuses("evaluate", tmp_path / "no", asked, "--quiet")
    adapter = run / "specialists" / "sums"
    said = refuses("evaluate", adapter, asked, "--quiet")
    assert "expected the base model of the adapter (model), found none given; add --base" in said


def test_a_label_outside_its_choices(refuses, mishran, model: Path, asked: Path) -> None:
    records = [json.loads(line) for line in (asked / "cities.jsonl").read_text().splitlines()]
    records[6]["choices"] = ["Atlantis", "Rome"]
    write_rows(asked / "cities.jsonl", records)
    said = refuses("evaluate", model, asked, "--quiet")
    assert "cities.jsonl:7: expected the answer among the choices 'Atlantis', 'Rome'" in said
    assert mishran("evaluate", model, asked, "--measures", "nats", "--quiet").code == 0


def test_model_and_tokenizer_that_disagree(refuses, model: Path, asked: Path, tmp_path) -> None:
    from tiny_tokenizers import byte_level

    folder = shutil.copytree(model, tmp_path / "m")
    byte_level(additional_special_tokens=[f"<{i}>" for i in range(60)]).save_pretrained(folder)
    said = refuses("evaluate", folder, asked, "--quiet")
    assert "expected a tokenizer with at most" in said


def test_refusals_come_before_the_model_works(model: Path, asked: Path, monkeypatch) -> None:
    """A bad record in the last task is found before the first is scored."""
    import mishran.evaluate.run as module
    from mishran.errors import DataError

    def worked(*args: Any) -> None:
        raise AssertionError("scored")

    monkeypatch.setattr(module, "losses", worked)
    records = [{**r, "split": "test", "choices": ["a", "b"]} for r in rows("turned")[:4]]
    write_rows(asked / "turned.jsonl", records)
    with pytest.raises(DataError, match="expected the answer among the choices"):
        evaluate_model(model, asked)


def test_choices_named_in_a_configuration(
    mishran, model: Path, asked: Path, tmp_path: Path
) -> None:
    """An answer with text around it: unnamed choices are not used, named ones get the text too."""
    task = {
        "name": "c",
        "path": str(asked / "cities.jsonl"),
        "prompt": "{input}",
        "eval_only": True,
    }
    one = settings() | {"model": str(model), "tasks": [{**task, "answer": "It is {target}."}]}
    mix = write_mix(tmp_path, one)
    argv = ["evaluate", model, mix, "--json", "--quiet", "--split", "test"]
    assert "accuracy" not in json.loads(mishran(*argv).out)["tasks"]["c"]
    one["tasks"][0]["choices"] = "choices"
    write_mix(tmp_path, one)
    mishran(*argv, "--out", tmp_path / "f.json")
    ranked = json.loads((tmp_path / "f.json").read_text())["tasks"]["c"]["accuracy"]
    k = ranked["ids"].index("1")
    want = loss(model, "0: capital of France?\n", "It is Paris.", eos=False)[0]
    assert ranked["nats"][k][ranked["gold"][k]] == pytest.approx(want, rel=1e-4)
