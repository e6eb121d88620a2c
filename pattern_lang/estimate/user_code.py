"""Running the user's own Python: loading a function from a file, and calling it with care."""

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import field, frozen

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import MissingFunction, UserCodeFailed
from pattern_lang.estimate.dependencies import sources_of
from pattern_lang.estimate.errors import ChainDivergedError, did_you_mean
from pattern_lang.estimate.files import locate_code
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.scope import FreshLoader, Scope
from pattern_lang.ir.sources import FunctionRef

_PACKAGE = Path(__file__).parents[1]
_OF_BUGS = (AssertionError, LookupError, AttributeError, NameError)


@frozen
class UserFunction:
    """A loaded function of the user; `file`, below `root`, is where it came from."""

    function: str
    file: Path
    root: Path
    call: Callable[..., Any] = field(eq=False, repr=False)

    @property
    def name(self) -> str:
        """Return `file.py:function`, the file relative to its root."""
        return f"{self.file.relative_to(self.root).as_posix()}:{self.function}"


class UserCode:
    """The user's modules during one estimate. Each file is loaded once."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._scopes: dict[Path, Scope] = {}
        self._modules: dict[Path, ModuleType] = {}

    def function(self, ref: FunctionRef, span: Span | None) -> UserFunction:
        """Load a function.

        Raises MissingFile, CodeOutsideFolder, MissingFunction, or UserCodeFailed when the file
        itself raises.
        """
        file, root = locate_code(ref.file, self.journal, span)
        return self.load(file, root, ref.function, ref.file.origin or span)

    def load(self, file: Path, root: Path, name: str, span: Span | None) -> UserFunction:
        """Load the function `name` of a file below `root`; raises as `function` does."""
        module = self._module(file, root, span)
        found = getattr(module, name, None)
        if not callable(found):
            names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            advice = did_you_mean(name, names, "functions of that file")
            problem = MissingFunction(span=span, file=file.name, function=name, advice=advice)
            raise PatternError([problem])
        return UserFunction(name, file, root, found)

    def _module(self, file: Path, root: Path, span: Span | None) -> ModuleType:
        if file not in self._modules:
            digest = hashlib.sha256(str(file).encode()).hexdigest()[:12]
            name = f"_pattern_user_{file.stem}_{digest}"
            self.journal.read(file)
            with self.guarded(f"loading `{file.name}`", file, root, span):
                spec = spec_from_loader(name, FreshLoader(name, str(file)))
                assert spec is not None
                module = module_from_spec(spec)
                sys.modules[name] = module
                FreshLoader(name, str(file)).exec_module(module)
            self._modules[file] = module
        return self._modules[file]

    @contextmanager
    def guarded(self, action: str, file: Path, root: Path, span: Span | None) -> Iterator[None]:
        """Run user code: its folder importable, its files noted, its exceptions made errors.

        `action` says what is being done, for the message. KeyboardInterrupt passes through.
        """
        before = set(sys.modules)
        try:
            with self.running(action, file, root, span), self.journal.listening():
                yield
        finally:
            self._note_modules(before, file.parent)

    @contextmanager
    def running(self, action: str, file: Path, root: Path, span: Span | None) -> Iterator[None]:
        """Run user code that was loaded, as `guarded` does, without noting files."""
        try:
            with self.scope(file.parent):
                yield
        except (PatternError, ChainDivergedError):
            raise
        except (Exception, SystemExit) as error:
            if is_bug(error, root):
                raise
            raise PatternError([failure(error, action, file, root, span)]) from error

    def _note_modules(self, before: set[str], folder: Path) -> None:
        """Note the sources of modules that user code brought in, its own and installed ones."""
        fresh = [module for name, module in list(sys.modules.items()) if name not in before]
        for module in fresh:
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path.endswith(".py"):
                self.journal.read(path)
        for source in self._loaded(folder).values():
            self.journal.read(source)

    @contextmanager
    def scope(self, *folders: Path) -> Iterator[None]:
        """Make the modules of some folders of user code importable."""
        with ExitStack() as stack:
            for folder in folders:
                scope = self._scopes.setdefault(folder, Scope(folder))
                stack.enter_context(scope.opened())
            yield

    def sources(self, function: UserFunction) -> list[Path]:
        """Return the files that a function's module consists of, in order of path."""
        return sources_of(function.file, self._modules, self._loaded(function.file.parent))

    def _loaded(self, folder: Path) -> dict[str, Path]:
        scope = self._scopes.get(folder)
        modules = scope.modules if scope else {}
        return {name: Path(m.__file__) for name, m in modules.items() if m.__file__}


def is_bug(error: BaseException, root: Path) -> bool:
    """Tell whether an exception is a mistake of ours: of that kind, and no user code in sight."""
    return isinstance(error, _OF_BUGS) and not _own_frames(error, root)


def failure(
    error: BaseException, action: str, file: Path, root: Path, span: Span | None
) -> UserCodeFailed:
    """Turn an exception into an error that names the last line of the user's own code."""
    return UserCodeFailed(
        span=span,
        action=action,
        place=_place(error, file, root),
        error=_summary(error),
        file=file.name,
    )


def _place(error: BaseException, file: Path, root: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(Path(error.filename), root)}:{error.lineno}"
    own = _own_frames(error, root)
    return f"{_short(Path(own[-1].filename), root)}:{own[-1].lineno}" if own else _short(file, root)


def _own_frames(error: BaseException, root: Path) -> list[traceback.FrameSummary]:
    """Return the frames of the user's own files, the innermost last."""
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(root)
        and not path.is_relative_to(_PACKAGE)
        and not {"site-packages", "dist-packages"} & set(path.parts)
    ]


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _summary(error: BaseException) -> str:
    text = str(error.msg if isinstance(error, SyntaxError) else error).strip().split("\n")[0]
    kind = type(error).__name__
    return f"{kind}: {text[:300]}" if text else kind
