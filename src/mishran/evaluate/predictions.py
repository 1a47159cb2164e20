"""Predictions of what training on mixtures gives, and how well each ordered them.

Plain values: whoever trained and predicted fills them (`mishran.pipeline.proxy_study`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mishran.evaluate.ranks import REPLICAS, Agreement, advantage, agreement
from mishran.types import Array


@dataclass(frozen=True, eq=False)
class Said:
    """k losses of each group and each task, in nats per answer token; lower is better."""

    groups: Mapping[str, Array]
    tasks: Mapping[str, Array]

    def lists(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "groups": {name: values.tolist() for name, values in self.groups.items()},
            "tasks": {name: values.tolist() for name, values in self.tasks.items()},
        }


@dataclass(frozen=True, eq=False)
class Predictions:
    """k mixtures, what training on them gave, and what each prediction said before.

    weights: (k, n) of `names`. scales: of those that are put to the test, prediction -> its c; the others
    are what they are compared with. failed: trainings that did not end; their mixtures are not among the k.
    """

    names: tuple[str, ...]
    weights: Array
    trained: Said
    predicted: Mapping[str, Said]
    scales: Mapping[str, float]
    failed: tuple[str, ...]

    def agreement(self, prediction: str, group: str) -> Agreement:
        """Spearman's rho of a group's losses."""
        return agreement(self.predicted[prediction].groups[group], self.trained.groups[group])

    def advantage(self, prediction: str, other: str, group: str) -> Agreement:
        """By how much that is above another's."""
        one, two = self.predicted[prediction].groups[group], self.predicted[other].groups[group]
        return advantage(one, two, self.trained.groups[group])

    def task_agreements(self, prediction: str) -> dict[str, Agreement]:
        """Spearman's rho of each task that is predicted."""
        said = self.predicted[prediction].tasks
        return {task: agreement(own, self.trained.tasks[task]) for task, own in said.items()}

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {
            "interval": f"95 %, percentiles of {REPLICAS} resamplings of the mixtures",
            "names": list(self.names),
            "weights": self.weights.tolist(),
            "trained": self.trained.lists(),
            "predicted": {name: self._described(name) for name in self.predicted},
            "failed": list(self.failed),
        }

    def _described(self, name: str) -> dict[str, Any]:
        said = self.predicted[name]
        rivals = [other for other in self.predicted if other not in self.scales]
        out = {
            **said.lists(),
            "agreement": {group: asdict(self.agreement(name, group)) for group in said.groups},
            "agreement_by_task": {t: asdict(a) for t, a in self.task_agreements(name).items()},
        }
        if name in self.scales:
            out["scale"] = self.scales[name]
            out["advantage"] = {
                group: {
                    other: asdict(self.advantage(name, other, group))
                    for other in rivals
                    if group in self.predicted[other].groups
                }
                for group in said.groups
            }
        return out
