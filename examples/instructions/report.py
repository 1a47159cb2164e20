"""Fit the instructions example and write docs/results/instructions.md: what came out, and how long it took.

    python examples/instructions/report.py             (about half an hour on 2 cores)

Run it from the root of a checkout, with MISHRAN_DATA and MISHRAN_MODELS set unless they lie beside it.
Rerunning resumes; timings are of the run that made each stage.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch

from mishran.affinity import AffinityDiagnostics, family_auc, jsd_affinity, pmi_affinity
from mishran.cli.ui import Bars
from mishran.energy import Energy, simplex, solve
from mishran.mixture import Mixture
from mishran.pipeline.fit import Fitted, fit, read_evidence
from mishran.pipeline.mixture_file import versions
from mishran.pipeline.tables import read_divergence, read_scores
from mishran.places import data_root
from mishran.run import Run, atomic_write
from mishran.specialists.evidence import Evidence
from mishran.types import Affinity

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "results" / "instructions.md"
TIMES = "timings.json"


class Stopwatch(Bars):
    """The usual progress, and the seconds that each stage took."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def bar(self, title: str, total: float):  # type: ignore[no-untyped-def]
        inner, outer = super().bar(title, total), self

        class Timed:
            def __enter__(self):  # type: ignore[no-untyped-def]
                self.start = time.perf_counter()
                return inner.__enter__()

            def __exit__(self, *exc: object) -> bool | None:
                if total > 0:
                    outer.seconds[title] = time.perf_counter() - self.start
                return inner.__exit__(*exc)

        return Timed()


def families(tasks: list[str]) -> dict[str, str]:
    """Task of the example -> source data set, from the data's own index."""
    import yaml

    text = (HERE / "mix.yaml").read_text()
    files = {t["name"]: Path(t["path"]).name for t in yaml.safe_load(text)["tasks"]}
    index: dict[str, str] = {}
    for folder in ("tasks", "hindi"):
        for entry in json.loads((data_root() / folder / "index.json").read_text()):
            index[entry["file"]] = entry["family"]
    return {name: index[files[name]] for name in tasks}


def main() -> None:
    watch = Stopwatch()
    start = time.perf_counter()
    fitted = fit(HERE / "mix.yaml", progress=watch)
    took = _times(fitted.run, watch.seconds | {"all": time.perf_counter() - start})
    names = list(fitted.mixture.weights)
    evidence = [read_evidence(fitted.run, name) for name in names]
    table = read_divergence(fitted.run.path("divergence.npz"))
    scores = read_scores(fitted.run.path("scores.parquet"))
    affinities = [jsd_affinity(table, 200, 0)]
    affinities += [pmi_affinity(scores, kind, 200, 0) for kind in ("mean", "sum", "base")]
    atomic_write(PAGE, page(fitted, took, evidence, affinities, families(names)))
    print(f"wrote {PAGE.relative_to(Path.cwd())}")


def _times(run: Run, seconds: dict[str, float]) -> dict[str, float]:
    """Keep the timings of the run that did the work when this one only resumed it."""
    path = run.path(TIMES)
    old = json.loads(path.read_text()) if path.exists() else {}
    new = seconds if "training specialists" in seconds or not old else old
    atomic_write(path, json.dumps(new, indent=1) + "\n")
    return new


def page(
    fitted: Fitted,
    took: dict[str, float],
    evidence: list[Evidence],
    affinities: list[Affinity],
    family: dict[str, str],
) -> str:
    mixture, scores = fitted.mixture, read_scores(fitted.run.path("scores.parquet"))
    gains = sum(e.gain.low > 0 for e in evidence)
    prompts = sum(e.prompt is not None and e.prompt.low > 0 for e in evidence)
    tokens = sum(e.train_tokens for e in evidence)
    minutes = took["all"] / 60
    auc = family_auc(affinities[0], family)
    lines = [
        "# 38 real tasks: what came out",
        "",
        "Made by `python examples/instructions/report.py`. Configuration: "
        "[mix.yaml](../../examples/instructions/mix.yaml).",
        "",
        f"Machine: {os.cpu_count()} cores ({_processor()}), no GPU (not measured on one), "
        f"{torch.get_num_threads()} threads. "
        + ", ".join(f"{k} {v}" for k, v in versions().items() if k != "mishran")
        + ".",
        "",
        "## In short",
        "",
        f"- {len(evidence)} specialists, {tokens:,} training tokens, {len(scores.probe_task):,} probes "
        f"over {len(set(scores.probe_task))} tasks, {int(scores.tokens.sum()):,} answer tokens "
        f"scored by everybody: {minutes:.1f} minutes.",
        f"- **{gains} of {len(evidence)}** specialists show a validation gain whose 95 % interval "
        f"excludes 0; for {prompts} the true prompt is worth something as well.",
        f"- The mixture is proved optimal for its energy to {mixture.certificate.relative_gap:.1e} of "
        f"the scale D; {sum(w > 0 for w in mixture.weights.values())} tasks get a share, "
        f"{mixture.effective_tasks:.1f} effective ones.",
        "",
        "| stage | seconds |",
        "|---|---:|",
        *(f"| {name} | {value:,.0f} |" for name, value in took.items()),
        "",
        "## Is the affinity right?",
        "",
        "Tasks of one `family` share a source data set. AUC: the probability that a pair of one family "
        "is more similar than a pair of two. The 95 % interval resamples tasks and probes.",
        "",
        f"Pairs: {auc.num_same} of one family, {auc.num_other} of two. Beside it: the same after the "
        "additive row and column effects are taken out of the matrix (how far a specialist stands "
        "from everybody), without the seven country tasks, and how many of the tasks with a relative "
        "have one as their nearest neighbour.",
        "",
        "| affinity | AUC | without row and column effects | without the country family | nearest is a "
        "relative |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [_family_row(affinity, family) for affinity in affinities]
    lines += [
        "",
        *_spectra(affinities),
        "",
        *_nearest(affinities[0]),
        "",
        *_weights(mixture, evidence),
    ]
    lines += ["", *_along_t(affinities[0]), "", *_remarks(evidence)]
    return "\n".join(lines) + "\n"


def _family_row(affinity: Affinity, family: dict[str, str]) -> str:
    others = [i for i, name in enumerate(affinity.names) if family[name] != "countries"]
    relatives = [n for n in affinity.names if list(family.values()).count(family[n]) > 1]
    nearest = AffinityDiagnostics.of(affinity).nearest
    near = sum(family[nearest[name]] == family[name] for name in relatives)
    cells = [
        "{0.auc:.3f} ({0.low:.3f} to {0.high:.3f})".format(family_auc(a, family))
        for a in (affinity, _residual(affinity), _part(affinity, others))
    ]
    return f"| {affinity.kind} | {' | '.join(cells)} | {near} of {len(relatives)} |"


def _part(affinity: Affinity, index: list[int]) -> Affinity:
    """The affinity of some of the tasks."""
    names = tuple(affinity.names[i] for i in index)
    grid = np.ix_(index, index)
    return Affinity(names, affinity.matrix[grid], affinity.kind, affinity.replicas[:, *grid])


def _residual(affinity: Affinity) -> Affinity:
    """Off-diagonal entries less their least-squares fit a_i + a_j + c."""

    def less(matrix: np.ndarray) -> np.ndarray:
        n = len(matrix)
        off = matrix - np.diag(np.diag(matrix))
        mean = off.sum() / (n * (n - 1))
        a = (off.sum(axis=1) - (n - 1) * mean) / (n - 2)
        return matrix - a[:, None] - a[None, :] - mean

    replicas = np.array([less(m) for m in affinity.replicas])
    return Affinity(affinity.names, less(affinity.matrix), affinity.kind, replicas)


def _processor() -> str:
    found = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return found[0] if found else platform.machine()


def _spectra(affinities: list[Affinity]) -> list[str]:
    lines = [
        "What each is like: smallest eigenvalue on the tangent (negative needs a repair before "
        "solving), share of variance that row and column effects explain, effective rank.",
        "",
        "| affinity | smallest eigenvalue | additive share | effective rank |",
        "|---|---:|---:|---:|",
    ]
    for affinity in affinities:
        d = AffinityDiagnostics.of(affinity)
        lines.append(
            f"| {affinity.kind} | {d.tangent_eigenvalues[0]:.3g} | {d.additive_share:.0%} | "
            f"{d.effective_rank:.1f} |"
        )
    return lines


def _nearest(affinity: Affinity) -> list[str]:
    found = AffinityDiagnostics.of(affinity)
    index = {name: i for i, name in enumerate(affinity.names)}
    lines = ["Nearest neighbours under JSD (divergence):", ""]
    return lines + [
        f"- {name}: {other} ({1 - affinity.matrix[index[name], index[other]]:.3f})"
        for name, other in found.nearest.items()
    ]


def _weights(mixture: Mixture, evidence: list[Evidence]) -> list[str]:
    lines = [
        f"## The mixture (t = {mixture.parameters['t']:g}, floors {mixture.parameters['floors']}, "
        f"{mixture.budget.rows if mixture.budget else 0:,} rows)",
        "",
        "Gain: held-out nats per answer token that the specialist saves over the base. Prompt: what the "
        "true prompt saves it over a shuffled one. Both with 95 % intervals over examples.",
        "",
        "| task | weight | 95 % interval | rows | epochs | gain | prompt |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    by_name = {e.task: e for e in evidence}
    for task in sorted(mixture.tasks, key=lambda t: -t.weight):
        e = by_name[task.name]
        gain = f"{e.gain.mean:.2f} ({e.gain.low:.2f} to {e.gain.high:.2f})"
        prompt = (
            f"{e.prompt.mean:.2f} ({e.prompt.low:.2f} to {e.prompt.high:.2f})" if e.prompt else "-"
        )
        low, high = task.low or 0.0, task.high or 0.0
        lines.append(
            f"| {task.name} | {task.weight:.1%} | {low:.1%} to {high:.1%} | {task.rows} | "
            f"{task.epochs:.2f} | {gain} | {prompt} |"
        )
    return lines


def _along_t(affinity: Affinity) -> list[str]:
    lines = [
        "Without floors, along t (JSD):",
        "",
        "| t | tasks with a share | effective tasks | largest share |",
        "|---:|---:|---:|---:|",
    ]
    for t in (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0):
        s = solve(Energy.coverage(affinity, t), simplex(affinity.names))
        top = int(np.argmax(s.weights))
        lines.append(
            f"| {t:g} | {int((s.weights > 1e-9).sum())} | {s.effective_tasks:.1f} | "
            f"{affinity.names[top]} {s.weights[top]:.1%} |"
        )
    return lines


def _remarks(evidence: list[Evidence]) -> list[str]:
    none = [e.task for e in evidence if e.gain.low <= 0]
    ignored = [e.task for e in evidence if e.gain.low > 0 and e.prompt and e.prompt.low <= 0]
    return [
        "## Remarks",
        "",
        f"- No measurable gain: {', '.join(none) or 'none'}.",
        f"- Gain, but the prompt makes no measurable difference: {', '.join(ignored) or 'none'}.",
        *(HERE / "remarks.md").read_text().rstrip().splitlines(),
    ]


if __name__ == "__main__":
    main()
