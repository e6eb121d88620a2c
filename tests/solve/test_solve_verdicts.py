"""What is said about a solution, in the words of the source."""

import attrs
import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, move, pattern, require, response

from pattern_lang.diagnostics import Severity
from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern, verdicts
from pattern_lang.solve.clash import down, outward, plain

CHI = response(np.random.default_rng(0), 2, 60)


def findings(made, data):  # type: ignore[no-untyped-def]
    return verdicts(made, data, solve_pattern(made, data))


def test_nothing_to_say() -> None:
    made = pattern([goal("shift", "a", 5.0), goal("hold", "b", 0.1)], box())
    assert findings(made, estimate(CHI)) == ()


def test_infeasible_names_the_clash_and_what_to_write() -> None:
    data = estimate(CHI, sd=[0.5, 2.0])
    limit = ess(0.9)
    made = pattern([goal("hold", "b", 1), goal("shift", "a", 100, Unit.SD)], [limit, *box()])
    solution = solve_pattern(made, data)
    (said,) = verdicts(made, data, solution)
    assert (said.code, said.exit_status, said.severity) == ("PAT5001", 3, Severity.ERROR)
    assert said.span is made.goals[1].origin
    assert solution.dose is not None
    assert f"{down(100 * solution.dose)} % of the goal" in said.message
    assert [label.span for label in said.labels] == [made.goals[1].origin, limit.origin]
    share, shift = (r.requested[0] for r in solution.relaxations)
    assert share is not None
    assert shift is not None
    assert said.labels[0].text == (
        f"the shift of a must be 100 sd (50 nats); {plain(outward(2 * shift, -1))} sd would do"
    )
    less = plain(outward(share, -1))
    assert said.labels[1].text == f"ess(w) must be at least 0.9; {less} would do"
    # The smaller change, as a share of the limit, is the next step.
    assert said.help == f"in `{limit.source}`, write {less} instead of 0.9"
    assert said.notes[0].startswith("any one of these changes is enough")
    assert said.notes[1].startswith("nearest to all goals within the constraints: b ")


def test_what_would_do_does() -> None:
    data = estimate(CHI, sd=[0.5, 2.0])
    goals = [goal("hold", "b", 1), goal("shift", "a", 100, Unit.SD)]
    solution = solve_pattern(pattern(goals, [ess(0.9), *box()]), data)
    share, shift = (r.requested[0] for r in solution.relaxations)
    assert share is not None
    assert shift is not None
    eased = pattern(goals, [ess(outward(share, -1)), *box()])
    assert solve_pattern(eased, data).status == "optimal"
    assert solve_pattern(pattern(goals, [ess(1.001 * share), *box()]), data).weights is None
    less = goal("shift", "a", outward(shift, -1))
    assert solve_pattern(pattern([goals[0], less], [ess(0.9), *box()]), data).status == "optimal"
    more = goal("shift", "a", 1.001 * shift)
    assert solve_pattern(pattern([goals[0], more], [ess(0.9), *box()]), data).weights is None


def test_the_nearest_goals_are_told_with_their_misses() -> None:
    data = estimate(CHI)
    made = pattern([goal("shift", "a", -300.0), goal("raise", "b", 500.0)], (*box(), ess(0.5)))
    solution = solve_pattern(made, data)
    near = solution.nearest
    assert near is not None
    assert near.ess >= 0.5 - 1e-6
    for outcome in near.goals:
        assert outcome.predicted is not None
        assert outcome.stderr is not None
        assert outcome.violation == pytest.approx(
            abs(outcome.predicted - (outcome.requested[0] or 0.0))
        )
        assert outcome.violation_in_stderr == pytest.approx(outcome.violation / outcome.stderr)
    (said,) = verdicts(made, data, solution)
    assert "no change to one of these alone is enough" in said.notes
    assert said.help is not None
    assert said.help.startswith("ask for less of every goal: `shift a by -")


def test_the_advice_is_feasible() -> None:
    data = estimate(CHI)
    made = pattern([goal("shift", "a", -300.0), goal("raise", "b", 500.0)], (*box(), ess(0.5)))
    solution = solve_pattern(made, data)
    assert solution.dose is not None
    scaled = [
        goal("shift", "a", float(down(-300.0 * solution.dose))),
        goal("raise", "b", float(down(500.0 * solution.dose))),
    ]
    assert solve_pattern(pattern(scaled, (*box(), ess(0.5))), data).status == "optimal"


def test_a_clash_with_conserved_mass_says_so() -> None:
    made = pattern([], [require((1.0, ir.Mean()), constant=-2.0, equality=True)])
    (said,) = findings(made, estimate(CHI))
    assert said.code == "PAT5001"
    assert said.span is made.constraints[0].origin
    assert "mean(w) == 1" in said.notes[0]


def test_infeasible_move_with_an_amount() -> None:
    made = pattern([move("ab", [1, -1], ir.Amount(900.0, Unit.NATS))], box())
    (said,) = findings(made, estimate(CHI))
    assert said.help is not None
    assert said.help.startswith("write `move [a, b] by ")


def test_unbounded() -> None:
    made = pattern([move("ab", [1, 2])])
    (said,) = findings(made, estimate(CHI))
    assert (said.code, said.exit_status) == ("PAT5002", 3)
    assert said.span is made.goals[0].origin
    objective = ir.Expression(((1.0, ir.Predicted("a", Unit.NATS)),))
    (said,) = findings(pattern([], [], objective, "maximize"), estimate(CHI))
    assert said.code == "PAT5002"
    assert said.notes[0].startswith("30 of the weights grow and 30 shrink")
    assert said.help == "add `require w >= 0`, which bounds it"
    bounded = pattern([], [box()[0]], objective, "maximize")
    assert solve_pattern(bounded, estimate(CHI)).status == "optimal"


def test_inaccurate() -> None:
    """No program is known that ends so: the verdict is shown on an answer that is made worse."""
    made = pattern([goal("shift", "a", 5.0)], box())
    data = estimate(CHI)
    exact = solve_pattern(made, data)
    poor = attrs.evolve(
        exact, status="inaccurate", certificate={**exact.certificate, "primal_residual": 1e-3}
    )
    (said,) = verdicts(made, data, poor)
    assert (said.code, said.exit_status, said.span) == ("PAT5003", 3, made.origin)
    assert "1.0e-03" in said.message


def test_goals_below_the_noise() -> None:
    data = estimate(CHI, noise=20.0)
    made = pattern([goal("shift", "a", 0.1), goal("hold", "b", 0.001)], box())
    said, more = findings(made, data)
    assert (said.code, said.severity, said.exit_status) == ("PAT5004", Severity.ERROR, 4)
    assert said.span is made.goals[0].origin
    assert "noise of the estimate: the standard error of its prediction is" in said.message
    assert said.notes == ("a larger goal takes larger weights, whose noise is larger too",)
    assert (said.help or "").startswith("take about ")
    assert "times the draws: write `draws: " in (said.help or "")
    assert (more.code, more.severity, more.span) == ("PAT5027", Severity.WARNING, said.span)


def test_goals_that_repeat_each_other_are_named() -> None:
    chi = np.vstack([CHI, 2 * CHI[0] - 0.5 * CHI[1], CHI[0] + 3.0])
    goals = [goal("shift", "a", 1.0), goal("hold", "b", 0.1), goal("raise", "c", 1.9)]
    made = pattern([*goals, goal("hold", "d", 2.0)], box())
    combined, twice = findings(made, estimate(chi))
    assert (combined.code, combined.severity) == ("PAT5020", Severity.WARNING)
    assert combined.span is goals[2].origin
    assert "its susceptibility is 2 a - 0.5 b" in combined.message
    assert [label.span for label in combined.labels[1:]] == [goals[0].origin, goals[1].origin]
    assert "its susceptibility is a" in twice.message  # up to a constant, which weights cannot see
    assert findings(pattern(goals[:2], box()), estimate(chi)) == ()


def test_no_movement() -> None:
    made = pattern([move("a", [1.0])], box())
    (said,) = findings(made, estimate(np.zeros((1, 20))))
    assert said.code == "PAT5005"
    assert "susceptibility of `a` is zero" in said.message


def test_an_infeasible_pattern_without_goals() -> None:
    made = pattern([], [*box(2.0, 3.0)])
    (said,) = findings(made, estimate(CHI))
    assert said.code == "PAT5001"
    assert said.help == f"in `{made.constraints[0].source}`, write 1 instead of 2"


def test_numbers_are_rounded_towards_zero() -> None:
    assert down(0.6199) == "0.61"
    assert down(-0.6199) == "-0.61"
    assert down(123.4) == "1.2e+02"
    assert down(0.61) == "0.61"
    assert down(0.0) == "0"
    assert (outward(0.61234, 1), outward(0.61234, -1)) == pytest.approx((0.613, 0.612))
    assert (outward(-0.61234, 1), outward(-0.61234, -1)) == pytest.approx((-0.612, -0.613))
    assert outward(0.9999991, -1) == pytest.approx(1.0)  # found a little beyond the least
    assert [plain(v) for v in (13251.6, 0.00106, 4.0, -0.25, 0.0)] == [
        "13252",
        "0.00106",
        "4",
        "-0.25",
        "0",
    ]
