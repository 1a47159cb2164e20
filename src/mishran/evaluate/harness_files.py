"""A folder of somebody's own task files of lm-evaluation-harness, checked and made ready to run.

The harness reads YAML; its own loader imports Python named there, fetches data sets by name, and takes
file names relative to where it was started. Here a task is made of data only: settings from a fixed list,
data from local files beside the YAML, no Python. What is ready lies in a folder of work, complete
(`include` is resolved) and with absolute paths; the folder that was given is only read.

Templates in the YAML are Jinja programs all the same: use files that you trust.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mishran.config_errors import shown
from mishran.errors import DataError, DependencyError, first_line

READERS = ("json", "csv", "parquet", "text")
READER_SETTINGS = ("delimiter", "field")
# Settings of a task or group that are data; others (class, process_docs, custom_dataset) name code.
SETTINGS = """
task task_alias tag group group_alias aggregate_metric_list include dataset_path dataset_name
dataset_kwargs training_split validation_split test_split fewshot_split fewshot_config fewshot_delimiter
num_fewshot doc_to_text doc_to_target doc_to_choice description target_delimiter gen_prefix output_type
generation_kwargs repeats filter_list metric_list should_decontaminate doc_to_decontamination_query
metadata
"""


def check_harness() -> None:
    """Raises DependencyError where lm-evaluation-harness is not installed."""
    try:
        import lm_eval  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            expected="lm-evaluation-harness (the package lm_eval)",
            found=f"no package {error.name}",
            where="measure harness",
            fix='pip install "mishran[harness]"',
        ) from error


def ready_tasks(folder: Path, work: Path) -> tuple[str, ...]:
    """Every task and group of a folder of YAML files made ready in `work`.

    Returns:
        The names to run, sorted: groups, and tasks that are in none.

    Raises:
        DataError: no YAML, one that is broken, names code, or data that is not in local files.
    """
    files = sorted(p for p in folder.rglob("*.yaml") if p.is_file())
    if not files:
        raise DataError(
            expected="a folder of task files of lm-evaluation-harness (*.yaml)",
            found="none" if folder.is_dir() else "no such folder",
            where=str(folder),
            fix="see docs/guide/evaluate.md for how such a folder looks",
        )
    names: dict[str, Path] = {}
    configs: dict[str, dict[str, Any]] = {}
    for file in files:
        config = _whole(file, ())
        name = config.get("group", config.get("task"))
        if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
            raise DataError(
                expected="the name of a task or group (letters, digits, '_', '.', '+' or '-')",
                found=repr(name),
                where=str(file),
                fix="name it, or give what other files include another ending than .yaml",
            )
        if name in names:
            raise DataError(
                expected="one file per task",
                found=f"{name!r} in {names[name].name} too",
                where=str(file),
                fix="rename one of them",
            )
        names[name] = file
        if "group" not in config:
            config |= _local(config, file)
            _check_metrics(config, file)
        put_task(work, name, config)
        configs[name] = config
    inside = _members(configs, names)
    return tuple(sorted(n for n, c in configs.items() if not inside & {n, *_tags(c)}))


def _members(configs: Mapping[str, dict[str, Any]], files: Mapping[str, Path]) -> set[str]:
    """What groups are made of: names of tasks, groups and tags.

    Raises:
        DataError: a member that is written out in the group, or unknown.
    """
    known = {*configs, *(tag for config in configs.values() for tag in _tags(config))}
    found: set[str] = set()
    for name, config in configs.items():
        members = config.get("task") if "group" in config else []
        for member in members if isinstance(members, list) else [members]:
            if not isinstance(member, str) or member not in known or member == name:
                raise DataError(
                    expected="names of tasks, groups or tags of the folder in a group",
                    found=repr(member),
                    where=str(files[name]),
                    fix="write the task as a file of its own, or correct the name",
                )
            found.add(member)
    return found


def _tags(config: Mapping[str, Any]) -> list[str]:
    tags = config.get("tag") or []
    return [str(tag) for tag in (tags if isinstance(tags, list) else [tags])]


def put_task(work: Path, name: str, config: dict[str, Any]) -> None:
    """Write a task, or a group, into a folder of work."""
    kwargs = {**config.get("dataset_kwargs", {}), "cache_dir": str((work / "cache").resolve())}
    if "group" not in config:
        config = {**config, "dataset_kwargs": kwargs}
    tasks = work / "tasks"
    tasks.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    (tasks / f"{name}.yaml").write_text(text, encoding="utf-8")


def _whole(file: Path, via: Sequence[Path]) -> dict[str, Any]:
    """The settings of a file with those that it includes, its own winning."""
    where = str(file)
    if file in via:
        raise DataError(
            expected="files that do not include each other in a circle",
            found=" -> ".join(p.name for p in [*via, file]),
            where=where,
            fix="remove one include",
        )
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            expected="the file that is included",
            found="no such file",
            where=where,
            fix=f"put it there, or correct include: in {via[-1].name}" if via else "try again",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        code = isinstance(error, yaml.constructor.ConstructorError)
        raise DataError(
            expected="YAML of settings and data" if code else "valid YAML in UTF-8",
            found=str(getattr(error, "problem", None) or first_line(error)),
            where=where,
            fix="write the task without !function: nothing of ours runs code of a data folder"
            if code
            else "mend the file",
        ) from error
    if not isinstance(config, dict):
        raise DataError(
            expected="a mapping of settings (task: ..., doc_to_text: ...)",
            found=type(config).__name__,
            where=where,
            fix="mend the file, or give it another ending than .yaml",
        )
    strange = sorted(str(key) for key in config.keys() - set(SETTINGS.split()))
    if strange:
        raise DataError(
            expected="settings of a task that are data",
            found=f"{strange[0]!r}, which is unknown here or names code",
            where=where,
            fix="write the task without it",
        )
    included = config.pop("include", [])
    whole: dict[str, Any] = {}
    for name in included if isinstance(included, list) else [included]:
        whole |= _whole((file.parent / str(name)).resolve(), [*via, file])
    return whole | config


def _check_metrics(config: dict[str, Any], file: Path) -> None:
    """Nothing if the harness has all metrics itself; it would load a script of another's from the net.

    Raises:
        DataError: one is unknown. DependencyError: the harness is not installed.
    """
    check_harness()
    import lm_eval.api.metrics  # noqa: F401  (it registers them)
    from lm_eval.api.registry import METRIC_REGISTRY

    metrics = config.get("metric_list") or []
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        known = isinstance(metric, dict) and metric.get("metric") in METRIC_REGISTRY
        if not known or metric.get("hf_evaluate"):
            raise DataError(
                expected=f"metrics of the harness itself: {', '.join(sorted(METRIC_REGISTRY))}",
                found=shown(metric.get("metric") if isinstance(metric, dict) else metric),
                where=str(file),
                fix="use one of these, as metric_list: [{metric: acc}], without hf_evaluate",
            )


def _local(config: dict[str, Any], file: Path) -> dict[str, Any]:
    """Where the data is: `dataset_path` and `dataset_kwargs` with absolute names of files that exist."""
    kwargs = config.get("dataset_kwargs") or {}
    files = kwargs.get("data_files") if isinstance(kwargs, dict) else None
    if config.get("dataset_path") not in READERS or not isinstance(files, dict) or not files:
        raise DataError(
            expected=f"dataset_path: {', '.join(READERS)}, and data files by split under "
            "dataset_kwargs: data_files:",
            found=f"dataset_path: {config.get('dataset_path')}"
            + ("" if files else ", without data files"),
            where=str(file),
            fix="download the data set, and name its files: nothing of ours connects to a hub here",
        )
    strange = sorted(str(name) for name in kwargs.keys() - {"data_files", *READER_SETTINGS})
    if strange:
        raise DataError(
            expected=f"data_files, {', '.join(READER_SETTINGS)} in dataset_kwargs",
            found=repr(strange[0]),
            where=str(file),
            fix="remove it, or convert the data to JSON lines",
        )
    absolute: dict[str, list[str]] = {}
    for split, names in files.items():
        some = [file.parent / str(n) for n in (names if isinstance(names, list) else [names])]
        missing = next((path for path in some if not path.is_file()), None)
        if missing is not None:
            raise DataError(
                expected=f"the data file of split {split}",
                found="no such file",
                where=str(missing),
                fix=f"put it there, or correct data_files: in {file.name}",
            )
        absolute[str(split)] = [str(path.resolve()) for path in some]
    return {"dataset_kwargs": {**kwargs, "data_files": absolute}}
