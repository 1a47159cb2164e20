"""`Energy`: what a mixture costs, E(p) = 1/2 p'Sp - u'p, with its bootstrap replicas.

S charges for tasks that resemble each other, u rewards what a task brings: closeness to all tasks
(coverage), closeness to named targets, a gain per task, or any number per task. Only differences
of E between mixtures mean something (adding a constant to S or u changes nothing else), so every
tolerance is relative to `scale`.

Source: TaskPGM, arXiv 2507.12612: the energy of its Markov random field over tasks, divided by
lambda, with beta = t / n; only that ratio changes the minimiser (derived).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn, final

import numpy as np
from numpy.typing import ArrayLike

from mishran.energy.matrices import EPS, HUGE, Form, Survey, size_of
from mishran.energy.names import positions
from mishran.errors import ConfigError, EnergyError
from mishran.types import Affinity, Array

SYMMETRY = 1e-12


@final
@dataclass(frozen=True, eq=False)
class Energy:
    """E(p) = 1/2 p'Sp - u'p over mixtures p of the named tasks.

    matrix: (n, n) symmetric S, with its ridge. unary: (n,) u.
    replica_matrices, replica_unaries: (B, n, n) and (B, n), the same measured on resampled probes.
    parameters: everything that was chosen, for the record.
    ridge: the multiple of I - 11'/n in S that `with_ridge` put there; a repair leaves it alone.

    Raises:
        EnergyError: shapes that do not fit, a number that is not finite, or an S that is not
            symmetric (relative difference above 1e-12).
    """

    names: tuple[str, ...]
    matrix: Array
    unary: Array
    replica_matrices: Array
    replica_unaries: Array
    parameters: dict[str, Any] = field(default_factory=dict)
    ridge: float = 0.0
    _survey: Survey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n = len(self.names)
        shapes = {
            "matrix": (n, n),
            "unary": (n,),
            "replica_matrices": (len(self.replica_unaries), n, n),
            "replica_unaries": (len(self.replica_matrices), n),
        }
        if n == 0:
            raise EnergyError(expected="at least one task", found="none", fix="add a task")
        for name, shape in shapes.items():
            array = _own(self.__dict__[name])
            if array.shape != shape:
                raise EnergyError(
                    expected=f"{name} of shape {shape} for {n} tasks",
                    found=f"shape {array.shape}",
                    where="energy",
                    fix="build it from one affinity and one number per task",
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        survey = Survey.of(self.matrix)
        largest = {"matrix": survey.largest} | {
            name: size_of(self.__dict__[name]) for name in shapes if name != "matrix"
        }
        for name, size in largest.items():
            if not size <= HUGE:
                self._refuse(name, self.__dict__[name])
        if survey.asymmetry > SYMMETRY * survey.largest:
            i, j = survey.at
            raise EnergyError(
                expected="a symmetric matrix",
                found=f"{self.matrix[i, j]!r} for ({self.names[i]}, {self.names[j]}) but "
                f"{self.matrix[j, i]!r} for ({self.names[j]}, {self.names[i]})",
                where="energy",
                fix="average the two, (S + S') / 2, if that is what you mean",
            )
        object.__setattr__(self, "_survey", survey)

    def _refuse(self, name: str, array: Array) -> NoReturn:
        at = tuple(int(i) for i in np.argwhere(~(np.abs(array) <= HUGE))[0])
        finite = bool(np.isfinite(array[at]))
        raise EnergyError(
            expected=f"finite numbers in {name}" + (f" up to {HUGE:g}" if finite else ""),
            found=f"{array[at]} at {at} (task {self.names[at[-1]]})",
            where="energy",
            fix="divide S and u by the same number, which changes no mixture"
            if finite
            else "measure that task again or leave it out",
        )

    @classmethod
    def coverage(cls, affinity: Affinity, t: float) -> Energy:
        """u = (t / n) S 1: the mixture nearest to t times uniform in the metric of S.

        t = 0 is the least redundant mixture, t = 1 uniform, t > 1 prefers central tasks.

        Source: arXiv 2507.12612, unary potential beta S 1, with t = n beta / lambda (derived).
        """
        if not np.isfinite(t):
            raise ConfigError(
                expected="a finite t (0 least redundant, 1 uniform, more for central tasks)",
                found=str(t),
                where="mixture.t",
                fix="try t: 0.6",
            )
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
            unary, unaries = t * affinity.matrix.mean(axis=1), t * affinity.replicas.mean(axis=2)
        return cls(
            names=affinity.names,
            matrix=affinity.matrix,
            unary=unary,
            replica_matrices=affinity.replicas,
            replica_unaries=unaries,
            parameters={"affinity": affinity.kind, "unary": "coverage", "t": float(t)},
        )

    @classmethod
    def target(cls, affinity: Affinity, targets: Sequence[str], strength: float = 1.0) -> Energy:
        """u = strength times the mean similarity to the named target tasks."""
        if not targets:
            raise ConfigError(
                expected="at least one target task",
                found="none",
                where="mixture.unary.targets",
                fix="name the tasks that the model is for",
            )
        index = positions(targets, affinity.names, "mixture.unary.targets")
        return cls(
            names=affinity.names,
            matrix=affinity.matrix,
            unary=strength * affinity.matrix[:, index].mean(axis=1),
            replica_matrices=affinity.replicas,
            replica_unaries=strength * affinity.replicas[:, :, index].mean(axis=2),
            parameters={
                "affinity": affinity.kind,
                "unary": "target",
                "targets": list(targets),
                "strength": float(strength),
            },
        )

    @classmethod
    def utility(
        cls,
        affinity: Affinity,
        gains: ArrayLike,
        replica_gains: ArrayLike | None = None,
        strength: float = 1.0,
    ) -> Energy:
        """u = strength times a measured gain per task (base loss minus specialist loss, say).

        Args:
            gains: (n,) in the order of the affinity's names.
            replica_gains: (B, n) from the same resampled probes; without it the gain is taken as
                known, and intervals show the uncertainty of the affinity alone.
        """
        return cls._from_vector(affinity, gains, replica_gains, "utility", strength)

    @classmethod
    def given(
        cls, affinity: Affinity, values: Mapping[str, float], strength: float = 1.0
    ) -> Energy:
        """u = strength times the user's own number for every task.

        Raises:
            ConfigError: a task without a value, or a value for a task that does not exist.
        """
        where = "mixture.unary.values"
        positions(values, affinity.names, where)
        missing = [name for name in affinity.names if name not in values]
        if missing:
            raise ConfigError(
                expected="a value for every task",
                found=f"none for {', '.join(missing[:5])}"
                + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
                where=where,
                fix=f"add {missing[0]}: 0 if it should neither gain nor lose",
            )
        energy = cls._from_vector(
            affinity, [values[name] for name in affinity.names], None, "given", strength
        )
        record = {**energy.parameters, "values": {n: float(values[n]) for n in affinity.names}}
        return replace(energy, parameters=record)

    @classmethod
    def _from_vector(
        cls,
        affinity: Affinity,
        vector: ArrayLike,
        replicas: ArrayLike | None,
        kind: str,
        strength: float,
    ) -> Energy:
        unary = strength * np.asarray(vector, dtype=np.float64)
        return cls(
            names=affinity.names,
            matrix=affinity.matrix,
            unary=unary,
            replica_matrices=affinity.replicas,
            replica_unaries=np.repeat(unary[None], len(affinity.replicas), axis=0)
            if replicas is None
            else strength * np.asarray(replicas, dtype=np.float64),
            parameters={"affinity": affinity.kind, "unary": kind, "strength": float(strength)},
        )

    @cached_property
    def scale(self) -> float:
        """D = max_ij (S_ii + S_jj - 2 S_ij) + range(u), what E can differ by.

        0 when that is below the rounding of the entries of S and u: then no difference is known.

        Source: derived; D does not change with S -> S + b 11' or u -> u + b 1.
        """
        wide = float(np.maximum.reduce(self.unary) - np.minimum.reduce(self.unary))
        size = self._survey.spread + wide
        largest = max(self._survey.largest, size_of(self.unary))
        return size if size > 8 * EPS * largest else 0.0

    @cached_property
    def form(self) -> Form:
        """S as mixtures feel it, with the proof that it is convex or not."""
        return Form.of(self.matrix, self._survey.largest, self._survey.spread)

    @cached_property
    def slope(self) -> Array:
        """(n,) c such that 1/2 p'PSPp + c'p is E on mixtures up to a constant."""
        out = self.form.half - self.unary
        out -= float(np.add.reduce(out)) / len(out)
        return np.asarray(out)

    def value(self, p: ArrayLike) -> float:
        """E(p)."""
        p = np.asarray(p, dtype=np.float64)
        return float(0.5 * p @ self.matrix @ p - self.unary @ p)

    def gradient(self, p: ArrayLike) -> Array:
        """(n,) S p - u."""
        return np.asarray(self.matrix @ np.asarray(p, dtype=np.float64) - self.unary)

    def relative_gradient(self, p: Array) -> tuple[Array, float]:
        """The gradient less its mean, and that mean: on mixtures only the first counts, and no
        digits of it go to a large common part of S."""
        out = self.form.relative @ p
        out -= self.unary
        mean = float(np.add.reduce(out)) / len(out)
        out -= mean
        return out, mean + self.form.offset * float(np.add.reduce(p))

    def replica(self, b: int) -> Energy:
        """The energy measured on the b-th resampling of the probes."""
        n = len(self.names)
        return replace(
            self,
            matrix=self.replica_matrices[b],
            unary=self.replica_unaries[b],
            replica_matrices=np.empty((0, n, n)),
            replica_unaries=np.empty((0, n)),
        )

    def with_ridge(self, rho: float) -> Energy:
        """Adds rho D / 2 ||p - 1/n||^2, a pull towards uniform, and records it.

        On mixtures that is the same as adding rho D (I - 11'/n) to S. Replicas get the same ridge.
        It comes on top of whatever repair a negative curvature needs: a ridge of any size makes the
        optimum unique. For coverage D is that at t = 1, so that the ridge is the same at every t
        and the path along t piecewise linear.

        Raises:
            ConfigError: rho is negative or not finite.
        """
        if not (np.isfinite(rho) and rho >= 0):
            raise ConfigError(
                expected="a ridge >= 0", found=str(rho), where="mixture.ridge", fix="try 0.01"
            )
        if rho == 0:
            return self
        n = len(self.names)
        coverage = self.parameters.get("unary") == "coverage"
        judged = replace(self, unary=self.matrix.mean(axis=1)) if coverage else self
        amount = rho * judged.scale
        added = amount * (np.eye(n) - 1.0 / n)
        return replace(
            self,
            matrix=self.matrix + added,
            replica_matrices=self.replica_matrices + added,
            parameters={**self.parameters, "ridge": float(rho)},
            ridge=self.ridge + amount,
        )


def _own(values: Any) -> Array:
    """A float64 array that nobody else can write to; a copy unless it is one already."""
    own = isinstance(values, np.ndarray) and values.flags.owndata and not values.flags.writeable
    return np.asarray(values, np.float64) if own else np.array(values, np.float64, order="C")
