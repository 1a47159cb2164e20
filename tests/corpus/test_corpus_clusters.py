"""Passes on Slurm: datatrove submits, pickles, launches; the scheduler is a stand-in that runs at once."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import yaml
from corpus_project import make_project, write_recipe

import mishran as mx

# Runs every task of the array here, in the environment of a job, and says a number like sbatch.
SBATCH = """#!/bin/bash
script="${@: -1}"
array=$(sed -n 's/^#SBATCH --array=\\([0-9,-]*\\).*/\\1/p' "$script")
export SLURM_ARRAY_JOB_ID=7 SLURM_JOB_ID=7 SLURM_NODEID=0 SLURM_CPUS_PER_TASK=1 SLURM_MEM_PER_CPU=2048
export SLURM_NODELIST=localhost SLURM_JOB_NODELIST=localhost
for part in ${array//,/ }; do
  for task in $(seq ${part%-*} ${part#*-}); do
    SLURM_ARRAY_TASK_ID=$task bash "$script" >&2 || exit 1
  done
done
echo "Submitted batch job 7"
"""
SRUN = """#!/bin/bash
while [[ "$1" == -* ]]; do [[ "$1" == -n ]] && shift; shift; done
exec "$@"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import sys

    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "sbatch": SBATCH,
        "srun": SRUN,
        "scontrol": "#!/bin/bash\necho localhost\n",
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    return folder


def result(folder: Path) -> dict[str, str]:
    files = sorted((folder / "clean").rglob("*.parquet"))
    return {p.name + p.parent.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.full
@pytest.mark.parametrize("near", [None, {}], ids=["exact", "near"])
def test_slurm_gives_what_this_machine_gives(tmp_path, slurm, near):
    recipe = make_project(tmp_path, documents=20)
    data = {**yaml.safe_load(recipe.read_text()), "minhash": near}
    write_recipe(tmp_path, data)
    mx.clean_corpus(recipe, tmp_path / "here")
    write_recipe(tmp_path, {**data, "where": {"kind": "slurm", "partition": "cpu"}})
    submitted = mx.clean_corpus(recipe, tmp_path / "there")
    assert submitted.jobs == ("7",) * (6 if near is not None else 3)
    assert not (tmp_path / "there/clean").exists()
    if near is not None:  # jobs that are done may be collected by a recipe for this machine
        write_recipe(tmp_path, data)
    mx.clean_corpus(recipe, tmp_path / "there")
    assert result(tmp_path / "there") == result(tmp_path / "here") != {}


def test_jobs_that_are_not_done_are_not_submitted_twice(tmp_path, slurm):
    (slurm / "sbatch").write_text('#!/bin/bash\necho "Submitted batch job 9"\n')
    recipe = make_project(tmp_path, documents=4)
    data = yaml.safe_load(recipe.read_text())
    write_recipe(tmp_path, {**data, "where": {"kind": "slurm", "partition": "cpu"}})
    assert mx.clean_corpus(recipe).jobs[0] == "9"
    with pytest.raises(mx.MishranError, match=r"jobs 9, .*submitted and not done.*; wait for them"):
        mx.clean_corpus(recipe)


def queued(folder: Path, slurm: Path) -> Path:
    """A recipe of which the jobs wait in the queue."""
    (slurm / "sbatch").write_text('#!/bin/bash\necho "Submitted batch job 9"\n')
    data = yaml.safe_load(make_project(folder, documents=4).read_text())
    recipe = write_recipe(folder, {**data, "where": {"kind": "slurm", "partition": "cpu"}})
    mx.clean_corpus(recipe)
    return recipe


def changed(recipe: Path, **fields: object) -> Path:
    return write_recipe(recipe.parent, yaml.safe_load(recipe.read_text()) | fields)


def everything(folder: Path) -> dict[str, bytes]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_jobs_are_written_down_as_they_are_submitted(tmp_path, slurm):
    """The first pass is taken (its tasks, and what sums up their logs), the second refused."""
    (slurm / "sbatch").write_text(
        '#!/bin/bash\nn=$(cat "$0.n" || echo 0)\necho $((n + 1)) > "$0.n"\n'
        '[ $n -ge 2 ] && exit 1\necho "Submitted batch job 9"\n'
    )
    data = yaml.safe_load(make_project(tmp_path, documents=4).read_text())
    recipe = write_recipe(tmp_path, {**data, "where": {"kind": "slurm", "partition": "cpu"}})
    with pytest.raises(mx.MishranError, match="expected a Slurm that takes jobs"):
        mx.clean_corpus(recipe)
    (marks,) = (tmp_path / "out/work").glob("*/jobs.json")
    assert json.loads(marks.read_text()) == ["9"]
    with pytest.raises(mx.MishranError, match=r"jobs 9, submitted and not done"):
        mx.clean_corpus(recipe)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"where": {"workers": 1}}, "jobs 9(, 9)+ of this recipe"),
        ({"rules": {"min_words": 7}}, "jobs 9(, 9)+ of another recipe"),
        ({"rules": {"min_words": 7}, "where": {"workers": 1}}, "jobs 9(, 9)+ of another recipe"),
        ({"seed": 1}, "jobs 9(, 9)+ of another recipe"),
    ],
    ids=["here", "another", "another here", "other models"],
)
def test_nothing_else_is_done_in_a_folder_that_jobs_work_in(tmp_path, slurm, fields, found):
    recipe = queued(tmp_path, slurm)
    before = everything(tmp_path / "out")
    with pytest.raises(
        mx.MishranError,
        match=f"expected no other work in this folder .* found {found}; wait for them, or cancel",
    ):
        mx.clean_corpus(changed(recipe, **fields))
    assert everything(tmp_path / "out") == before
    assert mx.clean_corpus(recipe, tmp_path / "other") is not None  # another folder is free
    (marks,) = (tmp_path / "out/work").glob("*/jobs.json")
    marks.unlink()
    assert mx.clean_corpus(changed(recipe, where={"workers": 1})).made


def test_temporary_files_of_jobs_stay_and_others_go(tmp_path, slurm):
    """Jobs of a cluster write without the lock of this folder."""
    recipe = queued(tmp_path, slurm)
    (marks,) = (tmp_path / "out/work").glob("*/jobs.json")
    temporary = marks.parent / ".tmp-00000.json"
    temporary.write_text("{")
    with pytest.raises(mx.MishranError, match="submitted and not done"):
        mx.clean_corpus(recipe)
    assert temporary.exists()
    marks.unlink()
    mx.clean_corpus(recipe)
    assert not temporary.exists()


def test_a_slurm_that_refuses_and_none_at_all(tmp_path, slurm, monkeypatch):
    (slurm / "sbatch").write_text("#!/bin/bash\nexit 1\n")
    recipe = make_project(tmp_path, documents=4)
    data = yaml.safe_load(recipe.read_text())
    write_recipe(tmp_path, {**data, "where": {"kind": "slurm", "partition": "cpu"}})
    with pytest.raises(
        mx.MishranError, match=r"expected a Slurm that takes jobs, found Command .*sbatch"
    ):
        mx.clean_corpus(recipe)
    (slurm / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(slurm))
    with pytest.raises(
        mx.MishranError, match="found no command sbatch; run it where jobs are submitted"
    ):
        mx.clean_corpus(recipe)


def test_without_ray_it_says_so(tmp_path):
    pytest.importorskip("datatrove")
    try:
        import ray  # noqa: F401

        pytest.skip("Ray is installed")
    except ImportError:
        pass
    recipe = make_project(tmp_path, documents=4)
    data = yaml.safe_load(recipe.read_text())
    write_recipe(tmp_path, {**data, "where": {"kind": "ray"}})
    with pytest.raises(mx.MishranError, match="expected the package ray"):
        mx.clean_corpus(recipe)
