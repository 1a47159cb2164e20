"""How much memory there is, and how much a piece of work takes.

What work takes is counted as the bytes of all tensors that exist at a time: exact, and the same every
time. A process on a CPU takes more, since glibc cannot reuse all that was freed: blocks of activations
leave holes that no other shape fits, 40 to 75 % on mixed batches. Giving every block back to the system
(a fixed M_MMAP_THRESHOLD) leaves 4 to 6 %, and halved the speed (measured, docs/log.md), so that is the
user's choice: MALLOC_MMAP_THRESHOLD_=131072.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Memory that new tensors could get; in a container no more than it may have."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    found = [_field(PROC / "meminfo", "MemAvailable"), _of_container()]
    known = [size for size in found if size is not None]
    return min(known) if known else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def ran_out(error: BaseException) -> bool:
    """Whether memory ran out; for that of a CPU torch has no class of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def live_bytes(device: torch.device, work: Callable[[], object]) -> int:
    """Bytes of tensors at the peak of some work, beside those that were there before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with LiveBytes() as live:
        work()
    return live.peak


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make within it; `peak` is the most at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {t.untyped_storage()._cdata for t in _tensors(args)}
        for tensor in _tensors(out if isinstance(out, tuple | list) else (out,)):
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in given or key in self._known:
                continue
            self._known.add(key)
            self.now += storage.nbytes()
            weakref.finalize(storage, self._gone, key, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return out

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _tensors(values: Any) -> list[torch.Tensor]:
    flat = [v for v in values if isinstance(v, torch.Tensor)]
    for value in values:
        if isinstance(value, tuple | list):
            flat += [v for v in value if isinstance(v, torch.Tensor)]
    return flat


def _field(path: Path, name: str) -> int | None:
    """Of a file with lines such as `MemAvailable:  12 kB`, in bytes."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _of_container() -> int | None:
    """What the control group (version 2) of this process leaves; None without a limit.

    Files that were read count as used there, but give way.
    """
    try:
        own = (PROC / "self" / "cgroup").read_text().splitlines()[-1].split("::")[-1].lstrip("/")
    except (OSError, IndexError):
        return None
    left: list[int] = []
    folder = CGROUPS / own
    while folder.is_relative_to(CGROUPS):
        try:
            limit = int((folder / "memory.max").read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            used = int((folder / "memory.current").read_text()) - int(stat["inactive_file"])
            left.append(max(0, limit - used))
        except (OSError, ValueError, KeyError):  # no such file, or `max`: no limit here
            pass
        folder = folder.parent
    return min(left) if left else None
