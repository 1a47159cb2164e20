"""Branch and bound over sets of tasks: the best one with proof, or how far off it can be.

A node fixes some tasks as chosen, some as dropped. Its bound is the perspective relaxation; tasks
whose choice, or whose absence, that bound rules out are fixed on the spot. The node with the lowest
bound is next, so that the proof advances as fast as it can, and a node ends when its bound is within
the tolerance of the best set known, or when it holds one set, which is solved.

The search stops after a number of nodes, the same on every machine, or at a time limit.

Source: Land and Doig 1960; Bertsimas and Cory-Wright, INFORMS J. Comput. 34 (2022), for the same
problem with cutting planes; reduced-cost fixing is standard.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from mishran.energy.diagonal import Split
from mishran.energy.perspective import ZERO, Node, Relaxed, relax
from mishran.energy.subsets import Best, Evaluator, Mask, Subsets
from mishran.types import Array

End = Literal["proven", "node limit", "time limit"]


@final
@dataclass(frozen=True, eq=False)
class Searched:
    """chosen, best: the best set known. lower: below the energy of every set. nodes: relaxed ones.
    improved: the search itself found a better set."""

    chosen: Mask
    best: Best
    lower: float
    nodes: int
    improved: bool
    ended_by: End


def search(
    evaluate: Evaluator,
    parts: Split,
    chosen: Mask,
    lower: float,
    max_nodes: int,
    time_limit: float,
) -> Searched:
    """Improves on a possible set, or proves it. lower: a bound that is known already.

    time_limit: seconds from now.
    """
    best = evaluate(chosen)
    assert best is not None, "the set allows a mixture"
    tree = _Tree(evaluate, parts, chosen, best)
    deadline = time.monotonic() + time_limit
    problem = evaluate.problem
    first = Node(problem.forced.copy(), problem.usable & ~problem.forced)
    ended: End = "proven"
    todo = [(first, lower, best.spread(len(chosen)))]
    while True:
        for child in todo:
            tree.relax(*child)
        if not tree.heap or tree.heap[0][0] >= tree.enough:
            break
        if tree.nodes >= max_nodes or time.monotonic() >= deadline:
            ended = "node limit" if tree.nodes >= max_nodes else "time limit"
            break
        bound, _, node, relaxed = heapq.heappop(tree.heap)
        todo = _children(problem, node, relaxed, bound)
    least = min([tree.closed, tree.best.value, *(bound for bound, *_ in tree.heap[:1])])
    return Searched(
        tree.chosen, tree.best, max(lower, least), tree.nodes, tree.best is not best, ended
    )


@dataclass(eq=False)
class _Tree:
    """heap: open nodes, lowest bound first. closed: the lowest bound of what was closed."""

    evaluate: Evaluator
    parts: Split
    chosen: Mask
    best: Best
    heap: list[tuple[float, int, Node, Relaxed]] = field(default_factory=list)
    closed: float = np.inf
    nodes: int = 0

    @property
    def enough(self) -> float:
        return self.best.value - self.evaluate.problem.tolerance

    def relax(self, node: Node, floor: float, start: Array) -> None:
        """Bounds a node; closes it, or puts what is left of it on the heap."""
        if floor >= self.enough:
            self.closed = min(self.closed, floor)
            return
        self.nodes += 1
        relaxed = relax(self.evaluate.problem, self.parts, node, start, self.enough)
        if relaxed.bound == np.inf:
            return
        bound = max(floor, relaxed.bound)
        if bound < self.enough:
            node = self._fix(node, relaxed)
            for trial in _rounded(self.evaluate.problem, node, relaxed):
                self._try(trial)
        only = _only(self.evaluate.problem, node)
        if bound >= self.enough:
            self.closed = min(self.closed, bound)
        elif only is not None:
            found = self._try(only)
            if found is not None:
                self.closed = min(self.closed, max(bound, found.value - found.gap))
        elif node.free.any():
            heapq.heappush(self.heap, (bound, self.nodes, node, relaxed))

    def _fix(self, node: Node, relaxed: Relaxed) -> Node:
        """Drops or chooses free tasks whose choice or absence the bound rules out."""
        drop = node.free & (relaxed.chosen_bound >= self.enough)
        keep = node.free & (relaxed.dropped_bound >= self.enough)
        for tasks, bounds in ((drop, relaxed.chosen_bound), (keep, relaxed.dropped_bound)):
            self.closed = min(self.closed, float(np.min(bounds[tasks], initial=np.inf)))
        return Node(node.chosen | (keep & ~drop), node.free & ~drop & ~keep)

    def _try(self, trial: Mask) -> Best | None:
        if not self.evaluate.problem.complete(trial):
            return None
        found = self.evaluate(trial)
        if found is not None and found.value < self.best.value:
            self.chosen, self.best = trial, found
        return found


def _only(problem: Subsets, node: Node) -> Mask | None:
    """The one set that the node needs to be judged by; None when there are several."""
    size = int(node.chosen.sum())
    if size >= problem.max_tasks or not node.free.any():
        return node.chosen
    union = node.chosen | node.free
    if problem.monotone and union.sum() <= problem.max_tasks:
        return union
    return None


def _rounded(problem: Subsets, node: Node, relaxed: Relaxed) -> list[Mask]:
    """The set that the relaxation points to: missing members first, then by z, then by weight."""
    chosen = node.chosen.copy()
    key = np.where(node.free, relaxed.z + 1e-3 * relaxed.p, 0.0)
    for group, missing in zip(problem.groups, problem.missing(chosen), strict=True):
        open_ = group.members[node.free[group.members] & ~chosen[group.members]]
        chosen[open_[np.argsort(-key[open_], kind="stable")[:missing]]] = True
    wanted = np.flatnonzero((key > 0) & ~chosen)
    room = max(0, problem.max_tasks - int(chosen.sum()))
    chosen[wanted[np.argsort(-key[wanted], kind="stable")[:room]]] = True
    return [chosen]


def _children(
    problem: Subsets, node: Node, relaxed: Relaxed, bound: float
) -> list[tuple[Node, float, Array]]:
    """The node with one task chosen, and without it: the task that pays most for its fraction."""
    p, z = relaxed.p, np.maximum(relaxed.z, 1e-300)
    pays = np.where(node.free & (p > ZERO), problem_weight(relaxed, p, z), -1.0)
    if pays.max() <= 0.0:
        pays = np.where(node.free, p, -1.0)
    i = int(np.argmax(pays))
    free = node.free.copy()
    free[i] = False
    chosen = node.chosen.copy()
    chosen[i] = True
    return [
        (Node(chosen, free), max(bound, float(relaxed.chosen_bound[i])), p),
        (Node(node.chosen, free), max(bound, float(relaxed.dropped_bound[i])), p),
    ]


def problem_weight(relaxed: Relaxed, p: Array, z: Array) -> Array:
    return p * (1.0 - z)
