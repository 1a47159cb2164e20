"""How fast an energy is solved, beside quadprog, DAQP, PIQP, Clarabel, OSQP and ProxQP.

    python benchmarks/energy.py [--quick] [--json FILE] [--page FILE] [--plot FILE]

Same instances, same run, one thread each (set OMP_NUM_THREADS=1), medians of 5 after a warm-up. Ours
is measured from arrays to a `Solution` with its gap: checks of the input, the proof of convexity and
the certificate included. The others are measured from prepared arrays to weights; their tolerance
is tightened until the gap, relative to D and measured here, is at most 1e-9 ("missed" otherwise).
A peer that needs over 10 s, or by its time for fewer tasks would (cubic in n), is not run.

The peers: `pip install quadprog piqp clarabel osqp proxsuite`; quadprog is GPL and stays outside of
what the project depends on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from peers import PEERS

from mishran.energy import Energy, constraints, simplex, solve, weight_intervals

GAP = 1e-9
TOO_LONG = 10.0
TOLERANCES = (1e-9, 1e-10, 1e-11, 1e-12, 1e-13)


def matrix(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """A similarity: definite (random factors), kernel (distributions compared) or singular."""
    if kind == "kernel":
        points = rng.dirichlet(np.full(40, 0.3), n)
        roots = np.sqrt(points)
        S = roots @ roots.T
        S += 0.05 * np.eye(n)
    else:
        factors = rng.normal(size=(n, n // 2 if kind == "singular" else 2 * n))
        S = factors @ factors.T / factors.shape[1]
    return (S + S.T) / 2


def instance(kind: str, support: str, bounds: str, n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng([n, len(kind), len(support), len(bounds)])
    S = matrix(kind, n, rng)
    if support == "dense":
        u = 0.8 * S.mean(axis=1)
    elif support == "half":
        u = 0.5 * S.mean(axis=1) + 0.02 * rng.normal(size=n) * np.sqrt(38 / n)
    else:
        u = 0.5 * rng.normal(size=n)
    lower, upper = np.zeros(n), np.ones(n)
    if bounds == "bounds":
        lower = np.where(rng.random(n) < 0.3, 0.3 / n, 0.0)
        upper = np.where(rng.random(n) < 0.5, 2.0 / n, 1.0)
    return S, u, lower, upper


def gap(S: np.ndarray, u: np.ndarray, low: np.ndarray, high: np.ndarray, p: np.ndarray) -> float:
    """Frank-Wolfe gap of p made allowed (what sticks out is cut, the rest shared), relative to D."""
    p = np.clip(p, low, high)
    for _ in range(3):
        room = np.where(p.sum() < 1, high - p, p - low)
        p = p + (1 - p.sum()) * room / max(room.sum(), 1e-300)
    if not np.isfinite(p).all():
        return np.inf
    g = S @ p - u
    order = np.argsort(g)
    room = (high - low)[order]
    before = np.concatenate([[0.0], np.cumsum(room)[:-1]])
    q = low.copy()
    q[order] += np.clip(1 - low.sum() - before, 0, room)
    d = np.diag(S)
    scale = (d[:, None] + d[None, :] - 2 * S).max() + np.ptp(u)
    return float(abs(g @ (p - q)) / scale)


def clock(run, repeats: int = 5) -> float:
    """Median seconds of 5, many calls at once where one is short."""
    start = time.perf_counter()
    run()
    once = time.perf_counter() - start
    if once > TOO_LONG:
        return once
    number = max(1, min(200, int(0.02 / max(once, 1e-6))))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(number):
            run()
        times.append((time.perf_counter() - start) / number)
    return statistics.median(times)


def ours(S, u, lower, upper):
    n = len(u)
    names = tuple(f"t{i}" for i in range(n))
    none, nothing = np.empty((0, n, n)), np.empty((0, n))
    plain = bool((lower == 0).all() and (upper == 1).all())
    box = simplex(names) if plain else None
    if box is None:
        floors = {a: float(x) for a, x in zip(names, lower, strict=True) if x > 0}
        caps = {a: float(x) for a, x in zip(names, upper, strict=True) if x < 1}
        box = constraints(names, None, floors, caps)

    def run():
        return solve(Energy(names, S, u, none, nothing), box)

    return run


def measure(name: str, arrays: tuple[np.ndarray, ...], slow: dict[tuple[str, str], float]) -> dict:
    """slow: (peer, kind) -> seconds per n^3 so far."""
    run = ours(*arrays)
    solution = run()
    assert solution.certificate.relative_gap <= GAP
    row = {"name": name, "n": len(arrays[1]), "ours": clock(run), "peers": {}}
    row["support"] = int((solution.weights > 1e-9).sum())
    row["method"] = solution.certificate.method
    for peer, make in PEERS.items():
        kind = name.rsplit(" n=", 1)[0]
        if slow.get((peer, kind), 0.0) * len(arrays[1]) ** 3 > TOO_LONG:
            continue
        for tolerance in TOLERANCES:
            try:
                start = time.perf_counter()
                p = make(*arrays, tolerance)()
                once = time.perf_counter() - start
                found = gap(*arrays, p)
            except Exception as error:
                found, once = np.inf, 0.0
                print(f"  {peer}: {type(error).__name__} {error}"[:100], file=sys.stderr)
            if found <= GAP or once > TOO_LONG:
                break
        if once > TOO_LONG:
            slow[peer, kind] = np.inf
            continue
        time_of = clock(make(*arrays, tolerance)) if found <= GAP else None
        row["peers"][peer] = {"time": time_of, "gap": found}
        slow[peer, kind] = (time_of or once) / len(arrays[1]) ** 3
    return row


def replicas(n: int, count: int) -> dict:
    """`count` re-solves on given replicas of a kernel."""
    rng = np.random.default_rng(3)
    S = matrix("kernel", n, rng)
    noise = rng.normal(size=(count, n, 3 * n)) * 0.02
    many = np.stack([S + x @ x.T for x in noise])
    many = (many + many.transpose(0, 2, 1)) / 2
    energy = Energy(
        tuple(f"t{i}" for i in range(n)), S, 0.6 * S.mean(1), many, 0.6 * many.mean(axis=2)
    )
    return {
        "name": f"{count} replicas n={n}",
        "n": n,
        "ours": clock(lambda: weight_intervals(energy)),
    }


def goal(n: int, bounds: str) -> str:
    if n <= 100:
        return "ours <= 0.3 ms"
    return "ratio >= 1" if bounds == "bounds" else "ratio >= 5"


def lines(row: dict) -> str:
    peers = ", ".join(
        f"{p} {'missed' if v['time'] is None else format(v['time'] * 1e3, '.3g')}"
        for p, v in row["peers"].items()
    )
    return f"{row['name']}: ours {row['ours'] * 1e3:.3g} ms ({row.get('method', '')}); {peers}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n to 316, one kind; under 60 s")
    parser.add_argument("--sizes", type=int, nargs="*")
    parser.add_argument("--json", type=Path, help="write a list of results here")
    parser.add_argument("--page", type=Path, help="write the table for people here")
    parser.add_argument("--plot", type=Path, help="write the cost against n here, SVG")
    options = parser.parse_args()
    sizes = options.sizes or ([38, 100, 316] if options.quick else [38, 100, 316, 1000, 3000])
    kinds = [("kernel", "half", "simplex"), ("definite", "dense", "simplex")]
    kinds += [("definite", "half", "bounds")]
    if not options.quick:
        kinds += [("definite", "half", "simplex"), ("definite", "sparse", "simplex")]
        kinds += [("singular", "half", "simplex"), ("singular", "sparse", "simplex")]
        kinds += [("kernel", "half", "bounds")]
    rows: list[dict] = []
    slow: dict[tuple[str, str], float] = {}
    again = replicas(316 if not options.quick else 100, 200)
    print(f"{again['name']}: {again['ours']:.3g} s", flush=True)
    for kind, support, bounds in kinds:
        for n in sizes:
            name = f"{kind}, {support} support, {bounds} n={n}"
            row = measure(name, instance(kind, support, bounds, n), slow)
            row["goal"] = goal(n, bounds)
            rows.append(row)
            print(lines(row), flush=True)
            write(options, rows, again)  # so that an interrupted run leaves what it measured


def write(options: argparse.Namespace, rows: list[dict], again: dict) -> None:
    found = [flat(row) for row in rows]
    found.append(
        {
            "name": again["name"],
            "ours": again["ours"],
            "peer": None,
            "peer_name": None,
            "ratio": None,
            "goal": "ours <= 1.5 s",
        }
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.page:
        options.page.write_text(page(rows, again))
    if options.plot:
        options.plot.write_text(plot(rows))


def flat(row: dict) -> dict:
    times = {p: v["time"] for p, v in row["peers"].items() if v["time"] is not None}
    best = min(times, key=times.get) if times else None
    return {
        "name": row["name"],
        "ours": row["ours"],
        "peer": times.get(best),
        "peer_name": best,
        "ratio": times[best] / row["ours"] if best else None,
        "goal": row["goal"],
    }


def page(rows: list[dict], again: dict) -> str:
    """The table for people."""
    peers = list(PEERS)
    cpu = next(
        (line.split(":")[1].strip() for line in cpu_info() if line.startswith("model name")),
        platform.machine(),
    )
    packages = ["mishran", "numpy", "scipy", "quadprog", "daqp", "piqp", "clarabel", "osqp"]
    text = [
        "# How fast an energy is solved",
        "",
        "Made by `OMP_NUM_THREADS=1 python benchmarks/energy.py --page docs/results/energy.md "
        "--plot docs/results/energy.svg --json docs/results/energy.json`.",
        "",
        "Median of 5 in milliseconds, one thread each, same instances, same run; gap at most 1e-9 of",
        "D. Ours from arrays to a `Solution` with its gap (checks of the input, proof of convexity and",
        "certificate included), the others from prepared arrays to weights. *missed*: no tolerance",
        "gave that gap. *slow*: over 10 s here, or by its time for fewer tasks (cubic in n); not run.",
        "",
        f"Machine: {cpu}, {os.cpu_count()} cores, shared. Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in [*packages, "proxsuite"])
        + ".",
        "",
        "![cost against the number of tasks](energy.svg)",
        "",
        "| instance | n | support | ours | " + " | ".join(peers) + " | best / ours | bar |",
        "|---|---:|---:|---:|" + "---:|" * len(peers) + "---:|---|",
    ]
    for row in rows:
        found = flat(row)
        cells = []
        for peer in peers:
            value = row["peers"].get(peer)
            cells.append(
                "slow"
                if value is None
                else "missed"
                if value["time"] is None
                else f"{value['time'] * 1e3:.3g}"
            )
        kind = row["name"].rsplit(" n=", 1)[0]
        ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2g}"
        ok = met(found)
        text.append(
            f"| {kind} | {row['n']} | {row['support']} | **{row['ours'] * 1e3:.3g}** | "
            + " | ".join(cells)
            + f" | {ratio} | {row['goal']}: {'met' if ok else '**missed**'} |"
        )
    text += ["", f"{again['name']}: {again['ours']:.3g} s (bar 1.5 s).", ""]
    return "\n".join(text)


def cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def met(found: dict) -> bool:
    if found["goal"].startswith("ours"):
        return found["ours"] <= 3e-4
    bar = float(found["goal"].split()[-1])
    return found["ratio"] is None or found["ratio"] >= bar


def plot(rows: list[dict]) -> str:
    """Milliseconds against n, both logarithmic, a line per solver: medians over the instances."""
    sizes = sorted({row["n"] for row in rows})
    lines: dict[str, list[tuple[int, float]]] = {}
    for name in ["ours", *PEERS]:
        for n in sizes:
            times = [
                row["ours"] if name == "ours" else (row["peers"].get(name) or {}).get("time")
                for row in rows
                if row["n"] == n
            ]
            known = [t for t in times if t]
            if len(known) > len(times) / 2:
                lines.setdefault(name, []).append((n, statistics.median(known) * 1e3))
    low, high = np.log10(sizes[0]), np.log10(sizes[-1])
    values = [value for line in lines.values() for _, value in line]
    bottom, top = np.floor(np.log10(min(values))), np.ceil(np.log10(max(values)))

    def x(n: float) -> float:
        return float(70 + 500 * (np.log10(n) - low) / max(high - low, 1e-9))

    def y(ms: float) -> float:
        return float(330 - 300 * (np.log10(ms) - bottom) / (top - bottom))

    colours = ["#b3261e", "#4a6fa5", "#3c8d5a", "#8a6d3b", "#7a5ca0", "#5f6b73", "#c07f2e"]
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 380" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Milliseconds against the number of tasks">',
        '<rect width="680" height="380" fill="white"/>',
    ]
    for power in range(int(bottom), int(top) + 1):
        at = y(10.0**power)
        out.append(f'<line x1="70" x2="570" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="64" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>')
    for n in sizes:
        out.append(f'<text x="{x(n):.1f}" y="350" text-anchor="middle">{n}</text>')
    out.append('<text x="320" y="372" text-anchor="middle">tasks</text>')
    ends: dict[int, list[tuple[float, str, str]]] = {}
    for (name, line), colour in zip(lines.items(), colours, strict=False):
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in line)
        wide = 3 if name == "ours" else 1.5
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                   f'stroke-width="{wide}"/>')  # fmt: skip
        ends.setdefault(line[-1][0], []).append((y(line[-1][1]) + 4, name, colour))
    for n, labels in ends.items():
        for at, (_, name, colour) in zip(apart(labels), sorted(labels), strict=True):
            out.append(f'<text x="{x(n) + 6:.1f}" y="{at:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def apart(labels: list[tuple[float, str, str]], room: float = 13.0) -> list[float]:
    """Heights of labels, from the top, moved so that none covers another: half up, half down."""
    wanted = sorted(at for at, _, _ in labels)
    placed: list[float] = []
    for at in wanted:
        placed.append(max(at, placed[-1] + room) if placed else at)
    start = 0
    for k in range(1, len(placed) + 1):
        if k == len(placed) or placed[k] > placed[k - 1] + room:  # a crowd ends
            up = (placed[k - 1] - wanted[k - 1]) / 2
            placed[start:k] = [at - up for at in placed[start:k]]
            start = k
    return placed


if __name__ == "__main__":
    main()
