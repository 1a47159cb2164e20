"""`mix.yaml`: what is accepted, and the exact line for everything that is not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from mishran.config import (
    FitConfig,
    MixtureConfig,
    ProbeConfig,
    SpecialistConfig,
    TaskConfig,
    parse_config,
    read_config,
)
from mishran.config_errors import FieldProblem
from mishran.errors import ConfigError
from mishran.places import check_name

SMALLEST = """\
model: ../models/base
tasks:
  - {name: capitals, path: c.jsonl.gz, prompt: "{input}", answer: "{target}", groups: [facts]}
  - {name: xnli_hi, path: xnli.parquet, messages: conversations, groups: [hindi]}
mixture: {method: taskpgm, affinity: jsd, t: 0.6, floors: {hindi: 0.25}, budget: {rows: 25000}}
"""
TASK = {"name": "a", "path": "a.jsonl"}
TASK_FIELDS = ", ".join(TaskConfig.model_fields)


def text_of(data: Any) -> str:
    """The message for a mapping."""
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "mix.yaml")
    return str(caught.value)


def text_of_field(**fields: Any) -> str:
    return text_of({"model": "m", "tasks": [TASK], **fields})


def text_of_task(**fields: Any) -> str:
    return text_of({"model": "m", "tasks": [{**TASK, **fields}]})


def text_of_file(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "mix.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return str(caught.value).replace(str(path), "mix.yaml")


# --- what is accepted


def test_smallest_file(tmp_path):
    path = tmp_path / "mix.yaml"
    path.write_text(SMALLEST, encoding="utf-8")
    config = read_config(path)
    assert config.tasks[0] == TaskConfig(
        name="capitals",
        path="c.jsonl.gz",
        prompt="{input}",
        answer="{target}",
        groups=("facts",),
    )
    assert config.tasks[1].messages == "conversations"
    assert config.mixture.floors == {"hindi": 0.25}
    assert config.mixture.budget.rows == 25_000
    assert (config.specialists.budget_tokens, config.seed) == (50_000, 0)


def test_resolved_configuration_reads_back_equal(tmp_path):
    path = tmp_path / "mix.yaml"
    path.write_text(SMALLEST, encoding="utf-8")
    config = read_config(path)
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    assert read_config(path) == config


def test_folder_of_tasks_and_byte_order_mark(tmp_path):
    path = tmp_path / "mix.yaml"
    path.write_bytes(b"\xef\xbb\xbfmodel: m\ntasks: data/\n")
    assert read_config(path).tasks == "data/"


def test_numbers_that_yaml_reads_as_text():
    """2e-3 without a dot is text in YAML 1.1; people mean the number."""
    config = parse_config(
        yaml.safe_load("{model: m, tasks: d, specialists: {learning_rate: 2e-3}}"), "x"
    )
    assert config.specialists.learning_rate == 0.002


@pytest.mark.parametrize(
    ("more", "method"),
    [
        ({"mixture": {"budget": {"rows": 9}}}, "curves:pool=0.5"),
        ({"mixture": {"budget": {"rows": 9}, "floors": {"a": 0.2}}}, "curves:pool=0.5"),
        ({"mixture": {"budget": {"rows": 9}, "t": 0.8}}, "taskpgm"),
        ({"mixture": {"budget": {"rows": 9}, "affinity": "pmi"}}, "taskpgm"),
        ({"mixture": {"budget": {"rows": 9}, "max_tasks": 2}}, "taskpgm"),
        ({"mixture": {"budget": {"rows": 9}, "method": "taskpgm"}}, "taskpgm"),
        ({"mixture": {"floors": {"a": 0.2}}}, "taskpgm"),
        ({"mixture": {"budget": {"rows": 9}}, "specialists": {"curve_points": 2}}, "taskpgm"),
        (
            {
                "mixture": {"budget": {"rows": 9}},
                "tasks": [{"name": "a", "path": "a.jsonl", "adapter": "mine"}],
            },
            "taskpgm",
        ),
        ({}, "taskpgm"),
    ],
)
def test_the_method_that_beat_uniform_is_the_default_where_it_can_be_had(more, method):
    config = FitConfig.model_validate({"model": "m", "tasks": "d", **more})
    assert config.mixture.method == method
    again = FitConfig.model_validate(config.model_dump(mode="json"))
    assert again == config


def test_aliases_and_defaults_that_depend():
    assert MixtureConfig(affinity="pmi").affinity == "pmi-mean"
    assert (MixtureConfig().resolved_t, MixtureConfig(t=0).resolved_t) == (1.0, 0.0)
    specialists = FitConfig(model="m", tasks="d", specialists={"epochs": 2}).specialists
    assert specialists.budget_tokens is None


def test_whole_models_have_a_tenth_of_the_rate_and_nothing_of_adapters():
    lora = SpecialistConfig()
    full = SpecialistConfig(kind="full")
    assert lora.peak_learning_rate(256) == 2.49e-3
    assert full.peak_learning_rate(256) == 2.49e-4
    assert SpecialistConfig(kind="full", learning_rate=1e-3).peak_learning_rate(256) == 1e-3
    dumped = full.model_dump(mode="json")
    assert not {"rank", "alpha", "dropout", "targets"} & dumped.keys()
    assert {"rank", "alpha", "dropout", "targets", "kind"} <= lora.model_dump().keys()
    assert SpecialistConfig.model_validate(dumped) == full


@pytest.mark.parametrize("name", ["a", "gsm8k", "हिन्दी", "a.b-c+d_e", "9lives", "x" * 200])
def test_names(name):
    assert check_name(name) == name


# --- the file


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "none.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/none.yaml: expected a configuration file, found no such file; "
        "check the path; `mishran demo` writes one to start from"
    )
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: expected a UTF-8 text file, found Is a directory; check the path"
    )
    assert text_of_file(tmp_path, b"model: caf\xe9\n") == (
        "mix.yaml: expected a UTF-8 text file, found 'utf-8' codec can't decode byte 0xe9 in "
        "position 10: invalid continuation byte; save the file as UTF-8"
    )


def test_files_that_are_no_yaml(tmp_path):
    fix = "mend that line (a missing space after ':' or an unclosed bracket is usual)"
    assert text_of_file(tmp_path, "model: m\ntasks: [a, b\nseed: 1\n") == (
        f"mix.yaml:3: expected valid YAML, found expected ',' or ']', but got ':'; {fix}"
    )
    assert text_of_file(tmp_path, "model: m\n\ttasks: d\n") == (
        "mix.yaml:2: expected valid YAML, found found character '\\t' that cannot start any token; "
        + fix
    )
    assert text_of_file(tmp_path, "model: !!python/object:os.system m\n") == (
        "mix.yaml:1: expected valid YAML, found could not determine a constructor for the tag "
        f"'tag:yaml.org,2002:python/object:os.system'; {fix}"
    )
    assert text_of_file(tmp_path, "model: m\nrevision: 2024-13-01\n") == (
        f"mix.yaml: expected valid YAML, found month must be in 1..12; {fix}"
    )
    text = text_of_file(tmp_path, "model: \x00\n")
    assert text.startswith("mix.yaml: expected valid YAML, found unacceptable character #x0000")


def test_files_that_are_no_mapping(tmp_path):
    fix = "see the smallest file in the README"
    expected = "expected a mapping of fields (model: ..., tasks: ...), found"
    assert text_of_file(tmp_path, "") == f"mix.yaml: {expected} an empty file; {fix}"
    assert text_of_file(tmp_path, "- a\n") == f"mix.yaml: {expected} a list; {fix}"
    assert text_of_file(tmp_path, "model") == f"mix.yaml: {expected} 'model'; {fix}"


def test_a_field_given_twice(tmp_path):
    text = "model: m\ntasks: d\nmixture:\n  t: 0.6\n  side: central\n  t: 0.8\n"
    assert text_of_file(tmp_path, text) == (
        "mix.yaml:6: expected every field once, found 't' twice in one place; remove one of them"
    )
    twice = "model: m\ntasks:\n- {name: a, path: x}\n- {name: b, path: x, path: y}\n"
    assert text_of_file(tmp_path, twice).startswith("mix.yaml:4: expected every field once")


def test_errors_name_the_line(tmp_path):
    lines = SMALLEST.replace("floors", "flors")
    assert text_of_file(tmp_path, lines) == (
        f"mix.yaml:5: mixture.flors: expected one of {', '.join(MixtureConfig.model_fields)}, "
        "found unknown field 'flors'; did you mean 'floors'?"
    )
    assert text_of_file(tmp_path, SMALLEST.replace("messages: conv", "mesages: conv")) == (
        f"mix.yaml:4: task 'xnli_hi': mesages: expected one of {TASK_FIELDS}, found unknown field "
        "'mesages'; did you mean 'messages'?"
    )
    assert text_of_file(tmp_path, SMALLEST + "specialists:\n  rank: 0\n") == (
        "mix.yaml:7: specialists.rank: expected at least 1, found 0; use at least 1"
    )
    assert text_of_file(tmp_path, "tasks: d\n") == (
        "mix.yaml: model: expected field 'model', found nothing; add model: ..."
    )
    assert text_of_file(tmp_path, "model: m\ntasks:\n- {path: x}\n") == (
        "mix.yaml:3: tasks, entry 1: name: expected field 'name', found nothing; add name: ..."
    )


# --- unknown keys, in every schema


def _schemas(model: type[BaseModel], place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    from mishran.config_errors import _model_in

    found = [place]
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None:
            found += _schemas(inner, (*place, name))
    return found


@pytest.mark.parametrize("place", _schemas(FitConfig), ids=".".join)
def test_every_schema_refuses_an_unknown_key(place):
    data: dict[str, Any] = {"model": "m", "tasks": [dict(TASK)]}
    inner = data
    for name in place:
        inner = inner["tasks"][0] if name == "tasks" else inner.setdefault(name, {})
    if place[-1:] in (("quotas",), ("limits",)):
        inner = inner.setdefault("some", {})
    inner["zzzzzz"] = 1
    text = text_of(data)
    assert "found unknown field 'zzzzzz'; remove it" in text
    assert len(_schemas(FitConfig)) >= 7


def test_schemas_are_frozen():
    config = parse_config({"model": "m", "tasks": "d"}, "x")
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


# --- types, ranges and choices


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"tasks": 5}, "tasks: expected text or a list, found 5; write a list, [first, second]"),
        (
            {"tasks": {"a": "a.jsonl"}},
            "tasks: expected text or a list, found a mapping; write a list, [first, second]",
        ),
        ({"seed": "a"}, "seed: expected a whole number, found 'a'; write a whole number"),
        ({"seed": 1.5}, "seed: expected a whole number, found 1.5; write a whole number"),
        ({"seed": None}, "seed: expected a whole number, found nothing; write a whole number"),
        ({"seed": True}, "seed: expected a number, found true; write a number"),
        ({"seed": -1}, "seed: expected at least 0, found -1; use at least 0"),
        ({"max_tokens": 4}, "max_tokens: expected at least 8, found 4; use at least 8"),
        ({"bos": "maybe"}, "bos: expected true or false, found 'maybe'; write true or false"),
        ({"model": 3}, 'model: expected text, found 3; put it in quotes, "..."'),
        (
            {"dtype": "bf16"},
            "dtype: expected one of 'auto', 'float32', 'bfloat16', 'float16', found 'bf16'; "
            "did you mean 'bfloat16'?",
        ),
        (
            {"dtype": "xyz"},
            "dtype: expected one of 'auto', 'float32', 'bfloat16', 'float16', found 'xyz'; "
            "choose one of these",
        ),
        (
            {"probes": 3},
            "probes: expected a mapping of fields, found 3; write {per_task: ...}; the fields are "
            + ", ".join(ProbeConfig.model_fields),
        ),
        (
            {"probes": {"splits": []}},
            "probes.splits: expected a list of at least 1, found an empty list; "
            "add to it, or remove the field",
        ),
        (
            {"probes": {"splits": ["valid", "dev"]}},
            "probes.splits.entry 2: expected one of 'valid', 'test', found 'dev'; "
            "choose one of these",
        ),
        (
            {"specialists": {"clip": 0}},
            "specialists.clip: expected more than 0, found 0; use more than 0",
        ),
        (
            {"specialists": {"dropout": 1}},
            "specialists.dropout: expected less than 1, found 1; use less than 1",
        ),
        (
            {"specialists": {"targets": 3}},
            "specialists.targets: expected text or a list, found 3; write a list, [first, second]",
        ),
        (
            {"specialists": {"learning_rate": math.inf}},
            "specialists.learning_rate: expected a finite number, found inf; write a finite number",
        ),
        ({"mixture": {"t": "a"}}, "mixture.t: expected a number, found 'a'; write a number"),
        ({"mixture": {"t": -0.5}}, "mixture.t: expected at least 0, found -0.5; use at least 0"),
        (
            {"mixture": {"t": math.nan}},
            "mixture.t: expected a finite number, found nan; write a finite number",
        ),
        (
            {"mixture": {"floors": {"hindi": 25}}},
            "mixture.floors.hindi: expected at most 1, found 25; write 0.25 for 25 %",
        ),
        (
            {"mixture": {"caps": {"str": 250}}},
            "mixture.caps.str: expected at most 1, found 250; use at most 1",
        ),
        (
            {"mixture": {"quotas": {"hindi": {"unit": "tokens", "min": 25}}}},
            "mixture.quotas.hindi.min: expected at most 1, found 25; write 0.25 for 25 %",
        ),
        (
            {"mixture": {"quotas": {"hindi": {"unit": "bytes", "min": 0.2}}}},
            "mixture.quotas.hindi.unit: expected one of 'tokens', found 'bytes'; did you mean "
            "'tokens'?",
        ),
        (
            {"mixture": {"quotas": {"hindi": {"min": 0.2}}}},
            "mixture.quotas.hindi.unit: expected field 'unit', found nothing; add unit: ...",
        ),
        (
            {"mixture": {"quotas": {"hindi": 0.2}}},
            "mixture.quotas.hindi: expected a mapping of fields, found 0.2; write {unit: ...}; the "
            "fields are unit, min, max",
        ),
        (
            {"mixture": {"quotas": {"hindi": {"unit": "tokens"}}}},
            "mixture.quotas.hindi: expected min, max or both, found neither; add min: ... or max: "
            "...",
        ),
        (
            {"mixture": {"limits": {"cost": {"values": "tokens", "min": 4, "max": 3}}}},
            "mixture.limits.cost: expected a min that is at most max, found min 4 and max 3; write "
            "the smaller one as min",
        ),
        (
            {"mixture": {"limits": {"cost": {"values": "token", "max": 3}}}},
            "mixture.limits.cost.values: expected a number per task, or tokens, found 'token'; "
            "write {task: number, ...} or tokens",
        ),
        (
            {"mixture": {"limits": {"cost": {"values": {}, "max": 3}}}},
            "mixture.limits.cost.values: expected a number per task, or tokens, found an empty "
            "mapping; write {task: number, ...} or tokens",
        ),
        (
            {"mixture": {"limits": {"cost": {"values": {"a": "x"}, "max": 3}}}},
            "mixture.limits.cost.values.a: expected a number, found 'x'; write a number",
        ),
        (
            {"mixture": {"limits": {"cost": {"values": {"a": 1}, "max": "x"}}}},
            "mixture.limits.cost.max: expected a number, found 'x'; write a number",
        ),
        (
            {"mixture": {"limits": {"a cost": {"values": {"a": 1}, "max": 1}}}},
            "mixture.limits: expected a name of letters, digits, '_', '.', '+' or '-', beginning "
            "with a letter or digit, of at most 200 bytes, found 'a cost'; rename it",
        ),
        (
            {"mixture": {"floors": {"hindi": True}}},
            "mixture.floors.hindi: expected a number, found true; write a number",
        ),
        (
            {"mixture": {"floors": ["hindi"]}},
            "mixture.floors: expected a mapping, found a list; write a mapping, {name: value}",
        ),
        (
            {"mixture": {"max_epochs": 0}},
            "mixture.max_epochs: expected more than 0, found 0; use more than 0",
        ),
    ],
)
def test_wrong_values(fields, text):
    assert text_of_field(**fields) == f"mix.yaml: {text}"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"groups": "hindi"}, "task 'a': groups: expected a list, found 'hindi'; write [hindi]"),
        (
            {"splits": {"training": "x"}},
            "task 'a': splits.training: expected one of 'train', 'valid', 'test', found "
            "'training'; "
            "did you mean 'train'?",
        ),
        ({"limit": 0}, "task 'a': limit: expected at least 1, found 0; use at least 1"),
        ({"name": 7}, 'tasks, entry 1: name: expected text, found 7; put it in quotes, "..."'),
        (
            {"name": False},
            'tasks, entry 1: name: expected text, found false; put it in quotes, "..."',
        ),
        (
            {"messages": "chat", "prompt": "p"},
            "task 'a': expected either messages, or prompt and answer, found messages and prompt; "
            "remove one of them",
        ),
        (
            {"messages": "chat", "answer": "p"},
            "task 'a': expected either messages, or prompt and answer, found messages and answer; "
            "remove one of them",
        ),
        (
            {"prompt": "p"},
            "task 'a': expected prompt and answer together, or neither, found only prompt; "
            "add answer: ...",
        ),
        (
            {"answer": "p"},
            "task 'a': expected prompt and answer together, or neither, found only answer; "
            "add prompt: ...",
        ),
        (
            {"path": None},
            "task 'a': expected a path, or splits with a file for each, found neither; add path: "
            "FILE",
        ),
        (
            {"eval_only": True, "adapter": "x"},
            "task 'a': expected no adapter in a task that is only evaluated, found eval_only and "
            "adapter; remove one of them",
        ),
    ],
)
def test_wrong_tasks(fields, text):
    assert text_of_task(**fields) == f"mix.yaml: {text}"


def test_entries_that_are_no_mapping():
    assert text_of_field(tasks=[TASK, "b.jsonl"]) == (
        "mix.yaml: tasks, entry 2: expected a mapping of fields, found 'b.jsonl'; write {name: "
        "...}; "
        f"the fields are {TASK_FIELDS}"
    )


@pytest.mark.parametrize("name", ["", ".a", "a b", "a/b", "-a", "a:b", "x" * 201, "हि न्दी"])
def test_names_that_are_no_file_names(name):
    expected = (
        "a name of letters, digits, '_', '.', '+' or '-', beginning with a letter or digit, of at "
        "most 200 bytes"
    )
    text = text_of_task(name=name)
    assert text.startswith(f"mix.yaml: task {name!r}: name: expected {expected}, found ")
    assert text.endswith("; rename it")
    with pytest.raises(FieldProblem, match="a name of letters"):
        check_name(name)


def test_names_that_collide():
    def text(*tasks: dict[str, Any]) -> str:
        return text_of_field(tasks=[{"path": "x", **task} for task in tasks])

    assert text({"name": "a"}, {"name": "b"}, {"name": "a"}) == (
        "mix.yaml: tasks: expected task names that differ, found 'a' in entries 1 and 3; rename one"
    )
    assert text({"name": "Hindi"}, {"name": "hindi"}) == (
        "mix.yaml: tasks: expected task names that differ by more than case, found 'Hindi' and "
        "'hindi', which share a folder on some file systems; rename one"
    )
    assert text({"name": "hindi"}, {"name": "b", "groups": ["hindi"]}) == (
        "mix.yaml: tasks: expected names of groups and tasks that differ, found 'hindi' as both; "
        "rename the group: floors and caps could mean either"
    )
    assert text() == "mix.yaml: tasks: expected at least one task, found an empty list; add tasks"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"specialists": {"tokens": 5, "epochs": 1}},
            "specialists: expected tokens or epochs, found both; remove one of them",
        ),
        *(
            (
                {"specialists": {"kind": "full", name: value}},
                f"specialists: expected no {name} with kind: full, which has no adapters, found both; "
                "remove one of them",
            )
            for name, value in {"rank": 8, "alpha": 32, "dropout": 0, "targets": "q"}.items()
        ),
        (
            {"specialists": {"kind": "ful"}},
            "specialists.kind: expected one of 'lora', 'full', found 'ful'; did you mean 'full'?",
        ),
        (
            {"specialists": {"kind": "full"}, "tasks": [TASK | {"adapter": "x"}]},
            "expected no task with an adapter where specialists are of kind: full, found adapter in "
            "task 'a'; remove it, or kind: full",
        ),
        (
            {"mixture": {"unary": {"kind": "target"}}},
            "mixture.unary: expected targets for the unary target, found none; "
            "add targets: [task, ...]",
        ),
        (
            {"mixture": {"unary": {"kind": "given"}}},
            "mixture.unary: expected values for the unary given, found none; "
            "add values: {task: number, ...}",
        ),
        (
            {"mixture": {"budget": {}}},
            "mixture.budget: expected rows or tokens, found neither; "
            "give one of them, for example rows: 25000",
        ),
        (
            {"mixture": {"budget": {"rows": 1, "tokens": 1}}},
            "mixture.budget: expected rows or tokens, found both; "
            "give one of them, for example rows: 25000",
        ),
        (
            {"mixture": {"t": 1, "effective_tasks": 3}},
            "mixture: expected t or effective_tasks, found both; remove one of them",
        ),
        (
            {"mixture": {"t": 1, "unary": {"kind": "utility"}}},
            "mixture: expected t and effective_tasks only with the unary coverage, found t with "
            "the "
            "unary utility; remove t (unary.strength is the dial there)",
        ),
        (
            {"mixture": {"effective_tasks": 3, "unary": {"kind": "utility"}}},
            "mixture: expected t and effective_tasks only with the unary coverage, found "
            "effective_tasks with the unary utility; remove effective_tasks (unary.strength is the "
            "dial there)",
        ),
        (
            {"mixture": {"replicas": 3}},
            "mixture.replicas: expected at least 20 replicas, or 0, found 3; the default is 200",
        ),
        (
            {"mixture": {"side": "central"}},
            "mixture: expected effective_tasks beside side, which chooses between its two "
            "solutions, found side alone; add effective_tasks: 12, say, or write t: 1.5 for "
            "central tasks",
        ),
        (
            {"mixture": {"unary": {"strength": 5}}},
            "mixture.unary: expected nothing that the unary coverage does not use, found strength; "
            "remove it, or give kind: target, utility or given",
        ),
        (
            {"mixture": {"unary": {"kind": "target", "targets": ["a"], "values": {"a": 1}}}},
            "mixture.unary: expected nothing that the unary target does not use, found values; "
            "remove it, or give kind: target, utility or given",
        ),
    ],
)
def test_values_that_exclude_each_other(fields, text):
    assert text_of_field(**fields) == f"mix.yaml: {text}"


def test_long_values_are_shortened():
    text = text_of_field(seed="x" * 500)
    assert len(text) < 160 and "xxx...; write a whole number" in text
