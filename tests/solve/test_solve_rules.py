"""Weights for units that were not in the program, from their columns of χ."""

import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, pattern, require, response

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir import program as ir
from pattern_lang.ir.program import WeightPattern
from pattern_lang.solve import (
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mean,
    WeightProgram,
    solve_pattern,
)
from pattern_lang.solve.rules import rule_of

RNG = np.random.default_rng
GOALS = (goal("shift", "a", 60.0), goal("raise", "b", 30.0))
GROUPED = (require((1.0, ir.GroupMass("group")), constant=-1.05),)
KL = ir.Expression(((1.0, ir.KL()),))


@pytest.mark.parametrize(
    "made",
    [
        pattern(GOALS, box()),
        pattern(GOALS, (*box(0.0, 2.0), ess(0.7))),
        pattern(GOALS, box(), KL),
        pattern(GOALS, (*box(), *GROUPED)),
    ],
    ids=["squares", "budget", "entropy", "groups"],
)
@pytest.mark.parametrize("n", [400, 60_000])
def test_the_rule_gives_the_weights(made: WeightPattern, n: int) -> None:
    data = estimate(response(RNG(0), 2, n), noise=0.0, draws=2)
    solution = solve_pattern(made, data)
    assert solution.weights is not None
    rule = rule_of(made, data, solution)
    groups = data.units.fields["group"] if rule.groups is not None else None
    assert (rule.groups is not None) == (
        len(made.constraints) > 2 and made.objective is not KL and GROUPED[0] in made.constraints
    )
    found = rule.weights(data.susceptibility.chi, groups)
    assert found == pytest.approx(solution.weights, abs=2e-5)


def test_units_that_were_held_out() -> None:
    """What is solved on most of the units does nearly the same to the rest of them."""
    rng = RNG(1)
    chi = rng.normal(size=(2, 40_000)).astype(np.float32)
    chi[1] += 0.5 * chi[0]
    chi -= chi.mean(axis=1, keepdims=True)
    kept, rest = chi[:, :30_000], chi[:, 30_000:]
    asked = [Equal(0, 3000.0), Equal(1, -1500.0), Mean(1.0), Bounds(0.0, 1.5)]
    solution = WeightProgram(kept, asked).solve()
    assert solution.rule is not None
    assert solution.weights is not None
    new = solution.rule.weights(rest)
    assert 0.0 <= new.min() <= new.max() <= 1.5
    shift = rest.astype(float) @ (new - 1.0)
    spread = np.std(rest * (new - 1.0), axis=1) * len(new) ** 0.5
    assert shift == pytest.approx([1000.0, -500.0], abs=4 * spread.max())
    assert np.mean(new) == pytest.approx(1.0, abs=0.02)
    far = solution.rule.weights(np.array([[1e6, -1e6], [0.0, 0.0]]))
    assert sorted(far) == [0.0, 1.5]  # bounds hold, whatever the unit


def test_small_programs_have_one_too() -> None:
    chi = response(RNG(2), 3, 200)
    program = WeightProgram(chi, [Equal(0, 20.0), EffectiveSampleSize(0.5), Bounds(0.0, 4.0)])
    solution = program.solve()
    assert solution.rule is not None
    assert solution.rule.weights(chi) == pytest.approx(solution.weights, abs=1e-6)
    assert WeightProgram(chi, [Equal(0, 1e9), Bounds(0.0, 4.0)]).solve().rule is None


def said(made: WeightPattern, **arguments: object) -> str:
    data = estimate(response(RNG(0), 2, 300))
    rule = rule_of(made, data, solve_pattern(made, data))
    rule.weights(data.susceptibility.chi, **arguments)  # type: ignore[arg-type]
    raise AssertionError


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (pattern([goal("shift", "a", 1e9)], box()), "no weights"),
        (pattern(GOALS, (*box(), require((1.0, ir.Risk("a", ir.Unit.NATS)), constant=-9e9))), ""),
        (pattern(GOALS, (*box(), *GROUPED)), "give the 300 labels"),
    ],
    ids=["infeasible", "risk", "labels"],
)
def test_programs_without_a_rule(made: WeightPattern, why: str) -> None:
    with pytest.raises(PatternError) as caught:
        said(made)
    (found,) = caught.value.diagnostics
    assert found.code == "PAT5029"
    assert why in found.message


def test_columns_of_another_shape() -> None:
    data = estimate(response(RNG(0), 2, 300))
    made = pattern(GOALS, box())
    rule = rule_of(made, data, solve_pattern(made, data))
    with pytest.raises(PatternError, match="PAT5029"):
        rule.weights(np.zeros((3, 5)))
