"""What specialists gain over the base, from the score table.

Replicas resample the same probes as the affinity's, with the same seed, so that the two move together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mishran.affinity import bootstrap_weights
from mishran.errors import ConfigError
from mishran.types import Array, ScoreTable


def gains_of(
    scores: ScoreTable, targets: Sequence[str], replicas: int, seed: int
) -> tuple[Array, Array]:
    """Base minus specialist, nats per answer token, mean over tasks of the mean over their probes.

    Args:
        targets: tasks that count, trained or only evaluated; none means each specialist's own task.

    Returns:
        (n,) gains and (B, n) of the replicas.

    Raises:
        ConfigError: a target that was not probed.
    """
    probed = list(dict.fromkeys(scores.probe_task))
    for target in targets:
        if target not in probed:
            raise ConfigError(
                expected=f"targets among the probed tasks: {', '.join(probed)}",
                found=repr(target),
                where="mixture.unary.targets",
                fix="add it to the tasks (eval_only: true if it must not be trained on)",
            )
    gain = (scores.base_nats - scores.nats) / scores.tokens  # (n, m)
    values = np.empty(len(scores.specialists))
    drawn = np.empty((replicas, len(scores.specialists)))
    for i, name in enumerate(scores.specialists):
        wanted = set(targets) or {name}
        rows = np.array([k for k, task in enumerate(scores.probe_task) if task in wanted])
        tasks = [scores.probe_task[k] for k in rows]
        ids = [scores.probe_id[k] for k in rows]
        even = np.array([1.0 / tasks.count(task) for task in tasks]) / len(set(tasks))
        values[i] = even @ gain[i, rows]
        drawn[:, i] = bootstrap_weights(tasks, ids, replicas, seed) @ gain[i, rows]
    return values, drawn
