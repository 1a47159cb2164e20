"""Random energies, constraints and independent solvers for the tests of the energy room."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import clarabel
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from scipy import sparse

from mishran.energy import Constraints, Energy, Row, constraints
from mishran.types import Affinity

PROPERTY = settings(derandomize=True, deadline=None, max_examples=40, database=None)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(2, 12)
DIALS = st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.1, 2.0, 8.0])

KINDS = (
    "definite",
    "kernel",
    "singular",
    "rank one",
    "twins",
    "zero",
    "indefinite",
    "tiny and huge",
    "small",
    "offset",
)


def names_of(n: int) -> tuple[str, ...]:
    return tuple(f"task{i}" for i in range(n))


def affinity_of(matrix: np.ndarray, replicas: np.ndarray | None = None) -> Affinity:
    n = len(matrix)
    none = np.empty((0, n, n))
    return Affinity(names_of(n), matrix, "matrix", none if replicas is None else replicas)


def symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2


def matrix_of(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, n) symmetric; positive semi-definite unless indefinite."""
    wide = rng.normal(size=(n, n + 5))
    if kind == "definite":
        return symmetric(wide @ wide.T)
    if kind == "kernel":
        features = np.abs(rng.normal(size=(n, 8)))
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        return symmetric(features @ features.T + 0.1 * np.eye(n))
    if kind == "singular":
        few = rng.normal(size=(n, max(1, n // 4)))
        return symmetric(few @ few.T)
    if kind == "rank one":
        one = rng.normal(size=n)
        return np.outer(one, one)
    if kind == "twins":
        which = rng.integers(0, max(1, n // 2), n)
        definite = wide @ wide.T
        return symmetric(definite)[np.ix_(which, which)]
    if kind == "zero":
        return np.zeros((n, n))
    if kind == "indefinite":
        return symmetric(rng.normal(size=(n, n)))
    if kind == "tiny and huge":
        sizes = 10.0 ** rng.uniform(-6, 3, n)
        return symmetric(wide @ wide.T * np.outer(sizes, sizes))
    if kind == "small":
        return 1e-12 * symmetric(wide @ wide.T)
    if kind == "offset":
        return symmetric(wide @ wide.T) + 1e6
    raise ValueError(kind)


def some_constraints(kind: str, n: int, rng: np.random.Generator) -> Constraints | None:
    """Bounds, overlapping groups, both, general rows or none; a random mixture satisfies them."""
    names = names_of(n)
    if kind == "none" or n < 4:
        return None
    inside = rng.dirichlet(np.ones(n))
    floors: dict[str, float] = {}
    caps: dict[str, float] = {}
    groups: dict[str, list[str]] = {}
    if kind in ("bounds", "both"):
        for i in rng.choice(n, size=n // 3, replace=False):
            floors[names[i]] = float(inside[i] * rng.uniform(0, 1))
        for i in rng.choice(n, size=n // 2, replace=False):
            caps[names[i]] = float(min(1.0, inside[i] * rng.uniform(1, 2)))
    if kind in ("groups", "both"):
        for g in range(3):
            members = rng.choice(n, size=rng.integers(1, n), replace=False)
            groups[f"group{g}"] = [names[i] for i in members]
            total = float(inside[members].sum())
            if g != 1:
                floors[f"group{g}"] = total * float(rng.uniform(0.5, 1))
            if g != 0:
                caps[f"group{g}"] = min(1.0, total * float(rng.uniform(1, 1.5)))
    rows: dict[str, Row] = {}
    if kind == "rows":
        for r in range(int(rng.integers(1, 4))):
            values = rng.normal(size=n) * 10.0 ** rng.integers(-2, 4)
            at, slack = float(values @ inside), np.abs(values).max() * rng.exponential(0.1, 2)
            low, high = at - slack[0], at + slack[1]
            kept = (low, np.inf) if r == 0 else (-np.inf, high) if r == 1 else (low, high)
            rows[f"row{r}"] = Row(dict(zip(names, values.tolist(), strict=True)), *kept)
    return constraints(names, groups, floors, caps, rows=rows)


@dataclass(frozen=True)
class Instance:
    number: int
    n: int
    kind: str
    bounds: str
    energy: Energy
    box: Constraints | None


def instance(number: int) -> Instance:
    """The number-th of the grid of 500: kinds, bounds and unaries in turn, n = 1 to 300."""
    rng = np.random.default_rng([11, number])
    kind = KINDS[number % len(KINDS)]
    bounds = ("none", "bounds", "groups", "both")[number // len(KINDS) % 4]
    if number >= 490:
        n = 300
    elif number >= 440:
        n = int(rng.integers(41, 130))
    else:
        n = 1 + int(rng.integers(0, 40))
    affinity = affinity_of(matrix_of(kind, n, rng))
    size = float(np.ptp(affinity.matrix)) or 1.0
    unary = number % 7
    if unary < 5:
        energy = Energy.coverage(affinity, (0.0, 0.5, 0.9, 1.7, 10.0)[unary])
    elif unary == 5:
        energy = Energy.target(affinity, [affinity.names[int(rng.integers(n))]])
    else:
        energy = Energy.utility(affinity, size * rng.normal(size=n))
    return Instance(number, n, kind, bounds, energy, some_constraints(bounds, n, rng))


@dataclass(frozen=True)
class Oracle:
    """What an interior-point method found, and that made exact on the active set it points to."""

    weights: np.ndarray
    refined: np.ndarray


def by_clarabel(energy: Energy, box: Constraints | None) -> Oracle:
    """Weights by Clarabel on S centred and divided by the scale.

    An interior-point method stops some 1e-7 from a bound that it should touch. So the rows whose
    multiplier exceeds their slack are taken as equations and the linear system is solved; the
    worst row, violated or of the wrong sign, changes sides until there is none.
    """
    n = len(energy.names)
    centre = np.eye(n) - 1.0 / n
    size = energy.scale or 1.0
    hessian = symmetric(centre @ (energy.matrix - energy.matrix.mean()) @ centre) / size
    linear = centre @ ((energy.matrix - energy.matrix.mean()).mean(axis=1) - energy.unary) / size
    low = np.zeros(n) if box is None else box.lower
    high = np.ones(n) if box is None else box.upper
    rows = [np.ones((1, n)), -np.eye(n), np.eye(n)]
    sides = [np.ones(1), -low, high]
    if box is not None and box.rows:
        floors, caps = box.row_bounds
        above, below = np.isfinite(floors), np.isfinite(caps)
        rows += [-box.row_matrix[above], box.row_matrix[below]]
        sides += [-floors[above], caps[below]]
    matrix, side = np.vstack(rows), np.concatenate(sides)
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-12
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(len(side) - 1)]
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix(np.triu(hessian)), linear, sparse.csc_matrix(matrix), side, cones, options
    )
    found = solver.solve()
    slack, dual = np.array(found.s), np.array(found.z)
    active = dual > slack
    for _ in range(20):
        active[0] = True
        equations = matrix[active]
        system = np.block([[hessian, equations.T], [equations, np.zeros((active.sum(),) * 2)]])
        right = np.concatenate([-linear, side[active]])
        answer = np.linalg.lstsq(system, right, rcond=None)[0]
        wrong = matrix @ answer[:n] - side
        wrong[active] = -answer[n:]
        wrong[0] = 0.0
        if wrong.max() <= 1e-12:
            break
        active[wrong.argmax()] ^= True
    return Oracle(np.array(found.x), answer[:n])


def by_enumeration(matrix: np.ndarray, unary: np.ndarray) -> np.ndarray:
    """(n,) weights on the bare simplex by trying every support; S definite on the tangent."""
    n = len(unary)
    best, least = np.zeros(n), np.inf
    for size in range(1, n + 1):
        for support in combinations(range(n), size):
            index = list(support)
            system = np.ones((size + 1, size + 1))
            system[:size, :size] = matrix[np.ix_(index, index)]
            system[size, size] = 0.0
            part = np.linalg.solve(system, np.append(unary[index], 1.0))[:size]
            if part.min() < 0:
                continue
            p = np.zeros(n)
            p[index] = part
            value = 0.5 * p @ matrix @ p - unary @ p
            if value < least:
                best, least = p, value
    return best


def shortest(energy: Energy, box: Constraints | None, p: np.ndarray) -> np.ndarray:
    """The shortest of the optima by Clarabel: those with the same Sp and u'p."""
    n = len(p)
    box = constraints(energy.names) if box is None else box
    values, vectors = np.linalg.eigh(energy.matrix - energy.matrix.mean())
    felt = vectors[:, np.abs(values) > 1e-9 * np.abs(values).max()].T
    largest = np.abs(energy.unary).max() or 1.0
    equal = np.vstack([np.ones((1, n)), felt, energy.unary / largest])
    low, high = box.row_bounds
    above, below = np.isfinite(low), np.isfinite(high)
    least = [-np.eye(n), np.eye(n), -box.row_matrix[above], box.row_matrix[below]]
    limits = [-box.lower, box.upper, -low[above], high[below]]
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = 1e-13
    options.tol_feas = 1e-11
    matrix = sparse.csc_matrix(np.vstack([equal, *least]))
    sides = np.concatenate([equal @ p, *limits])
    cones = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(len(sides) - len(equal))]
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix(np.eye(n)), np.zeros(n), matrix, sides, cones, options
    )
    return np.array(solver.solve().x)
