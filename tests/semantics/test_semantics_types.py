"""The type of every kind of expression, and what does not go together."""

import pytest

from pattern_lang.semantics.types import (
    ARM,
    DATA,
    INT,
    PREDICATE,
    REAL,
    STRING,
    ListType,
    NumberType,
    ObservableType,
    fits,
)
from pattern_lang.semantics.units import Unit
from tests.semantics.checked import codes_of, type_of

NUMBERS = {
    "3": "an Int",
    "3.0": "a Real",
    "1e3": "a Real",
    "1 sd": "a quantity in sd",
    "50 %": "a quantity in %",
    "3 parsec": "PAT2003",
    "1 + 2": "an Int",
    "1 + 2.0": "a Real",
    "1 * 2": "an Int",
    "1 / 2": "a Real",
    "-3": "an Int",
    "2 ^ 3": "a Real",
    "1 sd + 2 sd": "a quantity in sd",
    "1 nats + 1 bits": "a quantity in nats",
    "50 % + 1": "a Real",
    "1 sd + 1": "PAT2002",
    "1 sd + 1 nats": "PAT2002",
    "2 * 1 sd": "a quantity in sd",
    "1 sd * 2": "a quantity in sd",
    "1 sd * 1 sd": "PAT2005",
    "1 sd / 2": "a quantity in sd",
    "1 sd / 2 sd": "a Real",
    "1 nats / 1 bits": "a Real",
    "1 / 1 sd": "PAT2005",
    "1 sd ^ 2": "PAT2005",
    "dose * half": "a quantity in sd",
    "double(2)": "a Real",
    '"a" + 1': "PAT2005",
    "true + 1": "PAT2005",
}
OBSERVABLES = {
    "icl": "an Observable[nats]",
    "complexity": "an Observable",
    "head": "a family of observables",
    "head[0, 1]": "an Observable[nats]",
    "icl - head[0, 0]": "an Observable[nats]",
    "icl + 1 nats": "an Observable[nats]",
    "1 bits + icl": "an Observable[nats]",
    "icl + 1": "PAT2002",
    "icl + complexity": "PAT2002",
    "complexity + 1": "an Observable",
    "2 * icl / 3": "an Observable[nats]",
    "50 % * icl": "an Observable[nats]",
    "1 sd * icl": "PAT2005",
    "icl * icl": "PAT2005",
    "1 / icl": "PAT2005",
    "icl ^ 2": "PAT2005",
    "-icl": "an Observable[nats]",
    "-head": "PAT2005",
    "head + icl": "PAT2005",
    "pc(head, 1)": "an Observable[sd]",
    "pc(icl, 1)": "PAT2001",
    "restrict(icl, to: tr.mlp(lm, 0))": "an Observable[nats]",
    "restrict(head, to: tr.mlp(lm, 0))": "PAT2001",
    "free_energy(lm, on: text)": "an Observable[nats]",
    "icl[0]": "PAT2007",
    "head[0]": "PAT2007",
    "head[0, 0.5]": "PAT2001",
    "head[0, 0][0]": "PAT2007",
    "lm[0]": "PAT2007",
}
ROWS = {
    "row": "a whole row",
    "row.x": "a row field",
    "row.x + 1": "a number from a row",
    "2 * row.x - row.y": "a number from a row",
    "-row.x": "a number from a row",
    "row.x ^ 2": "a number from a row",
    'row.x + "a"': "PAT2005",
    "row.x > 3": "a Predicate",
    '"a" == row.x': "a Predicate",
    "row.x != true": "a Predicate",
    "0 <= row.x < 3": "a Predicate",
    "1 < 2 < row.x": "a Predicate",
    "row.x in [1, 2]": "a Predicate",
    "row.x + 1 in [1, 2]": "a Predicate",
    "row.x in []": "a Predicate",
    "1 in [row.x]": "PAT2005",
    "row.x in 3": "PAT2005",
    "row.x > lm": "PAT2005",
    "row.x == 1 and row.flag": "a Predicate",
    "not row.flag or row.x > 1": "a Predicate",
    "row.x + 1 and row.flag": "PAT2001",
    "repeats(2)": "a Predicate",
    "row.x.y": "PAT1016",
    "row > 3": "PAT2005",
}
OTHERS = {
    "true": "a Bool",
    "not true": "a Bool",
    "1 < 2": "a Bool",
    "1 sd < 2 sd": "a Bool",
    "1 sd < 2 nats": "PAT2002",
    '"a" == "b"': "a Bool",
    '"a" < "b"': "PAT2005",
    "true and 1 < 2": "a Bool",
    "true and 1": "PAT2001",
    "not 1": "PAT2001",
    "[]": "an empty list",
    "[1, 2]": "a List[Int]",
    "[1, 2.5]": "a List[Real]",
    "[2.5, 1]": "a List[Real]",
    "[1, 50 %]": "a List[Quantity[%]]",
    "[1 sd, 2]": "PAT2001",
    '[1, "a"]': "PAT2001",
    "[icl, complexity]": "a List[Observable]",
    "[icl, head]": "a List[family of Observable]",
    "[[1], [2, 3]]": "a List[List[Int]]",
    "layers[0]": "an Int",
    "layers[0, 1]": "PAT2007",
    "0..3": "a range",
    "0..half": "PAT2001",
    "lm": "a Model",
    'lm.at("x")': "a Model",
    "lm.size": "PAT1016",
    "text where row.x": "Data",
    "text where 1": "PAT2001",
    "lm where row.x": "PAT2001",
    "tr": "a module",
    "tr.head": "a function",
    "tr.hed": "PAT1005",
    "sgld": "a function",
    "double": "a function",
    "nowhere": "PAT1001",
    "nowhere(1)": "PAT1001",
    "icl(1)": "PAT2004",
    "3(1)": "PAT2004",
    "tr(1)": "PAT2004",
    'component(lm, "*")': "a Component",
    "once()": "a Schedule",
    "laplace(1, 1)": "a Sampler",
    'weights("w.parquet")': "a Target",
}
WEIGHTED = {
    "w": "the weights",
    "w - 1": "the weights",
    "2 * w / 3": "the weights",
    "-w": "the weights",
    "w + mean(w)": "the weights",
    "w * w": "PAT2005",
    "1 / w": "PAT2005",
    "w ^ 2": "PAT3003",
    "w + 1 sd": "PAT2002",
    "mean(w)": "a number affine in w",
    "mass(w, across: row.x)": "the shares of groups",
    "mass(w, of: row.x > 1)": "a number affine in w",
    "w + mass(w, across: row.x)": "PAT2005",
    "predicted(icl)": "a number affine in w",
    "norm(w) + l1(w)": "a number convex in w",
    "norm(w) - min(w)": "a number convex in w",
    "norm(w) + min(w)": "PAT3003",
    "-norm(w)": "a number concave in w",
    "-1 * -norm(w)": "a number convex in w",
    "norm(w) / -2": "a number concave in w",
    "(1 - 2) * norm(w)": "a number concave in w",
    "(2 - 1) * norm(w)": "a number convex in w",
    "half * norm(w)": "a number convex or concave in w",
    "half * norm(w) + min(w)": "a number convex or concave in w",
    "1 - norm(w)": "a number concave in w",
    "ess(w)": "a number quasiconcave in w",
    "2 * ess(w)": "a number quasiconcave in w",
    "ess(w) + 1": "a number quasiconcave in w",
    "-ess(w)": "PAT3003",
    "ess(w) + norm(w)": "PAT3003",
    "kl(w) + norm(w)": "PAT2002",
    "max(w) - 1 nats": "PAT2002",
    "norm(norm(w))": "PAT2001",
    "norm(mass(w, across: row.x))": "PAT2001",
}


@pytest.mark.parametrize(
    "table", [NUMBERS, OBSERVABLES, ROWS, OTHERS, WEIGHTED], ids="num obs row other w".split()
)
def test_types(table: dict[str, str]) -> None:
    assert {text: type_of(text) for text in table} == table


PARAMS = {
    "Int = 1": [],
    "Int = 2 * 3": [],
    "Int = 1.0": ["PAT2001"],
    "Int = 1 sd": ["PAT2001"],
    "Int = 50 %": ["PAT2001"],
    "Real = 1": [],
    "Real = 50 %": [],
    "Real = half": [],
    "Bool = true": [],
    "Bool = 1 < 2": [],
    "Bool = 1": ["PAT2001"],
    'String = "a"': [],
    "String = a": ["PAT1001"],
    "Quantity[sd] = dose": [],
    "Quantity[sd] = 1": ["PAT2001"],
    "Quantity[nats] = 1 bits": [],
    "Quantity[%] = 0.5": [],
    "Quantity[steps] = 100": [],
    "Quantity[steps] = 0.5": ["PAT2001"],
    "List[Real] = [1, 2]": [],
    "List[Int] = []": [],
    "List[Int] = [1, 2.5]": ["PAT2001"],
    "List[Quantity[sd]] = [1 sd]": [],
    "List[Bool] = [true, 1 < 2]": [],
    "List[Nothing] = [1]": ["PAT2006"],
    "Model = lm": [],
    "Data = text where row.x": [],
    "Observable = icl": [],
    "Observable[nats] = icl": [],
    "Observable[bits] = icl": [],
    "Observable[sd] = icl": ["PAT2001"],
    "Predicate = row.x > 3": [],
    'Component = component(lm, "*")': [],
    "Sampler = laplace(1, 1)": [],
    "Quantity = 1": ["PAT2013"],
    "Quantity[sd, nats] = 1": ["PAT2013"],
    "Int[sd] = 1": ["PAT2013"],
    "Quantity[sds] = 1": ["PAT2003"],
    "quantity[sd] = 1": ["PAT2006"],
}


def test_parameters() -> None:
    assert {text: codes_of(f"param x: {text}\n") for text in PARAMS} == PARAMS


def test_what_is_wanted_chooses_between_meanings() -> None:
    call = 'python("a.py:f")'
    assert type_of(call, DATA) == "Data"
    assert type_of(call, ObservableType(None)) == "an Observable"
    assert type_of(f"2 * {call}", ObservableType(None)) == "an Observable"
    assert type_of("base", ARM) == "a pattern, `base` or a control"
    assert type_of("base") == "PAT1001"


def test_which_values_fit_where() -> None:
    assert fits(INT, REAL)
    assert not fits(REAL, INT)
    assert fits(INT, NumberType(Unit.STEPS))
    assert not fits(REAL, NumberType(Unit.STEPS))
    assert not fits(INT, NumberType(Unit.SD))
    assert fits(NumberType(Unit.BITS), NumberType(Unit.NATS))
    assert fits(ListType(None), ListType(STRING))
    assert fits(ListType(INT), ListType(REAL))
    assert not fits(ListType(STRING), ListType(REAL))
    assert not fits(STRING, PREDICATE)
    assert fits(ObservableType(Unit.NATS), ObservableType(None))
    assert not fits(ObservableType(None, family=1), ObservableType(None))
    assert fits(ObservableType(None, family=2), ObservableType(None, family=1))
