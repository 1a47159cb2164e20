"""The user's own matrix: what is read, what is repaired, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mishran.affinity import matrix_affinity, read_matrix
from mishran.errors import DataError

EXPECTED = [[1.0, 0.5, -2.0], [0.5, 1.0, 0.25], [-2.0, 0.25, 1.0]]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "matrix.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\n1,0.5,-2\n0.5,1,0.25\n-2,0.25,1\n",
        "task,a,b,c\na,1,0.5,-2\nb,0.5,1,0.25\nc,-2,0.25,1\n",
        ",a,b,c\na,1,0.5,-2\nb,0.5,1,0.25\nc,-2,0.25,1",
        "a,b,c\na,1,0.5,-2\nb,0.5,1,0.25\nc,-2,0.25,1\n",
        '\ufeff"a", b ,c\r\n1, .5,-2e0\r\n\r\n0.5,1,0.25\r\n-2,0.25,1\r\n\r\n',
    ],
)
def test_read_with_and_without_names_beside(tmp_path: Path, text: str) -> None:
    affinity = read_matrix(write(tmp_path, text))
    assert affinity.names == ("a", "b", "c")
    assert affinity.matrix.tolist() == EXPECTED
    assert affinity.kind == "matrix"
    assert affinity.replicas.shape == (0, 3, 3)
    assert affinity.repairs == ()


def test_one_task(tmp_path: Path) -> None:
    assert read_matrix(write(tmp_path, "a\n1\n")).matrix.tolist() == [[1.0]]
    assert read_matrix(write(tmp_path, ",a\na,1\n")).names == ("a",)


def test_names_in_any_script(tmp_path: Path) -> None:
    assert read_matrix(write(tmp_path, "हिन्दी,a\n1,0\n0,1\n")).names[0] == "हिन्दी"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "matrix.csv: expected a header row .* an empty file"),
        ("\n \n", "an empty file"),
        ("1,0.5\n0.5,1\n", "matrix.csv:1: expected a different name .* found only numbers"),
        ("a;b\n1;0\n0;1\n", "found one name, 'a;b': are the columns separated by something else"),
        ('"a\nb",c\n1,0\n0,1\n', "a line break or control character in 'a.nb'"),
        ("a,a\n1,0\n0,1\n", "matrix.csv:1: .* found 'a' twice"),
        ("a,,c\n1,0,0\n0,1,0\n0,0,1\n", "an empty name in column 2"),
        (
            "a,b\n1,0\n",
            "matrix.csv: expected a square matrix, 2 rows for the 2 names .* found 1 rows",
        ),
        ("a,b\n1,0\n0,1\n0,0\n", "2 rows for the 2 names of the header, found 3 rows"),
        ("a,b\n1,0\n0,1,2\n", "matrix.csv:3: expected 2 numbers, found 3"),
        ("a,b\n1,0\n0,x\n", "matrix.csv:3, column 'b': expected a finite number, found 'x'"),
        ("a,b\n1,0\n,1\n", "matrix.csv:3, column 'a': expected a finite number, found ''"),
        ("a,b\n1,inf\n0,1\n", "matrix.csv:2, column 'b': expected a finite number, found 'inf'"),
        (
            ",a,b\na,1,0\nc,0,1\n",
            "matrix.csv:3: expected the row of 'b', as in the header, found 'c'",
        ),
        (
            ",a,b\nb,1,0\na,0,1\n",
            "matrix.csv:2: expected the row of 'a', .* same names in the same order",
        ),
        (",a,b\na,1,0\nb,0\n", "matrix.csv:3: expected 2 numbers, found 1"),
        (
            "a,b,c\n1,0.5,0\n0.5,1,0.2\n0,0.3,1\n",
            r"a symmetric matrix, found 0.2 for \(b, c\) but 0.3 for \(c, b\); make the two equal",
        ),
        ('a,b\n"1,0\n0,1\n', "matrix.csv: expected a CSV file in UTF-8, found"),
    ],
)
def test_refused_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_matrix(write(tmp_path, text))


def test_no_file_and_not_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing.csv: expected a CSV file, found no such file"):
        read_matrix(tmp_path / "nothing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(DataError, match=r"binary.csv: expected a CSV file in UTF-8, found 'utf-8'"):
        read_matrix(tmp_path / "binary.csv")
    with pytest.raises(DataError, match="expected a CSV file in UTF-8"):
        read_matrix(tmp_path)


def test_rounding_across_the_diagonal_is_averaged_and_recorded() -> None:
    matrix = np.array(EXPECTED)
    matrix[0, 1] += 1e-13
    affinity = matrix_affinity("abc", matrix)
    assert [r.name for r in affinity.repairs] == ["symmetrise"]
    assert affinity.repairs[0].amount == pytest.approx(1e-13, rel=1e-2)
    assert (affinity.matrix == affinity.matrix.T).all()
    matrix[0, 1] += 1e-11
    with pytest.raises(DataError, match=r"matrix: expected a symmetric matrix"):
        matrix_affinity("abc", matrix)


def test_pure_constructor_refuses() -> None:
    with pytest.raises(
        DataError, match=r"a matrix of shape \(2, 2\) for 2 names, found shape \(3, 3\)"
    ):
        matrix_affinity("ab", np.eye(3))
    with pytest.raises(
        DataError, match=r"finite numbers, none beyond 1e.300, found nan for \(a, b\)"
    ):
        matrix_affinity("ab", [[1, np.nan], [0, 1]])
    with pytest.raises(
        DataError, match="a different name for every task, in the header row, found none"
    ):
        matrix_affinity([], np.empty((0, 0)))
