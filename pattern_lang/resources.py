"""Where the grammar and the standard library are: inside a wheel, or at the top of a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def _folder(name: str) -> Path:
    shipped = _PACKAGE / f"_{name}"
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


def grammar_file(name: str) -> Path:
    """Return the path of a file of the grammar."""
    return _folder("grammar") / name


def library_file(name: str) -> Path:
    """Return the path of a module of the standard library, whether or not it exists."""
    return _folder("stdlib") / f"{name}.pat"


def library_modules() -> tuple[str, ...]:
    """Return the names of the modules of the standard library, in alphabetical order."""
    return tuple(sorted(path.stem for path in _folder("stdlib").glob("*.pat")))


def explain_file(code: str) -> Path:
    """Return the path of the page on an error code, whether or not it exists."""
    return _PACKAGE / "diagnostics" / "pages" / f"{code}.md"
