"""An error in one statement never hides an error in another."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.soundness import check_soundly

HEAD = """edition 2026
model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)
"""

# One line with one mistake, and its code; `{n}` makes names differ.
AT_THE_TOP = (
    ("param p{n} Real = 1", "PAT0003"),
    ("param p{n}: Real = 1 2", "PAT0003"),
    ("observable o{n} = icl + * icl", "PAT0003"),
    ("def f{n}(x) -> Real = x", "PAT0003"),
    ("param p{n}: Real = 1 +", "PAT0004"),
    ('model m{n} = torch("a.py:f"', "PAT0004"),
    ("data d{n} = text where", "PAT0004"),
    ("use std.tokens as", "PAT0004"),
    ("param p{n}: Real = 1;", "PAT0001"),
    ("param p{n}: Real = −1", "PAT0001"),
    ('param p{n}: String = "abc', "PAT0002"),
    ("param model: Real = 1", "PAT0005"),
    ('param p{n}: String = "\\q"', "PAT0007"),
    ("param p{n}: Real = 1e999", "PAT0008"),
    ("raise icl by 1 sd", "PAT0010"),
    ("seeds 0..3", "PAT0010"),
    ("mdoel m{n} = torch()", "PAT0013"),
    ("import x{n}", "PAT0013"),
    ("}}", "PAT0013"),
    ("param p{n}: Real = nowhere_{n}", "PAT1001"),
    ("data lm = text", "PAT1002"),
    ("use std.nowhere_{n}", "PAT1003"),
    ("use std.tokens {{ nothing_{n} }}", "PAT1005"),
    ("observable o{n} = llc(lm, on: text, held_: true)", "PAT1006"),
    ("observable o{n} = loss(lm)", "PAT1007"),
    ("observable o{n} = loss(lm, text, on: text)", "PAT1008"),
    ("observable o{n} = loss(lm, on: text, on: text)", "PAT1009"),
    ("param c{n}: Real = c{n}", "PAT1010"),
    ("edition 2026", "PAT1012"),
    ("param p{n}: Real = lm.x", "PAT1016"),
    ("param p{n}: Int = 0.5", "PAT2001"),
    ("observable o{n} = icl + 1", "PAT2002"),
    ("param p{n}: Quantity[sd] = 1 parsec", "PAT2003"),
    ("observable o{n} = icl()", "PAT2004"),
    ("observable o{n} = icl * icl", "PAT2005"),
    ("param p{n}: Integer = 1", "PAT2006"),
    ("observable o{n} = icl[0]", "PAT2007"),
    ('model m{n} = torch("model.py")', "PAT2009"),
    ("observable o{n}[i in 3..3] = icl", "PAT2011"),
    ("param p{n}: Real = 1 / 0", "PAT2012"),
    ("param p{n}: List = [1]", "PAT2013"),
)
IN_A_PATTERN = (
    ("shift icl to 1 sd", "PAT0003"),
    ("require w <= 4)", "PAT0003"),
    ("require w =< 4", "PAT0003"),
    ("hold icl within", "PAT0004"),
    ("require (w <= 4", "PAT0004"),
    ("raise", "PAT0004"),
    ("require w ≤ 4", "PAT0001"),
    ('emit weights("w)', "PAT0002"),
    ("lower model by 1 sd", "PAT0005"),
    ("param p{n}: Real = 1", "PAT0010"),
    ("arms base", "PAT0010"),
    ("shfit icl by 1 sd", "PAT0013"),
    ("apply nothing_{n}(w)", "PAT1001"),
    ("require norm(w, v: 1) <= 1", "PAT1006"),
    ("hold lm within 1 sd", "PAT2001"),
    ("raise icl by 1", "PAT2002"),
    ("raise icl by 1 parsec", "PAT2003"),
    ("require w * w <= 4", "PAT2005"),
    ('emit weights("../w.parquet")', "PAT2014"),
    ("require w ^ 2 <= 4", "PAT3003"),
    ("require norm(w - 1) >= 1", "PAT3004"),
    ("require 0 < w", "PAT3005"),
    ("require w", "PAT3006"),
    ("require max(w) <= 0.5", "PAT3008"),
    ("lower icl by -1 sd", "PAT3009"),
    ("move [icl] along [1, 2] by 1 sd", "PAT3011"),
    ("move [icl] along [0] by 1 sd", "PAT3013"),
    ("require mass(w) <= 2", "PAT3016"),
)
RIGHT_AT_THE_TOP = (
    "param r{n}: Real = 1",
    "## Documented.\nobservable s{n} = icl - loss(lm, on: text)  # right",
    "data t{n} = text where row.x > {n} and row.data == 3",
    "def g{n}(x: Real) -> Real = 2 * x",
    "rules q{n}(v: Weights) {{ require v <= 4 }}",
)
RIGHT_IN_A_PATTERN = ("require w <= 4", "hold icl within\n    1 sd", "emit weights(\n'w')")
MOST = 9

Line = tuple[str, str]


def spec_with(mistakes: list[Line], inside: list[Line], random: Random) -> str:
    """Return a spec with these mistakes, right statements between them."""
    lines = [HEAD]
    for number, (line, _) in enumerate(mistakes):
        lines.append(line.format(n=number))
        if random.random() < 0.5:
            lines.append(random.choice(RIGHT_AT_THE_TOP).format(n=number))
    lines += ["pattern steer {", "  reweight text per sample as w"]
    for number, (line, _) in enumerate(inside, start=100):
        lines.append("  " + line.format(n=number))
        if random.random() < 0.5:
            right = random.choice(RIGHT_IN_A_PATTERN).replace("'", '"')
            lines.append("  " + right.format(n=number))
    lines.append("}")
    return "\n".join(lines) + "\n"


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.sampled_from(AT_THE_TOP), max_size=MOST),
    st.lists(st.sampled_from(IN_A_PATTERN), max_size=MOST),
    st.integers(0, 2**32),
)
def test_every_mistake_is_reported_in_order(
    mistakes: list[Line], inside: list[Line], seed: int
) -> None:
    text = spec_with(mistakes, inside, Random(seed))
    found = [d.code for d in check_soundly(text).diagnostics if d.is_error]
    assert found == [code for _, code in (*mistakes, *inside)]


def test_each_mistake_is_one_by_itself() -> None:
    for line in AT_THE_TOP:
        found = check_soundly(spec_with([line], [], Random(0))).diagnostics
        assert [d.code for d in found if d.is_error] == [line[1]]
    for line in IN_A_PATTERN:
        found = check_soundly(spec_with([], [line], Random(0))).diagnostics
        assert [d.code for d in found if d.is_error] == [line[1]]
