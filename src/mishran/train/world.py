"""The processes that train one model together, each on its part of every step (data parallel).

`torchrun --nproc-per-node 2 -m mishran train ...` starts them; without it there is one. All of them hold
the whole model and know the whole order of rows, so nothing but gradients and losses goes between them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from mishran.errors import ConfigError, first_line

BUCKET = 1 << 23  # numbers that are sent at a time


@dataclass(frozen=True)
class World:
    """This process among `ranks`; the one of rank 0 writes and talks."""

    rank: int = 0
    ranks: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace tensors by their sums over all ranks."""
        if self.ranks == 1:
            return
        for some in _buckets(tensors):
            flat = torch.cat([t.reshape(-1) for t in some])
            dist.all_reduce(flat)
            for tensor, total in zip(some, flat.split([t.numel() for t in some]), strict=True):
                tensor.copy_(total.view_as(tensor))

    def wait(self) -> None:
        """Until all are here."""
        if self.ranks > 1:
            dist.barrier()


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Tensors of one kind that go together: those of an adapter would be a message of a few bytes each."""
    some: list[torch.Tensor] = []
    for tensor in tensors:
        kind = (tensor.dtype, tensor.device)
        full = sum(t.numel() for t in some) + tensor.numel() > BUCKET
        if some and (full or kind != (some[0].dtype, some[0].device)):
            yield some
            some = []
        some.append(tensor)
    if some:
        yield some


def ranks_asked() -> tuple[int, int]:
    """(rank, ranks) as torchrun says them.

    Raises:
        ConfigError: variables that contradict each other.
    """
    found = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE")}
    try:
        rank, ranks = int(found["RANK"] or 0), int(found["WORLD_SIZE"] or 1)
    except ValueError:
        rank, ranks = -1, 0
    if not 0 <= rank < ranks:
        raise ConfigError(
            expected="RANK from 0 to WORLD_SIZE - 1, as torchrun sets them",
            found=f"RANK={found['RANK']} and WORLD_SIZE={found['WORLD_SIZE']}",
            where="environment",
            fix="start with torchrun, or unset both",
        )
    return rank, ranks


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """The processes that torchrun started, or this one alone."""
    rank, ranks = ranks_asked()
    if ranks == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:  # both, since sums of losses are on the processor
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            expected=f"{ranks} processes that find each other, as torchrun arranges",
            found=first_line(error),
            where="environment",
            fix="start with torchrun, or unset RANK and WORLD_SIZE",
        ) from error
    try:
        yield World(rank, ranks)
    finally:
        dist.destroy_process_group()


def own_device(wanted: str) -> str:
    """Of several processes on one machine each takes a GPU of its own."""
    local = os.environ.get("LOCAL_RANK")
    several = ranks_asked()[1] > 1
    shared = wanted == "auto" or wanted.startswith("cuda")
    if several and local is not None and shared and torch.cuda.is_available():
        return f"cuda:{local}"
    return wanted
