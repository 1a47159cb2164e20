"""The documents: their examples run, their links lead somewhere, their tables are complete."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import BaseModel
from tiny_tokenizers import byte_level
from transformers import LlamaConfig, LlamaForCausalLM

from mishran import config as schema
from mishran.cli.main import main
from mishran.config import parse_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", shlex.split(command, comments=True))
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_examples_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_configurations_are_valid(page: Path) -> None:
    for text in blocks(page, "yaml"):
        parse_config(yaml.safe_load(text), page.name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the guide assumes: its mix.yaml, data of that shape, and a (tiny) model."""
    guide = ROOT / "docs/guide/first-mixture.md"
    text = blocks(guide, "yaml")[0]
    (tmp_path / "mix.yaml").write_text(text)
    fields = {
        "capitals": ("country", "capital"),
        "plurals": ("one", "many"),
        "shabd": ("hindi", "english"),
    }
    (tmp_path / "data").mkdir()
    for task, (asked, answered) in fields.items():
        rows = [{asked: f"{task} {i}", answered: f"answer {i % 7}"} for i in range(120)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "data" / f"{task}.jsonl").write_text(lines)
    tokenizer = byte_level()
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(shape).save_pretrained(tmp_path / "models/base")
    tokenizer.save_pretrained(tmp_path / "models/base")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide_works_as_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "docs/guide/first-mixture.md").read_text()
    commands = re.findall(r"^(mishran .*)$", guide, re.M)
    assert "mishran fit mix.yaml" in commands and len(commands) >= 5
    for command in commands:
        assert run(command, monkeypatch) == 0, capsys.readouterr().err
    mixture = json.loads((project / "runs/mix/mixture.json").read_text())
    weights = {task["name"]: task["weight"] for task in mixture["tasks"]}
    assert weights["shabd"] >= 0.4 - 1e-9 and weights["capitals"] <= 0.2 + 1e-9
    assert (project / "narrower.json").exists()
    page = (project / "runs/mix/report.html").read_text()
    for section in ("Findings", "The mixture", "Who resembles whom", "The dial t", "Proof"):
        assert section in page, f"the guide names {section!r}"


def models() -> list[type[BaseModel]]:
    found = [m for m in vars(schema).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    return [m for m in found if m.__module__.startswith(schema.__name__) and m.model_fields]


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_the_reference_names_every_field_and_its_default(model: type[BaseModel]) -> None:
    page = (ROOT / "docs/reference/config.md").read_text()
    for name, field in model.model_fields.items():
        rows = [line for line in page.splitlines() if f"`{name}`" in line]
        elsewhere = f"{name}: N" in page or f"`{name}:" in page  # an example, a heading
        assert rows or elsewhere, f"docs/reference/config.md does not name {model.__name__}.{name}"
        value = field.default
        if isinstance(value, int | float) and not isinstance(value, bool) and rows:
            said = " ".join(row.split("|")[2] if "|" in row else "" for row in rows)
            assert f"{value:g}" in said or "strength" in name, (
                f"{name}: default {value}, says {said}"
            )


def test_the_readmes_commands_are_the_ones_of_the_makefile() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", readme, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"
