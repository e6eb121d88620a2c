"""The `estimate` statement that says some settings."""

import re
from textwrap import dedent

from pattern_lang.ir.queries import Sampler
from pattern_lang.syntax.formatting import format_source


def statement(sampler: Sampler) -> str:
    """Return the statement in the canonical layout, to be pasted into a pattern."""
    said = {
        "step": _number(sampler.step),
        "nbeta": _number(sampler.nbeta),
        "localization": _number(sampler.localization),
        "batch": str(sampler.batch),
        "chains": str(sampler.chains),
        "draws": str(sampler.draws),
        "burn_in": str(sampler.burn_in),
        "thin": str(sampler.thin),
        "seed": str(sampler.seed),
    }
    if sampler.kind == "rmsprop_sgld":
        said |= {"decay": _number(sampler.decay), "stabilizer": _number(sampler.stabilizer)}
    if sampler.is_pathwise:
        said["estimator"] = f'"{sampler.estimator}"'
    arguments = ", ".join(f"{name}: {value}" for name, value in said.items())
    text = format_source(f"pattern p {{ estimate {sampler.kind}({arguments}) }}\n")
    body = text.splitlines()[1:-1]
    return dedent("\n".join(body)) + "\n"


def _number(value: float) -> str:
    """Write a number as specs do: `8e-4`, not `0.0008` or `8e-04`."""
    text = f"{value:.6g}"
    if 0 < abs(value) < 1e-2:
        text = f"{value:.5e}"
        text = re.sub(r"\.?0*e", "e", text)
    return re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].replace('+', '')}{m[2]}", text)
