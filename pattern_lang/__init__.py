"""pattern-lang: a compiler for patterning.

A spec says which internal observables of a network should move where; compiling it gives the
weights on the training data that move them.

    import pattern_lang as pl
    spec = pl.load("steer.pat", params={"dose": "2 sd"})
    run = spec.compile("suppress", out="build")
    run.weights, run.goals, run.dose, run.status
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pattern_lang.api import Run, Spec, load, loads
    from pattern_lang.diagnostics import Diagnostic, PatternError
    from pattern_lang.solve import WeightProgram

__version__ = "0.1.0"
__all__ = ["Diagnostic", "PatternError", "Run", "Spec", "WeightProgram", "load", "loads"]

_HOMES = {
    **dict.fromkeys(("Run", "Spec", "load", "loads"), "pattern_lang.api"),
    **dict.fromkeys(("Diagnostic", "PatternError"), "pattern_lang.diagnostics"),
    "WeightProgram": "pattern_lang.solve",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: nothing slow happens at import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
