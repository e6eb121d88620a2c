"""The import scope of user code: modules beside a file import each other, and leak nowhere.

Each folder of user code has its own set of modules, so two specs that both have a `data.py` never
meet, and a changed file is read afresh: sources are compiled from their text, never from a cached
bytecode file whose time stamp may be too coarse to tell two versions apart.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

_OURS = "pattern_lang"


class FreshLoader(SourceFileLoader):
    """Loads a module from its source text, without reading or writing bytecode files."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source."""
        path = self.get_filename(fullname)
        return compile(self.get_data(path), path, "exec", dont_inherit=True)


class Finder:
    """Finds the modules of one folder before any other place is searched."""

    def __init__(self, folder: Path) -> None:
        self._files = FileFinder(str(folder), (FreshLoader, SOURCE_SUFFIXES))

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a top-level module of the folder, unless Python itself has it."""
        if "." in name or name in sys.stdlib_module_names or name == _OURS:
            return None
        found = self._files.find_spec(name)
        return found if found is not None and found.loader is not None else None


class Scope:
    """The modules of one folder, present in `sys.modules` only while the scope is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, ModuleType] = {}
        self._open = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder importable; opening an open scope changes nothing."""
        if self._open:
            yield
            return
        finder, path, writes = Finder(self.folder), str(self.folder), sys.dont_write_bytecode
        hidden = {name: sys.modules.pop(name) for name in self._shadowed()}
        before = set(sys.modules)
        sys.modules.update(self.modules)
        sys.meta_path.insert(0, finder)
        sys.path.insert(0, path)
        sys.dont_write_bytecode = True
        self._open = True
        try:
            yield
        finally:
            self._open = False
            sys.dont_write_bytecode = writes
            sys.path.remove(path)
            sys.meta_path.remove(finder)
            self._withdraw(before)
            sys.modules.update(hidden)

    def _shadowed(self) -> list[str]:
        """Return loaded modules, from elsewhere, whose name a file of the folder has too."""
        own = {path.stem for path in self.folder.glob("*.py")}
        own |= {path.parent.name for path in self.folder.glob("*/__init__.py")}
        own -= {*sys.stdlib_module_names, _OURS, "__main__"}
        return [name for name in sys.modules if name.partition(".")[0] in own]

    def _withdraw(self, before: set[str]) -> None:
        for name, module in list(sys.modules.items()):
            if name in self.modules or (name not in before and self._owns(name, module)):
                self.modules[name] = sys.modules.pop(name)

    def _owns(self, name: str, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] == _OURS:
            return False
        path = Path(file)
        installed = "site-packages" in path.parts or "dist-packages" in path.parts
        return not installed and path.is_relative_to(self.folder)
