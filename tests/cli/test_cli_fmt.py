"""`pat fmt`: one layout, nothing lost."""

from pathlib import Path

import pytest

from pattern_lang.cli.app import run
from pattern_lang.syntax.formatting import format_source

CANONICAL = """\
# head

edition 2026

param x: Real = -3^-2  # trailing
data d = jsonl(
    "a",  # first
    field: "b",
    # second
    context: 3,
) where not row.x in ["a", "b"] and (row.y + -1) * 2 > 3  # end

pattern p {  #open
  # c1
  shift    a by 3 sd

  # c2
  # odd
  lower    b by 2 sd
  require  0 <= w <= 4
  estimate sgld(
      step: 1e-3, nbeta: 30, localization: 300, batch: 64, chains: 4, draws: 200, burn_in: 100
  )
  # last
}

pattern q {}

# eof
"""

LOOSE = """\

# head

edition 2026
param x:Real=-  3 ^ -2   # trailing
data d=jsonl("a" , # first
  field:"b",
  # second
  context : 3
) where not row.x in ["a","b"] and (row.y+ -1)*2>3 # end
pattern p{#open
# c1
shift a by 3 sd


# c2
lower b # odd
 by 2 sd require 0<=w<=4
 estimate sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64, chains: 4, draws: 200, burn_in: 100)
# last
}
pattern q { }
# eof"""


def test_loose_becomes_canonical_and_stays() -> None:
    assert format_source(LOOSE) == CANONICAL
    assert format_source(CANONICAL) == CANONICAL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "edition 2026\n",
        "edition 2026\n\nuse std.transformer as t\nuse std.tokens { repeats }\n",
        'edition 2026\n\nuse "a b.pat"\n',
        "param a: List[Quantity[%]] = [1 %, -2 %]\n",
        "observable f[i in 0..2, j in 0..3] = head[i, j].x\n",
        "pattern p = q(a: -1, b: +2)\n",
    ],
)
def test_canonical_texts_stay(text: str) -> None:
    assert format_source(text) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("use std.tokens { repeats # why\n}", "use std.tokens {\n    # why\n    repeats,\n}\n"),
        (
            "observable o = f(# one\na) + g(# two\nb)",
            "observable o = f(\n    # one\n    a,\n) + g(\n    # two\n    b,\n)\n",
        ),
        (
            "observable o = [((# why\na) / 2)]",
            "observable o = [\n    (\n        (\n            # why\n            a\n"
            "        ) / 2\n    ),\n]\n",
        ),
        (
            "param p: Quantity[# why\nsd] = 1 sd",
            "param p: Quantity[\n    # why\n    sd\n] = 1 sd\n",
        ),
        ("# head\n\n# one\n# two\n\n\n## doc\nedition 2026", None),
    ],
)
def test_comments_stay_where_they_are(text: str, canonical: str | None) -> None:
    wanted = canonical or text.replace("\n\n\n", "\n\n") + "\n"
    assert format_source(text) == wanted
    assert format_source(wanted) == wanted


def test_check_and_diff_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "a.pat"
    spec.write_text(LOOSE)
    assert run(["fmt", "--check", str(spec)]) == 1
    assert "would be reformatted" in capsys.readouterr().out
    assert run(["fmt", "--diff", str(spec)]) == 0
    assert "+  lower    b by 2 sd" in capsys.readouterr().out
    assert spec.read_text() == LOOSE
    assert run(["fmt", str(spec)]) == 0
    assert spec.read_text() == CANONICAL
    assert run(["fmt", "--check", str(spec)]) == 0


def test_a_broken_file_is_reported_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "a.pat"
    spec.write_text("param x: Real = \n")
    assert run(["fmt", str(spec)]) == 1
    assert "PAT0004" in capsys.readouterr().err
    assert spec.read_text() == "param x: Real = \n"
