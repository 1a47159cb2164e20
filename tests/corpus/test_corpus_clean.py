"""`mishran corpus clean` whole: what comes in goes out or is accounted for, in any number of processes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from corpus_project import add_rows, document, make_project, sentence, write_recipe

import mishran as mx
from mishran.cli.main import main


def run(monkeypatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mishran", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A corpus with something of every kind to drop, cleaned once."""
    folder = tmp_path_factory.mktemp("corpus")
    recipe = make_project(folder)
    rng = random.Random(1)
    raw = folder / "raw/en.jsonl"
    first = json.loads(raw.read_text().splitlines()[0])["text"]
    words = first.split()
    near = " ".join([*words[: len(words) // 2], "indeed", *words[len(words) // 2 :]])
    add_rows(
        raw,
        [
            {"id": "short", "text": "The river and the city."},
            {"id": "empty", "text": ""},
            {"id": "same", "text": first[:1].lower() + first[1:] + " \n"},
            {"id": "near", "text": near},
            {"id": "hindi", "text": document("hi", rng)},
            {"id": "greek", "text": "και η " * 80},
            {"id": "mail", "text": document("en", rng) + " someone@example.org"},
            {"id": "looped", "text": sentence("en", rng, 10) * 20},
            {"id": "blob", "text": document("en", rng) + " " + "aGVsbG8gd29ybGQ" * 20},
            {"id": "lone", "text": document("en", rng) + " \ud83d"},
            {"id": "no-text", "body": 1},
        ],
    )
    with raw.open("ab") as file:
        file.write(b'{"text": "caf\xe9"}\n{broken\n')
    mx.clean_corpus(recipe)
    return folder


def reasons(folder: Path) -> dict[str, tuple[str, str]]:
    rows = mx.open_corpus(folder / "out").dropped()
    return {row["id"]: (row["step"], row["reason"]) for row in rows}


def test_every_document_left_for_the_reason_it_should(project):
    found = reasons(project)
    assert found["short"] == ("rules", "too-few-words")
    assert found["empty"][0] in ("language", "rules")
    assert found["same"] == ("exact-duplicates", "duplicate")
    assert found["near"] == ("near-duplicates", "near-duplicate")
    assert found["hindi"] == ("language", "not-the-source's-language")
    assert found["greek"] == ("language", "no-known-language")
    assert found["looped"][0] == "rules"
    assert found["blob"] == ("gibberish", "encoded-blob")
    assert not {"mail", "lone"} & set(found)
    assert sum(id_.startswith(("en-", "hi-")) for id_ in found) <= 2


def test_the_accounts_are_of_what_is_on_disk(project):
    corpus = mx.open_corpus(project / "out")
    corpus.accounts.check()
    raw = [
        len((project / f"raw/{tag}.jsonl").read_bytes().split(b"\n")) - 1 for tag in ("en", "hi")
    ]
    arrived = {name: amount.documents for name, amount in corpus.accounts.arrived.items()}
    assert arrived == {"english": raw[0], "hindi": raw[1]}
    for source in ("english", "hindi"):
        kept = list(corpus.documents(source))
        amounts = [a for k, a in corpus.accounts.kept.items() if k.source == source]
        assert len(kept) == sum(a.documents for a in amounts)
        assert sum(len(row["text"].encode()) for row in kept) == sum(a.bytes for a in amounts)
    # Records that could not be read were never documents: they are in no file, but in the accounts.
    dropped = sum(a.documents for a in corpus.accounts.dropped.values())
    assert dropped == len(list(corpus.dropped())) + 3


def test_what_could_not_be_read_is_named(project):
    refusals = mx.open_corpus(project / "out").accounts.refusals
    assert [r.reason for r in refusals] == ["no-text", "invalid-utf-8", "not-json"]
    lines = len((project / "raw/en.jsonl").read_bytes().split(b"\n")) - 1
    assert [r.where.rsplit(":", 1)[1] for r in refusals] == [str(lines - k) for k in (2, 1, 0)]


def test_documents_carry_what_later_steps_need(project):
    corpus = mx.open_corpus(project / "out")
    rows = {row["id"]: row for row in corpus.documents()}
    one = rows["hi-3"]
    assert (one["source"], one["provenance"]) == ("hindi", "translated")
    assert (one["language"], one["script"]) == ("hi", "Deva")
    assert one["origin"].endswith("hi.jsonl:4")
    assert one["probability"] > 0.9
    assert "<EMAIL>" in rows["mail"]["text"] and "someone@" not in rows["mail"]["text"]
    assert rows["lone"]["text"].endswith("\ufffd")
    edits = {(e.step, e.what): a.documents for e, a in corpus.accounts.edited.items()}
    assert edits["pii", "email"] == 1 and edits["repair", "lone-surrogate"] == 1


def test_the_same_bytes_again_in_two_processes_and_another_hash_seed(project, tmp_path):
    recipe = yaml.safe_load((project / "corpus.yaml").read_text())
    recipe["where"] = {"workers": 2}
    path = project / "again.yaml"
    path.write_text(yaml.safe_dump(recipe))
    out = str(tmp_path / "again")
    # A script without `if __name__ == "__main__"`: it must not hang.
    code = f"import mishran as mx; mx.clean_corpus({str(path)!r}, {out!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    first, second = hashes(project / "out"), hashes(tmp_path / "again")
    assert first.pop("recipe.yaml") != second.pop("recipe.yaml")  # it names the workers
    assert first == second


def test_run_again_nothing_is_done(project):
    before = hashes(project / "out")
    assert mx.clean_corpus(project / "corpus.yaml").made is False
    assert hashes(project / "out") == before


@pytest.mark.full
def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(project, tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("out"))
    command = [
        sys.executable,
        "-m",
        "mishran",
        "corpus",
        "clean",
        str(folder / "corpus.yaml"),
        "-q",
    ]
    for mark in (
        "clean/completions/00000",
        "signatures/completions/00000",
        "write/completions/00000",
    ):
        process = subprocess.Popen(command, start_new_session=True)
        while process.poll() is None and not list(folder.glob(f"out/work/*/logs/{mark}")):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, mark
        assert not (folder / "out/corpus.json").exists()
    mx.clean_corpus(folder / "corpus.yaml")
    first, second = hashes(project / "out"), hashes(folder / "out")
    same = [n for n in first if n.startswith("clean/") or n.startswith("models/")]
    assert same and all(strip_origin(project, n) == strip_origin(folder, n) for n in same)
    assert set(first) == set(second)


def strip_origin(folder: Path, name: str) -> object:
    """A file of the result, without the column that names the folder of the input."""
    import pyarrow.parquet as pq

    path = folder / "out" / name
    if path.suffix == ".parquet":
        return pq.read_table(path).drop_columns("origin").to_pydict()
    return path.read_bytes()


def test_the_first_source_keeps_the_copy(tmp_path):
    recipe = make_project(tmp_path, documents=6)
    rows = [json.loads(line) for line in (tmp_path / "raw/en.jsonl").read_text().splitlines()]
    words = rows[0]["text"].split()
    near = {"id": "near", "text": " ".join([*words[:60], "indeed", *words[60:]])}
    with (tmp_path / "raw/copies.jsonl").open("w") as file:
        for row in [{**rows[1], "id": "exact"}, near]:
            file.write(json.dumps(row) + "\n")
    data = yaml.safe_load(recipe.read_text())
    copies = {"name": "copies", "path": "raw/copies.jsonl", "provenance": "synthetic"}
    for order in ([*data["sources"], copies], [copies, *data["sources"]]):
        path = write_recipe(tmp_path, {**data, "sources": order, "run": f"out-{order[0]['name']}"})
        mx.clean_corpus(path)
        gone = set(reasons_in(tmp_path / f"out-{order[0]['name']}"))
        assert gone >= ({"exact", "near"} if order[-1] is copies else {"en-0", "en-1"})


def reasons_in(folder: Path) -> list[str]:
    return [row["id"] for row in mx.open_corpus(folder).dropped()]


def test_bad_files_are_named_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    recipe = make_project(tmp_path, documents=20)
    raw = tmp_path / "raw"
    whole = gzip.compress((raw / "en.jsonl").read_bytes())
    shutil.rmtree(tmp_path / "more", ignore_errors=True)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/cut.jsonl.gz").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "more/empty.jsonl").write_bytes(b"")
    (tmp_path / "more/bomb.jsonl.gz").write_bytes(
        gzip.compress(b'{"text": "' + b"a" * 2**25 + b'"}')
    )
    (tmp_path / "more/utf16.txt").write_bytes(("a text in another encoding\n" * 5).encode("utf-16"))
    data = yaml.safe_load(recipe.read_text())
    data["sources"].append({"name": "more", "path": "more", "provenance": "native"})
    write_recipe(tmp_path, data)
    assert run(monkeypatch, "corpus", "clean", str(recipe)) == 0
    said = capsys.readouterr().err
    assert "cut.jsonl.gz: damaged after " in said
    assert "empty.jsonl: empty" in said
    assert "bomb.jsonl.gz: unpacks to more than 5" in said and "refused whole" in said
    corpus = mx.open_corpus(tmp_path / "out")
    assert len(corpus.facts["problems"]) == 3
    assert {r.reason for r in corpus.accounts.refusals} >= {"invalid-utf-8"}
    corpus.accounts.check()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"languages": {}}, "expected at least one language, found none"),
        ({"sources": []}, "expected at least one source, found an empty list"),
        ({"run": None}, "expected text"),
        ({"rulez": {}}, "unknown field 'rulez'; did you mean 'rules'?"),
        ({"rules": {"min_word": 3}}, "'min_word'; did you mean min_words?"),
        (
            {"languages": {"Hindi!": {"seed": "seeds/hi.jsonl"}}},
            "expected a language tag such as hi",
        ),
        ({"languages": {"en": {"seed": "none.jsonl"}}}, "expected a language of source 'hindi'"),
        ({"mixing": ["hi", "mr"]}, "expected languages of mixing among en, hi, found 'mr'"),
        ({"where": {"kind": "slurm"}}, "expected partition with kind: slurm"),
        ({"tokenizer": "nowhere"}, "expected a folder with tokenizer.json"),
        ({"facts": {"languages": {}}}, "expected at least one language, found none"),
        ({"decontaminate": {"sets": []}}, "expected at least one set"),
    ],
)
def test_a_wrong_recipe_is_one_line(tmp_path, monkeypatch, capsys, change, said):
    recipe = make_project(tmp_path, documents=2)
    write_recipe(tmp_path, {**yaml.safe_load(recipe.read_text()), **change})
    assert run(monkeypatch, "corpus", "clean", str(recipe), "-q") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("mishran: ") and said in error, error


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: (p / "seeds/hi.jsonl").unlink(), "languages.hi: "),
        (lambda p: (p / "seeds/hi.jsonl").write_text("{broken\n"), "found not-json"),
        (lambda p: (p / "seeds/hi.jsonl").write_text('{"body": 1}\n'), "found no-text"),
        (lambda p: (p / "seeds/hi.jsonl").write_text(""), "0 texts, of which 0 are skipped"),
        (lambda p: (p / "raw/hi.jsonl").unlink(), "source 'hindi': "),
        (
            lambda p: [(p / f"raw/{t}.jsonl").write_text("") for t in ("en", "hi")],
            "expected text in at least one file",
        ),
    ],
)
def test_missing_and_broken_files_are_one_line(tmp_path, monkeypatch, capsys, spoil, said):
    recipe = make_project(tmp_path, documents=2)
    spoil(tmp_path)
    assert run(monkeypatch, "corpus", "clean", str(recipe), "-q") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error, error
    assert not (tmp_path / "out/clean").exists()


def test_what_is_asked_of_a_result_that_is_not_there(project, tmp_path):
    corpus = mx.open_corpus(project / "out")
    with pytest.raises(
        mx.MishranError, match="expected one of the sources english, hindi, found 'x'"
    ):
        corpus.documents("x")
    with pytest.raises(mx.MishranError, match=r"expected one of the reasons .*, found 'x'"):
        corpus.dropped(reason="x")
    with pytest.raises(mx.MishranError, match=r"expected one of the steps .*, found 'x'"):
        corpus.dropped(step="x")
    with pytest.raises(
        mx.MishranError, match="expected a folder with a cleaned corpus, found none"
    ):
        mx.open_corpus(tmp_path)
    recipe = make_project(tmp_path, documents=2)
    data = yaml.safe_load(recipe.read_text())
    mx.clean_corpus(write_recipe(tmp_path, {**data, "dropped": False}))
    with pytest.raises(mx.MishranError, match="found no folder dropped/"):
        mx.open_corpus(tmp_path / "out").dropped()


def test_the_plan_looks_at_all_files_that_are_named(tmp_path, monkeypatch, capsys):
    recipe = make_project(tmp_path, documents=2)
    data = yaml.safe_load(recipe.read_text())
    write_recipe(tmp_path, {**data, "tokenizer": "nowhere"})
    assert run(monkeypatch, "corpus", "clean", str(recipe), "--plan", "-q") == 2
    assert "expected a folder with tokenizer.json" in capsys.readouterr().err
    (tmp_path / "seeds/hi.jsonl").unlink()
    write_recipe(tmp_path, data)
    assert run(monkeypatch, "corpus", "clean", str(recipe), "--plan", "-q") == 2
    assert "languages.hi: " in capsys.readouterr().err


def test_the_matched_item_of_a_test_is_named(tmp_path):
    recipe = make_project(tmp_path, documents=4)
    rows = [json.loads(line) for line in (tmp_path / "raw/en.jsonl").read_text().splitlines()]
    words = " ".join(rows[2]["text"].split()[10:40])
    items = [{"input": words, "target": "an answer"}, {"input": "Something else?", "target": "no"}]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    data = yaml.safe_load(recipe.read_text())
    write_recipe(
        tmp_path, {**data, "decontaminate": {"sets": [{"name": "quiz", "path": "quiz.jsonl"}]}}
    )
    corpus = mx.clean_corpus(recipe)
    (row,) = corpus.dropped(step="contamination")
    assert (row["id"], row["reason"]) == ("en-2", "in-quiz")
    assert row["matched"].startswith("quiz:1: ")


def test_the_plan_reads_and_writes_nothing(tmp_path, monkeypatch, capsys):
    recipe = make_project(tmp_path, documents=2)
    assert run(monkeypatch, "corpus", "clean", str(recipe), "--plan", "--json", "-q") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [f["source"] for f in facts["files"]] == ["english", "hindi"]
    assert not (tmp_path / "out").exists()


def test_json_is_one_object(project, monkeypatch, capsys):
    assert run(monkeypatch, "corpus", "clean", str(project / "corpus.yaml"), "--json", "-q") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["accounts"]["arrived"][0]["source"] == "english"


def by_language(corpus: mx.Cleaned) -> dict[tuple[str, str], int]:
    return {(k.language, k.script): v.documents for k, v in corpus.accounts.kept.items()}


def one_source(folder: Path, **changes: object) -> Path:
    recipe = yaml.safe_load(make_project(folder, documents=8).read_text())
    recipe["sources"] = [{"name": "all", "path": "raw", "provenance": "native"}]
    return write_recipe(folder, recipe | changes)


def test_a_neighbour_that_is_kept_after_all_is_no_gibberish(tmp_path):
    path = one_source(tmp_path)
    recipe = yaml.safe_load(path.read_text())
    recipe["languages"]["hi"]["keep"] = False
    write_recipe(tmp_path, recipe)
    assert by_language(mx.clean_corpus(path)) == {("en", "Latn"): 8}
    recipe["languages"]["hi"]["keep"] = True
    write_recipe(tmp_path, recipe)
    assert by_language(mx.clean_corpus(path)) == {("en", "Latn"): 8, ("hi", "Deva"): 8}


def test_seeds_that_change_are_learned_again_in_the_same_process(tmp_path):
    path = one_source(tmp_path, gibberish=False, rules={"min_words": 1})
    assert ("en", "Latn") in by_language(mx.clean_corpus(path))
    english, hindi = (tmp_path / f"seeds/{tag}.jsonl" for tag in ("en", "hi"))
    texts = english.read_bytes(), hindi.read_bytes()
    english.write_bytes(texts[1])
    hindi.write_bytes(texts[0])
    assert set(by_language(mx.clean_corpus(path))) == {("en", "Deva"), ("hi", "Latn")}


def test_what_an_earlier_recipe_dropped_does_not_stay(tmp_path):
    path = one_source(tmp_path, rules={"min_words": 9999})
    assert len(list(mx.clean_corpus(path).dropped())) == 16
    recipe = yaml.safe_load(path.read_text()) | {"dropped": False, "rules": {}}
    write_recipe(tmp_path, recipe)
    mx.clean_corpus(path)
    assert not (tmp_path / "out/dropped").exists()


@pytest.mark.parametrize("name", ["work", "models", "clean", "recipe.yaml"])
def test_nobodys_files_are_replaced(tmp_path, name):
    path = one_source(tmp_path, run=".")
    mine = tmp_path / name / "mine.txt" if "." not in name else tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("precious")
    with pytest.raises(mx.MishranError, match=f"found {name}, which no cleaning has put there"):
        mx.clean_corpus(path)
    assert mine.read_text() == "precious" and not (tmp_path / ".lock").exists()


def test_raw_text_in_the_result_is_refused(tmp_path):
    path = one_source(tmp_path)
    mx.clean_corpus(path)
    recipe = yaml.safe_load(path.read_text())
    recipe["sources"][0]["path"] = "out/clean/all"
    write_recipe(tmp_path, recipe)
    with pytest.raises(
        mx.MishranError, match=r"source 'all': expected raw text outside the folder"
    ):
        mx.clean_corpus(path)
    assert by_language(mx.open_corpus(tmp_path / "out"))


def test_what_a_folder_has_besides_is_named_and_a_source_may_be_called_readme(tmp_path):
    path = one_source(tmp_path)
    recipe = yaml.safe_load(path.read_text())
    recipe["sources"][0]["name"] = "README"
    write_recipe(tmp_path, recipe)
    (tmp_path / "raw/more.json").write_text("{}")
    (tmp_path / "raw/link").symlink_to(tmp_path / "seeds")
    done = mx.clean_corpus(path)
    assert (
        "2 files or links in its folder are not read: 'link', 'more.json'"
        in done.facts["problems"][0]
    )
    assert len(list(done.documents("README"))) == 16


@pytest.mark.full
def test_more_shards_than_open_files(tmp_path):
    path = one_source(tmp_path)
    for i in range(45):
        (tmp_path / f"raw/{i}.txt").write_text(document("en", random.Random(i)) + "\n")
    code = (
        "import resource, sys, mishran as mx;"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (45, hard));"
        "print(sum(a.documents for a in mx.clean_corpus(sys.argv[1]).accounts.arrived.values()))"
    )
    said = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert said.stdout == "61\n", said.stderr


def test_signatures_of_a_long_document_are_datatroves_own():
    import numpy as np
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    from mishran.config_corpus import MinhashConfig
    from mishran.corpus.duplicates import InParts, near_signatures

    ours = near_signatures(Path("unused"), MinhashConfig())
    shingles = np.random.default_rng(0).integers(0, 2**63, (3 * InParts.PART + 5, 1), np.uint64)
    assert ours.get_signature(shingles) == MinhashDedupSignature.get_signature(ours, shingles)


def test_a_cluster_that_loses_tasks_is_no_success(tmp_path, monkeypatch):
    path = one_source(tmp_path, where={"kind": "ray"})
    monkeypatch.setattr("mishran.corpus.executors.run_ray", lambda one, logs, where: None)
    with pytest.raises(mx.MishranError, match=r"pass 'clean' to end, found 2 of 2 tasks"):
        mx.clean_corpus(path)


def test_temporary_files_of_jobs_on_a_cluster_stay(tmp_path):
    path = one_source(tmp_path)
    work = tmp_path / "out/work/key"
    work.mkdir(parents=True)
    (tmp_path / "out/.lock").touch()
    (work / "jobs.json").write_text('["1"]')
    (work / ".tmp-00000.json").write_text("{")
    (tmp_path / "seeds/en.jsonl").write_text("")  # it ends before anything is cleaned
    with pytest.raises(mx.MishranError, match="0 texts"):
        mx.clean_corpus(path)
    assert (work / ".tmp-00000.json").exists()


def test_a_file_of_the_same_name_in_another_folder_of_seeds_counts(tmp_path):
    from mishran.config import read_config
    from mishran.config_corpus import CorpusConfig
    from mishran.pipeline.corpus_models import model_inputs

    path = one_source(tmp_path)
    recipe = yaml.safe_load(path.read_text())
    recipe["languages"]["en"]["seed"] = "seeds/en"
    write_recipe(tmp_path, recipe)
    for name in ("a", "b"):
        (tmp_path / "seeds/en" / name).mkdir(parents=True)
        (tmp_path / "seeds/en" / name / "x.txt").write_text(name)
    config = read_config(path, CorpusConfig)
    before = model_inputs(config, tmp_path)
    (tmp_path / "seeds/en/a/x.txt").write_text("changed")
    assert model_inputs(config, tmp_path) != before


def test_a_script_is_written_as_the_standard_writes_it(tmp_path):
    path = one_source(tmp_path, languages={"hi-latn": {"seed": "seeds/en.jsonl"}})
    with pytest.raises(mx.MishranError, match="found 'hi-latn'; write hi-Latn"):
        mx.clean_corpus(path)


def test_too_little_seed_text_for_a_bound_is_one_line(tmp_path):
    path = one_source(tmp_path)
    rows = (tmp_path / "seeds/hi.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "seeds/hi.jsonl").write_text("".join(rows[:10]))
    with pytest.raises(mx.MishranError, match=r"languages\.hi: .* found \d+, one in 10; give more"):
        mx.clean_corpus(path)


def test_a_full_disk_is_one_line_in_a_worker_too(tmp_path, monkeypatch):
    from mishran.corpus.executors import Pass
    from mishran.corpus.passes import Work
    from mishran.pipeline import corpus_worker

    class FullTask:
        work = Work(tmp_path)

        def passes(self, report):
            return [Pass("clean", [], 1)]

    def full(one, rank, logs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus_worker, "run_task", full)
    with pytest.raises(mx.MishranError, match="found No space left on device"):
        corpus_worker._work(FullTask(), ["clean", 0], lambda amount: None)


def test_a_damaged_result_names_the_right_command(tmp_path):
    path = one_source(tmp_path)
    mx.clean_corpus(path)
    (tmp_path / "out/corpus.json").write_text("{}")
    with pytest.raises(mx.MishranError, match="run `mishran corpus clean` on the same recipe"):
        mx.open_corpus(tmp_path / "out")
