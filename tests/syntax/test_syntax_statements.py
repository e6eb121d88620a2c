"""What statements and declarations become, for every rule of the grammar."""

import pytest

from pattern_lang.syntax import ast
from pattern_lang.syntax.parser import parser
from tests.syntax.shown import declaration, file, statement, study_item

DECLARATIONS = {
    "edition 2026": "(edition 2026)",
    "use std.tokens": "(use std.tokens false - -)",
    "use std . tokens as t": "(use std.tokens false t -)",
    "use std.tokens { }": "(use std.tokens false - [])",
    "use std.tokens { a, b, }": "(use std.tokens false - [a b])",
    'use "a/b.pat" as p { c }': "(use a/b.pat true p [c])",
    "param dose: Quantity[sd] = 1 sd": "(param dose Quantity[sd] 1:sd)",
    "param x: Quantity[%] = 1 %": "(param x Quantity[%] 1:%)",
    "param x: List[List[Int]] = []": "(param x List[List[Int]] (listof []))",
    "param x: T[a, b] = 1": "(param x T[a b] 1)",
    'model m = hf("d")': "(binding model m (call hf ['d']))",
    "data d = e where row.x": "(binding data d (where e [(attribute row x)]))",
    "observable o = a": "(observable o [] a)",
    "observable o[i in 0..2] = a": "(observable o [(index i (range 0 2))] a)",
    "observable o[i in r, j in s,] = a": "(observable o [(index i r) (index j s)] a)",
    "def f() -> Real = 1": "(def f [] Real 1)",
    "def f(x: Int, y: Real = 2,) -> Real = x": "(def f [x:Int y:Real=2] Real x)",
    "rules r(w: Weights) { }": "(rules r [w:Weights] [])",
    "rules r() { require a require b }": "(rules r [] [(clause require a) (clause require b)])",
    "pattern p { }": "(pattern p [] [])",
    "pattern p() { emit e }": "(pattern p [] [(clause emit e)])",
    "pattern p(s: Real) { }": "(pattern p [s:Real] [])",
    "pattern p = q(s: -1)": "(instance p (call q [s=(signed - 1)]))",
    "study s { }": "(study s [])",
}
STATEMENTS = {
    "reweight d per token as w": "(reweight d token - w)",
    "reweight d where p per sample as v": "(reweight (where d [p]) sample - v)",
    "reweight d per group row.f as w": "(reweight d group (attribute row f) w)",
    "shift o by 1 sd": "(goal shift o 1:sd)",
    "raise o[0] by q": "(goal raise (subscript o [0]) q)",
    "lower a - b by q": "(goal lower (a - b) q)",
    "hold o within q": "(goal hold o q)",
    "move [a] along [1]": "(move (listof [a]) (listof [1]) -)",
    "move [a] along [1] by t": "(move (listof [a]) (listof [1]) t)",
    "require 0 <= w <= 4": "(clause require (0 <= w <= 4))",
    "minimize norm(w)": "(clause minimize (call norm [w]))",
    "maximize ess(w)": "(clause maximize (call ess [w]))",
    "estimate s": "(clause estimate s)",
    "schedule once()": "(clause schedule (call once []))",
    "emit weights(x)": "(clause emit (call weights [x]))",
    "apply gentle(w)": "(clause apply (call gentle [w]))",
}
ITEMS = {
    "arms base, p, f(q),": "(studyitem arms [base p (call f [q])] -)",
    "seeds 0..5": "(studyitem seeds [(range 0 5)] -)",
    "using adamw(lr: 1)": "(studyitem using [(call adamw [lr=1])] -)",
    "measure a, b every 100 steps": "(studyitem measure [a b] 100:steps)",
    "measure a": "(studyitem measure [a] -)",
}


def test_declarations() -> None:
    assert {text: declaration(text) for text in DECLARATIONS} == DECLARATIONS


def test_statements() -> None:
    assert {text: statement(text) for text in STATEMENTS} == STATEMENTS


def test_items_of_studies() -> None:
    assert {text: study_item(text) for text in ITEMS} == ITEMS


def test_the_tables_cover_the_grammar() -> None:
    from tests.syntax.test_syntax_expressions import CALLS, CHAINS, LITERALS, RELATIONS, STRINGS

    values = [*CALLS, *CHAINS, *LITERALS, *RELATIONS, *STRINGS]
    texts = [f"param x: Real = {value}" for value in values]
    texts += [*DECLARATIONS, *(f"pattern p {{ {text} }}" for text in STATEMENTS)]
    texts += [f"study s {{ {text} }}" for text in ITEMS]
    shown = {tree.data for text in texts for tree in parser().parse(text).iter_subtrees()}
    rules = {str(rule.origin.name) for rule in parser().rules if rule.origin.name[0] != "_"}
    assert rules == shown


def test_statements_need_no_line_breaks() -> None:
    text = "pattern p { " + " ".join(STATEMENTS) + " }"
    (found,) = file(text).declarations
    assert isinstance(found, ast.Pattern)
    assert len(found.body) == len(STATEMENTS)


def test_declarations_need_no_line_breaks() -> None:
    found = file(" ".join(DECLARATIONS)).declarations
    assert len(found) == len(DECLARATIONS)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only\n# comments", "\ufeff", "## a doc at the end"]
)
def test_texts_without_statements(text: str) -> None:
    assert file(text).declarations == ()
