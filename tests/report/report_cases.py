"""Reports with made-up but realistic numbers: families of tasks in a Gram matrix."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from mishran.affinity import AffinityDiagnostics
from mishran.explanation import (
    ClusterFile,
    Explanation,
    MapFile,
    PairFile,
    PathFile,
    PriceFile,
    TiesFile,
    WithoutFile,
)
from mishran.mixture import (
    Budget,
    CertificateFile,
    Mixture,
    RobustFile,
    SelectionFile,
    TaskShare,
    quotas,
)
from mishran.report.data import (
    BaseFacts,
    Curve,
    DiagnosticsView,
    ReportData,
    SpecialistRow,
)
from mishran.types import Affinity

# name, family, groups, training rows
TASKS = (
    ("capitals", "countries", ("facts", "english"), 2400),
    ("country_currencies", "countries", ("facts", "english"), 1900),
    ("country_calling_codes", "countries", ("facts", "english"), 2100),
    ("राजधानी", "countries", ("facts", "hindi"), 1300),
    ("antonyms", "words", ("language", "english"), 5200),
    ("विलोम_शब्द", "words", ("language", "hindi"), 2600),
    ("singular_to_plural", "words", ("language", "english"), 4100),
    ("hindi_inflection", "words", ("language", "hindi"), 9100),
    ("clinc_intents", "twins", ("english",), 14800),
    ("clinc_domains", "twins", ("english",), 14800),
    ("hinglish_top_intents", "intents", ("code_mixed",), 7600),
    ("two_digit_sums", "numbers", ("english",), 8000),
    ("numbers_to_words", "numbers", ("english",), 3900),
    ("snli_entailment", "nli", ("english",), 60000),
    ("xnli_hi", "nli", ("hindi",), 18000),
    ("coin_flips", "noise", ("english",), 3000),
)
MORE = (
    ("broad_twitter_location_extraction", "twitter"),
    ("broad_twitter_person_extraction", "twitter"),
    ("e2e_restaurant_descriptions", "generation"),
    ("dart_triples_to_text", "generation"),
    ("wiki_bio_first_sentence", "generation"),
    ("blimp_anaphor_agreement", "grammar"),
    ("blimp_determiner_noun_agreement", "grammar"),
    ("blimp_quantifiers", "grammar"),
    ("qasc_fact_combination", "science"),
    ("qasc_question_answering", "science"),
    ("quartz_qualitative_relations", "science"),
    ("commonsense_qa", "science"),
    ("bless_hypernyms", "words"),
    ("rhymes", "words"),
    ("first_word_letter", "words"),
    ("larger_animal", "facts"),
    ("हिंदी_प्रवचन_विधा_वर्गीकरण", "discourse"),
    ("hindi_discourse_mode", "discourse"),
    ("hiner_entities", "twitter"),
    ("tatoeba_en_hi", "translation"),
    ("tatoeba_hi_en", "translation"),
    ("translation_en_fr", "translation"),
    ("librispeech_punctuation_and_capitals", "generation"),
    ("asset_simplification", "generation"),
)


def project(point: np.ndarray) -> np.ndarray:
    """Nearest point of the simplex."""
    ordered = np.sort(point)[::-1]
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(point) + 1)
    return np.maximum(point - excess[np.nonzero(ordered > excess)[0][-1]], 0.0)


def solve(matrix: np.ndarray, t: float, start: np.ndarray, steps: int = 300) -> np.ndarray:
    """Projected gradient on 1/2 p'Sp - (t/n) 1'Sp: near enough for pictures."""
    rate, p = 1 / np.linalg.eigvalsh(matrix)[-1], start
    target = t * matrix.mean(axis=1)
    for _ in range(steps):
        p = project(p - rate * (matrix @ p - target))
    return np.where(p < 1e-6, 0.0, p)


def similarities(families: list[str], rng: np.random.Generator) -> np.ndarray:
    """A Gram matrix between 0.35 and 0.9 off the diagonal, families closer than strangers."""
    kinds = sorted(set(families))
    centre = {kind: rng.normal(size=24) for kind in kinds}
    common = rng.normal(size=24)
    vectors = []
    for family in families:
        apart = {"noise": 2.4, "twins": 0.5}.get(family, 1.0)
        v = (
            1.25 * common / max(apart, 1.0)
            + 0.75 * centre[family]
            + 0.45 * apart * rng.normal(size=24)
        )
        vectors.append(v / np.linalg.norm(v))
    gram = np.array(vectors) @ np.array(vectors).T
    return 0.9 * np.clip(gram, 0, 1) ** 1.3 + 0.1 * np.eye(len(families))


@functools.cache
def case(n: int = 16, *, seed: int = 0, t: float = 0.6, tasks: tuple = ()) -> ReportData:
    """A full report of n tasks; findings are left empty."""
    rng = np.random.default_rng(seed)
    extra = [(name, family, ("english",), int(rng.integers(900, 20000))) for name, family in MORE]
    pool = [*tasks, *TASKS, *extra]
    pool += [(f"extra_task_{i:02d}", f"kind{i % 7}", ("english",), 4000) for i in range(n)]
    chosen = pool[:n]
    names = tuple(task[0] for task in chosen)
    matrix = similarities([task[1] for task in chosen], rng)
    np.fill_diagonal(matrix, 1.0)
    noise = rng.normal(scale=0.012, size=(40, n, n))
    replicas = matrix + (noise + noise.transpose(0, 2, 1)) / 2
    for replica in replicas:
        np.fill_diagonal(replica, 1.0)

    t_values = np.linspace(0, 2, 101)
    p = np.full(n, 1 / n)
    t_weights = np.empty((101, n))
    for half in (range(50, -1, -1), range(50, 101)):  # from uniform at t = 1 outwards
        at = p
        for k in half:
            t_weights[k] = at = solve(matrix, t_values[k], at)
    weights = solve(matrix, t, p, 2000)
    spread = np.array([solve(replica, t, weights, 60) for replica in replicas])
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    weights = weights / weights.sum()
    rows = quotas(weights, 25_000)
    energy = float(0.5 * weights @ matrix @ weights - t * matrix.mean(axis=1) @ weights)
    shares = tuple(
        TaskShare(
            name=name,
            weight=float(weights[i]),
            low=float(min(low[i], weights[i])),
            high=float(max(high[i], weights[i])),
            rows=int(rows[i]),
            epochs=float(rows[i] / chosen[i][3]),
            tokens=int(rows[i] * 23),
            available_rows=chosen[i][3],
            groups=chosen[i][2],
        )
        for i, name in enumerate(names)
    )
    hindi = round(sum(s.weight for s in shares if "hindi" in s.groups), 3)
    proof = CertificateFile(
        primal_residual=1.1e-16,
        dual_residual=4.2e-17,
        gap=3.3e-17,
        scale=0.61,
        relative_gap=5.4e-17,
        simplex=-0.2,
        lower={name: 0.004 for i, name in enumerate(names) if weights[i] == 0},
        upper={},
        floors={"hindi": 0.012},
        caps={},
        method="daqp",
    )
    mixture = Mixture(
        method="taskpgm",
        source="arXiv 2507.12612",
        affinity="jsd",
        parameters={"unary": "coverage", "t": t, "floors": {"hindi": hindi}, "caps": {}},
        tasks=shares,
        effective_tasks=float(1 / np.square(weights).sum()),
        energy=energy,
        representativeness=float(t * matrix.mean(axis=1) @ weights),
        diversity=float(-0.5 * weights @ matrix @ weights),
        unique=True,
        replicas=len(replicas),
        certificate=proof,
        budget=Budget(rows=25_000),
        inputs={"affinity-jsd.npz": "9f2c" * 16, "scores.parquet": "07ab" * 16},
        versions={"mishran": "0.1.0", "numpy": "2.3.4"},
    )
    off = np.where(np.eye(n, dtype=bool), -np.inf, matrix)
    values = np.linalg.eigvalsh(matrix)
    diagnostics = DiagnosticsView(
        tangent_min=float(values[0]),
        tangent_condition=float(values[-1] / values[0]),
        effective_rank=float(values.sum() ** 2 / np.square(values).sum()),
        additive_share=0.31,
        floor_rate=0.0,
        zero_rate=0.0,
        row_sums={name: float(matrix[i].sum()) for i, name in enumerate(names)},
        nearest={
            name: (names[int(off[i].argmax())], float(off[i].max())) for i, name in enumerate(names)
        },
    )
    affinity = Affinity(names, matrix, "jsd", replicas)
    diagnostics = replace(diagnostics, twins=AffinityDiagnostics.of(affinity).twins)
    return ReportData(
        title="Instructions in English and Hindi",
        mixture=mixture,
        affinity=affinity,
        diagnostics=diagnostics,
        t_values=t_values,
        t_weights=t_weights,
        t_chosen=t,
        specialists=tuple(_specialist(task, rng) for task in chosen),
        curves=tuple(_curve(name, rng) for name in names),
        base=BaseFacts("base-6m", 32 * n, n, dict.fromkeys(names, 32), 32 * n * 5, 50_000),
    )


SELECTION = SelectionFile(
    max_tasks=10,
    chosen=("capitals", "antonyms", "xnli_hi"),
    value=0.2125,
    upper_bound=0.2131,
    gap=0.0006,
    relative_gap=0.0006 / 0.61,
    proven=False,
    single="capitals",
    single_value=0.2005,
    greedy_value=0.2119,
    found_by="swaps",
    lazy=False,
    lazy_why="naive: too few candidates",
    gamma_measured=0.83,
    gamma_theory=0.021,
    guarantee=0.0123,
    vacuous=False,
    guarantee_in_words="greedy reaches at least 0.0123 of f(best) - f(best single task)",
    nodes=1234,
    ended_by="node limit",
)
ROBUST = RobustFile(
    mode="worst",
    kappa=1.0,
    objective=0.0021,
    plain_objective=0.0028,
    relative_gap=2e-12,
    carrying=7,
)


@functools.cache
def explained(n: int = 16, **changes) -> ReportData:
    """`case` with a full explanation, selection frequencies, a selection and a robust mixture.

    Breakpoints are every tenth value of t, and the weights between them straight lines.
    """
    data = case(n, **changes)
    names, weights = data.names, data.mixture.weights
    order = sorted(names, key=lambda name: -weights[name])
    matrix = data.affinity.matrix
    distance = np.add.outer(np.diag(matrix), np.diag(matrix)) - 2 * matrix
    breaks = range(0, 101, 10)
    t_weights = np.array(
        [
            np.interp(data.t_values, data.t_values[breaks], data.t_weights[breaks, i])
            for i in range(n)
        ]
    ).T

    def without(name: str) -> WithoutFile:
        i = names.index(name)
        near = [names[j] for j in np.argsort(distance[i], kind="stable") if j != i][:3]
        return WithoutFile(
            name=name,
            weight=weights[name],
            cost=0.03 * weights[name],
            reason="",
            takers={other: weights[name] / 3 for other in near} if weights[name] > 0 else {},
            nearest={other: float(distance[i, names.index(other)]) for other in near},
            entry=None if weights[name] > 0 else 0.001 * (i + 1),
        )

    rows = [without(name) for name in names]
    kept = names.index(order[1])
    rows[kept] = rows[kept].model_copy(
        update={"cost": None, "takers": {}, "reason": "its own floor of 3 % keeps it in"}
    )
    price = PriceFile(
        name="hindi",
        kind="floor",
        bound=0.25,
        is_share=True,
        multiplier=0.31,
        cost=0.012,
        without=0.17,
        sentence="the hindi floor of 25 % costs 0.012 energy; without it hindi would get 17 %",
        gains={order[0]: 0.021},
        losses={order[1]: -0.034, order[2]: -0.011},
    )
    row = price.model_copy(
        update={
            "name": "answer_tokens",
            "kind": "cap",
            "bound": 40.0,
            "is_share": False,
            "cost": 0.0001,
            "without": 52.5,
            "sentence": "the cap of 40 on answer_tokens costs 0.0001 energy; without it "
            "answer_tokens would be 52.5",
            "gains": {},
        }
    )
    tied = {name: tuple(o for o in order[:4] if o != name) for name in order[:4]}
    effective = 1 / np.square(t_weights).sum(axis=1)
    centre = np.eye(n) - 1 / n
    vectors = np.linalg.eigh(centre @ matrix @ centre)[1]
    explanation = Explanation(
        prices=(price, row),
        without=tuple(rows),
        clusters=(
            ClusterFile(
                tasks=names[:3],
                driver=(names[0], names[1]),
                driver_distance=0.11,
                relative_distance=0.37,
            ),
        ),
        pairs=(PairFile(first=order[0], second=order[1], moved=0.0042),),
        map=MapFile(
            points={
                name: (float(vectors[i, -1]), float(vectors[i, -2])) for i, name in enumerate(names)
            },
            shown=0.413,
        ),
        ties=TiesFile(share=0.6, tasks=tied),
        path=PathFile(
            t=(*map(float, data.t_values[breaks]), 3.5),
            effective=(*map(float, effective[breaks]), 2.0),
            jumps=(),
            diverse=(4.31, float(n)),
            central=(2.0, float(n)),
        ),
    )
    tasks = tuple(
        task.model_copy(update={"selected": 1.0 if task.weight > 0 else 0.125})
        for task in data.mixture.tasks
    )
    mixture = data.mixture.model_copy(
        update={"tasks": tasks, "selection": SELECTION, "robust": ROBUST}
    )
    return replace(data, mixture=mixture, t_weights=t_weights, explanation=explanation)


def _specialist(task: tuple, rng: np.random.Generator) -> SpecialistRow:
    name, family, groups, rows = task
    base = float(rng.uniform(2.5, 6.5))
    gain = 0.02 if name == "commonsense_qa" else float(base * rng.uniform(0.2, 0.8))
    half = float(rng.uniform(0.04, 0.2))
    prompt = 0.003 if family == "noise" else float(gain * rng.uniform(0.3, 0.8))
    status = "prompt ignored" if prompt < half / 3 else "no gain" if gain < half else "learned"
    return SpecialistRow(
        name,
        groups,
        status,
        base,
        base - gain,
        gain,
        gain - half,
        gain + half,
        prompt,
        prompt - half / 3,
        prompt + half / 3,
        rows,
        50_000,
    )


def _curve(name: str, rng: np.random.Generator) -> Curve:
    tokens = (0.0, 1562.0, 3125.0, 6250.0, 12500.0, 25000.0, 50000.0)
    start, end = rng.uniform(3, 6), rng.uniform(0.5, 2.5)
    rate = rng.uniform(4e-5, 3e-4)
    nats = tuple(float(end + (start - end) * np.exp(-rate * x)) for x in tokens)
    return Curve(name, tokens, nats, tuple(v - 0.15 for v in nats), tuple(v + 0.15 for v in nats))
