"""The parts of budgeted selection: bounds that hold, splits, greedy and its guarantee."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from energy_cases import affinity_of, matrix_of

from mishran.energy.branch import interchangeable, search
from mishran.energy.constraints import Constraints, constraints, simplex
from mishran.energy.diagonal import even_split, split
from mishran.energy.energy import Energy
from mishran.energy.greedy import grow, single_energies, swap
from mishran.energy.perspective import Node, relax
from mishran.energy.selection import select
from mishran.energy.submodularity import guaranteed, ratio, submodularity
from mishran.energy.subsets import Evaluator, Group, Mask, Subsets, subsets
from mishran.energy.tangent import repair_tangent, tangent_eigenvalues


def problem_of(
    kind: str,
    n: int,
    k: int,
    seed: int,
    t: float = 0.3,
    groups: tuple[Group, ...] = (),
    least_share: float = 0.0,
    box: Constraints | None = None,
) -> Subsets:
    rng = np.random.default_rng([seed, 21])
    matrix = matrix_of("indefinite" if kind == "flat" else kind, n, rng)
    energy, _ = repair_tangent(Energy.coverage(affinity_of(matrix), t))
    return subsets(energy, box or simplex(energy.names), k, groups, least_share)


def mask(n: int, tasks: object) -> Mask:
    out = np.zeros(n, dtype=bool)
    out[np.array(tasks, dtype=np.intp)] = True
    return out


def sets_of(problem: Subsets, node: Node) -> list[Mask]:
    """All complete sets of a node."""
    free = np.flatnonzero(node.free)
    out = []
    for m in range(problem.max_tasks + 1):
        for more in combinations(free, m):
            chosen = node.chosen | mask(len(node.free), more)
            if chosen.any() and problem.complete(chosen):
                out.append(chosen)
    return out


def best_of(problem: Subsets, node: Node, evaluate: Evaluator | None = None) -> float:
    evaluate = evaluate or Evaluator(problem, np.zeros(len(problem.names)))
    found = [evaluate(chosen) for chosen in sets_of(problem, node)]
    return min((best.value for best in found if best is not None), default=np.inf)


def random_node(problem: Subsets, rng: np.random.Generator) -> Node:
    fate = rng.choice(3, size=len(problem.names), p=[0.15, 0.65, 0.2])
    return Node((fate == 0) | problem.forced, (fate == 1) & ~problem.forced & problem.usable)


def cases() -> list[tuple[str, Subsets]]:
    out = []
    for seed in range(3):
        for kind in ("definite", "kernel", "singular", "twins", "flat"):
            out.append((f"{kind} {seed}", problem_of(kind, 8, 3 + seed % 2, seed)))
    group = (Group("a", np.array([0, 1, 2, 3]), 2), Group("b", np.array([5, 6]), 1))
    overlap = (Group("a", np.array([0, 1, 2]), 2), Group("b", np.array([2, 3, 4]), 2))
    energy = Energy.coverage(affinity_of(matrix_of("definite", 8, np.random.default_rng(0))), 0.3)
    capped = constraints(energy.names, caps=dict.fromkeys(energy.names, 0.3))
    grouped = constraints(
        energy.names, {"g": energy.names[:3]}, floors={"g": 0.4, "task7": 0.05}, caps={"task0": 0.2}
    )
    for seed in range(3):
        for name, options in (
            ("groups", {"groups": group}),
            ("overlapping groups", {"groups": overlap}),
            ("least share", {"groups": group, "least_share": 0.15}),
            ("caps", {"box": capped, "k": 5}),
            ("bounds and rows", {"box": grouped, "groups": overlap}),
        ):
            k = int(options.pop("k", 4))  # type: ignore[call-overload]
            out.append((f"{name} {seed}", problem_of("definite", 8, k, seed, **options)))  # type: ignore[arg-type]
    return out


@pytest.mark.parametrize("problem", [c[1] for c in cases()], ids=[c[0] for c in cases()])
def test_no_set_of_a_node_is_below_its_bounds(problem: Subsets) -> None:
    rng = np.random.default_rng(1)
    n = len(problem.names)
    known = Evaluator(problem, np.zeros(n))
    for trial in range(5):
        parts = split(problem.hessian, rng.uniform(0, 1, n))
        node = random_node(problem, rng)
        if trial == 0:
            node = Node(problem.forced, problem.usable & ~problem.forced)
        start = rng.dirichlet(np.full(n, 0.5))
        enough = np.inf if trial % 2 else -np.inf  # -inf: after the first guess, far from solved
        found = relax(problem, parts, node, start, enough)
        least = best_of(problem, node, known)
        slack = 1e-12
        assert found.bound <= least + slack
        for i in np.flatnonzero(node.free):
            free = node.free & ~mask(n, i)
            with_i = Node(node.chosen | mask(n, i), free)
            assert found.chosen_bound[i] <= best_of(problem, with_i, known) + slack
            without = Node(node.chosen, free)
            assert found.dropped_bound[i] <= best_of(problem, without, known) + slack


def test_this_test_would_catch_a_bound_that_is_too_high() -> None:
    """The bound for one task fewer is no bound: on several problems a set lies below it."""
    broken = 0
    for seed in range(8):
        problem = problem_of("definite", 8, 3, seed)
        parts = split(problem.hessian, np.ones(8))
        node = Node(problem.forced, problem.usable)
        fewer = relax(replace(problem, max_tasks=2), parts, node, np.full(8, 1 / 8), np.inf)
        broken += fewer.bound > best_of(problem, node) + 1e-9
    assert broken >= 2


@pytest.mark.parametrize("kind", ["definite", "kernel"])
def test_the_perspective_is_above_the_plain_relaxation(kind: str) -> None:
    for seed in range(4):
        problem = problem_of(kind, 14, 3, seed)
        node = Node(problem.forced, problem.usable)
        start = np.full(14, 1 / 14)
        parts = split(problem.hessian, np.ones(14))
        better = relax(problem, parts, node, start, np.inf).bound
        free = Evaluator(problem, np.zeros(14))(problem.usable)
        assert free is not None
        plain = free.value - free.gap
        least = best_of(problem, node)
        assert plain <= better <= least + 1e-12
        assert better > plain + 0.02 * (least - plain)


@pytest.mark.parametrize("n", [45, 60])
def test_tasks_left_out_of_the_programme_do_not_matter(n: int) -> None:
    """Above 40 tasks only some are in the programme; as good as all when its gap is closed."""
    problem = problem_of("kernel", n, 6, 0)
    parts = split(problem.hessian, np.ones(n))
    node = Node(problem.forced, problem.usable)
    few = relax(problem, parts, node, mask(n, [0]).astype(float), np.inf)
    every = relax(problem, parts, node, np.full(n, 1 / n), np.inf)
    assert few.bound == pytest.approx(every.bound, abs=1e-9)


def test_the_split_leaves_a_convex_rest() -> None:
    large = problem_of("definite", 401, 2, 0).hessian
    lowest = tangent_eigenvalues(large)[0]
    assert split(large, np.ones(401)).diagonal == pytest.approx(np.full(401, 0.999 * lowest))
    for kind in ("definite", "kernel", "twins", "singular", "zero", "rank one", "tiny and huge"):
        for n in (1, 2, 7, 20):
            hessian = problem_of(kind, n, 2, n).hessian
            parts = split(hessian, np.ones(n))
            assert (parts.diagonal >= 0).all()
            rest = tangent_eigenvalues(hessian - np.diag(parts.diagonal))
            assert (rest >= -1e-13).all()
            if kind == "definite" and n > 2:
                assert parts.diagonal.sum() >= n * 0.99 * tangent_eigenvalues(hessian)[0]


def test_without_one_task_a_shifted_matrix_has_a_diagonal_again() -> None:
    energy, _ = repair_tangent(
        Energy.coverage(affinity_of(matrix_of("indefinite", 9, np.random.default_rng(0))), 0.3)
    )
    problem = subsets(energy, simplex(energy.names), 3, (), 0.0)
    assert not split(problem.hessian, np.ones(9)).diagonal.any()
    assert not even_split(problem.hessian).diagonal.any()
    assert not even_split(np.eye(1)).diagonal.any()
    part = problem.hessian[1:, 1:]
    parts = even_split(part)
    assert (parts.diagonal > 0).all()
    rest = part - np.diag(parts.diagonal)
    assert tangent_eigenvalues(rest)[0] >= 0.0
    assert np.linalg.eigvalsh(rest + parts.lift)[0] >= -1e-12


def test_twins_lose_their_part_of_the_diagonal_and_the_others_keep_theirs() -> None:
    base = matrix_of("definite", 6, np.random.default_rng(0))
    which = np.array([0, 0, 1, 2, 3, 4, 5])
    matrix = base[np.ix_(which, which)]
    centre = np.eye(7) - 1 / 7
    parts = split(centre @ matrix @ centre, np.ones(7))
    assert not parts.diagonal[:2].any()
    assert (parts.diagonal[2:] > 0).all()


def test_the_evaluator_bounds_what_a_task_can_add() -> None:
    for seed in range(12):
        kind = ("definite", "kernel", "singular")[seed % 3]
        problem = problem_of(kind, 9, 9, seed, least_share=0.1 * (seed % 2))
        evaluate = Evaluator(problem, split(problem.hessian, np.ones(9)).diagonal)
        rng = np.random.default_rng(seed)
        chosen = mask(9, rng.choice(9, 3, replace=False))
        base = evaluate(chosen)
        assert base is not None and base.gap <= problem.tolerance
        bounds = evaluate.gains(base)
        for j in np.flatnonzero(~chosen):
            more = evaluate(chosen | mask(9, j))
            assert more is not None
            assert base.value - more.value <= bounds[j] + 1e-13


def greedy_start(evaluate: Evaluator) -> Mask:
    return mask(len(evaluate.problem.names), int(np.argmin(single_energies(evaluate))))


def tried_all(evaluate: Evaluator, k: int) -> list[Mask]:
    """Greedy without any bound."""
    chosen = greedy_start(evaluate)
    path = [chosen]
    while chosen.sum() < k:
        options = [(chosen | mask(len(chosen), j)) for j in np.flatnonzero(~chosen)]
        values = [evaluate(o).value for o in options]  # type: ignore[union-attr]
        now = evaluate(chosen)
        assert now is not None
        if now.value - min(values) <= 0.1 * evaluate.problem.tolerance:
            break
        chosen = options[int(np.argmin(values))]
        path.append(chosen)
    return path


@pytest.mark.parametrize("t", [0.0, 0.3, 2.0])
def test_bounds_skip_tasks_and_change_no_choice(t: float) -> None:
    for seed in range(5):
        problem = problem_of("kernel", 30, 6, seed, t)
        fresh = Evaluator(problem, split(problem.hessian, np.ones(30)).diagonal)
        got = grow(fresh, greedy_start(fresh), 0, lazy=False)
        want = tried_all(Evaluator(problem, np.zeros(30)), 6)
        assert [p.tolist() for p in got.path] == [p.tolist() for p in want]
        assert fresh.solves < 30 + 5 * 25


def diagonal_problem(n: int, k: int) -> Subsets:
    """1/2 sum s p^2: f depends on sum 1/s alone and is concave in it, so that returns diminish."""
    sizes = np.random.default_rng(3).uniform(1, 3, n)
    energy = Energy.coverage(affinity_of(np.diag(sizes)), 0.0)
    return subsets(energy, simplex(energy.names), k, (), 0.0)


def test_lazy_is_used_where_returns_diminish_and_chooses_the_same() -> None:
    problem = diagonal_problem(205, 21)
    one, two = (Evaluator(problem, np.zeros(205)) for _ in range(2))
    lazy = grow(one, greedy_start(one), 0)
    naive = grow(two, greedy_start(two), 0, lazy=False)
    assert lazy.lazy and lazy.why == "lazy: returns diminished in all of 64 seeded tests"
    assert [p.tolist() for p in lazy.path] == [p.tolist() for p in naive.path]
    fewer, all_ = one.solves, two.solves
    assert fewer < 0.6 * all_


def test_naive_where_returns_were_seen_to_grow_or_nothing_is_to_be_saved() -> None:
    problem = problem_of("definite", 110, 40, 0)
    evaluate = Evaluator(problem, np.zeros(110))
    start = greedy_start(evaluate)
    why = grow(evaluate, start, 0).why
    assert why.startswith("naive: returns do not diminish, task") and "later and" in why
    small = Evaluator(problem_of("definite", 8, 3, 0), np.zeros(8))
    why = grow(small, greedy_start(small), 0).why
    assert why == "naive: too few candidates for the test of diminishing returns to pay"
    shared = Evaluator(problem_of("definite", 8, 3, 0, least_share=0.1), np.zeros(8))
    why = grow(shared, greedy_start(shared), 0).why
    assert why == "naive: a least share makes further tasks cost something"


def test_swaps_end_where_no_swap_helps() -> None:
    for seed in range(6):
        problem = problem_of("definite", 12, 4, seed)
        evaluate = Evaluator(problem, split(problem.hessian, np.ones(12)).diagonal)
        chosen, best, _ = swap(evaluate, mask(12, [0, 1, 2, 3]))
        for i in np.flatnonzero(chosen):
            for j in np.flatnonzero(~chosen):
                other = evaluate((chosen & ~mask(12, i)) | mask(12, j))
                assert other is not None and other.value >= best.value - problem.tolerance
        stopped, _, _ = swap(evaluate, mask(12, [0, 1, 2, 3]), max_solves=0)
        assert stopped.tolist() == mask(12, [0, 1, 2, 3]).tolist()


def true_ratio(evaluate: Evaluator, k: int) -> float:
    """gamma: over all L that hold the best single task and all C, both of at most k tasks."""
    n = len(evaluate.problem.names)
    start = greedy_start(evaluate)
    others = np.flatnonzero(~start)
    lowest = np.inf
    for a in range(k):
        for small in combinations(others, a):
            base = start | mask(n, list(small))
            rest = np.flatnonzero(~base)
            for c in range(1, k + 1):
                for more in combinations(rest, c):
                    found = ratio(evaluate, base, mask(n, more))
                    lowest = lowest if found is None else min(lowest, found)
    return float(lowest)


@pytest.mark.parametrize("number", range(12))
def test_greedy_keeps_its_guarantee(number: int) -> None:
    kind, t = ("definite", "kernel", "offset")[number % 3], (0.0, 0.3, 2.0, 0.9)[number // 3]
    n, k = 7, 3
    problem = problem_of(kind, n, k, number, t)
    evaluate = Evaluator(problem, split(problem.hessian, np.ones(n)).diagonal)
    start = greedy_start(evaluate)
    grown = grow(evaluate, start, 0)
    alone = evaluate(start)
    assert alone is not None
    best = best_of(problem, Node(problem.forced, problem.usable))
    gamma = true_ratio(evaluate, k)
    known = submodularity(evaluate, grown.path, grown.path[-1], 0)
    assert known.theory is not None and known.measured is not None
    assert known.theory <= gamma + 1e-9 and gamma <= known.measured + 1e-9
    gain, most = alone.value - grown.best.value, alone.value - best
    for value in (gamma, known.theory):
        assert gain >= guaranteed(value, k) * most - 1e-12


def test_the_guarantee_in_numbers() -> None:
    assert guaranteed(1.0, 1) == 0.0
    assert guaranteed(0.5, 2) == pytest.approx(0.25)
    assert guaranteed(0.5, 4, steps=1) == pytest.approx(0.125)
    assert guaranteed(7.0, 2) == pytest.approx(0.5)
    assert guaranteed(1.0, 1000) == pytest.approx(1 - np.exp(-1), abs=1e-3)


def test_a_flat_direction_makes_the_guarantee_vacuous() -> None:
    rng = np.random.default_rng(0)
    flat = select(Energy.coverage(affinity_of(matrix_of("singular", 9, rng)), 0.3), 3)
    assert flat.gamma_theory == 0.0 and flat.guarantee == 0.0 and flat.vacuous
    assert flat.guarantee_in_words.startswith("vacuous: S has a direction without curvature")
    curved = select(Energy.coverage(affinity_of(matrix_of("kernel", 9, rng)), 0.3), 3)
    assert curved.gamma_theory is not None and 0 < curved.gamma_theory <= 1.0
    assert 0 < curved.guarantee < 1 and not curved.vacuous
    assert curved.guarantee_in_words.startswith("greedy reaches at least 0.")
    assert curved.gamma_measured is not None and curved.gamma_pairs > 20


def test_the_search_does_not_depend_on_where_it_starts() -> None:
    problem = problem_of("definite", 12, 4, 5)
    parts = split(problem.hessian, np.ones(12))
    found = []
    for tasks in ([0, 1, 2, 3], [8], [4, 5]):
        evaluate = Evaluator(problem, parts.diagonal)
        found.append(search(evaluate, parts, mask(12, tasks), -np.inf, 10_000, np.inf))
    values = [f.best.value for f in found]
    assert np.ptp(values) <= 1e-12
    assert all(f.ended_by == "proven" and f.improved for f in found)
    assert all(f.best.value - f.lower <= problem.tolerance for f in found)


def test_tasks_that_can_be_exchanged_are_known() -> None:
    matrix = matrix_of("definite", 4, np.random.default_rng(0))
    which = np.array([0, 1, 0, 2, 1, 0])
    energy = Energy.coverage(affinity_of(matrix[np.ix_(which, which)]), 0.3)
    problem = subsets(energy, simplex(energy.names), 3, (), 0.0)
    assert interchangeable(problem).tolist() == [0, 1, 0, 2, 1, 0]
    floored = replace(problem, lower=np.array([0, 0, 0.1, 0, 0, 0]))
    assert interchangeable(floored).tolist() == [0, 1, 2, 3, 1, 0]
    group = (Group("a", np.array([0, 4]), 1),)
    assert interchangeable(replace(problem, groups=group)).tolist() == [0, 1, 2, 3, 4, 2]
    alone = problem_of("definite", 5, 2, 0)
    assert interchangeable(alone).tolist() == [0, 1, 2, 3, 4]


def test_twins_do_not_multiply_the_search() -> None:
    """Twenty tasks of four kinds, each with a least share."""
    matrix = matrix_of("definite", 4, np.random.default_rng(1))
    which = np.repeat(np.arange(4), 5)
    energy = Energy.coverage(affinity_of(matrix[np.ix_(which, which)]), 0.0)
    got = select(energy, 10, least_share=0.07, time_limit=np.inf)
    assert got.proven and got.nodes < 100


def test_a_known_bound_ends_the_search_at_once() -> None:
    problem = problem_of("definite", 12, 4, 5)
    parts = split(problem.hessian, np.ones(12))
    evaluate = Evaluator(problem, parts.diagonal)
    best = search(evaluate, parts, mask(12, [0]), -np.inf, 10_000, np.inf)
    known = search(evaluate, parts, best.chosen, best.best.value, 10_000, np.inf)
    assert known.nodes == 0 and known.ended_by == "proven"
    assert known.lower == best.best.value


def test_degenerate_programmes_are_solved_by_the_general_solver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = problem_of("definite", 8, 3, 0)
    want = Evaluator(problem, np.zeros(8))(mask(8, [1, 4, 6]))
    monkeypatch.setattr("mishran.energy.subsets.quadratic", lambda *_: -4)
    got = Evaluator(problem, np.zeros(8))(mask(8, [1, 4, 6]))
    assert want is not None and got is not None
    assert got.value == pytest.approx(want.value, abs=1e-12)
    assert np.allclose(got.weights, want.weights, atol=1e-8)
    node = Node(problem.forced, problem.usable)
    parts = split(problem.hessian, np.ones(8))
    monkeypatch.setattr("mishran.energy.perspective.quadratic", lambda *_: -4)
    rough = relax(problem, parts, node, np.full(8, 1 / 8), np.inf)
    assert -np.inf < rough.bound <= want.value


def test_rules_that_leave_no_set_close_the_node() -> None:
    problem = problem_of("definite", 6, 2, 0)
    parts = split(problem.hessian, np.ones(6))
    start = np.full(6, 1 / 6)
    group = (Group("a", np.array([0, 1]), 2),)
    for trial, chosen, free in (
        (problem, [0, 1, 2], [3]),
        (replace(problem, groups=group), [3], [0, 1, 2]),
        (replace(problem, groups=group), [], [0, 2]),
        (replace(problem, upper=np.full(6, 0.3)), [], [0, 1, 2, 3, 4, 5]),
        (replace(problem, lower=np.full(6, 0.6)), [0, 1], [2]),
        (problem, [], []),
    ):
        node = Node(mask(6, chosen), mask(6, free))
        found = relax(trial, parts, node, start, np.inf)
        assert found.bound == np.inf
        assert best_of(trial, node) == np.inf
