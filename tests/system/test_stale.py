"""What goes into a stage makes it stale, what does not leaves it alone; nobody mixes old with new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_project import digests, rows, settings, write_mix, write_rows

from mishran.mixture import Mixture


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


def states(mishran, run: Path) -> dict[str, str]:
    return {s["stage"]: s["state"] for s in json.loads(mishran("status", run, "--json").out)}


def test_an_interrupted_fit_is_not_solved(fitted, run, mishran, refuses):
    """tasks.json has the new rows, the tables are of the old ones."""
    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=20))
    wild = settings()["specialists"] | {"learning_rate": 1e30}
    write_mix(fitted.parent, settings() | {"specialists": wild})
    assert "lower specialists.learning_rate" in refuses("fit", fitted, news=True)
    before = digests(run)
    line = refuses("solve", run, "--t", "0.2")
    assert "expected measurements of the tasks as they are now" in line
    assert "found those from before task 'capitals', or how it is measured, changed" in line
    assert "(3 more tasks too)" in line and "mishran fit" in line and str(run) in line
    assert digests(run) == before
    assert "expected measurements of the tasks as they are now" in refuses("report", run)
    now = states(mishran, run)
    assert {n for n, s in now.items() if s == "stale"} == {
        "pool",
        *(f"specialists/{n}" for n in ("capitals", "capitals_hi", "sums", "turned")),
    }
    write_mix(fitted.parent, settings())
    assert mishran("fit", fitted, "-q").code == 0
    assert mishran("solve", run, "--t", "0.2").code == 0
    assert {t.name: t.available_rows for t in Mixture.read(run / "mixture.json").tasks}[
        "sums"
    ] == 20
    assert set(states(mishran, run).values()) == {"done"}


@pytest.mark.parametrize("where", ["specialists", "pool"])
def test_a_fit_under_way(fitted, run, mishran, refuses, monkeypatch, where):
    """One task changed, killed in the middle: status says which stages are to be made again."""
    import mishran.pipeline.fit as pipeline

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=20))
    monkeypatch.setattr(
        pipeline, "fit_specialist" if where == "specialists" else "answer_pool", killed
    )
    assert mishran("fit", fitted, "-q").code not in (0, 2)
    expected = {"pool", "specialists/sums"} if where == "specialists" else {"pool"}
    assert {n for n, s in states(mishran, run).items() if s == "stale"} == expected
    line = refuses("solve", run)
    assert "task 'sums', or how it is measured, changed;" in line


def test_tasks_in_another_order_are_not_solved_before_the_fit(fitted, run, refuses, monkeypatch):
    import mishran.pipeline.fit as pipeline

    def killed(*args, **kwargs):
        raise OSError("no space")

    tasks = settings()["tasks"]
    write_mix(fitted.parent, settings() | {"tasks": [tasks[1], tasks[0], *tasks[2:]]})
    monkeypatch.setattr(pipeline, "answer_pool", killed)
    refuses("fit", fitted, "-q")
    line = refuses("solve", run)
    assert "changed" in line and "mishran fit" in line


# ---- what makes the report stale


MATRIX = "capitals,capitals_hi,sums,turned\n1,.5,.1,.2\n.5,1,.1,.2\n.1,.1,1,.3\n.2,.2,.3,1\n"


@pytest.fixture
def own_matrix(fitted: Path) -> dict:
    """The settings with a matrix of one's own: no table goes into its mixture."""
    (fitted.parent / "own.csv").write_text(MATRIX)
    mix = settings()
    mix["mixture"]["affinity"] = "own.csv"
    return mix


def test_the_page_counts_the_probes_as_they_are(fitted, run, mishran, own_matrix):
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    assert "20 probe examples" in (run / "report.md").read_text()
    own_matrix["probes"]["per_task"] = 6
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    assert "30 probe examples" in (run / "report.md").read_text()


def test_the_page_names_the_run_and_the_model(fitted, run, mishran):
    renamed = run.rename(run.with_name("other"))
    (fitted.parent / "model").rename(fitted.parent / "lama")
    write_mix(fitted.parent, settings() | {"run": "runs/other", "model": "lama"})
    said = mishran("fit", fitted)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    page = (renamed / "report.html").read_text()
    assert "<title>other" in page and "lama" in page
    assert {s for s in states(mishran, renamed).values()} == {"done"}


def test_tasks_in_another_order_over_a_matrix_of_ones_own(fitted, run, mishran, own_matrix):
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    first = Mixture.read(run / "mixture.json").weights
    tasks = own_matrix["tasks"]
    tasks[0], tasks[1] = tasks[1], tasks[0]
    own_matrix["mixture"]["replicas"] = 7  # a matrix has none
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    second = Mixture.read(run / "mixture.json").weights
    assert list(second) == ["capitals_hi", "capitals", "sums", "turned"]
    assert second == pytest.approx(first, abs=1e-9)
    assert mishran("solve", run, "--t", "0.2").code == 0
