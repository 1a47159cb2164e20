"""`mishran corpus clean` whole: what comes in goes out or is accounted for, in any number of processes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from corpus_project import add_rows, document, make_project, sentence, write_recipe
from hypothesis import example, given
from hypothesis import strategies as st

import mishran as mx
from mishran.cli.main import main
from mishran.corpus.thresholds import NAMES


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
    out = str(tmp_path / "out")  # of the same name, which is the title of the page
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
    first, second = hashes(project / "out"), hashes(tmp_path / "out")
    assert first.pop("recipe.yaml") != second.pop("recipe.yaml")  # it names the workers
    assert first == second


def test_run_again_nothing_is_done(project):
    before = hashes(project / "out")
    assert mx.clean_corpus(project / "corpus.yaml").made is False
    assert hashes(project / "out") == before


# Cleans a recipe, and dies the moment it is told for the first time how far a stage is.
KILLED = """
import contextlib, os, signal, sys
import mishran as mx

class Deadly:
    @contextlib.contextmanager
    def bar(self, title, total, unit=""):
        def advance(amount):
            if title == sys.argv[2]:
                os.kill(os.getpid(), signal.SIGKILL)
        yield advance

    def say(self, text):
        pass

mx.clean_corpus(sys.argv[1], progress=Deadly())
"""


@pytest.mark.full
def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(project, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("out"))
    command = [sys.executable, "-c", KILLED, str(folder / "corpus.yaml")]
    for stage, done in (
        ("learn from seeds", None),
        ("clean", None),
        ("signatures", "signatures/completions/00000"),
        ("write", "write/completions/00000"),
    ):
        process = subprocess.run([*command, stage], capture_output=True, text=True)
        assert process.returncode == -signal.SIGKILL, (stage, process.stderr)
        assert not (folder / "out/corpus.json").exists()
        assert done is None or len(list(folder.glob(f"out/work/*/logs/{done}"))) == 1
    mx.clean_corpus(folder / "corpus.yaml")
    first, second = hashes(project / "out"), hashes(folder / "out")
    assert {"corpus.json", "report.html", "recipe.yaml"} <= set(first)
    for part in ("clean/", "dropped/", "models/"):
        assert any(name.startswith(part) for name in first), part
    assert first == second


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
        ({"mixing": ["hi", "hi"]}, "expected two languages for mixing"),
        ({"mixing": ["en", "en-IN"]}, "expected two languages for mixing"),
        ({"mixing": ["en", "hi-latn"]}, "found 'hi-latn'; write hi-Latn"),
        ({"mixing": ["en", "Hindi!"]}, "expected a language tag such as hi"),
        (
            {"languages": {"und": {"seed": "seeds/hi.jsonl"}}},
            "such as hi, hi-Latn or mr, found 'und'",
        ),
        (
            {"decontaminate": {"sets": [{"name": "q", "path": "raw"}], "n_grams": 7}},
            "decontaminate.n_grams: expected",
        ),
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


def with_tamil(folder: Path, rules: dict, source: dict) -> Path:
    """A recipe with Tamil, whose published bounds on the length of words are 5 and 37."""
    recipe = yaml.safe_load(make_project(folder, documents=2).read_text())
    recipe["languages"]["ta"] = {"seed": "seeds/hi.jsonl", "rules": rules}
    recipe["sources"][1] |= source
    return write_recipe(folder, recipe)


@pytest.mark.parametrize(
    ("rules", "source", "said"),
    [
        (
            {"max_word_length": 4},
            {},
            "source 'english': all rules for ta together: "
            "expected min_word_length at most max_word_length, found 5 and 4; swap them",
        ),
        (
            {"min_word_length": 12},
            {"rules": {"max_word_length": 11}},
            "source 'hindi': all rules for ta together: "
            "expected min_word_length at most max_word_length, found 12 and 11; swap them",
        ),
        ({}, {"rules": {"min_words": 60, "max_words": 50}}, "source 'hindi': rules: "),
        ({}, {"rules": {"min_words": 10_001}}, "source 'hindi': all rules for en together: "),
        ({"min_words": -1}, {}, "languages.ta.rules"),
    ],
)
def test_bounds_that_cannot_be_together_are_refused_before_anything_is_learned(
    tmp_path, monkeypatch, capsys, rules, source, said
):
    path = with_tamil(tmp_path, rules, source)
    assert run(monkeypatch, "corpus", "clean", str(path), "-q") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error, error
    assert not (tmp_path / "out").exists()


def test_bounds_that_the_language_makes_possible_are_accepted(tmp_path):
    """12 is beyond the general bound of 10, and within that of Tamil."""
    from mishran.pipeline.corpus import plan_corpus

    planned = plan_corpus(with_tamil(tmp_path, {"min_word_length": 12}, {}))
    assert planned.config.languages["ta"].rules == {"min_word_length": 12}
    recipe = yaml.safe_load((tmp_path / "corpus.yaml").read_text())
    recipe["languages"]["ta"] |= {"rules": {"max_word_length": 4}, "keep": False}
    plan_corpus(write_recipe(tmp_path, recipe))  # nothing of it is ever judged


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: (p / "seeds/hi.jsonl").unlink(), "languages.hi: "),
        (lambda p: (p / "seeds/hi.jsonl").write_text("{broken\n"), "found not-json"),
        (lambda p: (p / "seeds/hi.jsonl").write_text('{"body": 1}\n'), "found no-text"),
        (lambda p: (p / "seeds/hi.jsonl").write_text(""), "found 0 texts;"),
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


@pytest.mark.parametrize("name", ["report.html", "work/x", "recipe.yaml", "models/probe/a.bin"])
def test_the_folder_of_another_kind_of_run_is_refused_and_stays(tmp_path, name):
    """Every run has a lock; only a cleaning says that what lies here is its own."""
    path = one_source(tmp_path)
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text("of a fit")
    (tmp_path / "out/.lock").touch()
    (tmp_path / "out/mixture.json").write_text("{}")
    before = hashes(tmp_path)
    first = name.split("/")[0]
    with pytest.raises(mx.MishranError, match=f"found {first}, which no cleaning has put there"):
        mx.clean_corpus(path)
    assert hashes(tmp_path) == before
    (tmp_path / "out/.corpus").touch()
    assert mx.clean_corpus(path).made


def test_a_folder_with_nothing_that_is_replaced_may_be_used(tmp_path):
    path = one_source(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.md").write_text("mine")
    (tmp_path / "out/.lock").touch()
    assert mx.clean_corpus(path).made
    assert (tmp_path / "out/notes.md").read_text() == "mine"
    assert (tmp_path / "out/.corpus").read_bytes() == b""


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("languages.en", "languages: {en: {seed: MINE}, hi: {seed: seeds/hi.jsonl}}"),
        ("decontaminate: set 'quiz'", "decontaminate: {sets: [{name: quiz, path: MINE}]}"),
        ("facts.en", "facts: {languages: {en: {positive: MINE, negative: raw/en.jsonl}}}"),
        ("facts.en", "facts: {languages: {en: {positive: raw/en.jsonl, negative: MINE}}}"),
        ("tokenizer", "tokenizer: out/models"),
    ],
)
def test_nothing_that_is_read_may_lie_where_the_result_goes(tmp_path, where, change):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    path = one_source(tmp_path)
    (tmp_path / "out/models").mkdir(parents=True)
    (tmp_path / "out/.corpus").touch()
    shutil.copy(tmp_path / "seeds/en.jsonl", tmp_path / "out/models/mine.jsonl")
    Tokenizer(WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "out/models/tokenizer.json"))
    before = hashes(tmp_path / "out")
    recipe = yaml.safe_load(path.read_text())
    write_recipe(tmp_path, recipe | yaml.safe_load(change.replace("MINE", "out/models/mine.jsonl")))
    with pytest.raises(mx.MishranError) as error:
        mx.clean_corpus(path)
    assert str(error.value).startswith(
        f"{where}: expected input outside of what the result replaces, found {tmp_path}/out/models"
    )
    assert hashes(tmp_path / "out") == before


def test_the_page_is_named_after_its_folder(tmp_path):
    path = one_source(tmp_path, gibberish=False)
    mx.clean_corpus(path, tmp_path / "named")
    assert "<title>named" in (tmp_path / "named/report.html").read_text()
    mx.clean_corpus(write_recipe(tmp_path, yaml.safe_load(path.read_text()) | {"run": "x/.."}))
    assert f"<title>{tmp_path.name}" in (tmp_path / "report.html").read_text()


def test_sources_are_in_the_result_with_their_license_and_one_may_be_empty(
    tmp_path, monkeypatch, capsys
):
    path = one_source(tmp_path)
    recipe = yaml.safe_load(path.read_text())
    recipe["sources"][0]["license"] = "CC BY 4.0"
    recipe["sources"].append({"name": "none", "path": "none", "provenance": "synthetic"})
    write_recipe(tmp_path, recipe)
    (tmp_path / "none").mkdir()
    (tmp_path / "none/a.jsonl").write_text("")
    done = mx.clean_corpus(path)
    assert done.facts["sources"] == [
        {"source": "all", "provenance": "native", "license": "CC BY 4.0"},
        {"source": "none", "provenance": "synthetic", "license": None},
    ]
    assert done.facts["others"] == []
    assert done.facts["problems"] == ["none: a.jsonl: empty"]
    assert list(done.documents("none")) == []
    assert len(list(done.documents("all"))) == len(list(done.documents())) == 16
    assert run(monkeypatch, "corpus", "clean", str(path), "-q") == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in shown[1:4]] == [["all", "16"], ["none", "0"], ["together", "16"]]
    with pytest.raises(mx.MishranError, match="one of the sources all, none, found 'x'"):
        done.documents("x")


def test_raw_text_in_the_result_is_refused(tmp_path):
    path = one_source(tmp_path)
    mx.clean_corpus(path)
    recipe = yaml.safe_load(path.read_text())
    recipe["sources"][0]["path"] = "out/clean/all"
    write_recipe(tmp_path, recipe)
    with pytest.raises(
        mx.MishranError, match=r"source 'all': expected input outside of what the result replaces"
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
    (line,) = done.facts["others"]
    assert line == "README: 2 files or links in its folder are not read: 'link', 'more.json'"
    assert done.facts["problems"] == []
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


def test_numbers_count_unless_the_recipe_says_otherwise(tmp_path):
    """Two years of the same register are two documents; datatrove's own reading makes them one."""
    from mishran.config_corpus import MinhashConfig
    from mishran.corpus.duplicates import near_signatures

    first, second = (
        " ".join(f"in village {i + year} lived {i * 7 + year} people" for i in range(30))
        for year in (1951, 1961)
    )
    other = first.replace("village", "town")
    for numbers in (True, False):
        signatures = near_signatures(Path("unused"), MinhashConfig(numbers=numbers))
        hashed = [signatures.get_shingles(text).tolist() for text in (first, second, other)]
        assert (hashed[0] == hashed[1]) == (not numbers)
        assert hashed[0] != hashed[2]
    path = one_source(tmp_path, gibberish=False, rules=dict.fromkeys(NAMES), strange=None)
    rows = [{"id": "a", "text": first}, {"id": "b", "text": second}]
    (tmp_path / "raw/register.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe = yaml.safe_load(path.read_text()) | {"probability": 0.0}
    for numbers in (True, False):
        write_recipe(tmp_path, recipe | {"minhash": {"numbers": numbers}})
        done = mx.clean_corpus(path)
        gone = [row["id"] for row in done.dropped() if row["step"] == "near-duplicates"]
        assert {"a", "b"} - {row["id"] for row in done.documents()} == set(gone)
        assert gone == ([] if numbers else ["b"])


def test_a_cluster_that_loses_tasks_is_no_success(tmp_path, monkeypatch):
    path = one_source(tmp_path, where={"kind": "ray"})
    monkeypatch.setattr("mishran.pipeline.corpus_run.run_ray", lambda one, logs, where: None)
    with pytest.raises(mx.MishranError, match=r"pass 'clean' to end, found 2 of 2 tasks"):
        mx.clean_corpus(path)


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
    said = (
        r"languages\.hi: .* found \d+, one in 10 of those that are not encoded or mashed; give more"
    )
    with pytest.raises(mx.MishranError, match=said):
        mx.clean_corpus(path)


@pytest.mark.parametrize("number", [1, 2])
def test_a_long_seed_document_or_two_are_enough(tmp_path, number):
    path = one_source(tmp_path, mixing=["hi", "en"])
    for tag in ("en", "hi"):
        seeds = tmp_path / f"seeds/{tag}.jsonl"
        texts = [json.loads(line)["text"] for line in seeds.read_text().splitlines()]
        rows = [{"text": "\n".join(texts[i::number])} for i in range(number)]
        seeds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = mx.clean_corpus(path)
    assert by_language(done) == {("en", "Latn"): 8, ("hi", "Deva"): 8}
    checks = done.facts["checks"]
    assert {tag: one["n"] > 50 for tag, one in checks["languages"]["by_language"].items()} == {
        "en": True,
        "hi": True,
    }
    assert all(20 <= bound["documents"] < 100 for bound in checks["gibberish"].values())


@pytest.mark.parametrize("number", [120, 380])
def test_one_bad_text_among_few_that_are_held_out_changes_nothing(tmp_path, number):
    """It is not counted among them, and the quantile is what so few have."""
    from mishran.config import read_config
    from mishran.config_corpus import CorpusConfig
    from mishran.corpus.steps import Models
    from mishran.pipeline.corpus_models import _held_out, _prose

    rng = random.Random(5)
    path = one_source(tmp_path, languages={"en": {"seed": "seeds.txt"}})
    recipe = read_config(path, CorpusConfig)
    lines = [sentence("en", rng, 60) for _ in range(number * 2)]
    blobs = (base64.b64encode(rng.randbytes(300)).decode() for _ in range(1000))
    found = []
    for name, bad in (("sound", ""), ("one", next(filter(_held_out, blobs)))):
        (tmp_path / "seeds.txt").write_text("\n".join([*lines, bad]))
        (tmp_path / name).mkdir()
        found.append(_prose(recipe, tmp_path, Models(tmp_path / name))["en"])
    assert 20 <= found[0].documents < 99
    assert found[0].quantile == found[0].documents / (found[0].documents + 1)
    assert found[1] == found[0]


@given(st.text(st.sampled_from("ab \n\u2028\x1fक"), max_size=40), st.integers(1, 300))
@example("a" * 1234 + " b", 1)
@example("a " * 700 + "b" * 499 + " " + "c" * 500 + " d", 1)
def test_pieces_hold_all_words_and_cut_none_that_fits(text, times):
    from mishran.pipeline.corpus_models import PIECE, _pieces

    text = text * times
    pieces = _pieces(text)
    assert all(0 < len(piece) <= PIECE and piece == piece.strip() for piece in pieces)
    words = [word for piece in pieces for word in piece.split()]
    assert "".join(words) == "".join(text.split())
    if all(len(word) <= PIECE for word in text.split()):
        assert words == text.split()


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
