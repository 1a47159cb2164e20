"""Small matrices get one BLAS thread, large ones all, and the limit ends with the call."""

from __future__ import annotations

from dataclasses import dataclass

from threadpoolctl import ThreadpoolController

from mishran.energy.threads import LARGE, one_thread


@dataclass
class Named:
    names: tuple[str, ...]


def threads() -> list[int]:
    return [
        lib["num_threads"] for lib in ThreadpoolController().info() if lib["user_api"] == "blas"
    ]


@one_thread
def inside(of: Named) -> list[int]:
    """What is inside."""
    return threads()


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    import scipy.linalg  # noqa: F401

    with ThreadpoolController().limit(limits=2, user_api="blas"):
        before = threads()
        assert set(inside(Named(("a", "b")))) == {1}
        assert inside(of=Named(("a",))) == [1] * len(before)
        assert inside(Named(tuple(map(str, range(LARGE))))) == before
        assert threads() == before
    assert inside.__doc__ == "What is inside."
