"""Files that use each other: names, aliases, search paths, circles, and files that cannot be read."""

from pathlib import Path

import pytest

from pattern_lang.api import load
from pattern_lang.diagnostics import PatternError, SourceFile
from pattern_lang.resources import library_modules
from pattern_lang.semantics.check import check
from pattern_lang.syntax.bundle import FileBundle, MemoryBundle, NotTextError, places
from tests.semantics.checked import codes

EDITION = "edition 2026\n"
FILES = {
    "lib.pat": EDITION + "param k: Real = 2\ndef twice(x: Real) -> Real = k * x\n"
    "rules cap(w: Weights, most: Real = 4) { require w <= most }\n",
    "deep/inner.pat": EDITION + 'use "outer.pat" { low }\nparam high: Real = 2 * low\n',
    "deep/outer.pat": EDITION + "param low: Real = 1\n",
    "broken.pat": EDITION + "param lost Real = 1\nparam kept: Real = 1\n",
    "wrong.pat": EDITION + "param a: Int = 0.5\n",
    "one.pat": EDITION + 'use "two.pat" { b }\nparam a: Real = b\n',
    "two.pat": EDITION + 'use "one.pat" { a }\nparam b: Real = 1\n',
    "self.pat": EDITION + 'use "self.pat"\n',
    "two-words.pat": EDITION + "param a: Real = 1\n",
    "data.pat": EDITION + "param a: Real = 1\n",
    "old.pat": "param a: Real = 1\n",
    "windows.pat": "\ufeffedition 2026\r\nparam a: Real = 1\r\n",
    "reuse.pat": EDITION + 'use "lib.pat" { k }\nparam m: Real = k\n',
}


def using(text: str) -> list[str]:
    return codes(EDITION + text, files=FILES)


RIGHT = (
    'use "lib.pat" { k, twice }\nparam a: Real = twice(k)\n',
    'use "lib.pat"\nparam a: Real = lib.twice(lib.k)\n',
    'use "lib.pat" as l\nparam a: Real = l.twice(l.k)\n',
    'use "lib.pat" as l { k }\nparam a: Real = l.twice(k)\n',
    'use "lib.pat" { }\n',
    'use "lib.pat" { k }\nuse "lib.pat" as l\nparam a: Real = k + l.k\n',
    'use "lib.pat" { cap }\nrules r(v: Weights) { apply cap(v, most: 3) }\n',
    'use "lib.pat"\nrules r(v: Weights) { apply lib.cap(v) }\n',
    'use "deep/inner.pat" { high }\nparam a: Real = high\n',
    'use "deep/../lib.pat" { k }\nparam a: Real = k\n',
    'use "two-words.pat" { a }\nparam b: Real = a\n',
    'use "data.pat" as d\nparam b: Real = d.a\n',
    'use "windows.pat" { a }\nparam b: Real = a\n',
    "use std.tokens { repeats }\nuse std.transformer as t\n",
    "use std.policies\nrules r(w: Weights) { apply policies.gentle(w) }\n",
)


@pytest.mark.parametrize("text", RIGHT)
def test_uses(text: str) -> None:
    assert using(text) == []


WRONG = {
    'use "lib.pat" { nothing }\nparam a: Real = nothing\n': ["PAT1005"],
    'use "lib.pat" as l\nparam a: Real = l.nothing + l.k\n': ["PAT1005"],
    'use "lib.pat" as l\nparam a: Real = l.nothing(1)\n': ["PAT1005"],
    'use "lib.pat" as l\nparam a: Real = k\n': ["PAT1001"],
    'use "lib.pat" { k }\nparam a: Real = lib.k\n': ["PAT1001"],
    # What a file brings in is not passed on.
    'use "reuse.pat" { k }\n': ["PAT1005"],
    'use "nowhere.pat" { a, b }\nparam x: Real = a + b\n': ["PAT1003"],
    'use "nowhere.pat"\nparam x: Real = nowhere.a\n': ["PAT1003"],
    'use "nowhere.pat" as n\nparam x: Real = n.a(1)\n': ["PAT1003"],
    "use std.nothing { a }\nparam x: Real = a\n": ["PAT1003"],
    "use std\n": ["PAT1003"],
    "use tokens\n": ["PAT1003"],
    "use lib.pat\n": ["PAT1003"],
    'use "broken.pat" { lost, kept }\nparam x: Real = lost + kept\n': ["PAT0003"],
    'use "broken.pat" as b\nparam x: Real = b.lost + b.kept\n': ["PAT0003"],
    'use "wrong.pat" { a }\nparam x: Int = a\n': ["PAT2001"],
    'use "one.pat" { a }\nparam x: Real = a\n': ["PAT1004"],
    'use "self.pat"\n': ["PAT1004"],
    'use "spec.pat"\n': ["PAT1004"],
    'use "two-words.pat"\n': ["PAT1018"],
    'use "data.pat"\n': ["PAT1018"],
    'use "old.pat" { a }\nparam x: Real = a\n': ["PATL001"],
    'use "lib.pat" as l\nuse std.tokens as l\n': ["PAT1002"],
    "edition 2026\n": ["PAT1012"],
    "param x: Real = 1\nedition 2026\n": ["PAT1012"],
}


def test_wrong_uses() -> None:
    assert {text: using(text) for text in WRONG} == WRONG


def test_editions() -> None:
    assert codes("edition 2026\n") == []
    assert codes("edition 2027\n") == ["PAT1011"]
    assert codes("edition 2026.0\n") == []
    assert codes("param a: Real = 1\n") == ["PATL001"]
    assert codes("") == []
    assert codes("# no statement\n") == []


def test_a_file_is_read_once() -> None:
    text = EDITION + 'use "lib.pat" { k }\nuse "deep/../lib.pat" as l\nparam a: Real = k + l.k\n'
    spec = check(SourceFile("spec.pat", text), MemoryBundle(FILES), {})
    assert [module.name for module in spec.modules] == ["spec.pat", "lib.pat"]


def test_the_circle_is_shown() -> None:
    text = EDITION + 'use "one.pat" { a }\n'
    spec = check(SourceFile("spec.pat", text), MemoryBundle(FILES), {})
    (problem,) = spec.problems
    assert "one.pat → two.pat → one.pat" in problem.diagnostic().message


def test_files_are_looked_for_beside_the_one_that_uses_them_then_in_the_search_path() -> None:
    bundle = MemoryBundle({"a/x.pat": EDITION, "lib/y.pat": EDITION}, search=("lib",))
    text = EDITION + 'use "x.pat"\nuse "y.pat"\nuse "z.pat"\n'
    spec = check(SourceFile("a/spec.pat", text), bundle, {})
    (problem,) = (p for p in spec.problems if p.code == "PAT1003")
    assert problem.notes() == ("tried a/z.pat", "tried lib/z.pat")
    assert places("a", "../x.pat", bundle) == ("x.pat", "x.pat")


def test_every_module_of_the_library_is_right() -> None:
    for name in library_modules():
        assert codes(f"{EDITION}use std.{name} as module\n") == []


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.pat").write_bytes("edition 2026 # é\n".encode("latin-1"))
    Path("folder.pat").mkdir()
    long = "x" * 5000
    text = (
        f'{EDITION}use "latin.pat"\nuse "folder.pat"\nuse "{long}.pat"\nuse "a\\u{{0}}b.pat" as n\n'
    )
    Path("spec.pat").write_text(text, encoding="utf-8")
    found = load("spec.pat").diagnostics
    assert [d.code for d in found] == ["PAT0012", "PAT1003", "PAT1003", "PAT1003"]
    assert all(d.span is not None for d in found)
    with pytest.raises(NotTextError) as caught:
        FileBundle().read("latin.pat")
    assert caught.value.diagnostics[0].code == "PAT0012"
    with pytest.raises(PatternError):
        load("latin.pat")


def test_windows_files(tmp_path: Path) -> None:
    path = tmp_path / "spec.pat"
    path.write_bytes("\ufeffedition 2026\r\nparam a: Int = 0.5\r\n".encode())
    (found,) = load(path).diagnostics
    assert found.span is not None
    assert found.span.start_position == (2, 16)
