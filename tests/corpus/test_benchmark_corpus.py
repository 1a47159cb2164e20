"""benchmarks/corpus.py on little text: both sides do the same work, and the page says what was found."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

pytest.importorskip("datatrove")

import corpus_case as case  # noqa: E402
import corpus_language as language  # noqa: E402
import corpus_memory as memory  # noqa: E402
import corpus_page as pages  # noqa: E402
import corpus_peers as peers  # noqa: E402
import corpus_steps as steps  # noqa: E402
import corpus_whole as whole  # noqa: E402
from stream_case import line  # noqa: E402
from stream_page import met  # noqa: E402

from mishran.corpus.contamination import WORDS, build_index  # noqa: E402
from mishran.corpus.contamination_index import Item  # noqa: E402
from mishran.corpus.html import strip_html  # noqa: E402
from mishran.corpus.pii import replace_pii  # noqa: E402
from mishran.corpus.repair import repair  # noqa: E402
from mishran.corpus.rules import verdict  # noqa: E402

PROSE = "The tall tree near our old school gave shade to every child who came to play there"
GOOD = "\n".join(" ".join(f"{w}{chr(97 + i)}" for w in PROSE.split()) + "." for i in range(12))
BAD = ("Too few words.", "again and again " * 60, "\n".join(["one line as before"] * 40))


@pytest.fixture
def drawn(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MISHRAN_DATA", str(data_root))
    case.documents.cache_clear()
    return case.sample


def once(monkeypatch: pytest.MonkeyPatch, *modules: Any) -> None:
    """One run of each contender, without a warm-up."""

    def timed(runs: case.Runs) -> dict[str, case.Seconds]:
        return {name: case.clock(run) for name, run in runs.items()}

    for module in modules:
        monkeypatch.setattr(module, "medians", timed)


def of_cases(lines: list[dict[str, Any]]) -> set[str]:
    return {entry["name"].rpartition(": ")[0] for entry in lines}


def test_the_filters_decide_alike_and_a_difference_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once(monkeypatch, steps)
    few = case.Sample("en", (GOOD, *BAD))
    kept = [verdict(text, steps.GOPHER) is None for text in few.texts]
    assert kept == [True, False, False, False]
    repetition, quality = peers.gopher()
    for order in ((repetition, quality), (quality, repetition)):
        assert list(map(peers.keeps(order), few.texts)) == kept
    lines = list(steps.rules(few))
    assert of_cases(lines) == {"rules, en"}
    assert [entry["goal"] for entry in lines] == ["ratio >= 1", "none", "none"]
    assert "datatrove, " in lines[0]["peer_name"]
    monkeypatch.setattr(steps, "verdict", lambda text, bounds: None)
    with pytest.raises(AssertionError, match="decides otherwise"):
        list(steps.rules(few))


def test_both_sides_replace_and_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    once(monkeypatch, steps)
    text = "write to someone@mail.example.net or ask 8.8.8.8 today, “naïve café” said नमस्ते दुनिया"
    theirs = peers.pii()(text)
    assert "someone@" not in theirs and "8.8.8.8" not in theirs
    ours = replace_pii(text, ("email", "ip"))
    assert ours.counts == {"email": 1, "ip": 1}
    broken = steps.mojibake(text)
    assert broken != text
    assert repair(broken).text == text == peers.ftfy()(broken)
    few = case.Sample("hi", (text,) * 3)
    assert of_cases(list(steps.pii(few))) == {
        f"pii, hi, {kind}" for kind in ("e-mail and IP", "default kinds", "all kinds")
    }
    assert of_cases(list(steps.repairs(few))) == {"repair, hi, clean", "repair, hi, mojibake"}


def test_pages_hold_the_text_and_lose_the_menu() -> None:
    page = steps.page_of(GOOD)
    assert strip_html(page).text == peers.trafilatura()(page)
    for text in (strip_html(page).text, peers.trafilatura()(page)):
        assert "talld treed" in text and "Section 7" not in text and "var a" not in text


def test_the_index_in_datatroves_format_finds_what_ours_finds(tmp_path: Path) -> None:
    question = " ".join(f"word{chr(97 + i)}" for i in range(20))
    items = [Item("set", "1", question, "an answer of five words")]
    theirs, ours = peers.contamination(items, WORDS, tmp_path), build_index(items)
    across = " ".join(question.split()[-10:]) + " an answer of five words"
    for text, want in ((question, True), (f"before {across} after", True), (GOOD, False)):
        assert theirs(text) is want and (ours.match(text) is not None) is want


def test_parts_on_real_text(drawn: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    once(monkeypatch, steps, whole)
    few = drawn("hi", 0.06)
    assert few.megabytes >= 0.06 and len(few.texts) > 3
    lines = list(steps.signatures(few, tmp_path / "signatures"))
    assert {entry["peer_name"] for entry in lines} == {
        "datatrove, same words", "datatrove, its defaults", "datatrove, same content", "datatrove, raw text"
    }  # fmt: skip
    barred = {entry["name"] for entry in lines if entry["goal"] == "ratio >= 0.95"}
    assert barred == {f"duplicates, hi, {what}: MB/s" for what in ("MinHash", "exact")}
    known = steps.items(("hindi/xquad_hi",), 40)
    assert len(known) == 40
    lines = list(steps.contamination(few, known, tmp_path / "index"))
    assert lines[0]["goal"] == "ratio >= 1"
    place = tmp_path / "whole"
    place.mkdir()
    mixed = case.Sample("en", (GOOD, *BAD, *(GOOD.replace("tree", f"tree{i}") for i in range(3))))
    lines = list(whole.whole(mixed, place))
    assert [entry["goal"] for entry in lines[:2]] == ["ratio >= 1", "none"]
    assert of_cases(lines) == {
        f"whole, en, to {what}" for what in ("Parquet", "the next pass", "Parquet, defaults")
    }


def test_steps_are_timed_without_changing_what_they_do() -> None:
    seconds = dict.fromkeys(("rules",), 0.0)
    (step,) = whole.timed_steps(whole.only_rules(), seconds)
    from datatrove.data import Document

    assert step.judge(Document(text=BAD[0], id="")) == "too-few-words"
    assert step.judge(Document(text=GOOD, id="")) is None
    assert seconds["rules"] > 0


def test_the_profile_has_every_step_of_every_pass(drawn: Any, tmp_path: Path) -> None:
    from mishran.config import read_config
    from mishran.config_corpus import CorpusConfig
    from mishran.corpus.steps import Models
    from mishran.pipeline.corpus_inputs import find_inputs
    from mishran.pipeline.corpus_models import make_models
    from mishran.pipeline.progress import Silent

    memory.grow(tmp_path / "raw", 0.1)
    path = memory.recipe(tmp_path / "raw", tmp_path / "run", True, 20)
    config = read_config(path, CorpusConfig)
    make_models(config, tmp_path, tmp_path / "models", Silent())
    shards = find_inputs(config, tmp_path, Silent()).shards
    spent = whole.timed_passes(config, shards, Models(tmp_path / "models"), tmp_path)
    lines = sum(p.read_text().count("\n") for p in (tmp_path / "raw").iterdir())
    assert spent.documents == lines > 3
    steps_of = ("clean, records", "clean, rules", "clean, language", "signatures, MinHash stage 1")
    assert all(spent.seconds[name] > 0 for name in (*steps_of, "write, clean documents"))
    assert min(spent.seconds.values()) > -1e-3, "a step is no faster than those before it"
    assert spent.tasks == 3 * len(shards) + 2 + config.minhash.buckets and spent.around > 0


def test_seeds_are_in_their_script_and_no_sentence_comes_twice() -> None:
    texts = ["A cat sat here. यह एक वाक्य है। A cat sat here.", "यह दूसरा वाक्य है।"]
    assert sorted(language.drawn(texts, 9, "Deva")) == ["यह एक वाक्य है।", "यह दूसरा वाक्य है।"]
    assert language.drawn(texts, 9, "Latn") == ["A cat sat here."]
    assert language.accuracy(["en", "hi", "en", "en"], "en") == 0.75


def test_grown_text_has_the_size_and_the_words_of_the_real_one(drawn: Any, tmp_path: Path) -> None:
    size = memory.grow(tmp_path / "raw", 0.2)
    assert 0.2 <= size < 0.35
    words = np.array(["new"], dtype=object)
    text = " ".join(f"w{i}" for i in range(1000))
    changed = memory.mutated(text, words, np.random.default_rng(0)).split()
    assert len(changed) == 1000 and 80 <= changed.count("new") <= 100
    path = memory.recipe(tmp_path / "raw", tmp_path / "run", True, 10)
    from mishran.config import read_config
    from mishran.config_corpus import CorpusConfig

    config = read_config(path, CorpusConfig)
    assert [s.name for s in config.sources] == ["en", "hi"] and config.facts is None
    assert {file.limit for tag in config.languages.values() for file in tag.seed} == {10}


def test_memory_is_that_of_a_process_and_its_children() -> None:
    import os
    import subprocess

    code = "x = b'x' * (50 << 20); print('ready', flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        sizes = dict(memory.resident(os.getpid()))
        assert sizes[child.pid] >= 50 << 20
        watch = memory.Watch(os.getpid())
        end = time.monotonic() + 60
        while watch.found()[2] < 2:
            assert time.monotonic() < end, "the child was not seen in a minute"
            time.sleep(0.01)
        child.communicate(b"\n")
    watch.stop()
    peak, largest, processes = watch.found()
    assert peak >= sizes[os.getpid()] / 2**20 + 50 and largest < peak and processes >= 2
    assert child.pid not in dict(memory.resident(os.getpid()))


def test_signatures_are_the_same_on_both_sides(tmp_path: Path) -> None:
    """And datatrove's defaults give others: numbers and vowel signs go."""
    from datatrove.data import Document

    texts = [f"{GOOD} in 19{i} किताब" for i in range(10, 30)]
    settings = steps.MinhashConfig()
    config = peers.like_ours(settings.numbers)
    found = {}
    for name, step in (
        ("ours", steps.duplicates.near_signatures(tmp_path / "ours", settings)),
        ("theirs", peers.minhash(tmp_path / "theirs", config)),
        ("plain", peers.minhash(tmp_path / "plain")),
    ):
        for _ in step.run(iter([Document(text=text, id="") for text in texts]), 0, 1) or ():
            pass
        files = sorted((tmp_path / name).rglob("*.sig"))
        found[name] = [file.read_bytes() for file in files]
    assert len(found["ours"]) == config.num_buckets
    assert found["ours"] == found["theirs"] != found["plain"]


def test_pages_say_how_much_there_was() -> None:
    lines = [line("profile, clean, rules: ms/MB", 30.0), line("language, en: accuracy", 1.0)]
    quick, full = (" ".join(pages.page(lines, quick).split()) for quick in (True, False))
    assert "one document in 200 of its sources" in quick and "one run: processor" in quick
    assert "one document in 12 of its sources" in full and "medians of 5: processor" in full
    assert "up to 150 sentences" in quick and "up to 5,000 sentences" in full
    assert all("{" not in words.format(**pages.amounts(True)) for _, words in pages.PARTS.values())


def test_the_page_judges_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    few = case.Sample("en", ("ten bytes.",) * 1000)
    fast, slow = case.Seconds(0.5, 0.6), case.Seconds(1.0, 0.9)
    lines = [
        *case.rates("rules, en", few, fast, slow, "datatrove", "ratio >= 1"),
        *case.rates("rules, hi", few, slow, fast, "datatrove", "ratio >= 1"),
        *case.rates("pii, en, all kinds", few, fast),
        line("language, en sentences: sentences/s", 40_000.0, goal="ours >= 30000"),
        line("profile, clean, rules: ms/MB", 30.0),
        line("profile, clean, facts: ms/MB", 10.0),
        line("memory, all, 9 MB: MiB of all processes", 200.0, 100.0, "1 MB", memory.FLAT, True),
    ]
    assert lines[0]["ours"] == pytest.approx(0.02) and lines[1]["ours"] == pytest.approx(2000)
    assert [met(lines[i]) for i in (0, 3, 6, 9, 12)] == [True, False, None, True, False]
    text = pages.page(lines)
    assert "Bars: 2 met, 2 missed:" in text and "- rules, hi: MB/s" in text
    assert "| en | 0.02 | 2,000 | datatrove | 0.01 | 2 | 1.5 | ratio >= 1: met |" in text
    assert "| clean, rules: ms/MB | 30 | 75.0% |" in text
    assert "**missed**" in text.split("## Memory")[1]
    assert "rules, en: MB/s: 0.02" in capsys.readouterr().out


def test_no_data_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MISHRAN_DATA", str(tmp_path))
    case.documents.cache_clear()
    with pytest.raises(SystemExit, match="set MISHRAN_DATA"):
        case.documents("en")
    case.documents.cache_clear()
