"""The user's own affinity: a square CSV file of numbers with names, or the matrix itself.

    ,capitals,rivers,xnli_hi
    capitals,1,0.62,0.10
    rivers,0.62,1,0.12
    xnli_hi,0.10,0.12,1

A header row of names is needed, a first column of the same names may be there. Larger means more
alike; the scale is free.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mishran.errors import DataError
from mishran.types import Affinity, Array, Repair

SYMMETRY = 1e-12
LARGEST = 1e300  # sums over rows are still finite


def read_matrix(path: Path | str) -> Affinity:
    """Read an affinity without replicas from a CSV file.

    Raises:
        DataError: no such file, no header of names, a cell that is no finite number, rows of
            unequal length, not square, names that disagree or repeat, or not symmetric; it names
            the file and the line.
    """
    path = Path(path)
    lines = _lines(path)
    header, rows = [cell.strip() for cell in lines[0][1]], lines[1:]
    first = rows[0][1] if rows else []
    beside = len(first) == len(header) + 1  # names beside the rows, but no cell above them
    below = header[0] == "" or (
        bool(first) and len(header) == len(rows) + 1 and not _is_number(first[0])
    )
    named = beside or below
    names = header[1:] if below and not beside else header
    _check_names(names, f"{path}:{lines[0][0]}")
    if len(rows) != len(names):
        raise DataError(
            expected=f"a square matrix, {len(names)} rows for the {len(names)} names of the header",
            found=f"{len(rows)} rows",
            where=str(path),
            fix="write one row for every name",
        )
    matrix = np.empty((len(names), len(names)))
    for i, (line, cells) in enumerate(rows):
        where = f"{path}:{line}"
        if named:
            if cells[0].strip() != names[i]:
                raise DataError(
                    expected=f"the row of {names[i]!r}, as in the header",
                    found=repr(cells[0]),
                    where=where,
                    fix="give rows and columns the same names in the same order",
                )
            cells = cells[1:]
        if len(cells) != len(names):
            raise DataError(
                expected=f"{len(names)} numbers",
                found=f"{len(cells)}",
                where=where,
                fix="give every row one number for each name of the header",
            )
        for j, cell in enumerate(cells):
            matrix[i, j] = _number(cell, f"{where}, column {names[j]!r}")
    return matrix_affinity(names, matrix, where=str(path))


def matrix_affinity(names: Sequence[str], matrix: ArrayLike, where: str = "matrix") -> Affinity:
    """An affinity without replicas from names and an (n, n) matrix.

    Differences across the diagonal of at most 1e-12 of the largest entry are averaged and recorded.

    Raises:
        DataError: shapes or names that do not fit, a number that is not finite, or not symmetric.
    """
    names = tuple(names)
    _check_names(names, where)
    given = np.asarray(matrix, dtype=np.float64)
    n = len(names)
    if given.shape != (n, n):
        raise DataError(
            expected=f"a matrix of shape ({n}, {n}) for {n} names",
            found=f"shape {given.shape}",
            where=where,
            fix="write one row and one column for every name",
        )
    known = np.abs(given) <= LARGEST  # False for NaN
    if not known.all():
        i, j = (int(k) for k in np.argwhere(~known)[0])
        raise DataError(
            expected=f"finite numbers, none beyond {LARGEST:g}",
            found=f"{given[i, j]} for ({names[i]}, {names[j]})",
            where=where,
            fix="fill the cell, leave that task out, or choose a larger unit",
        )
    off = np.abs(given - given.T)
    repairs: tuple[Repair, ...] = ()
    if off.max() > SYMMETRY * np.abs(given).max():
        i, j = (int(k) for k in np.argwhere(off > SYMMETRY * np.abs(given).max())[0])
        raise DataError(
            expected="a symmetric matrix",
            found=f"{given[i, j]} for ({names[i]}, {names[j]}) but {given[j, i]} for "
            f"({names[j]}, {names[i]})",
            where=where,
            fix="make the two equal, by their mean (S + S') / 2 if both are measurements",
        )
    if off.max() > 0:
        detail = f"differences up to {off.max():.3g} across the diagonal averaged"
        repairs = (Repair(name="symmetrise", amount=float(off.max()), detail=detail),)
        given = (given + given.T) / 2
    none: Array = np.empty((0, n, n))
    return Affinity(names=names, matrix=given, kind="matrix", replicas=none, repairs=repairs)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except FileNotFoundError as error:
        raise DataError(
            expected="a CSV file", found="no such file", where=str(path), fix="check the path"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            expected="a CSV file in UTF-8",
            found=str(error),
            where=str(path),
            fix="save it as comma-separated text",
        ) from error
    if not lines:
        raise DataError(
            expected="a header row of names and a square matrix",
            found="an empty file",
            where=str(path),
            fix="write the names in the first line",
        )
    return lines


def _check_names(names: Sequence[str], where: str) -> None:
    """Raises for names that are missing, repeated, all numbers, or of several lines."""
    problem = ""
    if not names:
        problem = "none"
    elif "" in names:
        problem = f"an empty name in column {list(names).index('') + 1}"
    elif len(set(names)) < len(names):
        problem = f"{next(name for name in names if list(names).count(name) > 1)!r} twice"
    elif all(_is_number(name) for name in names):
        problem = "only numbers"
    elif len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        problem = f"one name, {names[0][:40]!r}: are the columns separated by something else?"
    elif control := next((n for n in names if any(ord(c) < 32 for c in n)), None):
        problem = f"a line break or control character in {control[:40]!r}"
    if problem:
        raise DataError(
            expected="a different name for every task, in the header row",
            found=problem,
            where=where,
            fix="write the task names in the first line, separated by commas",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(cell: str, where: str) -> float:
    value = float(cell) if _is_number(cell) else math.nan
    if not math.isfinite(value):
        raise DataError(
            expected="a finite number", found=repr(cell), where=where, fix="fill in the cell"
        )
    return value
