"""Mixtures beside uniform: same budget, same seeds, same held-out examples, differences seed by seed.

Uniform is always there, since no earlier method consistently beats it (Aioli, arXiv 2411.05735). A task's
loss is the mean over its examples of nats per answer token; a group's is the mean over its tasks, each the
same. A method is judged by its loss less uniform's at each seed that both finished: t interval, t test,
Holm over methods within each group. Beside it stands a bootstrap over the held-out examples, which answers
another question (`mishran.evaluate.measured`). Accuracy and bits per byte are treated alike where they are
known. Groups, measures and tasks are not adjusted for: the verdict is about the loss on the primary group,
which was named before.

What the intervals leave out: the weights are taken as given. Another fit might have found others, and a
method's own luck in finding them is in none of these numbers.

A token that is only read costs a third of one that is trained on: 2 of 6 operations per parameter (Kaplan
et al. 2020, arXiv 2001.08361, section 2.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mishran.comparison import (
    Comparison,
    EffectFile,
    GroupFile,
    MethodFile,
    MissingFile,
    SettingFile,
)
from mishran.evaluate import measured
from mishran.evaluate.check_runs import check_runs
from mishran.evaluate.effects import (
    RunTable,
    example_samples,
    group_effects,
    run_values,
    task_effects,
    with_counts,
)
from mishran.evaluate.paired import CONFIDENCE, mean
from mishran.evaluate.results import UNIFORM, Candidate, RunResult, Setting
from mishran.evaluate.uniform_curve import curve_files
from mishran.evaluate.verdict import overall, verdict

FORWARD = 1 / 3  # of the cost of a token that is trained on
UNEQUAL = 1.01  # ratio of training tokens from which runs are called unequal


def compare(
    candidates: Sequence[Candidate],
    results: Sequence[RunResult],
    setting: Setting,
    curve: Mapping[int, Sequence[RunResult]] | None = None,
) -> Comparison:
    """Everything that these runs say about these mixtures.

    Args:
        candidates: the mixtures, uniform among them, in the order to show them.
        results: at most one per method and seed; one that is not there counts as missing.
        setting: what they have in common.
        curve: budget in tokens -> runs of uniform that ended there, for the steps to equal loss. The runs
            at `setting.budget_tokens` are among `results` already.

    Raises:
        ConfigError: no uniform, nothing beside it, a method or group twice or unknown.
        DataError: results that cannot be compared: other tasks, examples, answer tokens or bytes.
    """
    curve = curve or {}
    tasks = check_runs(candidates, results, setting, curve)
    groups = setting.task_groups(tasks)
    runs = {(r.method, r.seed): r for r in results if not r.failed}
    names = [c.method for c in candidates]
    table = RunTable(names, setting.seeds, tasks, runs, run_values(runs))
    counts = {name: len(result.ids) for name, result in table.any_run.tasks.items()}

    effects: list[EffectFile] = []
    for measure in measured.MEASURES:
        samples = example_samples(table, measure, setting)
        for group, members in groups.items():
            effects += group_effects(table, measure, group, members, samples)
    tasks_apart = [e for measure in measured.MEASURES for e in task_effects(table, measure)]
    outcomes = {(e.method, e.measure, e.task): e.outcome for e in tasks_apart}
    effects = [with_counts(e, outcomes, groups[e.group]) for e in effects]

    methods = tuple(_method_file(c, table) for c in candidates)
    losses = [e for e in effects if e.measure == "loss" and e.method != UNIFORM]
    labels = {c.method: c.label for c in candidates}
    family = {group: _family([e for e in losses if e.group == group]) for group in groups}
    verdicts = tuple(verdict(e, labels[e.method], family[e.group]) for e in losses)
    first = {e.method: e.difference for e in losses if e.group == setting.primary}
    curves, equal = curve_files(table.group_losses(groups), curve, groups, setting)
    return Comparison(
        setting=_setting_file(setting),
        groups=tuple(
            GroupFile(name=g, tasks=m, examples=sum(counts[t] for t in m))
            for g, m in groups.items()
        ),
        methods=methods,
        effects=tuple(effects),
        tasks=tuple(tasks_apart),
        verdicts=verdicts,
        overall=overall(
            [v for v in verdicts if v.group == setting.primary],
            first,
            methods,
            setting.primary,
            bool(table.seeds_of(UNIFORM)),
        ),
        curves=curves,
        equal_loss=equal,
        missing=_missing(candidates, results, setting, curve),
        warnings=_warnings(table, losses, labels, setting),
    )


def _family(losses: Sequence[EffectFile]) -> int:
    return sum(e.difference is not None and len(e.difference.by_seed) > 1 for e in losses)


def _method_file(candidate: Candidate, table: RunTable) -> MethodFile:
    seeds = table.seeds_of(candidate.method)
    finished = [table.runs[candidate.method, seed] for seed in seeds]
    train = mean([run.train_tokens for run in finished]) if finished else None
    find = candidate.find_trained + FORWARD * candidate.find_forward
    return MethodFile(
        method=candidate.method,
        label=candidate.label,
        weights=dict(candidate.weights),
        seeds=tuple(seeds),
        train_tokens=train,
        steps=mean([run.steps for run in finished]) if finished else None,
        find_trained=candidate.find_trained,
        find_forward=candidate.find_forward,
        find_tokens=find,
        total_tokens=None if train is None else find + train,
        notes=candidate.notes,
    )


def _missing(
    candidates: Sequence[Candidate],
    results: Sequence[RunResult],
    setting: Setting,
    curve: Mapping[int, Sequence[RunResult]],
) -> tuple[MissingFile, ...]:
    found = {(r.method, r.seed): r.failed for r in results}
    out = []
    for one in candidates:
        for seed in setting.seeds:
            reason = found.get((one.method, seed), one.failed or "there is no result")
            if reason:
                out.append(MissingFile(method=one.method, seed=seed, reason=reason))
    out += [
        MissingFile(method=run.method, seed=run.seed, reason=run.failed, tokens=tokens)
        for tokens, runs in sorted(curve.items())
        for run in runs
        if run.failed
    ]
    return tuple(out)


def _warnings(
    table: RunTable, losses: Sequence[EffectFile], labels: Mapping[str, str], setting: Setting
) -> tuple[str, ...]:
    out = []
    spent = [run.train_tokens for run in table.runs.values()]
    if max(spent) > UNEQUAL * min(spent):
        out.append(
            f"The budgets are not equal: runs were trained on {min(spent):,} to {max(spent):,} "
            "tokens. Part of a difference may be that."
        )
    for effect in losses:
        found = effect.difference
        if effect.group != setting.primary or found is None or len(found.by_seed) < 2:
            continue
        if found.p is None:
            out.append(
                f"{labels[effect.method]} differs from uniform by the same on every seed: did the "
                "seed change anything?"
            )
    return tuple(out)


def _setting_file(setting: Setting) -> SettingFile:
    return SettingFile(
        model=setting.model,
        budget_tokens=setting.budget_tokens,
        seeds=tuple(setting.seeds),
        confidence=CONFIDENCE,
        replicas=setting.replicas,
        bootstrap_seed=setting.bootstrap_seed,
        primary=setting.primary,
        curve=setting.curve,
    )
