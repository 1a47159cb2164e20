"""How methods are written, what is said of one that does not exist, and methods of other packages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from evidence_cases import evidence_of_tasks

from mishran.errors import ConfigError
from mishran.methods import METHODS, Evidence, Floored, Proposal, Source, canonical, parse, places
from mishran.methods import registry as registry_module
from mishran.methods.method import fixed
from mishran.methods.taskpgm import TaskPGM


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (" taskpgm ", "taskpgm"),
        ("taskpgm:t=1.50:affinity=pmi-mean", "taskpgm:affinity=pmi-mean:t=1.5"),
        ("taskpgm:affinity=jsd:unary=coverage", "taskpgm"),
        ("taskpgm:floor=0.30:t=2", "taskpgm:t=2:floor=0.3"),
        ("temperature:tau=3.33", "temperature"),
        ("smart:over=embeddings:kind=log-det", "smart:kind=log-det:over=embeddings"),
        ("mixmin:targets=b*2:per=token:targets=a", "mixmin:targets=b*2:targets=a:per=token"),
        ("random:seed=7", "random:seed=7"),
        ("taskpgm:t=1e-3", "taskpgm:t=0.001"),
    ],
)
def test_equal_methods_have_one_name(text, short):
    assert canonical(parse(text)) == short and parse(short) == parse(text)


def test_methods_are_their_fields():
    assert parse("taskpgm:t=1.5") == TaskPGM(t=1.5)
    assert parse("taskpgm:floor=0.3") == Floored(TaskPGM(), 0.3)
    assert hash(parse("smart")) == hash(parse("smart"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "taskpmg",
            r"method: expected the name of a method .*found 'taskpmg'; did you mean 'taskpgm'",
        ),
        ("", "method: expected the name of a method"),
        ("smart:knd=log-det", r"the name of a parameter .*found 'knd'; did you mean 'kind'"),
        ("smart:kind=logdet", r"kind: expected the name of a choice .*; did you mean 'log-det'"),
        ("uniform:t=1", r"expected the name of a parameter \(unit, floor\), found 't'"),
        ("taskpgm:t", r"expected key=value after each colon, found 't'; write t=\.\.\."),
        ("taskpgm:t=", "expected key=value after each colon"),
        ("taskpgm:t=half", "t: expected a number, found 'half'"),
        ("taskpgm:t=nan", "t: expected a number, found 'nan'"),
        ("taskpgm:t=inf", "t: expected a number, found 'inf'"),
        ("random:seed=1.5", "seed: expected a whole number, found '1.5'"),
        ("taskpgm:t=1:t=2", "expected every key once, found t twice; remove one t"),
        ("taskpgm:floor=0.1:floor=0.2", "found floor twice"),
        ("taskpgm:floor=1.5", "expected a floor between 0 and 1"),
        (
            "taskpgm:unary=utility:t=1",
            "no t beside unary=utility, which does not use it, found t=1",
        ),
        ("taskpgm:strength=2", "no strength beside unary=coverage"),
    ],
)
def test_what_is_said_of_methods_that_do_not_exist(text, found):
    with pytest.raises(ConfigError, match=found):
        parse(text)


@dataclass(frozen=True)
class First:
    """A method of another package: everything on one task, the first unless another is given."""

    which: int
    loud: bool = False

    source: ClassVar[Source] = Source("nobody", "")
    invariances: ClassVar[frozenset] = frozenset()
    bounded: ClassVar[bool] = False
    sized: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    def solve(self, evidence: Evidence) -> Proposal:
        return fixed(evidence, np.eye(len(evidence.names))[self.which], "first")


def test_methods_of_other_packages(monkeypatch):
    points = [
        EntryPoint("first", f"{__name__}:First", "mishran.methods"),
        EntryPoint("uniform", f"{__name__}:First", "mishran.methods"),
    ]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points)
    places.cache_clear()
    try:
        found = parse("first:which=1:loud=true")
        assert found == First(1, True) and canonical(found) == "first:which=1:loud=true"
        assert found.solve(evidence_of_tasks(3)).weights.tolist() == [0.0, 1.0, 0.0]
        assert str(found.source) == "nobody"
        with pytest.raises(ConfigError, match=r"expected which=\.\.\. for first, found none"):
            parse("first")
        with pytest.raises(ConfigError, match="loud: expected true or false, found 'yes'"):
            parse("first:which=1:loud=yes")
        assert canonical(parse("uniform")) == "uniform"
        assert places()["uniform"] == METHODS["uniform"]
    finally:
        places.cache_clear()


def test_a_class_that_nobody_registered():
    with pytest.raises(ConfigError, match=r"expected a registered method, found .*:First; add it"):
        canonical(First(0))


def test_proposals_are_mixtures():
    for weights in ([0.5, 0.6], [1.5, -0.5], [np.nan, 1.0], [1.0], [[0.5, 0.5]]):
        with pytest.raises(ValueError, match="weights must be mixtures of 2 tasks"):
            Proposal(("a", "b"), np.array(weights))
    with pytest.raises(ValueError, match="replicas must be mixtures of 2 tasks"):
        Proposal(("a", "b"), np.array([0.5, 0.5]), replicas=np.array([[0.5, 0.4]]))
    assert Proposal(("a", "b"), np.array([0.5, 0.5])).effective_tasks == 2.0


def test_every_method_has_its_section_and_its_row():
    page = (Path(__file__).resolve().parents[2] / "docs/guide/methods.md").read_text()
    for name in METHODS:
        assert f"\n## {name}\n" in page and f"| [{name}](#{name}) |" in page
        said = page.split(f"| [{name}](#{name}) |")[1].split("\n")[0]
        assert (" yes |" in said) == (parse(name).bounded or name == "smart")
