"""Directions of the goals that are mostly noise: softened, dropped, or followed all the same."""

import attrs
import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, move, pattern, response

from pattern_lang.ir import program as ir
from pattern_lang.ir.noise import noise_of
from pattern_lang.ir.program import Reliable, WeightPattern
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve import solve_pattern, verdicts, with_cross_fit
from pattern_lang.solve.crossfit import cross_fit
from pattern_lang.solve.reliability import combinations

RNG = np.random.default_rng
SOFT, DROPPED, EXACT = Reliable(0.5, "soft"), Reliable(0.5, "dropped"), Reliable(0.0, "soft")
THREE = (goal("shift", "a", 1.0), goal("shift", "b", -1.0), goal("shift", "c", 1.0))
PAIR = (goal("raise", "a", 30.0), goal("hold", "b", 1.0))


def twins(seed: int = 0, n: int = 300, noise: float = 0.1) -> tuple[Estimate, np.ndarray]:
    """Two rows that hardly differ and one apart, measured with noise; and the truth."""
    rng, draws = RNG(seed), 40
    one, other, apart = (response(rng, 1, n)[0] for _ in range(3))
    truth = np.stack([one, one + 0.02 * other, apart])
    made = truth + noise * draws**0.5 * rng.normal(size=(draws, 3, n))
    made -= made.mean(axis=2, keepdims=True)
    data = estimate(made.mean(axis=0))
    chi = attrs.evolve(data.susceptibility, noise=noise_of(made))
    return attrs.evolve(data, susceptibility=chi), truth


def asking(goals: object, policy: Reliable | None, *rules: ir.Constraint) -> WeightPattern:
    wide = box(-50.0, 50.0)
    return attrs.evolve(pattern(goals, [*wide, *rules]), reliable=policy)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", [SOFT, DROPPED], ids=["soft", "dropped"])
@pytest.mark.parametrize("price", [1.0, 1000.0], ids=["one", "thousand"])
def test_weights_by_hand(policy: Reliable, price: float) -> None:
    """Without bounds: `x = χᵀ Σ c (c·z) / (1 + u)`, whatever the unit of the objective."""
    data, _ = twins()
    cost = ir.Expression(((price, ir.SumSquares(1.0, -1.0)),))
    made = attrs.evolve(asking(THREE, policy), objective=ir.Objective("minimize", cost, ""))
    found = solve_pattern(made, data)
    known = combinations(data.susceptibility, [0, 1, 2])
    assert known is not None
    assert found.softening is not None
    assert found.softening.count == 1
    u = 1.0 - known.reliability
    share = np.where(u <= 0.5, 1.0, 1.0 / (1.0 + u) if policy is SOFT else 0.0)
    z = np.array([1.0, -1.0, 1.0])
    x = (share * (known.on_rows @ z)) @ known.on_rows @ data.susceptibility.chi
    assert found.weights == pytest.approx(1.0 + x, abs=2e-5)
    assert found.status == "optimal"
    assert [g.softened for g in found.goals] == [True] * 3
    # How fast the cost rises with what is asked for: twice the cost over its degree.
    cost_of = price * float(np.sum(x**2)) + (
        0.0
        if policy is DROPPED
        else price * float(np.sum(u * (known.on_rows @ z * share) ** 2 * (u > 0.5)))
    )
    paid = sum(abs(g.requested[0] or 0.0) * (g.dual or 0.0) for g in found.goals)
    assert paid == pytest.approx(2.0 * cost_of, rel=1e-3)


def test_nothing_changes_where_all_is_reliable_or_nothing_is_asked() -> None:
    data, _ = twins(noise=1e-4)
    exact = solve_pattern(asking(THREE, EXACT), data)
    assert solve_pattern(asking(THREE, SOFT), data).weights == pytest.approx(exact.weights)
    noisy, _ = twins()
    assert solve_pattern(asking(THREE, EXACT), noisy).softening is None
    assert solve_pattern(asking((), SOFT), noisy).softening is None
    alone = attrs.evolve(
        noisy.susceptibility,
        noise=attrs.evolve(
            noisy.susceptibility.noise, loadings=noisy.susceptibility.noise.loadings[:1]
        ),
    )
    unknown = attrs.evolve(noisy, susceptibility=alone)
    assert solve_pattern(asking(THREE, SOFT), unknown).softening is None


def test_goals_that_do_not_bind_and_constraints_hold() -> None:
    data, _ = twins()
    far = goal("hold", "c", 50.0)
    made = asking((*PAIR, far), SOFT, *box(0.0, 3.0), ess(0.6))
    found = solve_pattern(made, data)
    assert found.softening is not None
    assert found.softening.directions[0].observables == ("a", "b")
    one, other, third = found.goals
    assert one.softened
    assert other.softened
    assert not third.softened
    assert abs(third.predicted or 99.0) <= 50.0
    assert found.weights is not None
    assert 0.0 <= found.weights.min() <= found.weights.max() <= 3.0
    assert 1 / np.mean(found.weights.astype(float) ** 2) >= 0.6 - 1e-6
    assert float(np.mean(found.weights)) == pytest.approx(1.0, abs=1e-6)


def shaken(data: Estimate) -> Estimate:
    """The same χ with errors of a and b that are large and opposite, the same for all units."""
    chi, signs = data.susceptibility, np.array([1.0, -1.0, 0.0])
    size = np.random.default_rng(3).normal(size=(40, 1, 1))
    made = chi.chi[None] * (1.0 + 12.0 * size * signs[None, :, None])
    return attrs.evolve(data, susceptibility=attrs.evolve(chi, noise=noise_of(made)))


def test_by_default_where_a_goal_lies_below_the_noise() -> None:
    data = shaken(twins(noise=1e-3)[0])
    made = asking(THREE, None)
    found = solve_pattern(made, data)
    assert found.softening is not None
    assert not found.softening.asked
    assert [g.observable for g in found.softening.below] == ["a", "b"]
    said = verdicts(made, data, found)
    assert [(d.code, d.exit_status) for d in said[:2]] == [("PAT5004", 4)] * 2
    assert [d.code for d in said[2:]] == ["PAT5027"]
    assert "a goal lies below the noise" in said[-1].message
    assert "of it is signal" in str(said[-1].labels)
    exact = asking(THREE, EXACT)
    kept = solve_pattern(exact, data)
    assert [g.predicted for g in kept.goals] == pytest.approx([1.0, -1.0, 1.0], abs=1e-5)
    assert [d.code for d in verdicts(exact, data, kept)] == ["PAT5004", "PAT5004"]


def test_goals_that_are_mostly_noise_are_met_with_a_warning() -> None:
    data, truth = twins()
    made = asking(THREE, None)
    found = solve_pattern(made, data)
    assert found.softening is None
    assert [g.predicted for g in found.goals] == pytest.approx([1.0, -1.0, 1.0], abs=1e-5)
    said = verdicts(made, data, found)
    assert [(d.code, d.is_error) for d in said] == [("PAT5030", False)] * 2
    assert "only 1 % is signal" in said[0].message
    # What the noise says beforehand is what is left, on average.
    assert found.weights is not None
    left = truth @ (found.weights.astype(float) - 1.0) / np.array([1.0, -1.0, 1.0])
    assert [g.reliability for g in found.goals] == pytest.approx(left, abs=0.1)


def test_what_the_spec_asks_for_is_said_as_a_warning() -> None:
    data, _ = twins(noise=0.05)
    made = asking(PAIR, attrs.evolve(DROPPED, source="require reliable(50 %)"))
    (said,) = verdicts(made, data, solve_pattern(made, data))
    assert (said.code, said.is_error) == ("PAT5027", False)
    assert "1 of 2 directions of the goals is dropped, as the spec asks" in said.message


def test_the_longest_move_keeps_its_dose() -> None:
    data, _ = twins()
    made = asking([move("ab", [1.0, -1.0])], SOFT, *box(0.0, 4.0))
    exact = solve_pattern(attrs.evolve(made, reliable=EXACT), data)
    found = solve_pattern(made, data)
    assert found.softening is not None
    assert found.dose == pytest.approx(exact.dose)
    assert found.goals[0].requested == pytest.approx(exact.goals[0].requested)
    assert abs(found.goals[0].predicted or 0.0) < abs(exact.goals[0].predicted or 0.0)


def test_softened_weights_do_what_they_promise() -> None:
    """The error of the prediction, over the size of the shift, is less than that of exact ones."""
    off = []
    for seed in range(6):
        data, truth = twins(seed)
        errors = []
        for policy in (EXACT, SOFT, DROPPED):
            found = solve_pattern(asking(PAIR, policy), data)
            assert found.weights is not None
            x = found.weights.astype(float) - 1.0
            errors.append(np.abs(truth @ x - data.susceptibility.chi @ x)[:2].max())
        off.append(errors)
    exact, soft, dropped = np.mean(off, axis=0)
    assert soft < 0.6 * exact
    assert dropped < 0.2 * exact


def test_both_halves_follow_the_same_policy() -> None:
    data, _ = twins()
    made = asking(PAIR, DROPPED)
    known = with_cross_fit(made, data, solve_pattern(made, data))
    direct = cross_fit(made, data, DROPPED)
    assert direct is not None
    assert [g.crossed for g in known.goals] == [item.predicted for item in direct]
    exact = cross_fit(made, data, EXACT)
    assert exact is not None
    assert abs(exact[0].predicted - exact[0].in_sample) > 3 * abs(
        direct[0].predicted - direct[0].in_sample
    )


@pytest.mark.parametrize("objective", ["squares", "kl", "l1"])
def test_many_units_and_other_objectives(objective: str) -> None:
    data, _ = twins(n=40_000, noise=0.1)
    atom = {"squares": ir.SumSquares(1.0, -1.0), "kl": ir.KL(), "l1": ir.L1(1.0, -1.0)}[objective]
    expression = ir.Expression(((1.0, atom), (1e-3, ir.SumSquares(1.0, -1.0))))
    made = pattern([goal("raise", "a", 2000.0), goal("hold", "b", 200.0)], box(), expression)
    found = solve_pattern(attrs.evolve(made, reliable=SOFT), data)
    assert found.status == "optimal"
    assert found.softening is not None
    assert found.softening.count == 1
    exact = solve_pattern(attrs.evolve(made, reliable=EXACT), data)
    assert 1000.0 < (found.goals[0].predicted or 0.0) < 2000.0
    assert (found.goals[0].stderr or 9e9) < (exact.goals[0].stderr or 0.0)
