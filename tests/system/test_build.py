"""`mishran build`: a run and a recipe as data, exact, resumable, and with every error in one line."""

from __future__ import annotations

import json
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from processes import cli
from tiny_project import TASKS, digests, rows, settings, write_mix, write_rows

from mishran.errors import ArtifactError
from mishran.mixture import Mixture
from mishran.stream.plan import Plan


def recipe(folder: Path, **changes: Any) -> Path:
    """A recipe over the four tasks of the tiny project."""
    data = {
        "tokenizer": "model",
        "tasks": [
            {"name": n, "path": f"data/{n}.jsonl", "prompt": "{input}", "answer": "{target}"}
            for n in TASKS
        ],
        "weights": {"capitals": 0.1, "capitals_hi": 0.2, "sums": 0.3, "turned": 0.4},
        "rows": 120,
        **changes,
    }
    path = folder / "recipe.yaml"
    kept = {k: v for k, v in data.items() if v is not None}
    path.write_text(yaml.safe_dump(kept, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def sources(folder: Path) -> list[dict[str, Any]]:
    """Raw text: 30 English and 20 Hindi documents."""
    texts = {"en": ("the quick brown fox ", 30), "hi": ("राजधानी नई दिल्ली ", 20)}
    for name, (text, num) in texts.items():
        records = [{"text": f"{i} " + text * (1 + i % 5)} for i in range(num)]
        write_rows(folder / "data" / f"{name}.jsonl", records)
    return [
        {"name": "en", "path": "data/en.jsonl", "license": "CC BY 4.0", "origin": "made | here"},
        {"name": "hi", "path": "data/hi.jsonl", "groups": ["hindi"]},
    ]


def read(folder: Path) -> list[dict[str, Any]]:
    parquet = sorted(folder.glob("*.parquet"))
    if parquet:
        return [row for file in parquet for row in pq.read_table(file).to_pylist()]
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.open()]


def test_a_run_as_data(fitted, mishran, tmp_path):
    """The rows of mixture.json, in a fixed order, with the texts of the tasks."""
    run, out = fitted.parent / "runs" / "mix", tmp_path / "mixed"
    said = mishran("build", run, "--out", out)
    assert said.code == 0, said
    found = read(out)
    mixture = Mixture.read(run / "mixture.json")
    assert Counter(row["task"] for row in found) == {
        t.name: t.rows for t in mixture.tasks if t.rows
    }
    plan = Plan.read(out / "plan.json")
    assert {t.name: t.rows for t in plan.tasks} == {t.name: t.rows for t in mixture.tasks}
    texts = {(n, r["input"], r["target"]) for n in TASKS for r in rows(n) if r["split"] == "train"}
    assert all((r["task"], r["prompt"].strip(), r["answer"]) in texts for r in found)
    for name in TASKS:  # inside an epoch nothing repeats
        seen = Counter((r["id"], r["epoch"]) for r in found if r["task"] == name)
        assert set(seen.values()) <= {1}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["rows"] == 100 and manifest["tokens"] == plan.tokens
    for column in ("of rows", "of tokens", "epochs"):  # both shares, before anything is written
        assert column in said.out
    assert "weights are shares of rows" in " ".join(said.out.split())


def test_the_same_again_has_nothing_to_do(fitted, mishran, tmp_path):
    run, out = fitted.parent / "runs" / "mix", tmp_path / "mixed"
    mishran("build", run, "--out", out)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    said = mishran("build", run, "--out", out)
    assert "already there, as planned" in said.out
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    (out / "README.md").write_text("my own words")
    said = mishran("build", run, "--out", out)
    assert said.code == 2 and "(README.md, changed since it was made)" in said.err
    assert (out / "README.md").read_text() == "my own words"
    shutil.rmtree(out)
    assert "written and read back" in mishran("build", run, "--out", out).out
    assert mishran("build", run, "--out", out, "--rows", "60").code == 0
    assert len(read(out)) == 60


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_formats_hold_the_same_rows(project, mishran, tmp_path, format_):
    path = recipe(project.parent)
    assert mishran("build", path, "--out", tmp_path / "a").code == 0
    assert mishran("build", path, "--out", tmp_path / "b", "--format", format_).code == 0
    assert read(tmp_path / "a") == read(tmp_path / "b")


def test_sizes_in_rows_tokens_and_epochs(project, mishran, tmp_path):
    path = recipe(project.parent)
    wanted = {("--rows", "0.1K"): 100, ("--epochs", "0.5"): 80, ("--tokens", "1500"): None}
    for option, num in wanted.items():
        said = mishran("build", path, *option, "--plan", "--json")
        plan = Plan.model_validate_json(said.out)
        if num is not None:
            assert plan.rows == num
        else:
            assert abs(plan.tokens - 1500) < 40
        assert plan.tokenizer is not None and plan.tokenizer.name == "model"
    assert not (tmp_path / "a").exists()


def test_shares_of_tokens_are_asked_for_by_name(project, mishran):
    path = recipe(project.parent)
    by_rows, by_tokens = (
        Plan.model_validate_json(
            mishran("build", path, "--tokens", "2K", "--shares", unit, "--plan", "--json").out
        )
        for unit in ("rows", "tokens")
    )
    wanted = [0.1, 0.2, 0.3, 0.4]
    assert [t.row_share for t in by_rows.tasks] == pytest.approx(wanted, abs=0.02)
    assert [t.token_share for t in by_tokens.tasks] == pytest.approx(wanted, abs=0.02)
    assert [t.token_share for t in by_rows.tasks] != pytest.approx(wanted, abs=0.05)


def test_another_tokenizer_counts_otherwise(project, mishran, tmp_path):
    from tiny_tokenizers import sentencepiece

    sentencepiece().save_pretrained(tmp_path / "other")
    path = recipe(project.parent)
    plans = [
        Plan.model_validate_json(mishran("build", path, *more, "--plan", "--json").out)
        for more in ((), ("--tokenizer", tmp_path / "other"))
    ]
    assert plans[0].tokens != plans[1].tokens
    assert [p.tokenizer.name for p in plans if p.tokenizer] == ["model", "other"]
    assert plans[0].fingerprint != plans[1].fingerprint


def test_raw_text_in_phases(project, mishran, tmp_path):
    path = recipe(
        project.parent,
        tasks=None,
        sources=sources(project.parent),
        weights=None,
        rows=None,
        shares="tokens",
        phases=[
            {"weights": {"en": 0.8, "hi": 0.2}, "tokens": 600},
            {"weights": {"en": 1, "hi": 3}, "tokens": 400},
        ],
    )
    said = mishran("build", path, "--out", tmp_path / "mixed")
    assert said.code == 0, said
    plan = Plan.read(tmp_path / "mixed" / "plan.json")
    found = read(tmp_path / "mixed")
    assert set(found[0]) == {"task", "id", "epoch", "text"} and len(found) == plan.rows
    first = plan.phases[0].rows
    before = plan.order.changed(first, ())
    assert len(before) == first
    hindi = [row["task"] == "hi" for row in found]
    assert sum(hindi[first:]) / len(hindi[first:]) > sum(hindi[:first]) / first
    card = (tmp_path / "mixed" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["configs"][0]["data_files"][0]["path"] == "train.parquet"
    assert "- CC BY 4.0" in card and "not stated for hi: look them up" in card
    assert "made \\| here" in card and "| 2 | " in card


def test_the_card_can_be_loaded_by_datasets(project, mishran, tmp_path):
    from datasets import load_dataset

    mishran("build", recipe(project.parent), "--out", tmp_path / "mixed", "-q")
    loaded = load_dataset(str(tmp_path / "mixed"), split="train")
    assert loaded.num_rows == 120 and loaded.column_names == [
        "task",
        "id",
        "epoch",
        "prompt",
        "answer",
    ]


def test_chats_stay_chats_and_mixed_kinds_are_written_out(project, mishran, tmp_path):
    from tiny_tokenizers import CHATML, byte_level

    byte_level(chat_template=CHATML).save_pretrained(tmp_path / "chat")
    chats = [
        {
            "messages": [
                {"role": "user", "content": f"{i}?"},
                {"role": "assistant", "content": f"yes {i}"},
            ]
        }
        for i in range(90)
    ]
    write_rows(project.parent / "data" / "chats.jsonl", chats)
    task = {"name": "chats", "path": "data/chats.jsonl", "messages": "messages"}
    other = {"name": "sums", "path": "data/sums.jsonl", "prompt": "{input}", "answer": "{target}"}
    more = {"tokenizer": str(tmp_path / "chat"), "rows": 20}
    path = recipe(project.parent, tasks=[task], weights="uniform", **more)
    assert mishran("build", path, "--out", tmp_path / "a").code == 0
    assert [m["role"] for m in read(tmp_path / "a")[0]["messages"]] == ["user", "assistant"]
    path = recipe(project.parent, tasks=[task, other], weights="uniform", **more)
    said = mishran("build", path, "--out", tmp_path / "b")
    assert "written out with the chat template of chat" in " ".join(said.out.split())
    row = next(r for r in read(tmp_path / "b") if r["task"] == "chats")
    assert row["prompt"].startswith("<|im_start|>user\n") and "yes" in row["answer"]


def test_messages_with_more_than_text_need_json_lines(project, mishran, refuses, tmp_path):
    from tiny_tokenizers import CHATML, byte_level

    byte_level(chat_template=CHATML).save_pretrained(tmp_path / "chat")
    said = {"role": "assistant", "content": "yes", "name": "bot"}
    chats = [{"messages": [{"role": "user", "content": f"{i}?"}, said]} for i in range(90)]
    write_rows(project.parent / "data" / "chats.jsonl", chats)
    task = {"name": "chats", "path": "data/chats.jsonl"}
    path = recipe(
        project.parent, tasks=[task], weights="uniform", tokenizer=str(tmp_path / "chat"), rows=20
    )
    line = refuses("build", path, "--out", tmp_path / "a", "-q")
    assert "a message of chats with name" in line and "--format jsonl" in line
    assert not (tmp_path / "a").exists() and not list(tmp_path.glob(".tmp-*"))
    assert mishran("build", path, "--out", tmp_path / "a", "--format", "jsonl", "-q").code == 0
    assert read(tmp_path / "a")[0]["messages"][1]["name"] == "bot"


def test_two_processes_write_equal_bytes(project, tmp_path):
    recipe(project.parent)
    for seed in (1, 4242):
        command = ["build", "recipe.yaml", "--out", str(tmp_path / f"out{seed}" / "mixed"), "-q"]
        assert cli(command, project.parent, hash_seed=seed).code == 0
    assert digests(tmp_path / "out1") == digests(tmp_path / "out4242")


def long(kills):
    """Every second place is for `make test-full`."""
    return [pytest.param(k, marks=pytest.mark.full) if i % 2 else k for i, k in enumerate(kills)]


@pytest.mark.parametrize("kill", long(range(1, 8)))
def test_killed_at_any_write_and_run_again(project, fork_server, tmp_path, kill):
    """Nothing half-written is ever in place, and the second run ends as if there had been no first."""
    recipe(project.parent)
    command = ["build", "recipe.yaml", "-q", "--out"]
    fork_server.run([*command, "whole/mixed"], project.parent)
    said = fork_server.run([*command, "mixed"], project.parent, kill=kill)
    out = project.parent / "mixed"
    if said.code == -signal.SIGKILL:
        assert not out.exists() or digests(out) == digests(project.parent / "whole" / "mixed")
    assert fork_server.run([*command, "mixed"], project.parent).code == 0
    assert digests(out) == digests(project.parent / "whole" / "mixed")
    assert not list(project.parent.glob(".tmp-*"))


def test_tokens_for_our_own_loader(project, mishran, tmp_path):
    """What was built loads without text or tokenizer, and gives the rows of the plan."""
    from mishran.pipeline.build import plan_from
    from mishran.stream.build import open_tokens
    from mishran.stream.row_stream import RowStream

    path, out = recipe(project.parent), tmp_path / "mixed"
    assert mishran("build", path, "--out", out, "--format", "tokens").code == 0
    plan, stores = open_tokens(out)
    planned = plan_from(path)
    assert plan == planned.plan
    batches = zip(planned.rows(32), RowStream(plan, stores, 32), strict=True)
    assert all(a.tokens.tolist() == b.tokens.tolist() for a, b in batches)
    packed = [batch.tokens_by_task for batch, _ in planned.packs(64, 4).batches()]
    assert sum(packed).tolist() == [t.tokens for t in plan.tasks]
    assert "not stated for capitals" in (out / "README.md").read_text()
    (out / "tokens" / "sums" / "tokens.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"tokens/sums/tokens\.npy as it was written"):
        open_tokens(out)
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ArtifactError, match="mishran build --format tokens"):
            open_tokens(place)


@pytest.mark.parametrize("kill", long(range(4, 8)))
def test_killed_while_an_older_build_is_replaced(project, fork_server, kill):
    recipe(project.parent)
    command = ["build", "recipe.yaml", "-q", "--out", "mixed"]
    fork_server.run([*command[:-1], "whole/mixed"], project.parent)
    fork_server.run([*command, "--rows", "50"], project.parent)
    fork_server.run(command, project.parent, kill=kill)
    assert fork_server.run(command, project.parent).code == 0
    assert digests(project.parent / "mixed") == digests(project.parent / "whole" / "mixed")
    assert not list(project.parent.glob(".tmp-*"))


def test_tokens_in_the_order_of_the_plan(project, mishran, tmp_path):
    """The same batches as drawn, from files that are read from one end to the other."""
    from mishran.pipeline.build import plan_from
    from mishran.stream.build import open_ordered
    from mishran.stream.row_stream import OrderedStream

    path, out = recipe(project.parent), tmp_path / "mixed"
    assert mishran("build", path, "--out", out, "--format", "ordered").code == 0
    plan, ordered = open_ordered(out)
    drawn = plan_from(path)
    for rank, ranks in ((0, 1), (1, 3)):
        stream = OrderedStream(plan, ordered, 32, rank, ranks)
        for a, b in zip(drawn.rows(32, rank, ranks), stream, strict=True):
            for name in ("tokens", "offsets", "prompts", "task", "example"):
                assert getattr(a, name).tolist() == getattr(b, name).tolist()
            assert a.tokens_by_task.tolist() == b.tokens_by_task.tolist()
    state = stream.state(2)
    assert state == drawn.rows(32).state(2) and stream.batch_after(state) == 2
    with pytest.raises(IndexError):
        stream[4]
    with pytest.raises(ArtifactError, match="expected 50 rows, as planned, found 120"):
        OrderedStream(plan_from(path, budget={"rows": 50}).plan, ordered, 32)
    (out / "task.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"task\.npy as it was written"):
        open_ordered(out)


def test_weights_changed_on_the_way(project):
    """A plan that goes on from another: the same rows up to there, other proportions after it."""
    from mishran.pipeline.build import plan_from

    old = plan_from(recipe(project.parent))
    state = old.rows(20).state(3)
    path = recipe(project.parent, weights={"sums": 1}, rows=40)
    new = plan_from(path, history=old.plan, index=state.index)
    stream = new.rows(20)
    assert len(stream) == 5 and stream.batch_after(state) == 3
    for number in range(3):
        assert stream[number].tokens.tolist() == old.rows(20)[number].tokens.tolist()
    assert stream[4].tokens_by_task.tolist()[2] == stream[4].tokens_by_task.sum()
    write_rows(project.parent / "data" / "sums.jsonl", rows("sums", train=39))
    with pytest.raises(ArtifactError, match="task sums with 39 rows instead of 40"):
        plan_from(path, history=old.plan, index=60)


# ---- errors

RECIPES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"tasks": None}, ("tasks or sources", "neither")),
    ({"sources": [{"name": "x", "path": "y"}]}, ("tasks or sources", "both")),
    ({"weights": None}, ("weights, or phases with weights", "neither")),
    ({"weights": {"sums": 0}}, ("weights of which one is above 0",)),
    ({"weights": {"sums": -1}}, ("recipe.yaml", "weights.sums")),
    ({"weights": {"summs": 1}}, ("'summs'", "did you mean 'sums'?")),
    ({"weights": "unifrom"}, ("weights",)),
    ({"weights": {"sums": True}}, ("a number", "true")),
    ({"weights": {"sums": 1e308, "turned": 1e308}}, ("weights",)),
    ({"max_epochs": 1e300}, ("max_epochs",)),
    ({"rows": None, "epochs": 1e300}, ("epochs",)),
    ({"rows": 5 * 10**12, "max_epochs": 1e9, "weights": "uniform"}, ("5,000,000,000,000",)),
    ({"rows": None}, ("the size", "--rows, --tokens or --epochs")),
    ({"rows": 0}, ("rows",)),
    ({"tokens": 5}, ("one of rows, tokens and epochs", "rows and tokens")),
    ({"phases": [], "weights": None, "rows": None}, ("at least one phase",)),
    ({"phases": [{"weights": "uniform", "rows": 5}], "weights": None}, ("rows beside phases",)),
    ({"phases": [{"weights": "uniform"}], "weights": None, "rows": None}, ("expected the size",)),
    ({"shars": "rows"}, ("unknown field 'shars'", "did you mean 'shares'?")),
    ({"tokenizer": "nope"}, ("no such folder",)),
    ({"tasks": [{"name": "../x", "path": "a"}]}, ("'../x'", "a name of letters")),
    ({"tasks": None, "sources": [{"name": "a/b", "path": "a"}]}, ("'a/b'", "a name of letters")),
    (
        {"tasks": None, "sources": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]},
        ("source names that differ", "'a' in entries 1 and 2"),
    ),
    ({"tasks": None, "sources": [{"name": "a", "path": "data/nope.jsonl"}]}, ("nope.jsonl",)),
    (
        {
            "tasks": None,
            "sources": [{"name": "a", "path": "data/sums.jsonl"}],
            "weights": "uniform",
        },
        ("'text'", "sums.jsonl:1"),
    ),
    (
        {"rows": 3000},
        ("at most 4 epochs", "3,000 rows", "turned with its 40 rows", "max_epochs to 30"),
    ),
    ({"rows": 3000, "redistribute": True}, ("at most 640 rows, 4 epochs of every task",)),
]


@pytest.mark.parametrize(("change", "said"), RECIPES, ids=[str(k) for k in range(len(RECIPES))])
def test_wrong_recipes_are_refused(project, refuses, tmp_path, change, said):
    line = refuses("build", recipe(project.parent, **change), "--out", tmp_path / "out", "-q")
    for part in said:
        assert part in line
    assert not (tmp_path / "out").exists()


def test_the_remedies_of_a_refusal_work(project, mishran, refuses, tmp_path):
    path = recipe(project.parent, rows=3000)
    line = refuses("build", path, "--plan", "-q")
    best = line.split("which allow ")[1].split(" rows")[0].replace(",", "")
    epochs = line.split("set max_epochs to ")[1].split(",")[0]
    for more in (["--rows", best], ["--max-epochs", epochs], ["--redistribute", "--rows", "600"]):
        assert mishran("build", path, "--plan", "-q", *more).code == 0


OPTIONS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("--rows", "many"), ("'many'", "--rows 50M")),
    (("--rows", "1,5"), ("'1,5'",)),
    (("--rows", "1.5"), ("a whole number",)),
    (("--tokens", "1", "--shares", "tokens"), ("a size of at least one row",)),
    (("--rows", "0"), ("a whole number of at least 1",)),
    (("--rows", "10", "--tokens", "10"), ("one of --rows, --tokens and --epochs",)),
    (("--epochs", "0"), ("a number above 0",)),
    (("--epochs", "nan"), ("a number above 0",)),
    (("--max-epochs", "-1"), ("--max-epochs", "a number above 0")),
    (("--shares", "bytes"), ("rows or tokens", "'bytes'")),
    (("--format", "csv"), ("parquet, jsonl, tokens or ordered", "'csv'")),
    (("--tokenizer", "nope"), ("no such folder",)),
    (("--seed", "x"), ("--seed",)),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS, ids=[" ".join(o) for o, _ in OPTIONS])
def test_wrong_options_are_refused(project, refuses, tmp_path, options, said):
    line = refuses("build", recipe(project.parent), "--out", tmp_path / "out", "-q", *options)
    for part in said:
        assert part in line


def test_places_that_cannot_be_used(project, mishran, refuses, tmp_path, monkeypatch):
    path = recipe(project.parent)
    assert "--out" in refuses("build", path, "-q")
    assert "no such file or folder" in refuses("build", "nowhere", "--out", tmp_path / "o")
    assert "tasks.json" in refuses("build", project.parent / "data", "--out", tmp_path / "o")
    (tmp_path / "file").write_text("mine")
    assert "found a file" in refuses("build", path, "--out", tmp_path / "file", "-q")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    line = refuses("build", path, "--out", tmp_path / "mine", "-q")
    assert "a folder with other things in it" in line
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "mine"
    assert mishran("build", path, "--out", tmp_path / "built", "-q").code == 0
    (tmp_path / "built" / "trained").mkdir()
    (tmp_path / "built" / "trained" / "model.safetensors").write_text("hours of work")
    line = refuses("build", path, "--out", tmp_path / "built", "-q", "--rows", "50")
    assert "other things in it (trained)" in line
    assert (tmp_path / "built" / "trained" / "model.safetensors").exists()
    assert mishran("build", path, "--out", tmp_path / "built", "-q").code == 0  # nothing to do
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "manifest.json").write_text('{"mine": 1}')
    assert "(manifest.json)" in refuses("build", path, "--out", tmp_path / "theirs", "-q")
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert mishran("build", path, "--out", tmp_path / "link", "-q").code == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "disk" / "train.parquet").exists()
    monkeypatch.chdir(tmp_path / "disk")
    assert "found the current folder" in refuses("build", path, "--out", ".", "-q")
    line = refuses("build", path, "--out", tmp_path / "file" / "below", "-q")
    assert "a file where a folder is needed" in line
    line = refuses("build", path, "--out", "/proc/mixed", "-q")  # nobody can write there
    assert "/proc/mixed: expected a folder that can be written" in line


def test_a_full_disk_leaves_nothing(project, fork_server):
    recipe(project.parent, rows=600)
    said = fork_server.run(
        ["build", "recipe.yaml", "--out", "mixed", "-q", "--format", "jsonl"],
        project.parent,
        file_size=9000,
    )
    assert said.code == 2 and said.err.startswith("mishran: ") and said.err.count("\n") == 1
    assert not (project.parent / "mixed").exists() and not list(project.parent.glob(".tmp-*"))


def test_data_that_changed_since_the_fit_is_refused(fitted, refuses, tmp_path):
    project = fitted.parent
    records = rows("sums")
    records[3]["target"] = "999"
    write_rows(project / "data" / "sums.jsonl", records)
    line = refuses("build", project / "runs" / "mix", "--out", tmp_path / "mixed", "-q")
    assert "the rows of task 'sums' that the mixture was measured on" in line
    assert "run `mishran fit`" in line


def test_a_run_without_a_budget_needs_a_size(fitted, refuses, mishran, tmp_path):
    mix = settings()
    del mix["mixture"]["budget"]
    write_mix(fitted.parent, mix)
    assert mishran("fit", fitted, "-q").code == 0
    run = fitted.parent / "runs" / "mix"
    assert "expected the size, found none" in refuses("build", run, "--out", tmp_path / "m", "-q")
    assert mishran("build", run, "--rows", "50", "--out", tmp_path / "m", "-q").code == 0


def test_a_run_of_before_is_told_to_fit_again(fitted, refuses, tmp_path):
    (fitted.parent / "runs" / "mix" / "base.json").unlink()
    line = refuses("build", fitted.parent / "runs" / "mix", "--out", tmp_path / "m", "-q")
    assert "run `mishran fit` on the same configuration again" in line


def test_an_empty_task_is_refused(project, refuses, tmp_path):
    (project.parent / "data" / "sums.jsonl").write_text("\n")
    line = refuses("build", recipe(project.parent), "--out", tmp_path / "m", "-q")
    assert "at least one record" in line and "sums" in line
    write_rows(project.parent / "data" / "empty.jsonl", [{"text": "  "}])
    path = recipe(
        project.parent,
        tasks=None,
        sources=[{"name": "a", "path": "data/empty.jsonl"}],
        weights="uniform",
    )
    assert "at least one document with text" in refuses(
        "build", path, "--out", tmp_path / "m", "-q"
    )


def test_what_is_written_is_read_back(project, refuses, tmp_path, monkeypatch):
    """A writer that loses a row is caught before anything is in place."""
    from mishran.stream import build

    real = build.write_records

    def losing(path: Path, records: Any, kind: Any, format_: Any) -> int:
        next(records)
        return real(path, records, kind, format_)

    monkeypatch.setattr(build, "write_records", losing)
    line = refuses("build", recipe(project.parent), "--out", tmp_path / "m", "-q")
    assert "as planned" in line and "when it was read back" in line
    assert not (tmp_path / "m").exists()
