"""Atoms: every one has what it needs, and expressions of several mean what they say."""

from typing import get_args

import numpy as np
import pytest
import scipy.optimize
from solve_samples import box, ess, estimate, goal, pattern, require, response

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir import program as ir
from pattern_lang.ir.sources import Comparison, RowField, RowLiteral
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import constraints as given
from pattern_lang.solve import solve_pattern
from pattern_lang.solve.conic.canonical import CANONICALISERS, QUADRATIC_COSTS
from pattern_lang.solve.normal import AFFINE, CONCAVE, CONVEX, Atom, Distance, Share
from pattern_lang.solve.normalise import NORMALISERS
from pattern_lang.solve.resolve import RESOLVERS
from pattern_lang.solve.values import VALUES

RNG = np.random.default_rng
A = ir.Predicted("a", Unit.NATS)
B = ir.Predicted("b", Unit.NATS)


def test_every_atom_of_the_language_has_a_resolver() -> None:
    assert set(RESOLVERS) == set(get_args(ir.Atom))


def test_every_normal_atom_has_a_value_and_a_canonicaliser() -> None:
    atoms = set(get_args(Atom))
    assert set(VALUES) == atoms
    # Shares and effective sample sizes are rewritten before any engine sees them; distances from
    # ranges stand in objectives alone, as quadratic costs.
    assert set(CANONICALISERS) == atoms - {Share, ir.EffectiveSampleSize, Distance}
    assert set(CANONICALISERS) == (set(AFFINE) | set(CONVEX) | set(CONCAVE)) - {Distance}
    assert Distance in QUADRATIC_COSTS
    assert set(QUADRATIC_COSTS) <= set(CONVEX)


def test_every_constraint_value_has_a_normal_form() -> None:
    assert set(NORMALISERS) == set(get_args(given.Constraint))


def solved(constraints: list, goals: tuple = (), objective=None, sense="minimize", n=60, **more):  # type: ignore[no-untyped-def]
    chi = response(RNG(0), 2, n)
    made = (
        pattern(goals, constraints)
        if objective is None
        else pattern(goals, constraints, objective, sense)
    )
    solution = solve_pattern(made, estimate(chi, **more))
    assert solution.status == "optimal", solution
    assert solution.weights is not None
    w = solution.weights.astype(np.float64)
    shifts = chi.astype(np.float32).astype(np.float64) @ (w - 1)
    return w, shifts, solution


def test_norm_and_l1_mixed() -> None:
    # 0.5 norm(w - 1) + l1(w - 1) <= 3
    limit = require((0.5, ir.Norm(1, -1)), (1.0, ir.L1(1, -1)), constant=-3.0)
    w, _, solution = solved([limit], objective=ir.Expression(((1.0, A),)), sense="maximize")
    left = 0.5 * np.linalg.norm(w - 1) + np.abs(w - 1).sum()
    assert left == pytest.approx(3.0, rel=1e-6)
    assert solution.constraints[0].binding
    assert solution.constraints[0].predicted == pytest.approx(left)


def test_maximum_against_mean() -> None:
    limit = require((1.0, ir.Maximum()), (-1.5, ir.Mean()))
    w, _, _ = solved([limit, *box()], (goal("shift", "a", 25.0),))
    assert w.max() == pytest.approx(1.5, rel=1e-6)


def test_every_weight_against_the_mean() -> None:
    limit = require((1.0, ir.Entries()), (-1.5, ir.Mean()))
    w, _, _ = solved([limit, *box()], (goal("shift", "a", 25.0),))
    assert w.max() == pytest.approx(1.5, rel=1e-6)


def test_every_weight_against_a_norm() -> None:
    # w + 0.1 norm(w - 1) <= 2: one row per unit beside one convex number.
    limit = require((1.0, ir.Entries()), (0.1, ir.Norm(1, -1)), constant=-2.0)
    w, _, solution = solved([limit, *box()], (goal("shift", "a", 25.0),))
    assert (w + 0.1 * np.linalg.norm(w - 1)).max() <= 2.0 + 1e-6
    assert solution.constraints[0].dual is not None


def test_one_shift_at_least_twice_another() -> None:
    # predicted(a) >= 2 predicted(b)
    limit = require((-1.0, A), (2.0, B))
    _, shifts, solution = solved([limit, *box()], (goal("raise", "b", 3.0),))
    assert shifts[1] == pytest.approx(3.0, rel=1e-6)
    assert shifts[0] == pytest.approx(6.0, rel=1e-6)
    assert solution.constraints[0].stderr is not None


def test_minimum_against_maximum() -> None:
    # max(w) - min(w) <= 0.5
    limit = require((1.0, ir.Maximum()), (-1.0, ir.Minimum()), constant=-0.5)
    w, _, _ = solved([limit], objective=ir.Expression(((1.0, A),)), sense="maximize")
    assert w.max() - w.min() == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("atom", "value"),
    [
        (ir.SumSquares(1.0, -1.0), lambda w: np.sum((w - 1) ** 2)),
        (ir.SumSquares(2.0, -1.0), lambda w: np.sum((2 * w - 1) ** 2)),
        (ir.Norm(1.0, -1.0), lambda w: np.linalg.norm(w - 1)),
        (ir.L1(1.0, -1.0), lambda w: np.abs(w - 1).sum()),
        (ir.KL(), lambda w: np.mean(w * np.log(w))),
        (ir.Chi2(), lambda w: np.mean((w - 1) ** 2)),
        (ir.Maximum(), np.max),
    ],
)
def test_caps_bind_and_objectives_agree(atom: ir.Atom, value) -> None:  # type: ignore[no-untyped-def]
    # The least value of an atom that reaches a shift; then the cap at that value reaches no more.
    target = 20.0
    least = solved([*box(0.01, 8)], (goal("shift", "a", target),), ir.Expression(((1.0, atom),)))
    reached = float(value(least[0]))
    cap = require((1.0, atom), constant=-reached)
    w, shifts, solution = solved(
        [cap, *box(0.01, 8)], objective=ir.Expression(((1.0, A),)), sense="maximize"
    )
    assert shifts[0] == pytest.approx(target, rel=1e-5)
    assert float(value(w)) == pytest.approx(reached, rel=1e-5)
    assert solution.constraints[0].requested == (None, pytest.approx(reached))


def test_effective_sample_size_as_objective() -> None:
    w, _, _ = solved([*box()], (goal("shift", "a", 15.0),))
    best = ir.Expression(((1.0, ir.EffectiveSampleSize()),))
    other, _, _ = solved([*box()], (goal("shift", "a", 15.0),), best, "maximize")
    assert other == pytest.approx(w, abs=1e-5)


def test_risk_is_the_standard_error_of_the_replicates() -> None:
    chi = response(RNG(1), 2, 50)
    data = estimate(chi, noise=0.5, draws=9, nbeta=20.0)
    limit = require((1.0, ir.Risk("a", Unit.NATS)), constant=-0.3)
    objective = ir.Expression(((1.0, A),))
    solution = solve_pattern(pattern([], [limit, *box()], objective, "maximize"), data)
    assert solution.status == "optimal"
    assert solution.weights is not None
    x = solution.weights.astype(np.float64) - 1
    replicates = data.susceptibility.replicates(0)
    shifts = data.susceptibility.beta * replicates @ x
    error = np.std(shifts, ddof=1) / np.sqrt(9)
    assert error == pytest.approx(0.3, rel=1e-6)
    assert solution.constraints[0].predicted == pytest.approx(error, rel=1e-9)
    held = solve_pattern(pattern([goal("raise", "a", 0.5)], [limit, *box()]), data)
    assert held.goals[0].stderr is not None
    assert held.goals[0].stderr <= 0.3 * (1 + 1e-6)


def test_risk_in_standard_deviations() -> None:
    data = estimate(response(RNG(1), 1, 50), noise=0.5, sd=0.25)
    limit = require((1.0, ir.Risk("a", Unit.SD)), constant=-2.0)
    objective = ir.Expression(((1.0, A),))
    solution = solve_pattern(pattern([], [limit, *box()], objective, "maximize"), data)
    assert solution.constraints[0].unit == "sd"
    assert solution.constraints[0].predicted == pytest.approx(2.0, rel=1e-6)


def test_group_mass_with_unequal_sizes() -> None:
    n = 40
    sizes = RNG(3).integers(1, 20, size=n).astype(float)
    names = np.array([f"s{i % 3}" for i in range(n)], dtype=object)
    chi = response(RNG(4), 1, n)
    data = estimate(chi, sizes=sizes, fields={"source": names})
    limits = [
        require((1.0, ir.GroupMass("source")), constant=-1.05),
        require((-1.0, ir.GroupMass("source")), constant=0.97),
    ]
    solution = solve_pattern(pattern([goal("shift", "a", 20.0)], [*limits, *box()]), data)
    assert solution.status == "optimal"
    assert solution.weights is not None
    w = solution.weights.astype(np.float64)
    shares = [
        (sizes * w)[names == s].sum() / (sizes * w).sum() / (sizes[names == s].sum() / sizes.sum())
        for s in ("s0", "s1", "s2")
    ]
    assert max(shares) <= 1.05 + 1e-6
    assert min(shares) >= 0.97 - 1e-6
    assert solution.constraints[0].predicted == pytest.approx(max(shares), rel=1e-9)
    assert solution.constraints[1].predicted == pytest.approx(min(shares), rel=1e-9)
    assert any(c.binding for c in solution.constraints[:2])


def test_mass_of_a_predicate() -> None:
    easy = Comparison("==", RowField("kind"), RowLiteral("easy"))
    kinds = np.array(["easy"] * 45 + ["hard"] * 15)
    limit = require((1.0, ir.ShareMass(easy)), constant=-0.8, equality=True)
    w, _, solution = solved([limit, *box()], fields={"kind": kinds})
    assert w[:45].mean() == pytest.approx(0.8, rel=1e-6)
    assert w[45:] == pytest.approx(np.full(15, 1.6), rel=1e-6)
    assert solution.constraints[0].binding


def test_mass_of_one_group_against_another() -> None:
    kinds = np.array(["easy"] * 45 + ["hard"] * 15)
    easy = ir.ShareMass(Comparison("==", RowField("kind"), RowLiteral("easy")))
    hard = ir.ShareMass(Comparison("==", RowField("kind"), RowLiteral("hard")))
    sizes = np.r_[np.full(45, 2.0), np.full(15, 5.0)]
    limit = require((2.0, easy), (-1.0, hard))  # mass(hard) >= 2 mass(easy)
    w, _, solution = solved([limit, *box()], fields={"kind": kinds}, sizes=sizes)
    assert w[45] == pytest.approx(2 * w[0], rel=1e-6)
    assert solution.constraints[0].dual is not None
    assert solution.constraints[0].dual > 0


def test_mass_beside_a_norm_needs_equal_sizes() -> None:
    limit = require((1.0, ir.GroupMass("group")), (0.1, ir.Norm(1, -1)), constant=-1.2)
    w, _, _ = solved([limit, *box()], (goal("shift", "a", 5.0),))
    mass = np.bincount(np.arange(60) % 4, w) / 15
    assert mass.max() + 0.1 * np.linalg.norm(w - 1) <= 1.2 + 1e-6
    with pytest.raises(PatternError, match="PAT5010"):
        solved([limit, *box()], sizes=1.0 + np.arange(60))


def test_total_and_mean_agree() -> None:
    w, _, _ = solved([require((1.0, ir.Total()), constant=-61.0)], (goal("shift", "a", 5.0),))
    assert w.sum() == pytest.approx(60.0)


@pytest.mark.parametrize("seed", range(20))
def test_linear_programs_against_highs(seed: int) -> None:
    # minimise l1(w - 1) + max(w) - 0.3 min(w) with shifts held, by HiGHS in (w, s, top, bottom).
    rng = RNG(seed)
    n = 25
    chi = response(rng, 2, n).astype(np.float32)
    rows = chi.astype(np.float64)
    target = float(rng.uniform(1, 8))
    terms = ((0.2, ir.L1(1, -1)), (1.0, ir.Maximum()), (-0.3, ir.Minimum()))
    made = pattern(
        [goal("raise", "a", target), goal("hold", "b", 0.5)], box(), ir.Expression(terms)
    )
    solution = solve_pattern(made, estimate(chi))
    eye, one, zero = np.eye(n), np.ones((n, 1)), np.zeros((n, n))
    less = np.vstack(
        [
            np.hstack([eye, -eye, 0 * one, 0 * one]),
            np.hstack([-eye, -eye, 0 * one, 0 * one]),
            np.hstack([eye, zero, -one, 0 * one]),
            np.hstack([-eye, zero, 0 * one, one]),
            np.r_[-rows[0], np.zeros(n + 2)],
            np.r_[rows[1], np.zeros(n + 2)],
            np.r_[-rows[1], np.zeros(n + 2)],
        ]
    )
    shift = rows.sum(axis=1)
    right = np.r_[
        np.ones(n), -np.ones(n), np.zeros(2 * n), -target - shift[0], 0.5 + shift[1], 0.5 - shift[1]
    ]
    found = scipy.optimize.linprog(
        np.r_[np.zeros(n), np.full(n, 0.2), 1.0, -0.3],
        A_ub=less,
        b_ub=right,
        A_eq=np.r_[np.ones(n), np.zeros(n + 2)][None, :],
        b_eq=[n],
        bounds=[(0, 4)] * n + [(None, None)] * (n + 2),
    )
    if found.status == 2:
        assert solution.status == "infeasible"
        return
    assert solution.status == "optimal"
    assert solution.certificate["primal_cost"] == pytest.approx(found.fun, rel=1e-6)


@pytest.mark.parametrize(
    "bad",
    [
        require((-1.0, ir.Norm(1, -1)), constant=0.1),
        require((1.0, ir.Minimum()), constant=-0.5),
        require((1.0, ir.EffectiveSampleSize()), constant=-0.5),
        require((-1.0, ir.EffectiveSampleSize()), (1.0, ir.Maximum()), constant=0.5),
        require((1.0, ir.SumSquares(1, -1)), constant=-1.0, equality=True),
        require((1.0, ir.Entries()), (1.0, ir.GroupMass("group")), constant=-3.0),
    ],
)
def test_what_is_not_convex_is_refused(bad: ir.Constraint) -> None:
    with pytest.raises(PatternError, match="PAT5010") as caught:
        solve_pattern(pattern([], [bad]), estimate(response(RNG(0), 1, 20)))
    assert caught.value.diagnostics[0].span is bad.origin


def test_an_objective_that_is_not_convex_is_refused() -> None:
    objective = ir.Expression(((1.0, ir.Norm(1, -1)),))
    with pytest.raises(PatternError, match="PAT5010"):
        solve_pattern(pattern([], box(), objective, "maximize"), estimate(response(RNG(0), 1, 20)))


def test_many_groups() -> None:
    n, groups = 4000, 1000
    chi = response(RNG(5), 2, n)
    data = estimate(chi, fields={"g": np.arange(n) % groups})
    limits = [
        require((1.0, ir.GroupMass("g")), constant=-1.2),
        require((-1.0, ir.GroupMass("g")), constant=0.8),
    ]
    solution = solve_pattern(
        pattern([goal("shift", "a", 500.0)], [*limits, *box(), ess(0.5)]), data
    )
    assert solution.status == "optimal"
    equal = require((1.0, ir.GroupMass("g")), constant=-1.0, equality=True)
    solution = solve_pattern(pattern([goal("shift", "a", 300.0)], [equal, *box()]), data)
    assert solution.status == "optimal"
    assert solution.weights is not None
    mass = np.bincount(np.arange(n) % groups, solution.weights.astype(np.float64)) / 4
    assert mass == pytest.approx(np.ones(groups), abs=1e-6)
