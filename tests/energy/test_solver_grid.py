"""The exact solution against an independent solver on 500 random instances."""

from __future__ import annotations

import numpy as np
import pytest
from energy_cases import by_clarabel, instance

from mishran.energy import Energy, repair_tangent, simplex, solve, tangent_eigenvalues

NUMBERS = range(500)


def difference(energy: Energy, p: np.ndarray, q: np.ndarray) -> float:
    """E(p) - E(q) without the digits that a large constant in S would cost."""
    matrix = energy.matrix - energy.matrix[0, 0]
    step = p - q
    slope = matrix @ q - (energy.unary - energy.unary[0])
    return float(slope @ step + 0.5 * step @ matrix @ step)


@pytest.mark.parametrize("first", range(0, 500, 20))
def test_solution_agrees_with_clarabel(first: int) -> None:
    for number in NUMBERS[first : first + 20]:
        case = instance(number)
        solution = solve(case.energy, case.box)
        convex, repair = repair_tangent(case.energy)
        oracle = by_clarabel(convex, case.box)
        about = f"instance {number}: n={case.n}, {case.kind}, {case.bounds}"

        assert solution.certificate.relative_gap <= 1e-9, about
        assert (case.box or simplex(case.energy.names)).violation(solution.weights) <= 1e-12, about
        assert solution.weights.min() >= 0.0, about
        assert abs(solution.weights.sum() - 1.0) <= 1e-12, about
        scale = convex.scale or 1.0
        assert abs(difference(convex, solution.weights, oracle.weights)) <= 1e-9 * scale, about
        assert [r.name for r in solution.repairs] == ([] if repair is None else ["shift"]), about
        curvature = tangent_eigenvalues(convex.matrix)
        if len(curvature) and curvature[0] > 0 and curvature[-1] / curvature[0] < 1e4:
            np.testing.assert_allclose(
                solution.weights, oracle.refined, rtol=0, atol=1e-9, err_msg=about
            )


def test_the_grid_is_what_it_says() -> None:
    cases = [instance(number) for number in NUMBERS]
    assert {case.n for case in cases} >= {1, 2, 3, 300}
    assert sum(case.n == 300 for case in cases) >= 10
    assert {case.bounds for case in cases} == {"none", "bounds", "groups", "both"}
    assert sum(repair_tangent(case.energy)[1] is not None for case in cases) >= 40
    assert sum(case.box is not None for case in cases) >= 300
    assert sum(bool(case.box and case.box.rows) for case in cases) >= 200
