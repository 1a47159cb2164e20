"""Do 95 % intervals cover 95 %? The simulation of benchmarks/intervals.py on a small scale.

Measured there with enough repeats; the bars here allow for the noise of few.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mishran.energy import Energy, weight_intervals
from mishran.types import Affinity

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "intervals.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("intervals_benchmark", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_intervals_cover(simulation: ModuleType) -> None:
    found, entries = simulation.probes(
        8, 24, 0.0, repeats=25, num_populations=3, replicas=100, examples=200
    )
    now, before = found["m - 1 draws, quantile 6 (now)"], found["m draws, quantile 7 (before)"]
    assert 0.92 <= now.all <= 0.98
    assert 0.92 <= now.interior <= 0.98
    assert now.interior > before.interior
    assert found["basic"].interior < 0.92  # a wrong interval misses the bar
    assert now.boundary >= 0.97
    assert 0.92 <= entries <= 0.98


def test_intervals_over_seeds_cover(simulation: ModuleType) -> None:
    found, entries, share, indefinite = simulation.seeds(
        3, 0.4, repeats=40, n=5, replicas=100, examples=100, sets=12
    )
    assert 0.92 <= found["Student (now)"].all <= 0.995
    assert found["resampled, own probes"].all < 0.92
    assert 0.92 <= entries <= 0.99
    assert 0.5 <= share <= 0.95
    assert 0.0 < indefinite < 0.3


def test_the_truth_is_the_limit_of_the_measurement(simulation: ModuleType) -> None:
    """Every example of the population probed once: the measured affinity is the true one."""
    rng = np.random.default_rng(0)
    everyone = simulation.population(5, 50, rng)
    examples = np.repeat(np.arange(50)[None], 5, axis=0)
    affinity, table = everyone.measured(0, examples, 0, 0)
    np.testing.assert_allclose(affinity.matrix, everyone.affinity, atol=1e-12)
    assert table.jsd.shape == (250, 10)
    assert np.linalg.eigvalsh(affinity.matrix)[0] > 0


def test_the_fast_solver_of_the_simulation(simulation: ModuleType) -> None:
    rng = np.random.default_rng(1)
    noise = 0.2 * rng.normal(size=(20, 6, 6))
    matrices = np.eye(6) + 0.3 + noise + noise.transpose(0, 2, 1)  # some are indefinite
    names = tuple("abcdef")
    energy = Energy.coverage(Affinity(names, np.eye(6), "matrix", matrices), 0.4)
    expected = weight_intervals(energy)
    assert expected.repaired > 0
    np.testing.assert_allclose(simulation.weights_of(matrices, 0.4), expected.weights, atol=1e-6)


def test_script_writes_tables_and_numbers(
    simulation: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probes, seeds = simulation.probes, simulation.seeds
    tiny = {"m": 4, "t": 0.5, "replicas": 10, "examples": 5}
    monkeypatch.setattr(
        simulation, "probes", lambda *_: probes(3, repeats=2, num_populations=1, **tiny)
    )
    monkeypatch.setattr(
        simulation, "seeds", lambda num, noise, _: seeds(num, noise, 2, n=3, sets=3, **tiny)
    )
    file = tmp_path / "numbers.json"
    monkeypatch.setattr(sys, "argv", ["intervals.py", "--quick", "--json", str(file)])
    simulation.main()
    written = json.loads(file.read_text())
    assert len(written["probes"]) == 7 * 6 and len(written["seeds"]) == 6 * 3
    assert {"n", "m", "t", "way", "all", "interior", "boundary"} <= set(written["probes"][0])
    tables = capsys.readouterr().out.split("\n\n")
    assert [len(one.splitlines()) for one in tables] == [2 + 7, 2 + 6]
    assert tables[0].startswith("| n | m | t | m - 1 draws, quantile 6 (now) | interior | at 0 |")
