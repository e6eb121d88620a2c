"""The rooms of the house, lowest first, and what each may import."""

import ast
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pattern_lang"

# A room imports only rooms of the lines above its own; two rooms of one line stay apart.
ORDER: tuple[tuple[str, ...], ...] = (
    ("diagnostics",),
    ("syntax",),
    ("semantics",),
    ("ir",),
    ("lowering",),
    ("estimate", "solve"),
    ("emit",),
    ("train",),
    ("driver",),
    ("api",),
    ("cli",),
)

# Single modules about files, for whoever needs them; they import no room themselves.
SHARED = ("files", "resources")

# The faces of the package import what they show: room, and what it may import.
FACES: dict[str, set[str]] = {
    "__init__": {"api", "diagnostics", "solve"},
    "__main__": {"cli"},
    "losses": {"estimate"},
}

# Libraries with their owners: one room, or the two that work on networks. A name covers everything below it.
OWNERS: dict[str, tuple[str, ...]] = {
    "clarabel": ("solve",),
    "click": ("cli",),
    "datasets": ("estimate",),
    "jinja2": ("emit",),
    "lark": ("syntax",),
    "matplotlib": ("emit",),
    "pyarrow": ("emit",),
    "rich": ("cli",),
    "safetensors.torch": ("estimate", "train"),
    "scipy.optimize": ("solve",),
    "threadpoolctl": ("solve",),
    "tokenizers": ("estimate",),
    "torch": ("estimate", "train"),
    "transformers": ("estimate",),
}

# Uses of a library outside its owner, each with its reason.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("estimate/readers.py", "pyarrow"): "rows of the user's data may be Parquet",
}


@frozen
class Import:
    """One imported name, and where."""

    file: str
    line: int
    name: str

    @property
    def room(self) -> str:
        """Return the room of the importing file."""
        return room_of(self.file)

    @property
    def target(self) -> str | None:
        """Return the room that is imported, None for a library."""
        top, _, rest = self.name.partition(".")
        return rest.split(".")[0] if top == "pattern_lang" else None

    def is_below(self, library: str) -> bool:
        """Tell whether this brings in a library, or a part of it."""
        return self.name == library or self.name.startswith(f"{library}.")

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name}"


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(path for path in PACKAGE.rglob("*.py") if not is_template(path))


def is_template(path: Path) -> bool:
    """Tell whether a file is one that `pat init` copies into a project: text, never imported."""
    return path.parent.name == "template"


def relative(path: Path) -> str:
    """Return a module's path below the package."""
    return path.relative_to(PACKAGE).as_posix()


def room_of(file: str) -> str:
    """Return the room of a module, given by its path below the package."""
    return file.split("/")[0].removesuffix(".py")


def rooms() -> set[str]:
    """Return the rooms that there are."""
    return {room_of(relative(path)) for path in modules()}


def tree(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[Import]:
    """Find what a module imports: anywhere, for types only, and through `import_module` too."""
    for node in ast.walk(tree(path)):
        for name in _names(node):
            yield Import(relative(path), getattr(node, "lineno", 0), name)


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return [f"{module}.{alias.name}" for alias in names]
        case ast.ImportFrom(level=level) if level:
            return ["." * level]
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if _last_name(
            function
        ) in {"import_module", "__import__", "load_package"}:
            return [name]
    return []


def _last_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
