"""The frontier of a pattern: dose against effective sample size and risk."""

import attrs
import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, move, pattern, response

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir.program import Reliable, WeightPattern
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve import solve_pattern, with_frontier
from pattern_lang.solve.frontier import MOST_POINTS
from pattern_lang.solve.optimize import optimize

DATA = estimate(response(np.random.default_rng(0), 3, 200))
TWO = (goal("shift", "a", 20.0), goal("raise", "b", 10.0), goal("hold", "c", 1.0))


def drawn(made: WeightPattern, data: Estimate = DATA):  # type: ignore[no-untyped-def]
    steps: list[int] = []
    solution = with_frontier(made, data, solve_pattern(made, data), lambda: steps.append(1))
    assert len(steps) <= MOST_POINTS
    return solution


def test_every_point_is_the_program_at_its_dose() -> None:
    solution = drawn(pattern(TWO, box()))
    found = solution.frontier
    assert found.kind == "fraction"
    assert found.observables == ("a", "b")
    assert found.points[found.chosen].dose == 1.0
    for point in found.points:
        goals = (goal("shift", "a", 20 * point.dose), goal("raise", "b", 10 * point.dose), TWO[2])
        alone = solve_pattern(pattern(goals, box()), DATA)
        w = alone.weights.astype(float)
        assert point.ess == pytest.approx(1 / np.mean(w**2), abs=1e-5)
        assert point.predicted == pytest.approx([g.predicted for g in alone.goals[:2]], abs=1e-4)
        assert point.stderr == pytest.approx([g.stderr for g in alone.goals[:2]], abs=1e-4)
        assert point.objective == pytest.approx(np.sum((w - 1) ** 2), abs=1e-3)
    sizes = [point.ess for point in found.points]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 1.0


def test_the_end_of_the_path() -> None:
    far = (goal("shift", "a", 80.0), goal("raise", "b", 40.0), TWO[2])
    found = drawn(pattern(far, box())).frontier
    largest = found.largest
    assert largest is not None
    assert 1.0 < largest < 3.0
    assert found.points[-1].dose == pytest.approx(largest, rel=1e-3)
    beyond = (goal("shift", "a", 80.8 * largest), goal("raise", "b", 40.4 * largest), TWO[2])
    assert solve_pattern(pattern(beyond, box()), DATA).status == "infeasible"
    free = drawn(pattern(TWO, box(-100.0, 100.0))).frontier
    assert free.largest is None
    assert free.points[-1].dose == 3.0


def test_of_what_is_infeasible_the_part_that_is_not() -> None:
    solution = drawn(pattern([goal("shift", "a", 500.0)], box()))
    assert solution.status == "infeasible"
    assert solution.frontier.chosen is None
    assert solution.frontier.largest == pytest.approx(solution.dose, rel=1e-6)
    assert solution.frontier.points[-1].dose == pytest.approx(solution.dose, rel=2e-3)
    never = drawn(pattern([goal("raise", "a", 1.0)], box(1.5, 2.0)))
    assert never.frontier is None


@pytest.mark.parametrize("rules", [(*box(),), (*box(), ess(0.6))], ids=["box", "budget"])
def test_a_move_goes_as_far_as_it_can(rules: tuple) -> None:  # type: ignore[type-arg]
    solution = drawn(pattern([move("ab", [1.0, -2.0])], rules))
    found = solution.frontier
    assert found.kind == "dose"
    assert found.chosen == len(found.points) - 1
    assert found.points[-1].dose == pytest.approx(solution.dose, rel=1e-3)
    for point in found.points:
        assert point.predicted == pytest.approx([point.dose, -2 * point.dose], abs=1e-4)


def test_softened_all_the_way() -> None:
    rng = np.random.default_rng(1)
    one = response(rng, 1, 200)[0]
    data = estimate(np.stack([one, one + 0.01 * response(rng, 1, 200)[0]]), noise=0.3)
    made = pattern([goal("shift", "a", 1.0), goal("shift", "b", -1.0)], box(-20, 20))
    solution = drawn(attrs.evolve(made, reliable=Reliable(0.5, "soft")), data)
    assert solution.softening is not None
    point = solution.frontier.points[solution.frontier.chosen]
    assert point.predicted == pytest.approx([g.predicted for g in solution.goals], abs=1e-5)


def test_nothing_to_trade() -> None:
    for goals in ((), (goal("hold", "a", 1.0),), (goal("shift", "a", 0.0),)):
        with pytest.raises(PatternError) as caught:
            drawn(pattern(goals, box()))
        (said,) = caught.value.diagnostics
        assert said.code == "PAT5028"
        assert "asks for a shift" in said.message


def test_each_point_begins_where_the_last_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    big = estimate(response(np.random.default_rng(2), 4, 60_000), noise=0.0, draws=2)
    asked = (goal("shift", "a", 30_000.0), goal("shift", "b", -20_000.0), goal("hold", "c", 10.0))
    made = pattern(asked, (*box(), ess(0.3)))
    passes: dict[bool, int] = {True: 0, False: 0}
    for warm in (True, False):

        def counted(program, tolerance, start=None, warm=warm):  # type: ignore[no-untyped-def]
            answer = optimize(program, tolerance, start=start if warm else None)
            passes[warm] += answer.result.iterations if answer.result else 0
            return answer

        monkeypatch.setattr("pattern_lang.solve.frontier.optimize", counted)
        assert len(drawn(made, big).frontier.points) >= 13
    assert passes[True] < 0.85 * passes[False]
