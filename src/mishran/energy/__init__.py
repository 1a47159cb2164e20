"""From an affinity to the mixture that fits it: energy, constraints, exact solution, path.

    energy = Energy.coverage(affinity, t=0.6)
    solution = solve(energy, constraints(energy.names, groups, floors={"hindi": 0.25}))
    solution.weights, solution.certificate.gap

NumPy and SciPy, with DAQP for the active set; nothing here loads torch.
"""

from mishran.energy.certificate import Multipliers, certify
from mishran.energy.constraints import Constraints, check_feasible, constraints, simplex
from mishran.energy.energy import Energy
from mishran.energy.intervals import WeightIntervals, weight_intervals
from mishran.energy.paper import Projection, closed_form, paper_solution, project_to_simplex
from mishran.energy.path import Side, effective_tasks, t_grid
from mishran.energy.solver import solve
from mishran.energy.tangent import RepairMode, repair_tangent, tangent_eigenvalues

__all__ = [
    "Constraints",
    "Energy",
    "Multipliers",
    "Projection",
    "RepairMode",
    "Side",
    "WeightIntervals",
    "certify",
    "check_feasible",
    "closed_form",
    "constraints",
    "effective_tasks",
    "paper_solution",
    "project_to_simplex",
    "repair_tangent",
    "simplex",
    "solve",
    "t_grid",
    "tangent_eigenvalues",
    "weight_intervals",
]
