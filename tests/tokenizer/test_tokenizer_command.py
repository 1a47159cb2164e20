"""`mishran tokenizer` whole: text to tokenizer and report, the same bytes each time, bad input."""

from __future__ import annotations

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
from corpus_project import document, write_rows

from mishran.cli.main import main
from mishran.config import read_config
from mishran.config_tokenizer import TokenizerConfig
from mishran.errors import MishranError
from mishran.pipeline.tokenizer import train_tokenizer
from mishran.tokenizer.opened import open_tokenizer

ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mishran", "tokenizer", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def make_project(folder: Path, **changed: object) -> Path:
    """Text of two made-up languages, five times as much English as Hindi, and parallel text."""
    rng = random.Random(0)
    rows = {tag: [document(tag, rng) for _ in range(n)] for tag, n in (("en", 200), ("hi", 40))}
    for tag, texts in rows.items():
        write_rows(folder / f"{tag}.jsonl", [{"text": text} for text in texts])
    both = zip(rows["en"][:40], rows["hi"], strict=True)
    write_rows(folder / "both.jsonl", [{"id": 1, "e": en, "h": hi} for en, hi in both])
    data = {
        "run": "run",
        "languages": {tag: {"text": f"{tag}.jsonl"} for tag in rows},
        "parallel": [{"name": "news", "path": "both.jsonl", "fields": {"en": "e", "hi": "h"}}],
        "vocabularies": [420, 480],
        "strengths": [0, 0.5, 1],
        **changed,
    }
    path = folder / "tokenizer.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}))
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(make_project(folder))
    return folder


def test_it_is_fairer_than_the_text_as_it_is(project: Path) -> None:
    search = json.loads((project / "run/search.json").read_text())
    chosen = next(one for one in search["candidates"] if one["chosen"])
    plain = next(
        one
        for one in search["candidates"]
        if one["strength"] == 0 and one["vocabulary"] == chosen["vocabulary"]
    )
    assert len(search["candidates"]) == 6
    assert search["reached"] and chosen["gap"] <= plain["gap"]
    assert chosen["cost"] <= 0.06 and plain["cost"] == 0
    assert search["proportional"]["en"] > 0.5
    assert chosen["shares"]["hi"] >= plain["shares"]["hi"]
    training = json.loads((project / "run/tokenizer/training.json").read_text())
    assert training["shares"] == chosen["shares"]
    assert (
        training["vocabulary"]
        == chosen["vocabulary"]
        == open_tokenizer(str(project / "run/tokenizer")).size
    )


def test_search_and_report_have_no_text_in_common(project: Path) -> None:
    measures = json.loads((project / "run/measures.json").read_text())
    assert measures["domains"] == [{"domain": "news", "texts": 20}]
    rows = [json.loads(line) for line in (project / "both.jsonl").read_text().splitlines()]
    fair = open_tokenizer(str(project / "run/tokenizer"))
    for tag, field in (("en", "e"), ("hi", "h")):
        found = next(
            one
            for one in measures["measures"]
            if one["tokenizer"] == "fair" and one["language"] == tag
        )
        assert found["num_tokens"] == fair.counts([row[field] for row in rows[1::2]]).sum()
    searched = json.loads((project / "run/search.json").read_text())["candidates"]
    chosen = next(one for one in searched if one["chosen"])
    assert chosen["tokens"]["hi"]["news"] == fair.counts([row["h"] for row in rows[::2]]).sum()


def test_run_again_it_does_nothing_and_a_lost_file_is_made_again(project: Path) -> None:
    before = hashes(project / "run")
    assert not train_tokenizer(project / "tokenizer.yaml").made
    (project / "run/search/sentencepiece-bpe-0-1.json").unlink()
    shutil.rmtree(project / "run/tokenizer")
    assert train_tokenizer(project / "tokenizer.yaml").made
    assert hashes(project / "run") == before


def test_two_processes_give_the_same_bytes(project: Path, tmp_path: Path) -> None:
    code = "from mishran.cli.main import main; main()"
    for seed in ("1", "2"):
        words = ["tokenizer", "train", str(project / "tokenizer.yaml"), "--run", tmp_path / seed]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(
            [sys.executable, "-c", code, *map(str, words), "--quiet"], env=env, check=True
        )
    first, second = hashes(tmp_path / "1"), hashes(tmp_path / "2")
    assert {k: v for k, v in first.items() if k != "report.html"} == {
        k: v for k, v in second.items() if k != "report.html"
    }  # the page has the name of its folder


@pytest.mark.full
def test_killed_anywhere_it_ends_the_same(project: Path, tmp_path: Path) -> None:
    expected = hashes(project / "run")
    code = "from mishran.cli.main import main; main()"
    words = ["tokenizer", "train", str(project / "tokenizer.yaml"), "--run", str(tmp_path / "run")]
    rng = random.Random(3)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", code, *words, "--quiet"])
        time.sleep(rng.uniform(0.3, 4.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    train_tokenizer(project / "tokenizer.yaml", tmp_path / "run")
    assert hashes(tmp_path / "run") == expected


def test_a_bound_on_parity_takes_the_smallest_vocabulary(project: Path) -> None:
    done = train_tokenizer(project / "tokenizer.yaml", project / "bound", parity=1.2, max_cost=5.0)
    fair = [c for c in done.search["candidates"] if c["parity"]["hi"] <= 1.2]
    chosen = next(c for c in done.search["candidates"] if c["chosen"])
    assert done.search["reached"] and chosen["vocabulary"] == min(c["vocabulary"] for c in fair)


def test_a_bound_that_is_not_reached_says_what_is(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("train", str(project / "tokenizer.yaml"), "--run", str(project / "strict"))
    assert run(monkeypatch, *words, "--parity", "1", "--max-cost", "0", "--quiet") == 0
    assert "is not reached" in " ".join(capsys.readouterr().out.split())


def test_small_sources_are_tried_with_a_larger_part(tmp_path: Path) -> None:
    """Only where a language has several; what cost is measured against keeps their sizes."""
    rows = [{"text": "zebra " * 40}] * 3
    write_rows(tmp_path / "zoo.jsonl", rows)
    path = make_project(
        tmp_path, languages={"en": {"text": ["en.jsonl", "zoo.jsonl"]}, "hi": {"text": "hi.jsonl"}}
    )
    done = train_tokenizer(path)
    tried = {(c["temperature"], c["strength"]) for c in done.search["candidates"]}
    assert tried == {(t, s) for t in (1, 2) for s in (0, 0.5, 1)}
    free = [c for c in done.search["candidates"] if c["cost"] == 0]
    assert {(1, 0)} == {(c["temperature"], c["strength"]) for c in free}
    proportional = json.loads((tmp_path / "run/proportional/training.json").read_text())
    assert proportional["temperature"] == 1
    assert proportional["shares"] == done.search["proportional"]


def test_shares_that_are_given_are_not_searched(tmp_path: Path) -> None:
    path = make_project(
        tmp_path, shares={"en": 0.5, "hi": 0.5}, vocabularies=450, algorithms="byte-bpe"
    )
    done = train_tokenizer(path)
    assert done.training["shares"] == {"en": 0.5, "hi": 0.5}
    assert done.training["algorithm"] == "byte-bpe" and done.search["candidates"] == []
    assert not (tmp_path / "run/tokenizer/tokenizer.model").exists()


def test_boundaries_keep_tokens_from_crossing_them(tmp_path: Path) -> None:
    """Every word is cut after its second letter: no token but the first reaches over."""
    path = make_project(tmp_path, shares={"en": 0.5, "hi": 0.5}, vocabularies=480)
    words = {w for row in (tmp_path / "en.jsonl").open() for w in json.loads(row)["text"].split()}
    plain = sorted(w for w in words if w.isalpha() and len(w) > 3)
    (tmp_path / "parts.txt").write_text("".join(f"{w}\t{w[:2]}·{w[2:]}\n" for w in plain))
    free = train_tokenizer(path)
    data = yaml.safe_load(path.read_text())
    data |= {"run": "cut", "boundaries": {"en": {"path": "parts.txt"}}}
    path.write_text(yaml.safe_dump(data))
    kept = train_tokenizer(path)

    def crossing(folder: Path) -> int:
        tokenizer = open_tokenizer(str(folder / "tokenizer"))
        encoded = tokenizer.encode([f" {w}" for w in plain])
        return sum(3 not in one.starts.tolist() for one in encoded)

    assert crossing(kept.folder) < crossing(free.folder)


def test_the_commands_print_and_write(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    recipe = str(project / "tokenizer.yaml")
    assert run(monkeypatch, "train", recipe, "--plan", "--json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["search"] == planned["report"] == {"news": 20} and planned["candidates"] == 6
    assert run(monkeypatch, "train", recipe, "--json", "--quiet") == 0
    assert json.loads(capsys.readouterr().out)["training"]["vocabulary"] in (420, 480)
    both = ["--parallel", str(project / "both.jsonl"), "--reference", "e"]
    fair = str(project / "run/tokenizer")
    for ending in ("html", "md", "json"):
        out = tmp_path / f"page.{ending}"
        assert (
            run(monkeypatch, "compare", fair, "raw=bytes", *both, "--out", str(out), "--quiet") == 0
        )
        assert "raw" in out.read_text()
    capsys.readouterr()
    assert run(monkeypatch, "compare", fair, "bytes", *both, "--json", "--quiet") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in facts["tokenizers"]] == ["tokenizer", "bytes"]
    texts = ["--text", f"e={project / 'en.jsonl'}", "--text", f"h={project / 'hi.jsonl'}"]
    words = ["account", fair, *texts, *both, "--share", "h=0.25", "--json", "--quiet"]
    assert run(monkeypatch, *words) == 0
    facts = json.loads(capsys.readouterr().out)
    assert sum(row["share_content"]["value"] for row in facts["accounts"]) == pytest.approx(
        1, abs=1e-5
    )
    assert {row["unit"] for row in facts["shares"]} == {"tokens", "bytes", "content"}
    given = next(r for r in facts["shares"] if (r["language"], r["unit"]) == ("h", "content"))
    assert given["share"]["value"] == pytest.approx(0.25)


def test_words_are_counted_behind_another_word() -> None:
    """A tokenizer that puts a space in front of every text, as SentencePiece does by default."""
    import io

    import sentencepiece

    from mishran.tokenizer.alone import costs, in_context
    from mishran.tokenizer.open_sentencepiece import SentencePiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the river and the city", "a river"] * 50),
        model_writer=out,
        vocab_size=26,
        remove_extra_whitespaces=False,
        model_type="bpe",
        minloglevel=2,
    )
    tokenizer = SentencePiece(out.getvalue(), "prefix")
    assert tokenizer.counts([" the"])[0] == 2  # the space of the text and the one put in front
    assert costs(tokenizer, ["the"]).tolist() == [1]
    (found,) = in_context(tokenizer, ["the"])
    assert found.starts.tolist() == [0] and tokenizer.decode(found.ids).strip() == "the"


def test_accounts_refuse_what_would_be_lost(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["--parallel", str(project / "both.jsonl"), "--reference", "e"]
    one = f"h={project / 'hi.jsonl'}"
    for words, said in (
        (["--text", one, "--text", one, *both], "h twice"),
        (["--share", "h=0.2", "--share", "h=0.3", *both], "h twice"),
        (["--share", "h=0.2", *both[:2], "--reference", "xx"], "one of the languages e, h"),
        (["--corpus", "somewhere", "--text", one, *both], "--corpus or --text"),
    ):
        assert run(monkeypatch, "account", "bytes", *words, "--quiet") == 2
        error = capsys.readouterr().err.strip()
        assert said in error and "\n" not in error, error


@pytest.mark.parametrize("words", [("--parity", "0.5"), ("--max-cost", "nan")])
def test_options_are_checked_as_the_recipe_is(
    project: Path, words, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", str(project / "tokenizer.yaml"), *words, "--plan") == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("mishran: ") and "\n" not in error, error


BAD = {
    "shares of no language": (
        {"shares": {"en": 0.5, "hin": 0.5}, "vocabularies": 450, "languages": None, "corpus": "c"},
        "cleaned corpus",
    ),
    "shares of a typo": ({"shares": {"en": 0.5, "hin": 0.5}, "vocabularies": 450}, "hin"),
    "shares and a bound": (
        {"shares": {"en": 0.5, "hi": 0.5}, "vocabularies": 450, "max_cost": 0.1},
        "shares or max_cost",
    ),
    "the same text": (
        {
            "parallel": [
                {"name": name, "path": "both.jsonl", "fields": {"en": "e", "hi": "h"}, "use": use}
                for name, use in (("a", "search"), ("b", "report"))
            ]
        },
        "other texts to report on",
    ),
    "unknown field": ({"vocabulary": 500}, "vocabular"),
    "no parallel": ({"parallel": []}, "at least one of parallel"),
    "too small": ({"vocabularies": [261]}, "a vocabulary of at least"),
    "too large": ({"vocabularies": [60000]}, "only"),
    "one language": ({"languages": {"en": {"text": "en.jsonl"}}}, "two languages"),
    "no file": (
        {"languages": {"en": {"text": "en.jsonl"}, "hi": {"text": "no.jsonl"}}},
        "no.jsonl",
    ),
    "empty": (
        {"languages": {"en": {"text": "en.jsonl"}, "hi": {"text": "empty.txt"}}},
        "empty.txt",
    ),
    "shares": ({"shares": {"en": 0.5, "hi": 0.4}, "vocabularies": 450}, "sum to 1"),
    "reference": ({"reference": "de"}, "reference among"),
    "unequal": (
        {"parallel": [{"name": "n", "files": {"en": "en.jsonl", "hi": "hi.jsonl"}}]},
        "as many texts in hi as in en",
    ),
    "no such key": (
        {"parallel": [{"name": "n", "files": {"en": "en.jsonl", "hi": "hi.jsonl"}, "key": "pair"}]},
        "share a value of 'pair'",
    ),
    "a language that is empty": (
        {"parallel": [{"name": "n", "path": "half.jsonl", "fields": {"en": "e", "hi": "h"}}]},
        "text in hi",
    ),
    "no field": (
        {"parallel": [{"name": "n", "path": "both.jsonl", "fields": {"en": "e", "hi": "x"}}]},
        "field 'x'",
    ),
    "boundaries": ({"boundaries": {"de": {"path": "parts.txt"}}}, "language of the text"),
    "no boundaries": ({"boundaries": {"hi": {"path": "none.txt"}}}, "none.txt"),
    "model": ({"model": {"config": "no-model"}}, "config.json"),
    "corpus": ({"corpus": "nothing", "languages": None}, "cleaned corpus"),
    "only search": (
        {
            "parallel": [
                {
                    "name": "n",
                    "path": "both.jsonl",
                    "fields": {"en": "e", "hi": "h"},
                    "use": "search",
                }
            ]
        },
        "to report on",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recipes_are_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, said = BAD[name]
    path = make_project(tmp_path, **changed)
    (tmp_path / "empty.txt").write_text("\n")
    rows = [{"e": "a river", "h": ""}, {"e": "a city", "h": " "}]
    write_rows(tmp_path / "half.jsonl", rows)
    assert run(monkeypatch, "train", str(path), "--quiet") == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("mishran: ") and "\n" not in error and said in error, error
    assert not (tmp_path / "run/tokenizer").exists()


def test_bad_tokenizers_are_one_line(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = (project / "run/tokenizer/tokenizer.json").read_text()
    (tmp_path / "cut.json").write_text(whole[: len(whole) // 2])
    (tmp_path / "cut.model").write_bytes(
        (project / "run/tokenizer/tokenizer.model").read_bytes()[:3000]
    )
    (tmp_path / "notes.txt").write_text("no tokenizer")
    (tmp_path / "folder").mkdir()
    both = ["--parallel", str(project / "both.jsonl"), "--quiet"]
    for name in ("cut.json", "cut.model", "notes.txt", "folder", "absent"):
        assert run(monkeypatch, "measure", str(tmp_path / name), *both) == 2
        error = capsys.readouterr().err.strip()
        assert "\n" not in error and name in error, error


def test_the_worked_example_is_a_recipe() -> None:
    config = read_config(ROOT / "examples/fair-tokenizer/tokenizer.yaml", TokenizerConfig)
    assert len(config.parallel[0].languages) == 20
    with pytest.raises(MishranError, match="cleaned corpus"):
        train_tokenizer(ROOT / "examples/fair-tokenizer/tokenizer.yaml", corpus="/nonexistent")
