"""How much memory there is, and how much a piece of work takes.

Two measures on a CPU. *Live*: bytes of all tensors that exist at a time, exact and the same every time.
*Resident*: what the process really grew by. They differ by what the C library's allocator cannot reuse:
memory freed in one shape is often of no use for the next (up to 60 % more than live in training on mixed
batches, measured, docs/log.md), and by scratch memory inside operators. What has to fit is the latter;
where the system does not tell (anything but Linux) the former stands for it.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PROC = Path("/proc/self")
CGROUPS = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Memory that new tensors could get; in a container no more than it may have."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    found = [_field(Path("/proc/meminfo"), "MemAvailable"), _of_container()]
    known = [size for size in found if size is not None]
    return min(known) if known else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


class Gauge:
    """Growth of memory since it was made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._level = resident_bytes() if device.type == "cpu" and forget_peak() else None

    def __call__(self, work: Callable[[], object], held: int = 0) -> int:
        """Bytes at the peak of some work, with what earlier work left unusable.

        Args:
            held: bytes made since the gauge was and still there, which are not counted.
        """
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            before = torch.cuda.memory_allocated(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            work()
            return torch.cuda.max_memory_allocated(self._device) - before
        with LiveBytes() as live:
            work()
        if self._level is None:
            return live.peak
        return max(live.peak, (peak_resident_bytes() or 0) - self._level - held)


def live_bytes(device: torch.device, work: Callable[[], object]) -> int:
    """Bytes of tensors at the peak of some work, beside those that were there before."""
    if device.type == "cuda":
        return Gauge(device)(work)
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


def resident_bytes() -> int | None:
    """Memory of this process now; None where the system does not tell."""
    return _field(PROC / "status", "VmRSS")


def peak_resident_bytes() -> int | None:
    """The most since `forget_peak`."""
    return _field(PROC / "status", "VmHWM")


def forget_peak() -> bool:
    """Whether the peak of this process could be set back to what it uses now."""
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return resident_bytes() is not None


def _field(path: Path, name: str) -> int | None:
    """Of a file with lines such as `VmRSS:  12 kB`, in bytes."""
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
        own = (PROC / "cgroup").read_text().splitlines()[-1].split("::")[-1].lstrip("/")
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
