"""Following the optimum from piece to piece: events, exchanges, and what to do where several coincide.

On a piece the next event is the first weight that reaches a bound, row that reaches its limit, or
multiplier that reaches 0. Exchanging it gives the next active set; so does exchanging all that happen
at once (twins). A new piece is accepted only when it satisfies the KKT conditions at the event and
beyond and joins the last one there. Where no exchange does (a degenerate vertex, dependent rows), the
active set a little beyond is found by pivoting or from the solver's own answer there; its piece must
reach back to the event.

Source: Best, "An algorithm for the solution of the parametric quadratic programming problem", 1996;
Harris' ratio test, Mathematical Programming 5 (1973), in `pieces`; the rest is derived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.pieces import ZERO, Parametric, Piece, State, piece_of
from mishran.energy.solver import minimise
from mishran.errors import EnergyError
from mishran.types import Array

JOIN = 1e-10  # weights of two pieces that are this close at their event join
LEAST = 1e-12  # a piece that is shorter, relative to 1 + |x|, is none
BEYOND = (1e-4, 1e-6, 1e-8, 1e-10)  # relative steps beyond an event
PIVOTS = 60
KEPT = 2**24  # squared tasks times pieces that are kept while an event is searched: some 256 MB
# How much wider than rounding a multiplier may be off, and whether the solver is asked; measured on
# the 500 instances of tests/energy: only entries that differ by more than 1e12 need the last.
SEARCHES = ((1.0, False), (30.0, False), (1.0, True), (1e3, True))


@final
@dataclass(frozen=True, eq=False)
class Knot:
    """Where a piece begins: x, the weights there, and the active set from there on."""

    x: float
    weights: Array
    state: State


@final
@dataclass(frozen=True, eq=False)
class Found:
    """A piece, how far it goes, and which tasks and rows change there into which state."""

    piece: Piece
    step: float
    index: NDArray[np.intp]
    becomes: State


@final
@dataclass(frozen=True, eq=False)
class Walk:
    """The problem, and the solver's view of it for active sets that exchanges do not find."""

    problem: Parametric
    energy: Energy
    constraints: Constraints

    def along(self, origin: Array, sign: float, end: float) -> list[Knot]:
        """Knots from x = 0, where the optimum is `origin`, in the direction of the sign to x = end.

        The first knot's weights are the limit at 0; they differ from `origin` where the path jumps.
        The last knot is at `end`, or begins the piece that is constant to infinity.

        Raises:
            EnergyError: no piece follows the last one.
        """
        x, p = 0.0, origin
        before: Array | None = None
        knots: list[Knot] = []
        states: set[bytes] = set()
        candidates = [self.problem.start()]
        for _ in range(1000 + 50 * len(self.problem.low)):
            found = self._next(x, before, candidates, sign, states)
            piece = found.piece
            states.add(piece.state.tobytes())
            knots.append(Knot(x, piece.weights(x) if before is None else p, piece.state))
            y = x + sign * found.step
            if not np.isfinite(y) or sign * (end - y) <= 0:
                if np.isfinite(end):
                    knots.append(Knot(end, piece.weights(end), piece.state))
                return knots
            x, p = y, piece.weights(y)
            before = p
            candidates = _exchanged(piece.state, found.index, found.becomes)
        raise _lost(x)

    def _next(
        self,
        x: float,
        before: Array | None,
        candidates: list[State],
        sign: float,
        states: set[bytes],
    ) -> Found:
        """The piece from x on that joins the weights `before`, of the candidates or found anew.

        Where conditioning is so bad that none passes, what counts as rounding is widened.
        """
        size = 1.0 + abs(x)
        made: dict[bytes, Piece | None] = {}

        def fits(piece: Piece | None, slack: float) -> Found | None:
            if piece is None or piece.state.tobytes() in states:
                return None
            if before is not None and np.abs(piece.weights(x) - before).max() > JOIN:
                return None
            rooms = piece.rooms(x)
            if len(rooms.lacking(slack)):
                return None
            step, hits = rooms.step(sign)
            if step <= LEAST * size:
                return None
            return Found(piece, step, rooms.index[hits], rooms.becomes[hits])

        for slack, asking in SEARCHES:
            for state in candidates:
                found = fits(self._piece(state, x, before, slack, made), slack)
                if found is not None:
                    return found
            for relative in BEYOND:
                y = x + sign * relative * size
                for state in self._asked(y) if asking else candidates[:1]:
                    found = fits(self._pivoted(state, y, x, before, slack, made), slack)
                    if found is not None:
                        return found
        raise _lost(x)

    def _piece(
        self,
        state: State,
        x: float,
        before: Array | None,
        slack: float,
        made: dict[bytes, Piece | None],
    ) -> Piece | None:
        """The piece of an active set, moved to begin at `before` where only rounding is between.

        made: those of this event so far; a hard one asks for the same again and again.
        """
        key = state.tobytes()
        piece = made[key] if key in made else piece_of(self.problem, state)
        if len(made) < KEPT // self.problem.n**2:
            made[key] = piece
        if piece is None or before is None:
            return piece
        gap = before - piece.weights(x)
        if np.abs(gap).max() <= JOIN:
            return piece
        near = np.abs(self.problem.hessian @ gap).max() <= slack * ZERO * (1.0 + abs(x))
        return piece.through(x, before) if near else piece

    def _pivoted(
        self,
        state: State,
        y: float,
        x: float,
        before: Array | None,
        slack: float,
        made: dict[bytes, Piece | None],
    ) -> Piece | None:
        """The piece that is right at y, from an active set that is nearly."""
        seen: set[bytes] = set()
        while state.tobytes() not in seen and len(seen) < PIVOTS:
            seen.add(state.tobytes())
            piece = self._piece(state, x, before, slack, made)
            if piece is None:
                return None
            rooms = piece.rooms(y)
            worst = rooms.lacking(slack)[:1]
            if not len(worst):
                return piece
            state = _toggled(state, rooms.index[worst], rooms.becomes[worst])
        return None

    def _asked(self, x: float) -> Iterator[State]:
        """Active sets of the solver's optimum at x: what has a price, then what is at a bound too."""
        problem, n = self.problem, self.problem.n
        means = self.energy.matrix.mean(axis=1)
        try:
            p, proof, _ = minimise(replace(self.energy, unary=(1.0 - x) * means), self.constraints)
        except EnergyError:
            return
        names = list(self.constraints.rows)
        floors = np.array([0.0] + [proof.floors.get(name, 0.0) for name in names])
        caps = np.array([0.0] + [proof.caps.get(name, 0.0) for name in names])
        price = np.concatenate([proof.lower, floors]) - np.concatenate([proof.upper, caps])
        least = 1e-11 * problem.unit * (1.0 + abs(x))
        state = np.where(price > least, -1, np.where(price < -least, 1, 0)).astype(np.int8)
        state[problem.fixed] = -1
        yield state
        value = np.concatenate([p, problem.rows @ p])
        touching = np.where(
            value <= problem.low + 1e-11, -1, np.where(value >= problem.high - 1e-11, 1, 0)
        ).astype(np.int8)
        yield np.where(state == 0, touching, state)
        yield np.where((state == 0) & (np.arange(len(state)) < n), touching, state)


def _lost(x: float) -> EnergyError:
    return EnergyError(
        expected="a path whose pieces join",
        found=f"none that continues at t = {1.0 - x:.6g}",
        where="mixture.t",
        fix="add mixture.ridge: 1e-6, and please report the matrix",
    )


def _toggled(state: State, index: NDArray[np.intp], becomes: State) -> State:
    out = state.copy()
    out[index] = becomes
    return out


def _exchanged(state: State, index: NDArray[np.intp], becomes: State) -> list[State]:
    """The state with all that happen at once, then with each alone."""
    out = [_toggled(state, index, becomes)]
    if len(index) > 1:
        out += [_toggled(state, index[[k]], becomes[[k]]) for k in range(min(len(index), 8))]
    return out
