"""Load a file and everything it uses, and give every declaration a symbol."""

from pathlib import PurePath

from attrs import define, field

from pattern_lang.diagnostics import Problem, SourceFile, Span
from pattern_lang.diagnostics.catalogue.lints import NoEdition
from pattern_lang.diagnostics.catalogue.names import (
    DuplicateName,
    ImportCycle,
    MisplacedEdition,
    ModuleNotFound,
    NotInModule,
    UnknownEdition,
)
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.resources import library_file, library_modules
from pattern_lang.semantics.scope import Module, Namespace, Symbol
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle, places
from pattern_lang.syntax.recover import parse

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
                self.problems.append(MisplacedEdition(span=edition.span))
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
            where = first.span if isinstance(first, (Symbol, Namespace)) else name.span
            self.problems.append(DuplicateName(span=name.span, name=name.name, first=where))
            return
        module.names[name.name] = meaning

    def _use(self, module: Module, use: ast.Use) -> None:
        used = self._file(module, use) if use.is_file else self._library(use)
        if used is None:
            names = use.names or ((use.alias,) if use.alias else ())
            shown = {name.name for name in names} or {PurePath(use.module).stem.split(".")[-1]}
            module.file = ast.File(
                module.file.span, module.file.declarations, module.file.lost | shown
            )
            return
        if use.names is None:
            stem = PurePath(use.module).stem if use.is_file else use.module.split(".")[-1]
            name = use.alias or ast.Identifier(use.module_span, stem)
            self._declare(module, name, Namespace(name.name, used, use.span))
            return
        exported = {symbol.name: symbol for symbol in used.declared()}
        for name in use.names:
            if name.name in exported:
                self._declare(module, name, exported[name.name])
            elif name.name not in used.file.lost:
                module.file = ast.File(
                    module.file.span, module.file.declarations, module.file.lost | {name.name}
                )
                advice = closest(name.name, exported, f"it has {', '.join(sorted(exported))}")
                self.problems.append(
                    NotInModule(span=name.span, module=use.module, name=name.name, advice=advice)
                )

    def _library(self, use: ast.Use) -> Module | None:
        root, _, short = use.module.partition(".")
        known = library_modules()
        if root != "std" or short not in known:
            advice = closest(short or root, known, f"the library has {', '.join(known)}")
            what = f"module `{use.module}`"
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
            text = self.bundle.read(path)
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
