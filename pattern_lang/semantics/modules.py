"""Load a file and everything it uses, and give every declaration a symbol."""

import re
from pathlib import PurePath

from attrs import define, evolve, field

from pattern_lang.diagnostics import Problem, SourceFile, Span
from pattern_lang.diagnostics.catalogue.lints import NoEdition
from pattern_lang.diagnostics.catalogue.names import (
    DuplicateName,
    ImportCycle,
    MisplacedEdition,
    ModuleNotFound,
    NotInModule,
    UnknownEdition,
    UnnamedModule,
)
from pattern_lang.diagnostics.catalogue.syntax import UnreadableText
from pattern_lang.diagnostics.suggest import closest, near
from pattern_lang.resources import library_file, library_modules
from pattern_lang.semantics.scope import Module, Namespace, Symbol
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle, NotTextError, places
from pattern_lang.syntax.recover import parse
from pattern_lang.syntax.words import RESERVED

NEWEST_EDITION = 2026
_NAMED = (
    *(ast.Param, ast.Binding, ast.Observable, ast.Def, ast.Rules),
    *(ast.Pattern, ast.Instance, ast.Study),
)


@define
class Loader:
    """Loads modules once each; `problems` collects what is wrong with them."""

    bundle: Bundle
    loaded: dict[str, Module] = field(factory=dict)
    loading: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)

    def load(self, source: SourceFile, name: str, folder: str, *, library: bool = False) -> Module:
        """Load a module from its text, and the modules that it uses."""
        file, problems = parse(source)
        self.problems.extend(problems)
        module = Module(name, folder, file, library)
        self.loaded[name] = module
        self.loading.append(name)
        if not library:
            self._check_edition(module, source)
        for declaration in file.declarations:
            if isinstance(declaration, ast.Use):
                self._use(module, declaration)
            elif isinstance(declaration, _NAMED):
                name_ = declaration.name
                self._declare(module, name_, Symbol(name_.name, declaration, module))
        self.loading.pop()
        return module

    def _check_edition(self, module: Module, source: SourceFile) -> None:
        declarations = module.file.declarations
        editions = [d for d in declarations if isinstance(d, ast.Edition)]
        for edition in editions:
            if edition is not declarations[0]:
                again = isinstance(declarations[0], ast.Edition)
                advice = "remove it" if again else "move it to the top of the file"
                self.problems.append(MisplacedEdition(span=edition.span, advice=advice))
            elif edition.number.value != NEWEST_EDITION:
                number = edition.number
                self.problems.append(
                    UnknownEdition(span=number.span, edition=number.text, newest=NEWEST_EDITION)
                )
        if not editions and declarations:
            first = declarations[0].span
            start = Span(source, first.start, first.start + 1)
            self.problems.append(NoEdition(span=start, newest=NEWEST_EDITION))

    def _declare(self, module: Module, name: ast.Identifier, meaning: Symbol | Namespace) -> None:
        first = module.names.get(name.name)
        if first is not None:
            where = module.places[name.name]
            self.problems.append(
                DuplicateName(span=name.span, name=name.name, where="file", first=where)
            )
            return
        module.names[name.name] = meaning
        module.places[name.name] = name.span

    def _use(self, module: Module, use: ast.Use) -> None:
        used = self._file(module, use) if use.is_file else self._library(use)
        stem = PurePath(use.module).stem if use.is_file else use.module.split(".")[-1]
        if used is None:
            given = (*(use.names or ()), *((use.alias,) if use.alias else ()))
            _lose(module, *(name.name for name in given), *(() if given else (stem,)))
            return
        if use.alias is not None or use.names is None:
            name = use.alias or ast.Identifier(use.module_span, stem)
            if not name.name.isidentifier() or name.name in RESERVED:
                advice = f'write `use "{use.module}" as NAME`'
                problem = UnnamedModule(span=name.span, name=name.name, advice=advice)
                self.problems.append(problem)
                return
            self._declare(module, name, Namespace(name.name, used, name.span))
        exported = {symbol.name: symbol for symbol in used.declared()}
        for name in use.names or ():
            if name.name in exported:
                self._declare(module, name, exported[name.name])
                continue
            _lose(module, name.name)
            if name.name not in used.file.lost:
                advice = closest(name.name, exported, f"it has {', '.join(sorted(exported))}")
                self.problems.append(
                    NotInModule(span=name.span, module=use.module, name=name.name, advice=advice)
                )

    def _library(self, use: ast.Use) -> Module | None:
        root, _, short = use.module.partition(".")
        known = library_modules()
        if root != "std" or short not in known:
            what, advice = f"module `{use.module}`", _library_advice(root, short, known)
            self.problems.append(ModuleNotFound(span=use.module_span, what=what, advice=advice))
            return None
        if use.module not in self.loaded:
            text = library_file(short).read_text(encoding="utf-8")
            self.load(SourceFile(use.module, text), use.module, "", library=True)
        return self.loaded[use.module]

    def _file(self, module: Module, use: ast.Use) -> Module | None:
        tried = places(module.folder, use.module, self.bundle)
        for path in tried:
            if path in self.loading:
                chain = " → ".join([*self.loading[self.loading.index(path) :], path])
                self.problems.append(ImportCycle(span=use.module_span, chain=chain))
                return None
            if path in self.loaded:
                return self.loaded[path]
            text = self._read(use, path)
            if isinstance(text, Problem):
                self.problems.append(text)
                return None
            if text is not None:
                return self.load(SourceFile(path, text), path, str(PurePath(path).parent))
        self.problems.append(
            ModuleNotFound(
                span=use.module_span,
                what=f'file "{use.module}"',
                advice="check the path: it is relative to this file, then to the -I folders",
                tried=tried,
            )
        )
        return None

    def _read(self, use: ast.Use, path: str) -> str | Problem | None:
        try:
            return self.bundle.read(path)
        except NotTextError as error:
            return UnreadableText(span=use.module_span, path=path, reason=error.reason)
        except OSError as error:
            return ModuleNotFound(
                span=use.module_span,
                what=f'readable file "{use.module}"',
                advice=f"the system says of {path}: {error.strerror}",
            )


def where_declared(name: str) -> str:
    """Return the next step for an unknown name: the module of the library that has it."""
    if name in library_modules():
        return f"the library has it: `use std.{name}`"
    declared = re.compile(rf"^(?:def|rules|param|observable) {re.escape(name)}\b", re.MULTILINE)
    for module in library_modules():
        if declared.search(library_file(module).read_text(encoding="utf-8")):
            return f"the library has it: `use std.{module} {{ {name} }}`"
    return "declare it, or `use` the module that has it"


def _lose(module: Module, *names: str) -> None:
    """Note names that are not there for a reason already reported."""
    module.file = evolve(module.file, lost=module.file.lost | set(names))


def _library_advice(root: str, short: str, known: tuple[str, ...]) -> str:
    listed = ", ".join(f"`std.{name}`" for name in known)
    if root != "std" and short == "pat":
        return f'a file stands in quotes: `use "{root}.pat"`'
    found = near(short or root, known, most=1)
    return f"did you mean `std.{found[0]}`?" if found else f"the library has {listed}"
