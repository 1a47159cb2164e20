"""From an affinity to the mixture that fits it: energy, constraints, exact solution, and why.

    energy = Energy.coverage(affinity, t=0.6)
    solution = solve(energy, constraints(energy.names, groups, floors={"hindi": 0.25}))
    solution.weights, solution.certificate.gap

Solving: `solve` (exact), `select` (at most k tasks), `robust` (against noise of the probes), `follow`
(every t at once). Asking: `weight_intervals`, `indistinguishable`, `shadow_prices`, `sensitivity`,
`leave_one_out`, `redundancy_clusters`, `task_map`; `explain` asks most of it.

NumPy and SciPy, with DAQP where our own active set gives up; nothing here loads torch.

Where things are:

- what is minimised: energy, matrices (one pass over S), tangent (curvature, repair), names
- under what: constraints, bound_system and infeasible (which bounds conflict)
- solving: solver (the order of things), active_set (ours), guess (where it starts) and projection,
  bordered (bounds as it asks for them), kkt (DAQP, least norm), unique (all optima), certificate,
  incremental, threads; paper (the closed form, for comparison)
- along t: path (what is asked), homotopy (events), pieces and systems (linear algebra of a piece)
- at most k tasks: selection (the order of things), choice_rules, subsets (f of a set), greedy,
  branch, perspective and diagonal (bounds), submodularity
- how sure: intervals, robust
- why: explain (all of it), optimum (what the others share), prices, sensitivity, leave_out,
  clusters, taskmap
"""

from mishran.energy.certificate import Multipliers, certify
from mishran.energy.clusters import Cluster, redundancy_clusters
from mishran.energy.constraints import (
    Constraints,
    EpochLimit,
    Row,
    check_feasible,
    constraints,
    simplex,
)
from mishran.energy.energy import Energy
from mishran.energy.explain import Explanation, explain
from mishran.energy.incremental import carried, without
from mishran.energy.infeasible import Conflict, diagnose
from mishran.energy.intervals import (
    Indistinguishable,
    WeightIntervals,
    affinity_intervals,
    indistinguishable,
    weight_intervals,
)
from mishran.energy.leave_out import LeftOut, Substitutes, leave_one_out, substitutes
from mishran.energy.paper import Projection, closed_form, paper_solution, project_to_simplex
from mishran.energy.path import Path, Side, effective_tasks, follow, t_grid
from mishran.energy.prices import Price, entry_prices, shadow_prices
from mishran.energy.robust import RobustMode, RobustSolution, robust
from mishran.energy.selection import Selection, select
from mishran.energy.sensitivity import PairInfluence, pair_influence, sensitivity
from mishran.energy.solver import judged, solve
from mishran.energy.tangent import RepairMode, repair_tangent, tangent_eigenvalues
from mishran.energy.taskmap import TaskMap, task_map

__all__ = [
    "Cluster",
    "Conflict",
    "Constraints",
    "Energy",
    "EpochLimit",
    "Explanation",
    "Indistinguishable",
    "LeftOut",
    "Multipliers",
    "PairInfluence",
    "Path",
    "Price",
    "Projection",
    "RepairMode",
    "RobustMode",
    "RobustSolution",
    "Row",
    "Selection",
    "Side",
    "Substitutes",
    "TaskMap",
    "WeightIntervals",
    "affinity_intervals",
    "carried",
    "certify",
    "check_feasible",
    "closed_form",
    "constraints",
    "diagnose",
    "effective_tasks",
    "entry_prices",
    "explain",
    "follow",
    "indistinguishable",
    "judged",
    "leave_one_out",
    "pair_influence",
    "paper_solution",
    "project_to_simplex",
    "redundancy_clusters",
    "repair_tangent",
    "robust",
    "select",
    "sensitivity",
    "shadow_prices",
    "simplex",
    "solve",
    "substitutes",
    "t_grid",
    "tangent_eigenvalues",
    "task_map",
    "weight_intervals",
    "without",
]
