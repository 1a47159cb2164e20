"""Bytes of tensors counted, memory left in a container, and what the C library is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mishran.train import memory
from mishran.train.memory import LiveBytes, free_bytes, live_bytes

CPU = torch.device("cpu")


def test_bytes_that_live_at_a_time() -> None:
    def work() -> None:
        a = torch.zeros(1000)  # 4,000
        b = a + 1  # 8,000
        view = b[10:].view(-1, 10)  # nothing new
        view.add_(1)
        del a
        c = torch.cat([b, b])  # 4,000 gone, 8,000 more
        del b, view, c

    with LiveBytes() as live:
        work()
    assert (live.peak, live.now) == (12_000, 0)
    assert live_bytes(CPU, work) == 12_000


def test_what_a_backward_pass_keeps_counts() -> None:
    x = torch.zeros(1000, requires_grad=True)

    def work(times: int) -> None:
        y = x
        for _ in range(times):
            y = y.exp()  # keeps its result
        y.sum().backward()
        x.grad = None

    assert live_bytes(CPU, lambda: work(9)) - live_bytes(CPU, lambda: work(4)) == 5 * 4000


def files(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({}, 8000 << 10),
        ({"a/b": "max"}, 8000 << 10),
        ({"a/b": "3000000"}, 3_000_000 - 1_000_000 + 400_000),
        ({"a": "2000000", "a/b": "max"}, 1_400_000),
        ({"a": "2000000", "a/b": "1500000"}, 900_000),
        ({"a/b": "500000"}, 0),
        ({"a/b": "900000000"}, 8000 << 10),
    ],
)
def test_a_container_may_have_less_than_the_machine(limits, wanted, tmp_path, monkeypatch) -> None:
    files(tmp_path / "proc", {"meminfo": "MemTotal: 9000 kB\nMemAvailable:   8000 kB\n"})
    files(tmp_path / "proc", {"self/cgroup": "0::/a/b\n"})
    for folder, limit in limits.items():
        files(
            tmp_path / "cgroup" / folder,
            {
                "memory.max": f"{limit}\n",
                "memory.current": "1000000\n",
                "memory.stat": "anon 600000\ninactive_file 400000\n",
            },
        )
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    assert free_bytes(CPU) == wanted


def test_without_such_files_half_of_the_machine(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "PROC", tmp_path)
    assert 1 << 28 < free_bytes(CPU) < 1 << 46
