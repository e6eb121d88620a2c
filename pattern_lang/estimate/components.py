"""From a component that a spec names to the parameters of the loaded module."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn

from pattern_lang.diagnostics import PatternError, Problem
from pattern_lang.diagnostics.catalogue.components import FrozenComponent, NothingMatches
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.estimate.selection import Piece, Selection, whole
from pattern_lang.estimate.transformer import Transformer
from pattern_lang.ir.sources import Component, LibraryComponent, ParameterGlob


def select(component: Component, module: nn.Module) -> Selection:
    """Return the pieces of a module's parameters that a component consists of.

    Raises PatternError: NothingMatches, FrozenComponent, UnknownLayout, HeadsUnknown,
    NoSuchPart.
    """
    if isinstance(component, ParameterGlob):
        found = _matching(component, module)
    else:
        found = _of_library(component, module)
    moving = {name for name, p in module.named_parameters() if p.requires_grad}
    kept = tuple(piece for piece in found if piece.name in moving)
    if not kept:
        raise _error(FrozenComponent(span=component.origin, component=component.text))
    return kept


def _matching(component: ParameterGlob, module: nn.Module) -> Selection:
    names = first_names(module)
    chosen = [own for name, own in names.items() if fnmatchcase(name, component.pattern)]
    if not chosen:
        raise _error(
            NothingMatches(
                span=component.origin,
                pattern=component.pattern,
                model=component.model.name,
                advice=_near(component.pattern, names),
            )
        )
    return whole(*dict.fromkeys(chosen))


def _near(pattern: str, names: Iterable[str]) -> str:
    """Suggest a glob: each part of the pattern corrected to what the names have in its place."""
    known = [name.split(".") for name in names]
    parts = pattern.split(".")
    mended = []
    for place, part in enumerate(parts):
        here = {name[place] for name in known if len(name) > place}
        if any(fnmatchcase(item, part) for item in here):
            mended.append(part)
            continue
        near = closest(part, here).removeprefix("did you mean ").split("`")
        mended.append(near[1] if len(near) > 1 else part)
    guess = ".".join(mended)
    for option in (guess, f"{guess}.*", f"*{pattern}*"):
        if any(fnmatchcase(name, option) for name in names):
            return f'did you mean `"{option}"`?'
    shown = ", ".join(f"`{name}`" for name in list(names)[:6])
    return f"the parameters are called {shown}" + (" and so on" if len(known) > 6 else "")


def _of_library(component: LibraryComponent, module: nn.Module) -> tuple[Piece, ...]:
    values = {name: value for name, value in component.arguments if isinstance(value, int)}
    transformer = Transformer(module, first_names(module), component)
    match component.function.rpartition(".")[2]:
        case "head":
            return transformer.head(values["layer"], values["head"])
        case "mlp":
            return transformer.mlp(values["layer"])
        case "embedding":
            return transformer.embedding()
        case "unembedding":
            return transformer.unembedding()
    raise AssertionError(component.function)


def first_names(module: nn.Module) -> dict[str, str]:
    """Return the first of a parameter's names for each of its names, in the module's order."""
    own = {id(parameter): name for name, parameter in module.named_parameters()}
    named = module.named_parameters(remove_duplicate=False)
    return {name: own[id(parameter)] for name, parameter in named}


def _error(problem: Problem) -> PatternError:
    return PatternError([problem])
