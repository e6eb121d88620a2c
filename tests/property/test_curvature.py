"""Nothing that is not convex passes the check: random expressions, bent by hand at random weights.

What is accepted is evaluated with numbers at pairs of weights and half-way between them. For a
constraint `E <= 0` a convex set needs the middle of two points inside to be inside; for single
numbers minimised, `E(middle) <= (E(u) + E(v)) / 2`.
"""

from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from pattern_lang.ir import program as ir
from pattern_lang.ir.noise import noise_of
from pattern_lang.ir.susceptibility import Estimate, Susceptibility, UnitTable
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.resolve import resolve
from pattern_lang.solve.values import total
from tests.lowering.lowered import HEAD, read

UNITS = 12
FIELDS = {
    "x": np.arange(UNITS) % 3,
    "price": np.linspace(0.5, 2.0, UNITS),
    "cap": np.linspace(1.5, 3.0, UNITS),
}
WEIGHTS = ("w", "w - 1", "2 * w - 1", "1 - w", "w / 2")
LEAVES = (
    *("mean(w)", "mass(w, of: row.x == 1)", "predicted(icl) / 1 sd", "predicted(late_icl) / 1 sd"),
    *("kl(w) / 1 nats", "chi2(w)", "ess(w)", "risk(icl) / 1 sd", "quantile(icl, 5 %) / 1 sd"),
    *("quantile(icl, 95 %) / 1 sd", "0.5", "1", "half", "mass(w, across: row.x)", "w"),
)
OF_ENTRIES = (
    *("sum_squares({})", "norm({})", "l1({})", "max({})", "min({})", "huber({}, at: 0.5)"),
    *("sum_squares({}, weighted: row.price, up: 2)", "l1({}, up: 0.5, down: 3)"),
)
OF_NUMBERS = ("square({})", "abs({})", "norm([{}, {}])", "max([{}, {}])", "min([{}, {}])")
JOINS = ("{} + {}", "{} - {}", "2 * ({})", "-({})", "({}) / 3", "half * ({})", "{} * {}")


def expression(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.2:
        if random.random() < 0.4:
            return random.choice(OF_ENTRIES).format(random.choice(WEIGHTS))
        return random.choice(LEAVES)
    form = random.choice(OF_NUMBERS + JOINS)
    return form.format(*(expression(random, depth - 1) for _ in range(form.count("{}"))))


def statement(random: Random) -> str:
    left = expression(random, random.randint(1, 3))
    if random.random() < 0.4:
        return f"{random.choice(('minimize', 'maximize'))} {left}"
    right = random.choice((*LEAVES, "row.cap", expression(random, 1)))
    where = " where row.x == 1" if random.random() < 0.1 else ""
    return f"require {left} {random.choice(('<=', '>=', '=='))} {right}{where}"


def accepted(text: str) -> ir.WeightPattern | None:
    late = "observable late_icl = loss(lm, on: late)\n"
    body = f"  reweight text per sample as w\n  raise icl by 0.1 sd\n  {text}\n"
    spec = read(f"{HEAD}{late}\npattern steer {{\n{body}}}\n")
    if any(d.is_error for d in spec.diagnostics):
        return None
    return spec.lowered.patterns["steer"]


def numbers_of(pattern: ir.WeightPattern) -> Estimated:
    """An estimate with numbers for what the pattern observes."""
    rng = np.random.default_rng(0)
    names = tuple(observable.name for observable in pattern.queries.observables)
    k = len(names)
    replicates = rng.normal(size=(8, k, UNITS))
    replicates -= replicates.mean(axis=2, keepdims=True)
    chi = replicates.mean(axis=0)
    susceptibility = Susceptibility(
        names,
        ("nats",) * k,
        chi.astype(np.float32),
        np.zeros(k),
        np.ones(k),
        noise_of(replicates),
        float(UNITS),
    )
    units = UnitTable("sample", np.arange(UNITS), np.ones(UNITS), dict(FIELDS))
    return Estimated(Estimate(susceptibility, units, (), (), {}, True, 0.0))


def weights(rng: np.random.Generator) -> NDArray[np.float64]:
    """Random weights with mean 1, near 1 or far from it."""
    w = rng.dirichlet(np.full(UNITS, rng.choice([0.3, 1.0, 20.0]))) * UNITS
    return np.asarray(w)


def bends_well(pattern: ir.WeightPattern) -> bool:
    data = numbers_of(pattern)
    rng = np.random.default_rng(1)
    pairs = [(weights(rng), weights(rng)) for _ in range(60)]
    for made in pattern.constraints:
        if made.implied:
            continue
        if not _set_is_convex(made, data, pairs):
            return False
    sign = -1.0 if pattern.objective.sense == "maximize" else 1.0
    whole = resolve(pattern.objective.expression, data, None)

    def value(w: NDArray[np.float64]) -> float:
        return sign * float(np.max(total(whole.terms, w, 1.0) + whole.constant))

    return all(value((u + v) / 2) <= (value(u) + value(v)) / 2 + 1e-9 for u, v in pairs)


def _set_is_convex(
    made: ir.Constraint,
    data: Estimated,
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> bool:
    whole = resolve(made.expression, data, None)

    def excess(w: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(total(whole.terms, w, 1.0) + whole.constant + made.expression.constant)

    if made.relation == "==":
        # Only what is affine can be set equal to something.
        return all(
            np.allclose(excess((u + v) / 2), (excess(u) + excess(v)) / 2, atol=1e-9)
            for u, v in pairs
        )
    # Each entry is quasiconvex: the middle is no further out than the further of the two.
    return all(
        bool(np.all(excess((u + v) / 2) <= np.maximum(excess(u), excess(v)) + 1e-9))
        for u, v in pairs
    )


def run(count: int, seed: int) -> tuple[int, int]:
    random = Random(seed)
    passed, bent = 0, list[str]()
    for _ in range(count):
        text = statement(random)
        pattern = accepted(text)
        if pattern is None:
            continue
        passed += 1
        if not bends_well(pattern):
            bent.append(text)
    assert bent == []
    return passed, count


def test_what_passes_is_convex() -> None:
    passed, count = run(600, 11)
    # Both happen often enough for the test to say something.
    assert 0.1 * count < passed < 0.9 * count


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_passes_is_convex_for_many() -> None:
    passed, count = run(20_000, 12)
    assert 0.1 * count < passed < 0.9 * count
