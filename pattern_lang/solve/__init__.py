"""From goals and an estimate to weights, or to the reason why there are none.

`solve_pattern` and `verdicts` serve the compiler. `WeightProgram` with the constraint and
objective values is the same solver on a matrix of your own. `with_cross_fit` adds what other draws
say of a solution (`crossfit`, `halving`), `with_frontier` what other doses would cost (`frontier`);
`soften` keeps weights from following noise (`reliability`), `rules` gives weights to new units.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pattern_lang.solve.assemble import solve_pattern
    from pattern_lang.solve.constraints import (
        KL,
        Along,
        AtLeast,
        AtMost,
        Between,
        Bounds,
        EffectiveSampleSize,
        Equal,
        Mass,
        Maximize,
        Mean,
        Norm,
        Soft,
        SumSquares,
    )
    from pattern_lang.solve.crossfit import with_cross_fit
    from pattern_lang.solve.findings import draws_wanted, verdicts
    from pattern_lang.solve.frontier import with_frontier
    from pattern_lang.solve.problem import WeightProgram, WeightSolution

__all__ = [
    "KL",
    "Along",
    "AtLeast",
    "AtMost",
    "Between",
    "Bounds",
    "EffectiveSampleSize",
    "Equal",
    "Mass",
    "Maximize",
    "Mean",
    "Norm",
    "Soft",
    "SumSquares",
    "WeightProgram",
    "WeightSolution",
    "draws_wanted",
    "solve_pattern",
    "verdicts",
    "with_cross_fit",
    "with_frontier",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the package itself costs no scipy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "constraints"
    if name in ("WeightProgram", "WeightSolution"):
        home = "problem"
    elif name in ("with_cross_fit", "with_frontier"):
        home = "crossfit" if name == "with_cross_fit" else "frontier"
    elif name in ("solve_pattern", "draws_wanted", "verdicts"):
        home = "assemble" if name == "solve_pattern" else "findings"
    return getattr(import_module(f"{__name__}.{home}"), name)
