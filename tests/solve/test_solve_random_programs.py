"""Random programs over every atom, against SLSQP on a model written independently here."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray
from solve_samples import box, estimate, pattern, require, response

from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern

Vector = NDArray[np.float64]
N = 8
CONVEX = ("sum_squares", "norm", "l1", "max", "kl", "chi2", "risk")
AFFINE = ("predicted", "min", "share")


class Case:
    """One random program: the language's atoms, and the same functions in plain numpy."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.chi = response(self.rng, 3, N).astype(np.float32)
        self.estimate = estimate(self.chi, fields={"half": np.arange(N) % 2}, seed=seed)
        self.inside = self._inside()

    def _inside(self) -> Vector:
        w = 1.0 + 0.5 * self.rng.uniform(-1, 1, size=N)
        return np.asarray(w / w.mean())

    def atom(self, name: str) -> tuple[ir.Atom, Callable[[Vector], float]]:
        rows = self.chi.astype(np.float64)
        which = int(self.rng.integers(3))
        replicates = self.estimate.susceptibility.replicates(which)
        draws = replicates.shape[0]
        scale, offset = float(self.rng.uniform(0.5, 2)), float(self.rng.uniform(-1.5, -0.5))
        even = np.arange(N) % 2 == 0
        half = ir_even()
        options: dict[str, tuple[ir.Atom, Callable[[Vector], float]]] = {
            "sum_squares": (
                ir.SumSquares(scale, offset),
                lambda w: float(np.sum((scale * w + offset) ** 2)),
            ),
            "norm": (
                ir.Norm(scale, offset),
                lambda w: float(np.sqrt(np.sum((scale * w + offset) ** 2) + 1e-18)),
            ),
            "l1": (ir.L1(scale, offset), lambda w: float(np.sum(np.abs(scale * w + offset)))),
            "max": (ir.Maximum(), lambda w: float(np.max(w))),
            "min": (ir.Minimum(), lambda w: float(np.min(w))),
            "kl": (ir.KL(), lambda w: float(np.mean(w * np.log(np.maximum(w, 1e-300))))),
            "chi2": (ir.Chi2(), lambda w: float(np.mean((w - 1) ** 2))),
            "risk": (
                ir.Risk("abc"[which], Unit.NATS),
                lambda w: float(np.std(replicates @ (w - 1), ddof=1) / np.sqrt(draws)),
            ),
            "predicted": (
                ir.Predicted("abc"[which], Unit.NATS),
                lambda w: float(rows[which] @ (w - 1)),
            ),
            "share": (ir.ShareMass(half), lambda w: float(w[even].sum() / w.sum() * 2)),
        }
        return options[name]

    def expression(self, names: tuple[str, ...]) -> tuple[ir.Expression, Callable[[Vector], float]]:
        terms: list[tuple[float, ir.Atom]] = []
        functions: list[tuple[float, Callable[[Vector], float]]] = []
        for name in names:
            size = float(self.rng.uniform(0.3, 2.0))
            either = float(self.rng.choice([-1, 1])) if name in ("predicted", "share") else 1.0
            coefficient = -size if name == "min" else size * either
            atom, function = self.atom(name)
            terms.append((coefficient, atom))
            functions.append((coefficient, function))
        return ir.Expression(tuple(terms)), lambda w: sum(c * f(w) for c, f in functions)


def ir_even() -> object:
    from pattern_lang.ir.sources import Comparison, RowField, RowLiteral

    return Comparison("==", RowField("half"), RowLiteral(0))


def build(
    seed: int,
) -> tuple[Case, ir.WeightPattern, Callable[[Vector], float], list[Callable[[Vector], float]]]:
    case = Case(seed)
    names = CONVEX + AFFINE
    limits: list[ir.Constraint] = list(box(0.05, 2.5))
    functions: list[Callable[[Vector], float]] = []
    for _ in range(int(case.rng.integers(1, 4))):
        chosen = tuple(case.rng.choice(names, size=int(case.rng.integers(1, 4)), replace=False))
        expression, function = case.expression(chosen)
        limit = function(case.inside) + float(case.rng.uniform(0.0, 0.1))
        limits.append(require(*expression.terms, constant=-limit))
        functions.append(lambda w, f=function, v=limit: v - f(w))  # type: ignore[misc]
    objective, cost = case.expression(
        (str(case.rng.choice(("sum_squares", "chi2"))), *case.rng.choice(names, size=2))
    )
    return case, pattern((), limits, objective), cost, functions


def independent(
    case: Case, cost: Callable[[Vector], float], limits: list[Callable[[Vector], float]]
) -> float:
    """The least cost that SLSQP finds from several starts; nonsmooth, so it stops a bit above."""
    constraints: list[dict[str, object]] = [{"type": "ineq", "fun": f} for f in limits]
    constraints.append({"type": "eq", "fun": lambda w: np.sum(w) - N})
    best = np.inf
    for start in (case.inside, np.ones(N), 0.5 * (case.inside + 1)):
        found = scipy.optimize.minimize(
            cost,
            start,
            method="SLSQP",
            bounds=[(0.05, 2.5)] * N,
            constraints=constraints,
            options={"maxiter": 300, "ftol": 1e-12},
        )
        feasible = all(f(found.x) >= -1e-7 for f in limits) and abs(found.x.sum() - N) < 1e-7
        if feasible:
            best = min(best, float(found.fun))
    return best


FEW, MANY = 60, 120


@pytest.mark.parametrize(
    "seed",
    [*range(FEW), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(FEW, MANY))],
)
def test_against_slsqp(seed: int) -> None:
    case, program, cost, limits = build(seed)
    solution = solve_pattern(program, case.estimate)
    assert solution.status == "optimal"
    assert solution.weights is not None
    w = solution.weights.astype(np.float64)
    assert all(f(w) >= -1e-6 for f in limits)
    assert w.min() >= 0.05
    assert w.max() <= 2.5
    other = independent(case, cost, limits)
    size = max(1.0, abs(cost(w)))
    # Feasible to 1e-6 and no dearer than any feasible point that SLSQP reaches, and the dual
    # bound leaves no room below.
    assert cost(w) <= other + 1e-5 * size
    assert solution.certificate["gap"] <= 1e-6
    assert solution.certificate["dual_residual"] <= 1e-5
    assert solution.certificate["complementarity"] <= 1e-5
