"""Bad numbers are refused with a code, or answered rightly; never passed on in silence."""

import attrs
import numpy as np
import pytest
from solve_samples import box, estimate, goal, move, pattern, require, response

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir import program as ir
from pattern_lang.ir.noise import no_noise
from pattern_lang.ir.sources import Comparison, LibraryPredicate, RowField, RowLiteral
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import (
    KL,
    Along,
    AtLeast,
    Between,
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mass,
    Maximize,
    Mean,
    Soft,
    WeightProgram,
    solve_pattern,
)

CHI = response(np.random.default_rng(0), 2, 30)


def code(caught: pytest.ExceptionInfo[PatternError]) -> str:
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_susceptibilities_that_are_not_finite(value: float) -> None:
    chi = CHI.copy()
    chi[1, 7] = value
    data = estimate(CHI)
    data = attrs.evolve(
        data, susceptibility=attrs.evolve(data.susceptibility, chi=chi.astype(np.float32))
    )
    with pytest.raises(PatternError, match="first at unit 7") as caught:
        solve_pattern(pattern([goal("shift", "b", 0.1)]), data)
    assert code(caught) == "PAT5008"
    assert caught.value.exit_status == 4
    assert solve_pattern(pattern([goal("shift", "a", 0.1)]), data).status == "optimal"
    with pytest.raises(PatternError, match="PAT5008"):
        WeightProgram(chi, [Equal(1, 0.1)]).solve()


@pytest.mark.parametrize("sd", [0.0, np.nan, np.inf])
def test_amounts_in_sd_of_what_does_not_vary(sd: float) -> None:
    data = estimate(CHI, sd=[sd, 1.0])
    with pytest.raises(PatternError, match="PAT5006") as caught:
        solve_pattern(
            pattern([goal("shift", "a", 1, Unit.SD), goal("hold", "a", 1, Unit.SD)]), data
        )
    assert len(caught.value.diagnostics) == 2
    assert caught.value.diagnostics[0].span is not None
    found = solve_pattern(pattern([goal("shift", "a", 0.1)]), data)
    assert found.status == "optimal"
    assert found.goals[0].in_sd is None
    with pytest.raises(PatternError, match="PAT5006"):
        solve_pattern(pattern([move("ab", [1, 1], unit=Unit.SD)], box()), data)
    limit = require((1.0, ir.Predicted("a", Unit.SD)), constant=-1.0)
    with pytest.raises(PatternError, match="PAT5006"):
        solve_pattern(pattern([], [limit]), data)


def test_fields_and_masses_that_are_not_there() -> None:
    data = estimate(CHI, fields={"kind": np.array(["a", "b"] * 15)})
    for predicate, expected in (
        (Comparison("==", RowField("kind"), RowLiteral("c")), "PAT5007"),
        (Comparison("==", RowField("sort"), RowLiteral("a")), "PAT5009"),
        (Comparison("<", RowField("kind"), RowLiteral(3)), "PAT5009"),
        (LibraryPredicate("std.tokens.repeats", ()), "PAT5009"),
    ):
        limit = require((1.0, ir.ShareMass(predicate)), constant=-1.1)
        with pytest.raises(PatternError) as caught:
            solve_pattern(pattern([], [limit]), data)
        assert code(caught) == expected
        assert caught.value.diagnostics[0].span is limit.origin
    limit = require((1.0, ir.GroupMass("sort")), constant=-1.1)
    with pytest.raises(PatternError, match="PAT5009"):
        solve_pattern(pattern([], [limit]), data)
    empty = estimate(CHI, fields={"kind": np.array(["a", "b"] * 15)}, sizes=[1.0, 0.0] * 15)
    limit = require((1.0, ir.GroupMass("kind")), constant=-1.1)
    with pytest.raises(PatternError, match="PAT5007"):
        solve_pattern(pattern([], [limit]), empty)


def test_risk_without_replicates() -> None:
    limit = require((1.0, ir.Risk("a", Unit.NATS)), constant=-1.0)
    data = estimate(CHI, draws=1)
    with pytest.raises(PatternError, match="PAT5008"):
        solve_pattern(pattern([], [limit]), data)
    assert solve_pattern(pattern([goal("shift", "a", 0.1)]), data).goals[0].stderr is None


def test_an_observable_that_was_not_estimated() -> None:
    with pytest.raises(PatternError, match="no row for `z`"):
        solve_pattern(pattern([goal("shift", "z", 0.1)]), estimate(CHI))


def test_units_that_do_not_match() -> None:
    data = estimate(CHI)
    short = attrs.evolve(data, units=attrs.evolve(data.units, size=np.ones(7)))
    with pytest.raises(PatternError, match="PAT5008"):
        solve_pattern(pattern(), short)
    empty = attrs.evolve(
        data.susceptibility,
        chi=np.zeros((2, 0), dtype=np.float32),
        noise=no_noise(2, 0),
    )
    with pytest.raises(PatternError, match="no units"):
        solve_pattern(pattern(), attrs.evolve(data, susceptibility=empty))


@pytest.mark.parametrize(
    "constraint",
    [
        Equal(5, 0.1),
        Equal(-1, 0.1),
        Equal("a", 0.1),
        Equal(0, float("nan")),
        Equal(0, np.float32("inf")),
        Equal(0, "1 nat"),
        Equal(0, None),
        Equal(0, np.array([1.0, 2.0])),
        Equal(0, 1e300),
        Equal(0.5, 0.1),
        Equal(None, 0.1),
        AtLeast(0, float("inf")),
        Between(0, 1.0, -1.0),
        Bounds(2.0, 1.0),
        Bounds(np.zeros(7), None),
        Bounds(float("nan"), None),
        Bounds(float("inf"), None),
        Mass(np.zeros(7), 0.9, 1.1),
        Mass(None, 0.9, 1.1),
        Mass(np.zeros(30), 0.9, 1.1, np.full(30, -1.0)),
        Mass(np.zeros(30), 1.1, 0.9),
        Mass(np.r_[np.nan, np.zeros(29)], 0.9, 1.1),
        Mass(np.zeros(30), "a", 1.1),
        Mean(float("inf")),
        Soft(0, 1.0, -1.0),
        Soft(9, 1.0, 1.0),
        Along([0, 1], [1.0]),
        Along([0], [0.0]),
        Along([0], [float("nan")]),
    ],
)
def test_constraints_that_do_not_fit(constraint: object) -> None:
    with pytest.raises(PatternError) as caught:
        WeightProgram(CHI, [constraint, Mean()]).solve()  # type: ignore[list-item]
    assert code(caught) == "PAT5011"


def test_masses_of_groups_without_mass() -> None:
    sizes = np.r_[np.zeros(10), np.ones(20)]
    with pytest.raises(PatternError, match="PAT5007"):
        WeightProgram(CHI, [Mass(np.repeat([0, 1, 2], 10), 0.9, 1.1, sizes)]).solve()


def test_responses_that_do_not_fit() -> None:
    for build in (
        lambda: WeightProgram.build(np.zeros(5)),
        lambda: WeightProgram.build(np.zeros((2, 0))),
        lambda: WeightProgram.build(CHI, names=["a"]),
        lambda: WeightProgram.build(CHI, names=["a", "a"]),
        lambda: WeightProgram.build(np.array([["a", "b"]])),
        lambda: WeightProgram.build(1j * CHI),
        lambda: WeightProgram.build([[1.0, 2.0], [3.0]]),
        lambda: WeightProgram.build(CHI, beta=float("nan")),
        lambda: WeightProgram.build(CHI, stderr=np.zeros((2, 3))),
        lambda: WeightProgram.build(CHI, groups=np.zeros(3)),
    ):
        with pytest.raises(PatternError, match="PAT5008"):
            build()


def test_numbers_that_are_no_numbers() -> None:
    program = WeightProgram.build(CHI).subject_to(Equal(0, 0.1), Mean())
    for errors in (np.full(CHI.shape, np.nan), -np.ones(CHI.shape)):
        with pytest.raises(PatternError, match="PAT5008"):
            attrs.evolve(program, stderr=errors).solve()
    with pytest.raises(PatternError, match="too large"):
        WeightProgram.build(1e200 * CHI).subject_to(Equal(0, 0.1)).solve()
    with pytest.raises(PatternError, match="PAT5011"):
        Bounds("a", 2.0)
    with pytest.raises(PatternError, match="tolerance"):
        program.solve(tol=float("nan"))
    for coefficient in (np.nan, np.inf):
        with pytest.raises(PatternError, match="PAT5011"):
            program.minimizing(Maximize({0: coefficient})).solve()
    far = pattern([goal("shift", "a", 1e300)], box())
    with pytest.raises(PatternError, match="PAT5011") as caught:
        solve_pattern(far, estimate(CHI))
    assert caught.value.diagnostics[0].span is far.goals[0].origin


@pytest.mark.parametrize("power", [(-3, 0), (0, 3), (-1.5, 1.5), (-9, 0), (12, 15)])
def test_rows_far_apart_in_size(power: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    chi = response(rng, 6, 200, 10.0 ** np.linspace(*power, 6))
    shifts = chi @ rng.uniform(-0.3, 0.3, size=200)
    limits = [Bounds(0.0, 4.0), Mean()]
    equal = [Equal(i, float(v)) for i, v in enumerate(shifts)]
    solution = WeightProgram.build(chi).subject_to(*equal, *limits).solve()
    assert solution.status == "optimal"
    assert solution.shift == pytest.approx(shifts, rel=1e-9)
    largest = WeightProgram.build(chi).subject_to(*equal[:5], *limits).minimizing(Maximize(5))
    assert largest.solve().status == "optimal"
    far = WeightProgram.build(chi).subject_to(Along(range(6), shifts.tolist()), *limits).solve()
    assert far.status == "optimal"
    assert far.dose is not None
    assert far.shift == pytest.approx(far.dose * shifts, rel=1e-9)


@pytest.mark.parametrize("penalty", [0.0, 1e-12, 1e6, 1e12, 1e18])
def test_penalties_of_any_size(penalty: float) -> None:
    soft = [Soft(0, 1.0, penalty), Soft(1, 2.0, penalty)]
    solution = WeightProgram.build(CHI).subject_to(*soft, Bounds(0, 4), Mean()).solve()
    assert solution.status == "optimal"
    assert solution.shift is not None
    if penalty >= 1e6:
        assert solution.shift == pytest.approx([1.0, 2.0], abs=1e-5)
    if penalty < 1e-6:
        assert solution.weights == pytest.approx(np.ones(30), abs=1e-9)
    hard = WeightProgram.build(CHI).subject_to(Soft(0, 1e3, penalty), Equal(1, 0.1), Bounds(0, 4))
    assert hard.subject_to(Mean()).solve().status == "optimal"


def test_more_rows_than_units() -> None:
    rng = np.random.default_rng(2)
    chi = response(rng, 40, 10)
    x = rng.uniform(-0.3, 0.3, size=10)
    shifts = chi @ (x - x.mean())
    equal = [Equal(i, float(v)) for i, v in enumerate(shifts)]
    program = WeightProgram.build(chi).subject_to(*equal, Bounds(0, 4), Mean())
    solution = program.solve()
    assert solution.status == "optimal"
    assert solution.weights == pytest.approx(1.0 + x - x.mean(), abs=1e-9)
    assert [d.row for d in program.dependent_rows()] == list(range(9, 40))
    equal[7] = Equal(7, float(shifts[7]) + 0.1)
    wrong = WeightProgram.build(chi).subject_to(*equal, Bounds(0, 4), Mean()).solve()
    assert wrong.status == "infeasible"
    ranges = [Between(i, float(v) - 0.05, float(v) + 0.05) for i, v in enumerate(shifts)]
    wide = WeightProgram.build(chi).subject_to(*ranges, Bounds(0, 4), Mean()).solve()
    assert wide.status == "optimal"


def test_one_unit() -> None:
    one = WeightProgram.build(np.array([[1.0], [2.0]]))
    assert one.subject_to(Equal(0, 0.1), Bounds(0, 4)).solve().weights == pytest.approx([1.1])
    assert one.subject_to(Equal(0, 0.1), Mean()).solve().status == "infeasible"
    budgets = one.subject_to(EffectiveSampleSize(0.5), KL(0.1)).solve()
    assert budgets.weights == pytest.approx([1.0])
    assert one.subject_to(Equal(0, 0.1), Equal(1, 0.3)).solve().conflict == (0, 1)


def test_rows_of_zeros() -> None:
    program = WeightProgram.build(np.vstack([np.zeros(30), CHI[1]]))
    limits = [Bounds(0, 4), Mean()]
    assert program.subject_to(Equal(0, 0.0), Equal(1, 0.1), *limits).solve().status == "optimal"
    clash = program.subject_to(Equal(0, 0.1), *limits).solve()
    assert (clash.status, clash.conflict, clash.dose) == ("infeasible", (0,), 0.0)
    assert clash.relaxations == {0: pytest.approx(0.1, rel=1e-4)}
    assert program.subject_to(Equal(0, 0.1)).dependent_rows()[0].on == ()
    top = program.subject_to(*limits).minimizing(Maximize(0)).solve()
    assert (top.status, top.objective) == ("optimal", 0.0)


def test_no_divergence_at_all() -> None:
    program = WeightProgram.build(CHI)
    still = program.subject_to(KL(0.0), Bounds(0, 4)).solve()
    assert still.weights == pytest.approx(np.ones(30), abs=1e-12)
    clash = program.subject_to(Equal(0, 1.0), KL(0.0), Bounds(0, 4)).solve()
    assert (clash.status, clash.conflict, clash.dose) == ("infeasible", (0, 1), 0.0)


def test_where_weights_run_to() -> None:
    solution = WeightProgram.build(CHI).subject_to(Mean()).minimizing(Maximize(0)).solve()
    assert solution.status == "unbounded"
    along = solution.direction
    assert along is not None
    assert np.max(np.abs(along)) == pytest.approx(1.0)
    assert along.mean() == pytest.approx(0.0, abs=1e-6)
    assert CHI[0] @ along > 0


def test_violations_in_standard_errors() -> None:
    program = WeightProgram.build(CHI, stderr=np.full(CHI.shape, 0.1))
    solution = program.subject_to(Equal(0, 1.0), AtLeast(1, 0.5), Mean()).solve()
    assert 0.0 <= solution.certificate["row_violation_stderrs"] <= 1e-9
    solution = solve_pattern(pattern([goal("shift", "a", 1.0)], box()), estimate(CHI))
    assert 0.0 <= solution.certificate["row_violation_stderrs"] <= 1e-3


def test_a_program_is_not_changed_by_building_on_it() -> None:
    program = WeightProgram.build(CHI)
    assert program.subject_to(Mean()).constraints == (Mean(),)
    assert program.constraints == ()
    assert program.solve().weights == pytest.approx(np.ones(30))


def test_standard_errors_of_shifts() -> None:
    errors = np.full(CHI.shape, 0.1)
    solution = WeightProgram.build(CHI, stderr=errors, beta=2.0).subject_to(Equal(0, 3.0)).solve()
    assert solution.weights is not None
    expected = 0.2 * np.linalg.norm(solution.weights - 1)
    assert solution.stderr == pytest.approx([expected, expected])
    replicates = CHI + 0.1 * np.random.default_rng(1).normal(size=(6, *CHI.shape))
    solution = WeightProgram.build(CHI, stderr=replicates).subject_to(Equal(0, 3.0)).solve()
    assert solution.weights is not None
    shifts = replicates @ (solution.weights - 1)
    assert solution.stderr == pytest.approx(shifts.std(axis=0, ddof=1) / 6**0.5)
