"""The documents: their examples run, their links lead somewhere, their tables are complete."""

from __future__ import annotations

import json
import random
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from corpus_project import document, write_rows
from pydantic import BaseModel
from tiny_project import save_model

from mishran import config as schema
from mishran import config_corpus as corpus
from mishran import config_recipe as recipe
from mishran import config_tokenizer as tokenizer
from mishran.cli.main import main
from mishran.config import parse_config
from mishran.config_corpus import CorpusConfig
from mishran.config_recipe import RecipeConfig
from mishran.config_tokenizer import TokenizerConfig

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def with_output(page: Path, language: str) -> list[tuple[str, str]]:
    """Blocks of code and the text block right below each, empty where there is none."""
    fenced = list(re.finditer(r"^```(\w*)\n(.*?)^```\n", page.read_text(), re.M | re.S))
    below = {block.start(): block[2] for block in fenced if block[1] == "text"}
    return [(block[2], below.get(block.end(), "")) for block in fenced if block[1] == language]


def matrix_beside(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's csv block is the file similarity.csv."""
    for table in blocks(page, "csv"):
        (folder / "similarity.csv").write_text(table)
        monkeypatch.chdir(folder)


def words(svg: str) -> list[str]:
    return re.findall(r"[a-zA-Z_]+", svg)


def numbers(svg: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", svg)]


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
def test_python_examples_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of a page go on from each other; one before a text block prints that."""
    if page in [ROOT / f"docs/guide/{name}.md" for name in ("build", "corpus", "tokenizer")]:
        return  # needs what its commands built: test_the_guide_to_..._works_as_written
    matrix_beside(page, tmp_path, monkeypatch)
    names: dict[str, object] = {}
    for code, shown in with_output(page, "python"):
        exec(compile(code, str(page), "exec"), names)
        printed = capsys.readouterr().out
        assert not shown or printed == shown


def test_the_energy_guide_shows_what_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line breaks aside, and "..." stands for anything."""
    page = ROOT / "docs/guide/energy.md"
    matrix_beside(page, tmp_path, monkeypatch)
    commands = [(command, shown) for command, shown in with_output(page, "") if shown]
    assert len(commands) >= 4
    for command, shown in commands:
        run(command, monkeypatch)
        printed = " ".join("".join(capsys.readouterr()).split())
        for part in filter(None, re.split(r"^\.\.\.\n", shown, flags=re.M)):
            before, found, printed = printed.partition(" ".join(part.split()))
            assert found, f"{command}: {part!r} is not in {before!r}"


def test_pictures_of_the_energy_guide_are_of_its_numbers() -> None:
    drawn = runpy.run_path(str(ROOT / "tools/energy_pictures.py"))["pictures"]()
    for name, text in drawn.items():
        kept = (ROOT / "docs/images" / name).read_text()
        assert words(text) == words(kept), "run `python tools/energy_pictures.py`"
        assert numbers(text) == pytest.approx(numbers(kept), abs=0.11), name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_configurations_are_valid(page: Path) -> None:
    for text in blocks(page, "yaml"):
        data = yaml.safe_load(text)
        kind = RecipeConfig if "tokenizer" in data else schema.FitConfig
        kind = CorpusConfig if "languages" in data else kind
        parse_config(data, page.name, TokenizerConfig if "parallel" in data else kind)


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
    save_model(tmp_path / "models/base", context=128)
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


def plain_rows(project: Path) -> None:
    """Every file with the usual field names, for configurations without templates."""
    for file in (project / "data").glob("*.jsonl"):
        rows = [{"prompt": f"{file.stem} {i}", "answer": f"answer {i % 7}"} for i in range(120)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_guide_to_specialists_works_as_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the 7B base, whose configuration is only read."""
    plain_rows(project)
    page = ROOT / "docs/guide/specialists.md"
    made = [
        text for text in blocks(page, "yaml") if (project / yaml.safe_load(text)["model"]).exists()
    ]
    assert len(made) == 4
    for text in made:
        (project / "mix.yaml").write_text(text)
        assert run("mishran fit mix.yaml --quiet", monkeypatch) == 0, capsys.readouterr().err
        assert (project / yaml.safe_load(text)["run"] / "mixture.json").exists()
    for command in re.findall(r"^(mishran solve .*)$", page.read_text(), re.M):
        assert run(command, monkeypatch) == 0, capsys.readouterr().err
    assert "divergence.npz of seed 2" in (project / "with-seeds.json").read_text()


def test_the_guide_to_building_works_as_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands in their order, the recipe, and the Python block on what they built."""
    page = ROOT / "docs/guide/build.md"
    texts = {"web": ("the web is wide ", 60), "books": ("call me what you like ", 40)}
    texts["hindi"] = ("राजधानी नई दिल्ली है ", 40)
    (project / "texts").mkdir()
    for name, (text, num) in texts.items():
        rows = [{"title": f"{name} {i}", "text": f"{i} " + text * 4} for i in range(num)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (project / "texts" / f"{name}.jsonl").write_text(lines)
    (project / "recipe.yaml").write_text(blocks(page, "yaml")[0])
    assert run("mishran fit mix.yaml --quiet", monkeypatch) == 0, capsys.readouterr().err
    commands = re.findall(r"^(mishran .*)$", page.read_text(), re.M)
    assert len(commands) >= 13
    for command in commands:
        assert run(command, monkeypatch) == 0, (command, capsys.readouterr().err)
    capsys.readouterr()
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), {})
    assert capsys.readouterr().out.endswith(" True\n")


def test_the_guide_to_a_corpus_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first recipe, its two commands, and the Python block on what they made."""
    page = ROOT / "docs/guide/corpus.md"
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    texts = {tag: [document(tag, rng) for _ in range(250)] for tag in ("en", "hi")}
    texts["mr"] = [re.sub(r"(\w)(?=[ ।])", r"\1ळ", text) for text in texts["hi"]]
    for name, tag in (("english", "en"), ("hindi", "hi"), ("marathi", "mr")):
        (tmp_path / "seeds").mkdir(exist_ok=True)
        (tmp_path / f"seeds/{name}.txt").write_text("\n".join(texts[tag]))
    short = {  # a sentence tells its language, and is no document
        "news": re.split("(?<=।) ", texts["mr"][0])[0],
        "web": "The garden of the school was small and green.",
        "books": "The doctor and the teacher built a house by the river.",
    }
    for name, tag in (("news", "mr"), ("web", "hi"), ("books", "en")):
        rows = [{"text": text} for text in (*texts[tag][:20], short[name])]
        write_rows(tmp_path / f"raw/{name}.jsonl", rows)
    (tmp_path / "corpus.yaml").write_text(blocks(page, "yaml")[0])
    commands = re.findall(r"^(mishran corpus clean corpus.yaml.*)$", page.read_text(), re.M)
    assert len(commands) == 2
    for command in commands:
        assert run(f"{command} --quiet", monkeypatch) == 0, capsys.readouterr().err
    kept = (tmp_path / "clean-corpus/clean").rglob("*.parquet")
    assert {path.parent.name for path in kept} == {"news", "books"}  # the web was Hindi
    capsys.readouterr()
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert sorted(said) == sorted(f"{n} {n}.jsonl:21 {text[:60]}" for n, text in short.items())


def test_the_guide_to_a_tokenizer_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its recipe and every command on small files, but for the worked example and the transfer."""
    page = ROOT / "docs/guide/tokenizer.md"
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    texts = {tag: [document(tag, rng) for _ in range(250)] for tag in ("en", "hi")}
    for name, tag in (("english", "en"), ("hindi", "hi")):
        write_rows(tmp_path / f"text/{name}.jsonl", [{"text": text} for text in texts[tag]])
    pairs = zip(texts["en"][:40], texts["hi"][:40], strict=True)
    rows = [{"english": en, "hindi": hi} for en, hi in pairs]
    write_rows(tmp_path / "text/parallel.jsonl", rows)
    (tmp_path / "tokenizer.yaml").write_text(blocks(page, "yaml")[0])
    commands = re.findall(r"^(mishran tokenizer (?!transfer).*)$", page.read_text(), re.M)
    commands = [command for command in commands if "examples/" not in command]
    assert len(commands) == 7
    for command in commands:
        assert run(f"{command} --quiet", monkeypatch) == 0, (command, capsys.readouterr().err)
    capsys.readouterr()
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), {})
    assert " tokens for " in capsys.readouterr().out
    assert (tmp_path / "measured.html").is_file()


def test_the_guide_to_training_works_as_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands in their order, with the configuration of the page; torchrun is tested elsewhere."""
    page = ROOT / "docs/guide/train.md"
    plain_rows(project)
    (project / "mix.yaml").write_text(blocks(page, "yaml")[0].replace("40000", "2000"))
    assert run("mishran fit mix.yaml --quiet", monkeypatch) == 0, capsys.readouterr().err
    commands = re.findall(r"^(mishran .*)$", page.read_text(), re.M)
    assert len(commands) == 6
    recipe = blocks(page, "yaml")[1].replace("2000000", "2000").replace("512", "64")
    (project / "recipe.yaml").write_text(recipe)
    for name in ("news", "news.valid", "stories"):
        rows = (json.dumps({"text": f"{name} number {i} and its words"}) for i in range(60))
        (project / "data" / f"{name}.jsonl").write_text("\n".join(rows))
    for command in commands:
        assert run(f"{command} --quiet", monkeypatch) == 0, (command, capsys.readouterr().err)
    assert (project / "runs/mix/trained/model/config.json").exists()


def models() -> list[type[BaseModel]]:
    every = [v for m in (schema, recipe, corpus, tokenizer) for v in vars(m).values()]
    found = [m for m in every if isinstance(m, type) and issubclass(m, BaseModel)]
    return list(
        dict.fromkeys(
            m for m in found if m.__module__.startswith(schema.__name__) and m.model_fields
        )
    )


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_the_reference_names_every_field_and_its_default(model: type[BaseModel]) -> None:
    pages = {recipe.__name__: "recipe", corpus.__name__: "corpus", tokenizer.__name__: "tokenizer"}
    name = pages.get(model.__module__, "config")
    page = (ROOT / f"docs/reference/{name}.md").read_text()
    for name, field in model.model_fields.items():
        rows = [line for line in page.splitlines() if f"`{name}`" in line]
        elsewhere = f"{name}: N" in page or f"`{name}:" in page  # an example, a heading
        assert rows or elsewhere, f"docs/reference/config.md does not name {model.__name__}.{name}"
        value = field.default
        if isinstance(value, int | float) and not isinstance(value, bool) and rows:
            said = " ".join(row.split("|")[2] if "|" in row else "" for row in rows)
            assert f"{value:g}" in said or str(value) in said or "strength" in name, (
                f"{name}: default {value}, says {said}"
            )


def test_the_readmes_commands_are_the_ones_of_the_makefile() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", readme, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"
