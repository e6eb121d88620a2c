"""Loading the optional packages: late, and with an error that says what to install."""

from importlib import import_module
from typing import Any

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.tokens import MissingPackage


def load_package(package: str, what: str, span: Span | None) -> Any:
    """Return a package; raise MissingPackage, saying what it is needed for."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        raise PatternError([MissingPackage(span=span, what=what, package=package)]) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an exception, for a message."""
    text = str(error).strip().split("\n")[0]
    return text[:300] or type(error).__name__
