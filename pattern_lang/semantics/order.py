"""The declarations of a file, each after those that it mentions, so that no pass recurses deeply.

What a declaration mentions is read off its words. A word in a string or the name of a local may
count as a mention too, which changes the order and nothing else.
"""

import re
from collections.abc import Iterator

from pattern_lang.semantics.scope import Module, Symbol

_WORD = re.compile(r"[^\W\d]\w*")


def in_dependency_order(module: Module) -> tuple[Symbol, ...]:
    """Return the symbols that a module declares, each after those that it mentions."""
    symbols = {symbol.name: symbol for symbol in module.declared()}
    placed: dict[Symbol, None] = {}
    visited: set[Symbol] = set()
    for symbol in symbols.values():
        visited.add(symbol)
        pending = [(symbol, _mentions(symbol, symbols))]
        while pending:
            current, mentions = pending[-1]
            following = next((item for item in mentions if item not in visited), None)
            if following is None:
                pending.pop()
                placed[current] = None
            else:
                visited.add(following)
                pending.append((following, _mentions(following, symbols)))
    return tuple(placed)


def _mentions(symbol: Symbol, symbols: dict[str, Symbol]) -> Iterator[Symbol]:
    words = dict.fromkeys(_WORD.findall(symbol.declaration.span.text))
    return iter([symbols[word] for word in words if word in symbols])
