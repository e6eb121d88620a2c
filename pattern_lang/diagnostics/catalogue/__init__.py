"""Every kind of mistake the compiler knows, one class per code, one module per range of codes."""

from importlib import import_module

from pattern_lang.diagnostics.model import Problem

MODULES = (
    "syntax",
    "names",
    "types",
    "goals",
    "inputs",
    "estimates",
    "components",
    "tokens",
    "verdicts",
    "emission",
    "training",
    "internal",
    "lints",
)


def all_problems() -> dict[str, type[Problem]]:
    """Return every problem class by its code, in the order of the codes."""
    found: dict[str, type[Problem]] = {}
    for name in MODULES:
        for value in vars(import_module(f"{__name__}.{name}")).values():
            if isinstance(value, type) and issubclass(value, Problem) and value is not Problem:
                assert found.setdefault(value.code, value) is value, f"{value.code} is used twice"
    return dict(sorted(found.items()))
