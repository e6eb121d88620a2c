"""Which of the user's files a file needs, so that a change elsewhere is not one here."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def sources_of(file: Path, entries: Iterable[Path], modules: Mapping[str, Path]) -> list[Path]:
    """Return the files that `file` consists of, itself included, in order of path.

    `modules` are the loaded modules of its folder by name, `entries` the files that were loaded by
    themselves. What other entries import and this file does not is left out; what no import
    statement explains is kept, as this file may have loaded it in another way.
    """
    own = _reachable(file, modules)
    others = {path for path in entries if path != file}
    foreign = others.union(*(_reachable(path, modules) for path in others)) - own
    return sorted(({*modules.values(), file} | own) - foreign)


def _reachable(file: Path, modules: Mapping[str, Path]) -> set[Path]:
    """Return the files that a file imports, directly or through others, and the file itself."""
    found, waiting = {file}, [file]
    while waiting:
        for name in _imports(waiting.pop()):
            path = modules.get(name)
            if path is not None and path not in found:
                found.add(path)
                waiting.append(path)
    return found


def _imports(file: Path) -> Iterator[str]:
    """Yield every module name that the import statements of a file may mean."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                for alias in names:
                    yield from _prefixes(alias.name)
            case ast.ImportFrom(module, names, level):
                bases = [module or ""] if not level else _relative(file, module or "", level)
                for base in bases:
                    yield from _prefixes(base)
                    yield from (f"{base}.{alias.name}".strip(".") for alias in names)


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _relative(file: Path, module: str, level: int) -> list[str]:
    """Return what a relative import may mean: packages are not told apart by how deep they lie."""
    package = file.parents[level - 1].parts
    tails = [".".join(package[start:]) for start in range(len(package))]
    return [f"{tail}.{module}".strip(".") for tail in tails]
