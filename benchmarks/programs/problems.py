"""Weight programs whose solution is known, of any size, as files.

The solution of `min Σ x²` under rows, mass and a box is `x = clip(Σ y_i R_i + c + u_g, lo, hi)`. So
prices y, c and u are drawn first, and limits put where they make it so: half of the rows are
equalities, half are ranges, of which some bind (where y is not 0) and some do not. Rows are
correlated (their Gram matrix, scaled, has a condition of about 1,000) and a thousand-fold apart in
size, and units differ in size too, as those of susceptibilities do.
`python problems.py FOLDER M N GROUPS` writes chi.raw (m, n) float32, codes.npy and problem.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWER, UPPER = 0.0, 2.5
SPREAD = 0.8  # of x before it is clipped, which leaves about 13 % of the units at a bound
MASS = (0.9, 1.1)
COLUMNS = 1 << 20

Vector = NDArray[np.float64]


def make(folder: Path, m: int, n: int, groups: int, seed: int = 1) -> None:
    """Write a problem into a folder, unless one is there."""
    if (folder / "problem.json").exists() and (folder / "chi.raw").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    chi: Any = np.memmap(folder / "chi.raw", np.float32, "w+", shape=(m, n))
    mix = mixing(rng, m)
    prices = rng.normal(size=m) / np.linalg.norm(mix, axis=1)
    prices[m // 2 :: 4] = 0.0  # ranges that do not bind
    prices *= SPREAD / float(np.linalg.norm(mix.T @ prices))
    z = np.empty(n)
    for start in range(0, n, COLUMNS):
        width = min(COLUMNS, n - start)
        sizes = np.exp(0.5 * rng.normal(size=width) - 0.25)
        block = (mix @ (sizes * rng.normal(size=(m, width)))).astype(np.float32)
        chi[:, start : start + COLUMNS] = block
        z[start : start + COLUMNS] = prices @ block
    codes = rng.integers(groups, size=n) if groups else None
    if codes is not None:
        np.save(folder / "codes.npy", codes)
    x = solution(z, codes, groups)
    shift = np.zeros(m)
    for start in range(0, n, COLUMNS):
        shift += chi[:, start : start + COLUMNS].astype(np.float64) @ x[start : start + COLUMNS]
    chi.flush()
    rooms = 0.3 * np.sqrt(n) * np.linalg.norm(mix, axis=1)
    rows = [
        (float(r), float(r)) if i < m // 2 else limits(float(r), float(p), float(room))
        for i, (r, p, room) in enumerate(zip(shift, prices, rooms, strict=True))
    ]
    at_bound = float(np.mean((x <= LOWER - 1.0) | (x >= UPPER - 1.0)))
    found = {"m": m, "n": n, "groups": groups, "rows": rows, "box": [LOWER, UPPER]}
    found |= {"mass": MASS, "objective": float(x @ x), "clipped": at_bound}
    (folder / "problem.json").write_text(json.dumps(found), encoding="utf-8")


def mixing(rng: np.random.Generator, m: int) -> Vector:
    """Return (m, m) by which rows of independent numbers become those of a response."""
    basis = np.linalg.qr(rng.normal(size=(m, m)))[0]
    mix = basis * np.geomspace(1.0, 10.0**-1.5, m)
    scales = 10.0 ** rng.uniform(-1.5, 1.5, size=(m, 1))
    return np.asarray(scales * mix / np.linalg.norm(mix, axis=1, keepdims=True))


def limits(shift: float, price: float, room: float) -> tuple[float, float]:
    """Return the range of a row that has this shift and this price at the solution."""
    return (shift if price > 0 else shift - room, shift if price < 0 else shift + room)


def solution(z: Vector, codes: NDArray[np.int64] | None, groups: int) -> Vector:
    """Return clip(z + c + u_g) with the c for which the mean is 0."""
    low, high = -1.0, 1.0
    for _ in range(60):
        c = 0.5 * (low + high)
        x = clipped(z + c, codes, groups)
        low, high = (c, high) if x.sum() < 0 else (low, c)
    return x


def clipped(z: Vector, codes: NDArray[np.int64] | None, groups: int) -> Vector:
    """Return clip(z + u_g) with u_g 0 where the mass of the group is within limits."""
    x = np.clip(z, LOWER - 1.0, UPPER - 1.0)
    if codes is None:
        return x
    count = np.bincount(codes, minlength=groups)
    mean = np.bincount(codes, x, minlength=groups) / count
    target = np.clip(mean, MASS[0] - 1.0, MASS[1] - 1.0)
    off = target != mean
    low, high = np.full(groups, -4.0), np.full(groups, 4.0)
    low[~off], high[~off] = 0.0, 0.0
    units = off[codes]
    part, own = z[units], codes[units]
    for _ in range(60):
        u = 0.5 * (low + high)
        moved = np.clip(part + u[own], LOWER - 1.0, UPPER - 1.0)
        found = np.bincount(own, moved, minlength=groups) / count
        below = found < target
        low, high = np.where(below, u, low), np.where(below, high, u)
    x[units] = moved
    return x


if __name__ == "__main__":
    make(Path(sys.argv[1]), *(int(text) for text in sys.argv[2:5]))
