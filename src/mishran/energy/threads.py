"""One BLAS thread where matrices are small.

Following a path or solving replicas is thousands of operations on matrices of a few hundred rows.
Threads gain nothing there, and where other work holds the cores a BLAS thread that waits for its
turn holds up all the others: following 316 tasks beside two busy processes on two cores took 33 s
with two threads and 1.0 s with one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

LARGE = 600  # tasks from which a single factor gains by threads

P = ParamSpec("P")
R = TypeVar("R")


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function on one BLAS thread unless its first argument has 600 `names` or more."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        first = args[0] if args else next(iter(kwargs.values()))
        if len(getattr(first, "names", ())) >= LARGE:
            return function(*args, **kwargs)
        with _libraries().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _libraries() -> Any:
    import scipy.linalg  # noqa: F401  its BLAS is another than NumPy's, and is found once loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
