"""The ways to solve a quadratic program agree: active set, climb of the dual, cones."""

import attrs
import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, pattern, require, response

from pattern_lang.ir import program as ir
from pattern_lang.solve.active_set import cold_guess, refine
from pattern_lang.solve.assemble import program_of
from pattern_lang.solve.box import box_of
from pattern_lang.solve.conic.engine import solve_conic
from pattern_lang.solve.dual import LEAST_NORM, Finding, climb, decide
from pattern_lang.solve.engine import Verdict
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.infeasible import by_halving, by_maximising, fraction
from pattern_lang.solve.normal import NormalProgram
from pattern_lang.solve.optimize import elastic, optimize
from pattern_lang.solve.quadratic import quadratic
from pattern_lang.solve.rewrite import standard
from pattern_lang.solve.statements import statements_of


def random_program(seed: int, tilt: bool = False) -> NormalProgram:
    rng = np.random.default_rng(seed)
    n, rows = int(rng.choice([20, 60, 200])), int(rng.integers(1, 5))
    chi = response(rng, rows, n, scales=10.0 ** rng.uniform(-3, 3, size=rows))
    data = Estimated(estimate(chi))
    sizes = np.abs(chi).sum(axis=1) * 10.0 ** rng.uniform(-1.5, 0.2)
    goals = [
        goal(str(rng.choice(["shift", "raise", "lower", "hold"])), "abcde"[i], float(size))
        for i, size in enumerate(sizes * np.abs(rng.normal(size=rows)))
    ]
    limits = [*box(float(rng.choice([0, 0.3])), float(rng.choice([1.5, 4])))]
    if rng.random() < 0.6:
        limits.append(ess(float(rng.uniform(0.1, 0.9))))
    if rng.random() < 0.3:
        limits.append(require((1.0, ir.GroupMass("group")), constant=-1.1))
    terms: tuple[tuple[float, ir.Atom], ...] = ((2.0, ir.SumSquares(1.5, -1.0)),)
    objective = ir.Expression(terms if tilt else ((1.0, ir.SumSquares(1.0, -1.0)),))
    made = pattern(goals, limits, objective)
    return standard(program_of(made, statements_of(made, data), data))


@pytest.mark.parametrize("seed", range(60))
def test_all_ways_agree(seed: int) -> None:
    program = random_program(seed, tilt=seed % 3 == 0)
    bounds = box_of(program)
    conic = solve_conic(program, bounds, 1e-10)
    finding = decide(program, bounds)
    if finding is not Finding.UNDECIDED:
        assert (finding is Finding.FEASIBLE) == (conic.verdict is Verdict.OPTIMAL)
    if conic.verdict is not Verdict.OPTIMAL:
        return
    problem = quadratic(program)
    assert problem is not None
    cold = refine(program, bounds, problem, cold_guess(problem, bounds))
    if cold is not None:
        assert cold.x == pytest.approx(conic.x, abs=1e-5)
        assert cold.dual_cost == pytest.approx(conic.dual_cost, rel=1e-7, abs=1e-8)
        for exact, other in zip(cold.multipliers, conic.multipliers, strict=True):
            scale = max(1e-9, float(np.max(np.abs(other))))
            assert float(exact.sum()) == pytest.approx(float(other.sum()), abs=1e-4 * scale + 1e-6)
    free = attrs.evolve(problem, beside=())
    top = climb(free, bounds)
    if not problem.beside:
        assert top.finding is Finding.FEASIBLE
        assert top.x == pytest.approx(conic.x, abs=1e-5)


def test_quadratic_programs_rarely_need_cones() -> None:
    names = []
    for seed in range(60):
        answer = optimize(random_program(seed))
        if answer.status == "optimal" and answer.result is not None:
            names.append(answer.result.name)
    assert names.count("active set") >= 0.9 * len(names)


@pytest.mark.parametrize("seed", range(60))
def test_elastic_agrees_with_the_verdict(seed: int) -> None:
    program = attrs.evolve(random_program(seed), cost=LEAST_NORM)
    bounds = box_of(program)
    verdict = solve_conic(program, bounds, 1e-9).verdict
    relaxed = elastic(program, bounds, 1e-9, solve_conic)
    assert relaxed.verdict is Verdict.OPTIMAL
    if verdict is Verdict.OPTIMAL:
        assert relaxed.dual_cost <= 1e-7
    elif verdict is Verdict.INFEASIBLE:
        assert relaxed.dual_cost > 1e-7


@pytest.mark.parametrize("seed", range(60))
def test_fractions_agree(seed: int) -> None:
    program = random_program(seed)
    if decide(program, box_of(program)) is not Finding.INFEASIBLE:
        return
    halved, maximised = by_halving(program), by_maximising(program, solve_conic)
    if halved is not None:
        assert halved == pytest.approx(maximised, rel=1e-4)


def test_fraction_is_none_where_no_goal_has_a_target() -> None:
    data = Estimated(estimate(response(np.random.default_rng(0), 1, 20)))
    made = pattern([goal("hold", "a", 0.1)], box(2.0, 3.0))
    program = standard(program_of(made, statements_of(made, data), data))
    assert fraction(program) is None
