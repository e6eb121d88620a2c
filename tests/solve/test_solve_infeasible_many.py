"""Programs a known distance beyond, or within, what is feasible; HiGHS says how far that is."""

import numpy as np
import pytest
import scipy.optimize
from attrs import evolve, frozen
from numpy.typing import NDArray
from random_programs import Rng, box_of, inside_of, response_of

from pattern_lang.solve import AtLeast, AtMost, Between, Bounds, Equal, Mass, Mean, WeightProgram
from pattern_lang.solve.constraints import Constraint

Vector = NDArray[np.float64]
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@frozen(eq=False)
class Case:
    """Constraints of a program on `chi`, of which a factor scales what `Equal` and so on ask."""

    chi: Vector
    constraints: tuple[Constraint, ...]

    @property
    def n(self) -> int:
        return int(self.chi.shape[1])

    def scaled(self, factor: float) -> "Case":
        """The same with targets times a factor; ranges, masses and bounds stay."""
        made = tuple(
            evolve(c, value=factor * c.value) if isinstance(c, Equal | AtLeast | AtMost) else c
            for c in self.constraints
        )
        return evolve(self, constraints=made)

    def only(self, kept: tuple[int, ...]) -> "Case":
        return evolve(self, constraints=tuple(self.constraints[i] for i in kept))


def _ranges(case: Case) -> tuple[Vector, Vector, Vector, Vector]:
    """Every row as `low + t·step <= row·x <= high + t·step`: rows (k, n), low, high, step."""
    rows, low, high, step = [np.zeros(case.n)], [0.0], [0.0], [0.0]
    for c in case.constraints:
        match c:
            case Equal(i, v):
                made = [(case.chi[i], 0.0, 0.0, v)]
            case AtLeast(i, v):
                made = [(case.chi[i], 0.0, np.inf, v)]
            case AtMost(i, v):
                made = [(case.chi[i], -np.inf, 0.0, v)]
            case Between(i, a, b):
                made = [(case.chi[i], a, b, 0.0)]
            case Mean(v):
                made = [(np.ones(case.n) / case.n**0.5, *[(v - 1.0) * case.n**0.5] * 2, 0.0)]
            case Mass(codes, a, b, sizes):
                made = list(_masses(np.asarray(codes), np.asarray(sizes), float(a), float(b)))
            case _:
                made = []
        for row, a, b, s in made:
            size = float(np.linalg.norm(row)) or 1.0
            rows.append(row / size)
            low.append(a / size)
            high.append(b / size)
            step.append(s / size)
    return np.array(rows), np.array(low), np.array(high), np.array(step)


def _masses(
    codes: Vector, sizes: Vector, low: float, high: float
) -> list[tuple[Vector, float, float, float]]:
    """`Σ_g m w / M_g - limit Σ m w / M`, at most or at least 0, in x."""
    found = []
    whole = sizes / sizes.sum()
    for group in np.unique(codes):
        own = np.where(codes == group, sizes, 0.0)
        own /= own.sum()
        found.append((own - high * whole, -np.inf, high - 1.0, 0.0))
        found.append((own - low * whole, low - 1.0, np.inf, 0.0))
    return found


def most(case: Case, scaled: bool = True) -> float | None:
    """The largest t for which targets times t are feasible, None without one.

    With `scaled` off targets are as they stand, and t is 0 where they are feasible.
    """
    rows, low, high, step = _ranges(case)
    if not scaled:
        low, high, step = low + step, high + step, 0.0 * step
    box = [np.full(case.n, -np.inf), np.full(case.n, np.inf)]
    for c in case.constraints:
        if isinstance(c, Bounds):
            box = [np.maximum(box[0], c.lower - 1.0), np.minimum(box[1], c.upper - 1.0)]
    upper, lower = np.isfinite(high), np.isfinite(low)
    wide = np.column_stack([rows, -step])
    found = scipy.optimize.linprog(
        np.append(np.zeros(case.n), -1.0),
        A_ub=np.vstack([wide[upper], -wide[lower]]),
        b_ub=np.concatenate([high[upper], -low[lower]]),
        bounds=[*zip(*box, strict=True), (0.0, 1.0 if not scaled else None)],
        method="highs",
        options=TIGHT,
    )
    assert found.status in (0, 2), found.message
    return None if found.status == 2 else -float(found.fun)


def is_feasible(case: Case) -> bool:
    return most(case, scaled=False) is not None


def drawn(rng: Rng) -> Case:
    """Targets of several kinds within a box, a mean, at times ranges and masses that hold at 1."""
    while True:
        m, n = int(rng.integers(1, 9)), int(rng.integers(20, 150))
        chi = response_of(rng, m, n)
        if (
            np.all(np.linalg.norm(chi, axis=1) > 0)
            and np.linalg.matrix_rank(chi / np.linalg.norm(chi, axis=1)[:, None]) == m
        ):
            break
    w, held = inside_of(rng, n)
    lower, upper = box_of(rng, w, held)
    lower, upper = np.minimum(lower, 1.0), np.minimum(np.maximum(upper, 1.0), 6.0)
    at = chi @ (w - 1.0)
    made: list[Constraint] = []
    for i, v in enumerate(at.tolist()):
        room = float(np.linalg.norm(chi[i])) * float(rng.uniform(0.02, 0.3))
        kind = rng.choice(["equal", "one", "range"], p=[0.5, 0.3, 0.2])
        if kind == "range" and i:
            made.append(Between(i, -room, room))
        elif kind == "one":
            made.append(AtLeast(i, v) if v > 0 else AtMost(i, v))
        else:
            made.append(Equal(i, v))
    made.append(Bounds(lower, upper))
    if rng.random() < 0.8:
        made.append(Mean(1.0))
    if rng.random() < 0.4:
        sizes = rng.integers(1, 5, size=n).astype(np.float64)
        made.append(Mass(rng.integers(4, size=n), 0.8, 1.25, sizes))
    order = rng.permutation(len(made))
    return Case(chi, tuple(made[i] for i in order))


def at_the_limit(rng: Rng) -> Case:
    """A case whose targets are the largest feasible multiple of their direction."""
    while True:
        case = drawn(rng)
        limit = most(case)
        if limit is not None and 1e-3 < limit < 1e3:
            return case.scaled(limit)


def seeds(few: int, many: int) -> list[object]:
    marks = (() if i < few else pytest.mark.slow for i in range(many))
    return [pytest.param(i, marks=mark) for i, mark in enumerate(marks)]


@pytest.mark.parametrize("seed", seeds(20, 200))
def test_refused_with_a_minimal_set_and_the_dose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # From a thousandth beyond the limit to twenty times it.
    factor = float(1.0 + np.exp(rng.uniform(np.log(1e-3), np.log(19.0))))
    case = at_the_limit(rng).scaled(factor)
    assert not is_feasible(case)
    solution = WeightProgram(case.chi, case.constraints).solve()
    assert solution.status == "infeasible"
    assert solution.weights is None
    assert solution.dose == pytest.approx(1.0 / factor, abs=1e-4)
    assert solution.conflict
    assert not is_feasible(case.only(solution.conflict))
    for left_out in solution.conflict:
        kept = tuple(i for i in solution.conflict if i != left_out)
        assert is_feasible(case.only(kept)), case.constraints[left_out]


def moved(case: Case, number: int, amount: float) -> Case | None:
    """The case with the limits of one constraint moved outwards; None for the mean."""
    made: Constraint
    match case.constraints[number]:
        case Equal(i, v):
            made = Between(i, v - amount, v + amount)
        case AtLeast(i, v):
            made = AtLeast(i, v - amount)
        case AtMost(i, v):
            made = AtMost(i, v + amount)
        case Between(i, low, high):
            made = Between(i, low - amount, high + amount)
        case Bounds(lower, upper):
            made = Bounds(lower - amount, upper + amount)
        case Mass(codes, low, high, sizes):
            made = Mass(codes, float(low) - amount, float(high) + amount, sizes)
        case _:
            return None
    return evolve(
        case, constraints=(*case.constraints[:number], made, *case.constraints[number + 1 :])
    )


@pytest.mark.parametrize("seed", seeds(12, 200))
def test_one_constraint_relaxed_by_no_more_than_it_takes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factor = float(1.0 + np.exp(rng.uniform(np.log(1e-3), np.log(19.0))))
    case = at_the_limit(rng).scaled(factor)
    solution = WeightProgram(case.chi, case.constraints).solve()
    found = solution.relaxations
    assert set(found) <= set(solution.conflict)
    for number in solution.conflict:
        others = tuple(i for i in range(len(case.constraints)) if i != number)
        if number not in found:
            assert not is_feasible(case.only(others))
            continue
        more, less = (moved(case, number, f * found[number]) for f in (1.001, 0.999))
        if more is not None and less is not None:
            assert is_feasible(more)
            assert not is_feasible(less)


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_weights_miss_the_targets_least(seed: int) -> None:
    """Beside the nearest point of the reachable shifts, found by a bounded least squares."""
    rng = np.random.default_rng(3000 + seed)
    chi = response_of(rng, 3, 40)
    chi = chi[np.linalg.norm(chi, axis=1) > 0]
    rows = chi / np.linalg.norm(chi, axis=1)[:, None]
    asked = rng.normal(size=len(rows))
    asked *= 100.0 / np.linalg.norm(asked)  # no row of length 1 reaches beyond 13
    targets = [Equal(i, float(v * np.linalg.norm(chi[i]))) for i, v in enumerate(asked)]
    solution = WeightProgram(chi, [*targets, Bounds(0.0, 3.0)]).solve()
    assert solution.status == "infeasible"
    assert solution.nearest is not None
    best = scipy.optimize.lsq_linear(rows, asked, bounds=(-1.0, 2.0), tol=1e-13)
    assert solution.nearest.min() >= -1e-9
    assert solution.nearest.max() <= 3.0 + 1e-9
    found = rows @ (solution.nearest - 1.0)
    room = 1e-4 * float(np.max(np.abs(asked - found)))
    assert found == pytest.approx(rows @ best.x, abs=room)


@pytest.mark.parametrize("seed", seeds(10, 50))
def test_solved_a_thousandth_within_the_limit(seed: int) -> None:
    case = at_the_limit(np.random.default_rng(1000 + seed)).scaled(0.999)
    solution = WeightProgram(case.chi, case.constraints).solve()
    assert solution.status == "optimal"
    assert solution.weights is not None
    x = solution.weights - 1.0
    rows, low, high, step = _ranges(case)
    at = rows @ x - step
    assert np.all(at <= high + 1e-7)
    assert np.all(at >= low - 1e-7)
    bounds = next(c for c in case.constraints if isinstance(c, Bounds))
    assert np.all(solution.weights >= bounds.lower)
    assert np.all(solution.weights <= bounds.upper)


@pytest.mark.parametrize("seed", range(5))
def test_no_fraction_where_the_limits_alone_clash(seed: int) -> None:
    rng = np.random.default_rng(2000 + seed)
    case = at_the_limit(rng)
    far = 2.0 * float(np.abs(case.chi[0]) @ np.full(case.n, 6.0))
    case = evolve(case, constraints=(*case.constraints, Between(0, far, 2 * far)))
    assert most(case) is None
    solution = WeightProgram(case.chi, case.constraints).solve()
    assert (solution.status, solution.dose) == ("infeasible", None)
    assert len(case.constraints) - 1 in solution.conflict
