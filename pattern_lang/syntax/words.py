"""The reserved words by what they start, and how the parser's tokens are called in messages."""

from collections.abc import Set

DECLARATIONS = {
    "edition": "edition 2026",
    "use": "use std.NAME { names }",
    "param": "param NAME: TYPE = VALUE",
    "model": 'model NAME = torch("file.py:function", weights: "file.safetensors")',
    "data": 'data NAME = jsonl("file.jsonl")',
    "observable": "observable NAME = EXPRESSION",
    "def": "def NAME(parameter: TYPE) -> TYPE = EXPRESSION",
    "rules": "rules NAME(w: Weights) { statements }",
    "pattern": "pattern NAME { statements }",
    "study": "study NAME { arms …  seeds …  using …  measure … }",
}
GOALS = {
    "reweight": "reweight DATA per UNIT as w",
    "shift": "shift OBSERVABLE by QUANTITY",
    "raise": "raise OBSERVABLE by QUANTITY",
    "lower": "lower OBSERVABLE by QUANTITY",
    "hold": "hold OBSERVABLE within QUANTITY",
    "move": "move [OBSERVABLES] along [NUMBERS] by QUANTITY",
    "require": "require CONSTRAINT",
    "minimize": "minimize EXPRESSION",
    "maximize": "maximize EXPRESSION",
    "estimate": "estimate SAMPLER",
    "schedule": "schedule SCHEDULE",
    "emit": "emit TARGET",
    "apply": "apply RULES(w)",
}
STUDY_ITEMS = {
    "arms": "arms ARM, ARM",
    "seeds": "seeds 0..5",
    "using": "using OPTIMIZER",
    "measure": "measure OBSERVABLE every 100 steps",
}
STATEMENTS: dict[str, str] = DECLARATIONS | GOALS | STUDY_ITEMS
WITH_BODY = frozenset({"pattern", "rules", "study"})
RESERVED = frozenset(STATEMENTS) | {
    *("as", "per", "along", "by", "within", "every"),
    *("where", "in", "and", "or", "not", "true", "false"),
}

_PHRASES = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "ATTRIBUTE": "`.name`",
    "EQUAL": "`=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "__ANON_0": "`->`",
    "__ANON_1": "`..`",
    "PERCENT": "`%`",
}
_STARTS_EXPRESSION = {"NAME", "NUMBER", "STRING", "LPAR", "LSQB", "SIGN"}
_CONTINUES_EXPRESSION = {
    *("SIGN", "STAR_SLASH", "CARET", "COMPARATOR", "IN", "AND", "OR", "WHERE", "__ANON_1"),
    *("ATTRIBUTE", "LPAR", "LSQB", "PERCENT", "NAME"),
}
_STATEMENT_TERMINALS = frozenset(word.upper() for word in STATEMENTS)


def at_boundary(accepted: Set[str]) -> bool:
    """Tell whether a statement may start (or the text end) where these terminals are accepted."""
    return bool(accepted & (_STATEMENT_TERMINALS - {"PARAM"} | {"$END"}))


def expectation(accepted: Set[str]) -> str:
    """Say in words what may stand where the parser accepts these terminals."""
    if accepted >= _STARTS_EXPRESSION:
        closing = " or `)`" if "RPAR" in accepted else " or `]`" if "RSQB" in accepted else ""
        return "an expression" + closing
    if at_boundary(accepted):
        inside = accepted - _CONTINUES_EXPRESSION
        operator = "an operator or " if accepted & {"COMPARATOR", "STAR_SLASH"} else ""
        return f"{operator}the next statement" + (" or `}`" if "RBRACE" in inside else "")
    useful = accepted - _CONTINUES_EXPRESSION or accepted
    return " or ".join(sorted(_phrase(terminal) for terminal in useful))


def _phrase(terminal: str) -> str:
    return _PHRASES.get(terminal, f"`{terminal.lower()}`")
