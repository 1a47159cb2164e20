"""Task files of lm-evaluation-harness: ours, somebody's own, and everything that is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from measured_cases import CONTEXT, chat, examples, held, loaded, render_for
from tiny_project import write_rows
from tiny_tokenizers import CHATML

from mishran.errors import DataError, DependencyError, ModelError
from mishran.evaluate.choices import rank
from mishran.evaluate.harness import run_harness
from mishran.evaluate.harness_files import check_harness, ready_tasks
from mishran.evaluate.harness_tasks import write_task

DOCS = [
    {"question": f"why {i}?", "options": ["yes", "no", "so"], "answer": i % 3, "words": "yes"}
    for i in range(9)
]


def task(**changes: Any) -> dict[str, Any]:
    return {
        "task": "why",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "why/test.jsonl", "dev": "why/dev.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question.strip()}}\nAnswer:",
        "doc_to_choice": "options",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task with its data beside it."""
    root = tmp_path / "own"
    (root / "why").mkdir(parents=True)
    write_rows(root / "why" / "test.jsonl", DOCS)
    write_rows(root / "why" / "dev.jsonl", DOCS[:3])
    put(root, "why.yaml", task())
    return root


def put(root: Path, name: str, config: Any) -> None:
    text = config if isinstance(config, str) else yaml.safe_dump(config)
    (root / name).write_text(text, encoding="utf-8")


def run(ready, root: Path, work: Path, **more: Any):
    return run_harness(ready, work, ready_tasks(root, work), context=CONTEXT, own_bos=False, **more)


@pytest.mark.parametrize("bos", [True, False])
def test_ours_are_ranked_as_we_rank(tmp_path: Path, bos: bool) -> None:
    ready = loaded()
    render = render_for(ready, bos=bos)
    h = held(render, examples())
    ours = rank(ready, h, render)
    (theirs,) = run_harness(
        ready, tmp_path, [write_task(tmp_path, h, render)], context=CONTEXT, own_bos=True
    )
    assert theirs.task == "t" and theirs.num == 12
    assert theirs.metric("acc").values.tolist() == ours.right().tolist()
    assert theirs.metric("acc").value == ours.accuracy()
    assert 0 < ours.accuracy().mean < 1


def test_chats(tmp_path: Path) -> None:
    ready = loaded(chat_template=CHATML)
    render = render_for(ready)
    short = [
        replace(e, prompt=e.prompt.replace("why ", ""), choices=("no", "yes", "a"))
        for e in examples(5)
    ]
    h = held(render, tuple(chat(replace(e, answer="yes")) for e in short))
    assert len(h.rows) >= 3
    (theirs,) = run_harness(
        ready, tmp_path, [write_task(tmp_path, h, render)], context=CONTEXT, own_bos=True
    )
    assert theirs.metric("acc").values.tolist() == rank(ready, h, render).right().tolist()


def test_a_folder_of_tasks_and_groups(folder: Path, tmp_path: Path) -> None:
    put(folder, "_shared", {k: v for k, v in task().items() if k not in ("task", "description")})
    also = {"include": "_shared", "task": "also", "description": "Say:\n\n", "tag": "second"}
    put(folder, "also.yaml", also)
    few = {"num_fewshot": 2, "fewshot_split": "dev", "fewshot_config": {"sampler": "first_n"}}
    put(folder, "few.yaml", {"include": "_shared", "task": "few", **few})
    mean = [{"metric": "acc", "weight_by_size": True}]
    group = {"group": "both", "task": ["why", "second"], "aggregate_metric_list": mean}
    put(folder, "both.yaml", group)
    found = {t.task: t for t in run(loaded(), folder, tmp_path / "work")}
    assert set(found) == {"why", "also", "few", "both"}
    assert [found[name].num for name in ("why", "also", "few")] == [9, 9, 9]
    accuracies = [found[name].metric("acc").value.mean for name in ("why", "also")]
    assert found["both"].metric("acc").value.mean == pytest.approx(np.mean(accuracies))
    assert found["both"].metric("acc").value.low is None and found["both"].num == 18
    assert found["why"].metric("acc").value.n == 9


def test_the_folder_is_only_read(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    first = run(loaded(), folder, tmp_path / "one", limit=4)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "own"]
    again = run(loaded(), folder, tmp_path / "two", limit=4)
    assert first[0].metric("acc").value == again[0].metric("acc").value and first[0].num == 4


def test_generation_and_its_metric(folder: Path, tmp_path: Path) -> None:
    ready = loaded()
    put(
        folder,
        "why.yaml",
        task(
            output_type="generate_until",
            doc_to_target="{{words}}",
            doc_to_choice=None,
            generation_kwargs={"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
            metric_list=[{"metric": "exact_match", "aggregation": "mean"}],
        ),
    )
    (found,) = run(ready, folder, tmp_path / "work", limit=3)
    assert found.metric("exact_match").value.mean == 0.0 and found.num == 3
    assert found.metric("exact_match").value.high > 0.3, "Wilson"


def refused(folder: Path, tmp_path: Path) -> str:
    with pytest.raises(DataError) as caught:
        ready_tasks(folder, tmp_path / "work")
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_data_must_be_in_local_files(folder: Path, tmp_path: Path) -> None:
    put(folder, "why.yaml", task(dataset_path="cais/mmlu", dataset_kwargs=None))
    said = refused(folder, tmp_path)
    assert "expected dataset_path: json, csv, parquet, text, and data files by split" in said
    assert "found dataset_path: cais/mmlu, without data files; download the data set" in said
    put(folder, "why.yaml", task(dataset_kwargs={"data_files": "why/test.jsonl"}))
    assert "found dataset_path: json;" in refused(folder, tmp_path)
    put(folder, "why.yaml", task(dataset_kwargs={"data_files": {"test": "https://x.y/z.json"}}))
    assert "expected the data file of split test, found no such file" in refused(folder, tmp_path)
    kwargs = {"data_files": {"test": "why/test.jsonl"}, "trust_remote_code": True}
    put(folder, "why.yaml", task(dataset_kwargs=kwargs))
    said = refused(folder, tmp_path)
    assert (
        "expected data_files, delimiter, field in dataset_kwargs, found 'trust_remote_code'" in said
    )
    put(folder, "why.yaml", task(dataset_kwargs={"data_files": {"test": ["why/test.jsonl", "b"]}}))
    said = refused(folder, tmp_path)
    assert said.startswith(f"{folder / 'b'}: expected the data file of split test")
    assert said.endswith("put it there, or correct data_files: in why.yaml")


def test_nobodys_code_runs(folder: Path, tmp_path: Path) -> None:
    (folder / "utils.py").write_text("raise SystemExit('code of a data folder ran')\n")
    text = yaml.safe_dump(task()) + "process_docs: !function utils.process\n"
    put(folder, "why.yaml", text)
    said = refused(folder, tmp_path)
    assert (
        "expected YAML of settings and data" in said and "write the task without !function" in said
    )
    for name in ("class", "process_docs", "custom_dataset", "process_results", "unsafe_code"):
        put(folder, "why.yaml", task(**{name: "utils.process"}))
        said = refused(folder, tmp_path)
        assert f"found {name!r}, which is unknown here or names code; write the task" in said
    put(folder, "_shared", "process_docs: !function utils.process\n")
    put(folder, "why.yaml", {**task(), "include": "_shared"})
    assert str(folder / "_shared") in refused(folder, tmp_path)


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ([{"metric": "../evil.py"}], "'../evil.py'"),
        ([{"metric": "acc"}, {"metric": "rouge"}], "'rouge'"),
        ([{"metric": "exact_match", "hf_evaluate": True}], "'exact_match'"),
        (["acc"], "'acc'"),
        ("acc", "'acc'"),
    ],
)
def test_metrics_are_the_harnesss_own(folder: Path, tmp_path: Path, metrics, found) -> None:
    put(folder, "why.yaml", task(metric_list=metrics))
    said = refused(folder, tmp_path)
    assert "why.yaml: expected metrics of the harness itself: acc, " in said
    assert f"found {found}; use one of these" in said


def test_the_layout_of_mmlu(tmp_path: Path) -> None:
    """As docs/guide/evaluate.md shows it: the harness's own settings, and data in local files."""
    root = tmp_path / "mmlu"
    put_all = {
        "_default_template_yaml": {
            "dataset_path": "json",
            "test_split": "test",
            "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"},
            "output_type": "multiple_choice",
            "doc_to_text": "{{question}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nAnswer:",
            "doc_to_choice": ["A", "B"],
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        },
        "_mmlu.yaml": {
            "group": "mmlu",
            "task": ["mmlu_stem_tasks"],
            "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
        },
    }
    for subject in ("anatomy", "botany"):
        (root / subject).mkdir(parents=True)
        put_all[f"mmlu_{subject}.yaml"] = {
            "include": "_default_template_yaml",
            "task": f"mmlu_{subject}",
            "tag": "mmlu_stem_tasks",
            "dataset_name": subject,
            "dataset_kwargs": {"data_files": {s: f"{subject}/{s}.jsonl" for s in ("test", "dev")}},
        }
        for split, num in (("test", 5), ("dev", 2)):
            docs = [
                {"question": f"{i}?", "choices": ["x", "y"], "answer": i % 2} for i in range(num)
            ]
            write_rows(root / subject / f"{split}.jsonl", docs)
    for name, config in put_all.items():
        put(root, name, config)
    names = ready_tasks(root, tmp_path / "work")
    assert names == ("mmlu",)
    found = {t.task: t for t in run(loaded(), root, tmp_path / "again")}
    assert set(found) == {"mmlu", "mmlu_anatomy", "mmlu_botany"}
    assert found["mmlu_anatomy"].num == 5 and found["mmlu"].num == 10


def test_files_that_do_not_do(folder: Path, tmp_path: Path) -> None:
    assert "found no such folder" in refused(tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "*.yaml), found none; see docs" in refused(tmp_path / "empty", tmp_path)
    put(folder, "why.yaml", {**task(), "include": "gone"})
    assert "found no such file; put it there, or correct include: in why.yaml" in refused(
        folder, tmp_path
    )
    put(folder, "_a", {"include": "_b"})
    put(folder, "_b", {"include": "_a"})
    put(folder, "why.yaml", {**task(), "include": "_a"})
    assert "found why.yaml -> _a -> _b -> _a; remove one include" in refused(folder, tmp_path)
    put(folder, "why.yaml", "task: [")
    assert "expected valid YAML in UTF-8" in refused(folder, tmp_path)
    put(folder, "why.yaml", "- task")
    assert "expected a mapping of settings (task: ..., doc_to_text: ...), found list" in refused(
        folder, tmp_path
    )
    put(folder, "why.yaml", task(task="a/b"))
    assert "expected the name of a task or group" in refused(folder, tmp_path)
    put(folder, "why.yaml", task())
    put(folder, "zzz.yaml", task())
    said = refused(folder, tmp_path)
    assert "zzz.yaml: expected one file per task, found 'why' in why.yaml too" in said


@pytest.mark.parametrize("member", ["gone", "both", {"dataset_path": "cais/mmlu", "task": "x"}])
def test_groups_are_made_of_what_is_there(folder: Path, tmp_path: Path, member) -> None:
    put(folder, "both.yaml", {"group": "both", "task": ["why", member]})
    said = refused(folder, tmp_path)
    assert (
        f"expected names of tasks, groups or tags of the folder in a group, found {member!r}"
        in said
    )


def test_what_the_harness_cannot_run_is_one_line(folder: Path, tmp_path: Path) -> None:
    put(folder, "why.yaml", task(doc_to_text="{{question | no_such_filter}}"))
    with pytest.raises(DataError) as caught:
        run(loaded(), folder, tmp_path / "work")
    assert str(caught.value).startswith("why: expected tasks that lm-evaluation-harness can run")
    assert "no_such_filter" in str(caught.value)


def test_choices_are_checked_first(tmp_path: Path) -> None:
    render = render_for(loaded())
    wrong = replace(examples()[1], answer="(D)")
    with pytest.raises(DataError, match="expected the answer among the choices"):
        write_task(tmp_path, held(render, (wrong,)), render)


def test_a_head_that_would_be_tied_is_refused(folder: Path, tmp_path: Path) -> None:
    ready = loaded()
    ready.model.config.tie_word_embeddings = True
    with pytest.raises(
        ModelError, match="expected an output head that is the embedding, as config"
    ):
        run(ready, folder, tmp_path / "work")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(DependencyError) as caught:
        check_harness()
    assert str(caught.value) == (
        "measure harness: expected lm-evaluation-harness (the package lm_eval), found no package "
        'lm_eval; pip install "mishran[harness]"'
    )
