"""The reserved words by what they start, and how the parser's tokens are called in messages."""

from collections.abc import Iterable, Set

from pattern_lang.diagnostics.suggest import near

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

# Units as they are written; what they mean is no matter of syntax.
UNITS = ("nats", "bits", "sd", "steps", "tokens", "samples", "epochs")

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
    "ARROW": "`->`",
    "DOTS": "`..`",
    "PERCENT": "`%`",
}
_STARTS_EXPRESSION = {"NAME", "NUMBER", "STRING", "LPAR", "LSQB", "SIGN"}
_CONTINUES_EXPRESSION = {
    *("SIGN", "STAR_SLASH", "CARET", "COMPARATOR", "IN", "AND", "OR", "WHERE", "DOTS"),
    *("ATTRIBUTE", "LPAR", "LSQB", "PERCENT", "NAME"),
}
_STATEMENT_TERMINALS = frozenset(word.upper() for word in STATEMENTS)

# Words of other languages for what begins a statement here.
_ELSEWHERE = {
    **dict.fromkeys(("import", "from", "include", "load"), "use"),
    **dict.fromkeys(("let", "const", "var", "set", "parameter", "constant"), "param"),
    **dict.fromkeys(("dataset", "corpus"), "data"),
    **dict.fromkeys(("network", "checkpoint"), "model"),
    **dict.fromkeys(("function", "func", "fn", "define", "fun"), "def"),
    **dict.fromkeys(("metric", "target"), "observable"),
    **dict.fromkeys(("rule", "macro"), "rules"),
    **dict.fromkeys(("program",), "pattern"),
    **dict.fromkeys(("experiment",), "study"),
    **dict.fromkeys(("increase",), "raise"),
    **dict.fromkeys(("decrease", "reduce"), "lower"),
    **dict.fromkeys(("keep", "fix", "freeze"), "hold"),
    **dict.fromkeys(("ensure", "assert", "constrain", "constraint", "subject"), "require"),
    **dict.fromkeys(("sample", "sampler"), "estimate"),
    **dict.fromkeys(("write", "output", "save", "export"), "emit"),
}


def form_of(keyword: str, *, instance: bool = False, parameters: bool = False) -> str:
    """Return how a statement is written: `pattern NAME = …` and `pattern NAME(…) { … }` too."""
    if keyword == "pattern" and instance:
        return "pattern NAME = OTHER(arguments)"
    if keyword == "pattern" and parameters:
        return "pattern NAME(parameter: TYPE) { statements }"
    return STATEMENTS.get(keyword, "")


def meant(word: str, statements: Iterable[str]) -> str | None:
    """Return the statement that an unknown first word is probably a slip for, or None."""
    known = set(statements)
    elsewhere = _ELSEWHERE.get(word.lower())
    if elsewhere in known:
        return elsewhere
    found = near(word, known, most=1)
    return found[0] if found else None


def at_boundary(accepted: Set[str]) -> bool:
    """Tell whether a statement may start (or the text end) where these terminals are accepted."""
    return bool(accepted & (_STATEMENT_TERMINALS | {"$END"}))


def takes_expression(accepted: Set[str]) -> bool:
    """Tell whether an expression may start where these terminals are accepted."""
    return accepted >= _STARTS_EXPRESSION


def expectation(accepted: Set[str]) -> str:
    """Say in words what may stand where the parser accepts these terminals."""
    if takes_expression(accepted):
        closing = " or `)`" if "RPAR" in accepted else " or `]`" if "RSQB" in accepted else ""
        return "an expression" + closing
    if at_boundary(accepted):
        operator = "an operator or " if accepted & {"COMPARATOR", "STAR_SLASH"} else ""
        return f"{operator}the next statement"
    if accepted == {"NAME", "STRING"}:
        return "a module"
    if "AS" in accepted:
        return "`as`"
    useful = accepted - _CONTINUES_EXPRESSION or accepted
    return " or ".join(sorted(_phrase(terminal) for terminal in useful))


def _phrase(terminal: str) -> str:
    return _PHRASES.get(terminal, f"`{terminal.lower()}`")
