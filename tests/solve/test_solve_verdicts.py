"""What is said about a solution, in the words of the source."""

import attrs
import numpy as np
from solve_samples import box, ess, estimate, goal, move, pattern, require, response

from pattern_lang.diagnostics import Severity
from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern, verdicts
from pattern_lang.solve.clash import down

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
    assert said.help == (
        f"write `shift a by {down(100 * solution.dose)} sd`, or relax `{limit.source}`"
    )
    assert f"{down(100 * solution.dose)} % of every goal" in said.message
    assert [label.span for label in said.labels] == [made.goals[1].origin, limit.origin]
    assert said.labels[0].text == "the shift of a must be 50 nats"
    assert said.labels[1].text == "this must be at least 0.9"
    assert not said.notes


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
    assert len(said.notes) == 1
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
    (said,) = findings(made, data)
    assert (said.code, said.severity, said.exit_status) == ("PAT5004", Severity.ERROR, 4)
    assert said.span is made.goals[0].origin


def test_no_movement() -> None:
    made = pattern([move("a", [1.0])], box())
    (said,) = findings(made, estimate(np.zeros((1, 20))))
    assert said.code == "PAT5005"
    assert "susceptibility of `a` is zero" in said.message


def test_an_infeasible_pattern_without_goals() -> None:
    made = pattern([], [*box(2.0, 3.0)])
    (said,) = findings(made, estimate(CHI))
    assert said.code == "PAT5001"
    assert "relax" in (said.help or "")


def test_numbers_are_rounded_towards_zero() -> None:
    assert down(0.6199) == "0.61"
    assert down(-0.6199) == "-0.61"
    assert down(123.4) == "1.2e+02"
    assert down(0.61) == "0.61"
    assert down(0.0) == "0"
