"""Tasks that come and go: the affinity without some, and old weights as a start for new ones.

    fewer = without(affinity, ["web"])
    energy = Energy.coverage(fewer, t=0.6)
    solve(energy, warm=carried(old_weights, energy.names))

A start decides what the solver tries first; the proof is made afresh. Only where there are several
optima, and they are ill-conditioned, may another of them come out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mishran.energy.names import positions
from mishran.errors import ConfigError
from mishran.types import Affinity, Array


def without(affinity: Affinity, names: Collection[str]) -> Affinity:
    """The affinity of the other tasks, replicas included.

    Raises:
        ConfigError: a name that is none of the tasks, or no task would be left.
    """
    gone = set(positions(names, affinity.names, "without"))
    kept = [i for i in range(len(affinity.names)) if i not in gone]
    if not kept:
        raise ConfigError(
            expected="at least one task that stays",
            found=f"all {len(affinity.names)} to leave",
            where="without",
            fix="name fewer tasks",
        )
    return replace(
        affinity,
        names=tuple(affinity.names[i] for i in kept),
        matrix=affinity.matrix[np.ix_(kept, kept)],
        replicas=affinity.replicas[:, kept][:, :, kept],
    )


def carried(weights: Mapping[str, float], names: Sequence[str]) -> Array | None:
    """(n,) weights to start from: those of the tasks that are still there, 0 for new ones.

    None when there are none, which starts from all tasks.
    """
    out = np.array([weights.get(name, 0.0) for name in names])
    return out if out.any() else None
