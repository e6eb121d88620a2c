"""The generated parser: LALR tables over a basic lexer.

Building the tables from the grammar takes 0.2 s, which every run of `pat check` would pay. They
are therefore kept beside the grammar as JSON (never lark's own cache, which unpickles) and used
when they belong to the same grammar text and the same lark; otherwise they are built on the spot.
Run `python -m pattern_lang.syntax.parser` after a change of the grammar.
"""

import json
from functools import cache
from hashlib import sha256
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from pattern_lang.resources import grammar_file

GRAMMAR = "pattern.lark"
TABLES = "pattern.tables.json"


def grammar_text() -> str:
    """Return the text of the grammar."""
    return grammar_file(GRAMMAR).read_text(encoding="utf-8")


def build_parser(*, strict: bool = False) -> lark.Lark:
    """Build the parser from the grammar; `strict` refuses terminals that collide."""
    return lark.Lark(
        grammar_text(), parser="lalr", lexer="basic", propagate_positions=True, strict=strict
    )


def grammar_digest() -> str:
    """Return what the tables depend on: the grammar's text and lark's version."""
    return sha256(f"{lark.__version__}\n{grammar_text()}".encode()).hexdigest()


def tables() -> dict[str, Any]:
    """Return the parser tables as a value that JSON can hold."""
    data, memo = build_parser().memo_serialize([TerminalDef, Rule])
    return {"digest": grammar_digest(), "data": data, "memo": memo}


def _with_integer_keys(mapping: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in mapping.items()}


def _from_tables(stored: dict[str, Any]) -> lark.Lark:
    data, tables_of = stored["data"], stored["data"]["parser"]["parser"]
    tables_of["tokens"] = _with_integer_keys(tables_of["tokens"])
    tables_of["states"] = {
        state: _with_integer_keys(actions)
        for state, actions in _with_integer_keys(tables_of["states"]).items()
    }
    return lark.Lark.load({"data": data, "memo": _with_integer_keys(stored["memo"])})


@cache
def parser() -> lark.Lark:
    """Return the parser, from the stored tables when they fit."""
    path = grammar_file(TABLES)
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["digest"] == grammar_digest():
            return _from_tables(stored)
    return build_parser()


def main() -> None:
    """Write the tables beside the grammar."""
    text = json.dumps(tables(), separators=(",", ":"), sort_keys=True)
    grammar_file(TABLES).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
