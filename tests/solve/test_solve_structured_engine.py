"""The structured solver beside cones, closed forms and HiGHS, and from every kind of source."""

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import safetensors.numpy
import scipy.optimize
from solve_samples import response

from pattern_lang.ir import program as ir
from pattern_lang.solve import (
    KL,
    Along,
    AtLeast,
    AtMost,
    Between,
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mass,
    Maximize,
    Mean,
    Norm,
    Soft,
    WeightProgram,
)
from pattern_lang.solve.box import box_of
from pattern_lang.solve.conic.engine import solve_conic
from pattern_lang.solve.engine import EngineResult, Verdict
from pattern_lang.solve.normal import Affine, Costs, NormalProgram, Square, Terms
from pattern_lang.solve.resolve import codes_of
from pattern_lang.solve.rewrite import standard
from pattern_lang.solve.structured.engine import solve_structured
from pattern_lang.solve.structured.form import read
from pattern_lang.solve.structured.newton import Dual
from pattern_lang.solve.structured.passes import Sweeper
from pattern_lang.solve.values import total

RNG = np.random.default_rng
RIDGE = ir.SumSquares(1.0, -1.0)
COSTS: dict[str, Any] = {
    "ridge": lambda prices, row: ((1.0, RIDGE),),
    "tilted": lambda prices, row: ((1.0, ir.SumSquares(1.3, -0.7)),),
    "weighted": lambda prices, row: ((1.0, Costs("squares", 1.0, -1.0, prices, 1.0, 1.0, 1.0)),),
    "asymmetric": lambda prices, row: ((1.0, Costs("squares", 1.0, -1.0, prices, 2.0, 0.5, 1.0)),),
    "elastic": lambda prices, row: ((1.0, ir.L1(1.0, -1.0)), (0.5, RIDGE)),
    "huber": lambda prices, row: (
        (1.0, Costs("huber", 1.0, -1.0, np.ones_like(prices), 1.0, 1.0, 0.3)),
        (0.01, RIDGE),
    ),
    "kl": lambda prices, row: ((1.0, ir.KL()),),
    "magnitudes": lambda prices, row: ((1.0, ir.L1(1.0, -1.0)),),
    "linear": lambda prices, row: ((-1.0 / np.linalg.norm(row), Affine(row)),),
}


def random_program(seed: int, cost: str) -> NormalProgram:
    rng = RNG(seed)
    rows, n = int(rng.integers(1, 6)), int(rng.choice([40, 120]))
    chi = response(rng, rows, n, scales=10.0 ** rng.uniform(-2, 2, size=rows))
    x = 0.5 * rng.normal(size=n)
    shifts = chi @ np.clip(x - x.mean(), -0.8, 1.5)
    room = 0.1 * np.linalg.norm(chi, axis=1) * rng.random(rows)
    asked: list[Any] = [Mean(1.0), Bounds(0.0, 2.5 + (rng.random(n) if seed % 3 == 0 else 0.0))]
    for i, (shift, width) in enumerate(zip(shifts.tolist(), room.tolist(), strict=True)):
        kinds = [
            [Equal(i, shift)],
            [Between(i, shift - width, shift + width)],
            [AtLeast(i, shift - 0.1 * width)],
            [Between(i, shift - width, shift + width), AtMost(i, shift + 0.5 * width)],
            [Soft(i, 2.0 * shift, 1.0 / float(chi[i] @ chi[i]))],
        ]
        asked.extend(kinds[int(rng.integers(5))])
    if rng.random() < 0.4:
        sizes = 1.0 + rng.random(n) if rng.random() < 0.5 else None
        asked.append(Mass(rng.integers(0, 4, n), 0.8, 1.2, sizes))
    budget = [None, EffectiveSampleSize(0.6), KL(0.15), Norm(0.6 * n**0.5)][int(rng.integers(4))]
    if budget is not None and not (
        isinstance(budget, KL) and cost in ("elastic", "asymmetric", "huber", "magnitudes")
    ):
        asked.append(budget)
    normal = WeightProgram(chi, asked)._normal()
    soft: Terms = tuple(term for term in normal.cost if isinstance(term[1], Square))
    paid = COSTS[cost](0.5 + rng.random(n), chi[0])
    return standard(attrs.evolve(normal, cost=(*paid, *soft)))


def cost_of(program: NormalProgram, result: EngineResult) -> float:
    return float(total(program.cost, result.w, result.dose)[0])


@pytest.mark.parametrize("cost", sorted(COSTS))
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_cones(seed: int, cost: str) -> None:
    program = random_program(seed, cost)
    bounds = box_of(program)
    cones = solve_conic(program, bounds, 1e-9)
    found = solve_structured(program, bounds, 1e-9)
    assert found is not None
    assert found.verdict is cones.verdict
    if found.verdict is not Verdict.OPTIMAL:
        return
    proof = found.proof
    assert proof is not None
    size = max(1e-3 * found.cost_unit, abs(cost_of(program, cones)))
    assert cost_of(program, found) == pytest.approx(cost_of(program, cones), abs=1e-6 * size)
    assert proof.primal_cost == pytest.approx(cost_of(program, found), abs=1e-9 * size + 1e-12)
    assert proof.primal_cost - proof.dual_cost <= 3e-6 * size
    assert proof.dual_cost <= proof.primal_cost + 1e-8 * size
    assert proof.worst <= 1e-7


def large(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return np.asarray(response(rng, rows, n))


def test_pseudo_inverse_where_nothing_binds() -> None:
    chi = large(RNG(0), 8, 40_000)
    targets = 0.01 * np.linalg.norm(chi, axis=1) * RNG(1).normal(size=8)
    asked = [*(Equal(i, float(t)) for i, t in enumerate(targets)), Mean(1.0), Bounds(0.0, 4.0)]
    solution = WeightProgram(chi, asked).solve(tol=1e-10)
    assert solution.certificate["solver"] == "dual newton"
    exact = np.linalg.pinv(chi) @ targets
    assert solution.weights is not None
    assert np.max(np.abs(solution.weights - 1 - exact)) <= 1e-9 * np.max(np.abs(exact))


def test_projection_onto_the_simplex() -> None:
    n = 120_000
    point = RNG(2).normal(size=n) + 1.0
    lines = large(RNG(3), 1, n)
    program = WeightProgram(lines, [Mean(1.0), Bounds(0.0, None), Between(0, -1e9, 1e9)])._normal()
    tilt = ((1.0, RIDGE), (-2.0, Affine(point - 1.0)))
    program = standard(attrs.evolve(program, cost=tilt))
    found = solve_structured(program, box_of(program), 1e-10)
    assert found is not None
    ordered = np.sort(point)[::-1]
    sums = (np.cumsum(ordered) - n) / np.arange(1, n + 1)
    exact = np.maximum(point - sums[np.flatnonzero(ordered > sums)[-1]], 0.0)
    assert np.max(np.abs(found.w - exact)) <= 1e-8


@pytest.mark.parametrize("groups", [20, 2000])
def test_groups(groups: int) -> None:
    rng = RNG(4)
    n = 30_000
    chi = large(rng, 6, n)
    codes = rng.integers(0, groups, n)
    shift = chi @ np.clip(0.5 * rng.normal(size=n), -0.9, 2.0)
    room = 0.004 * (groups / n) ** 0.5
    asked = [*(Equal(i, float(v)) for i, v in enumerate(shift)), Mean(1.0), Bounds(0.0, 4.0)]
    solution = WeightProgram(chi, [*asked, Mass(codes, 1 - room, 1 + room)]).solve(tol=1e-9)
    assert (solution.status, solution.certificate["solver"]) == ("optimal", "dual newton")
    assert solution.weights is not None
    shares = np.bincount(codes, solution.weights) / np.bincount(codes)
    assert shares.min() >= 1 - room - 1e-7
    assert shares.max() <= 1 + room + 1e-7
    assert np.sum(np.abs(shares - 1) > 0.99 * room) > groups / 4
    assert solution.certificate["gap"] <= 1e-8
    numbers, _ = codes_of(codes)
    again = solution.rule.weights(chi[:, :50], numbers[:50])
    assert again == pytest.approx(solution.weights[:50], abs=1e-12)


class Blocks:
    """A source that is no array."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = numbers
        self.shape = numbers.shape

    def block(self, columns: slice) -> np.ndarray:
        return np.ascontiguousarray(self.numbers[:, columns])


def test_sources_give_the_same_bits(tmp_path: Path) -> None:
    chi = large(RNG(5), 7, 40_000).astype(np.float32)
    asked = [*(Equal(i, 30.0 * (-1) ** i) for i in range(7)), Mean(1.0), Bounds(0.0, 2.0)]
    plain = WeightProgram(chi, asked).solve()
    assert plain.status == "optimal"
    file = tmp_path / "chi.safetensors"
    safetensors.numpy.save_file({"chi": chi}, file)
    mapped = np.memmap(tmp_path / "chi.bin", np.float32, "w+", shape=chi.shape)
    mapped[:] = chi
    for source in (file, mapped, Blocks(chi)):
        other = WeightProgram(source, asked).solve()
        assert np.array_equal(plain.weights, other.weights)
        assert np.array_equal(plain.shift, other.shift)
    wide = WeightProgram(chi.astype(np.float64), asked).solve()
    assert wide.weights == pytest.approx(plain.weights, abs=1e-8)


def test_threads_do_not_change_the_bits() -> None:
    chi = large(RNG(6), 9, 200_000).astype(np.float32)
    asked = [*(Equal(i, 50.0 * (-1) ** i) for i in range(9)), Mean(1.0), Bounds(0.3, 1.7)]
    program = standard(WeightProgram(chi, asked)._normal())
    form = read(program, box_of(program))
    ends = []
    for threads in (1, 2, 3):
        dual = Dual(form, Sweeper(form.base, threads), form.link)
        ends.append(dual.descend(np.zeros(form.rows.count), 1e-9).point)
    for end in ends[1:]:
        assert np.array_equal(end.y, ends[0].y)
        assert end.value == ends[0].value


@pytest.mark.parametrize("seed", range(2))
def test_largest_dose_beside_highs(seed: int) -> None:
    rng = RNG(seed)
    chi = large(rng, 3, 50_000)
    direction = [1.0, -0.5, 0.3]
    asked = [Along([0, 1, 2], direction), Mean(1.0), Bounds(0.0, 2.5)]
    solution = WeightProgram(chi, asked).solve()
    assert solution.status == "optimal"
    rows = np.vstack([np.hstack([chi, -np.array(direction)[:, None]]), np.r_[np.ones(50_000), 0.0]])
    best = scipy.optimize.linprog(
        np.r_[np.zeros(50_000), -1.0],
        A_eq=rows,
        b_eq=np.zeros(4),
        bounds=[(-1.0, 1.5)] * 50_000 + [(0, None)],
    )
    assert solution.dose == pytest.approx(-best.fun, rel=5e-6)
    assert solution.dose is not None
    assert solution.dose <= -best.fun
    assert solution.shift == pytest.approx(solution.dose * np.array(direction), rel=1e-7)


def test_budgets_on_many_units() -> None:
    chi = large(RNG(8), 4, 60_000)
    held = [Between(i, -5.0, 5.0) for i in range(1, 4)]
    for budget, figure in ((EffectiveSampleSize(0.7), "ess"), (KL(0.1), "kl")):
        program = WeightProgram(chi, [*held, Mean(1.0), Bounds(0.0, 3.0), budget], Maximize(0))
        solution = program.solve()
        assert (solution.status, solution.certificate["solver"]) == ("optimal", "dual newton")
        limit = 0.7 if figure == "ess" else 0.1
        assert solution.certificate[figure] == pytest.approx(limit, rel=1e-6)
        assert solution.certificate["gap"] <= 3e-6


def test_infeasible_on_many_units() -> None:
    chi = large(RNG(9), 4, 60_000)
    chi[3] = chi[0] - chi[1]
    asked = [Equal(0, 10.0), AtMost(1, 5.0), AtMost(3, 4.0), Equal(2, 1.0), Mean(1.0), Bounds(0, 3)]
    solution = WeightProgram(chi, asked).solve()
    assert solution.status == "infeasible"
    assert solution.conflict == (0, 1, 2)
    near = [Equal(0, 60.0), Equal(1, -40.0), Mean(1.0), EffectiveSampleSize(0.999999)]
    solution = WeightProgram(chi, near).solve()
    assert solution.status == "infeasible"
    assert 3 in solution.conflict
    assert solution.dose is not None
    for factor, status in ((1 - 1e-4, "optimal"), (1 + 1e-4, "infeasible")):
        scale = solution.dose * factor
        again = [Equal(0, 60.0 * scale), Equal(1, -40.0 * scale), *near[2:]]
        assert WeightProgram(chi, again).solve().status == status


def test_dependent_rows() -> None:
    chi = large(RNG(10), 4, 60_000)
    chi[2] = 3.0 * chi[0]
    chi[3] = 0.0
    asked = [Equal(0, 20.0), Equal(1, 5.0), Equal(2, 60.0), Equal(3, 0.0), Mean(1.0), Bounds(0, 3)]
    solution = WeightProgram(chi, asked).solve()
    assert solution.status == "optimal"
    assert solution.shift == pytest.approx([20.0, 5.0, 60.0, 0.0], rel=1e-7, abs=1e-9)
    asked[3] = Equal(3, 1e-3)
    solution = WeightProgram(chi, asked).solve()
    assert (solution.status, solution.conflict) == ("infeasible", (3,))
