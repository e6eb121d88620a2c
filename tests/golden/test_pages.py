"""Every code has a page, whose examples are what they claim to be."""

import re
from pathlib import Path

import pytest
from attrs import frozen

from pattern_lang.diagnostics import Diagnostic, Severity, SourceFile
from pattern_lang.diagnostics.catalogue import all_problems
from pattern_lang.driver import read_spec
from pattern_lang.resources import explain_file
from pattern_lang.syntax.bundle import MemoryBundle

PROBLEMS = all_problems()
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAID = re.compile(r"^(error|warning)\[(\w+)\]: (.*)$", re.MULTILINE)
SPEC = "spec.pat"


@frozen
class Block:
    """A block of code on a page: its language, what it is, and the code."""

    language: str
    role: str
    code: str


def page(code: str) -> str:
    return explain_file(code).read_text(encoding="utf-8")


def blocks(code: str) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page(code))]


def diagnose(block: Block, code: str) -> tuple[Diagnostic, ...]:
    """Check the spec of a block, beside the files that the page shows."""
    texts = {other.role: other.code for other in blocks(code) if other.role.endswith(".pat")}
    bundle = MemoryBundle({**texts, SPEC: block.code})
    return read_spec(SourceFile(SPEC, block.code), bundle, {}).diagnostics


def specs(*roles: str) -> list[tuple[str, Block]]:
    return [
        (code, block)
        for code in PROBLEMS
        for block in blocks(code)
        if block.language == "pat" and block.role in roles
    ]


def test_no_page_is_of_a_code_that_does_not_exist() -> None:
    folder: Path = explain_file("PAT0001").parent
    assert {path.stem for path in folder.glob("*.md")} == set(PROBLEMS)


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_page_has_title_reason_example_and_advice(code: str) -> None:
    text = page(code)
    assert text.startswith(f"# {code}: {PROBLEMS[code].title}\n\n")
    assert blocks(code)
    assert "\nWhat to do: " in text
    roles = [block.role for block in blocks(code)]
    assert roles.count("wrong") == roles.count("right") <= 1
    assert max(map(len, FENCE.sub("", text).splitlines())) <= 100


@pytest.mark.parametrize("code", [c for c in PROBLEMS if c[:4] in ("PAT0", "PAT2", "PATL")])
def test_what_check_finds_is_shown_by_a_spec(code: str) -> None:
    languages = {block.language for block in blocks(code)}
    assert languages == ({"console"} if code == "PAT0012" else {"pat"})


@pytest.mark.parametrize(("code", "block"), specs("wrong"), ids=lambda value: str(value)[:7])
def test_a_wrong_spec_gives_its_code_and_no_other(code: str, block: Block) -> None:
    found = diagnose(block, code)
    serious = [d.code for d in found if d.severity is Severity.ERROR] or [d.code for d in found]
    allowed = {code, "PAT0003"} if code == "PAT0011" else {code}
    assert code in serious
    assert set(serious) <= allowed


@pytest.mark.parametrize(("code", "block"), specs("right", ""), ids=lambda value: str(value)[:7])
def test_a_right_spec_is_clean(code: str, block: Block) -> None:
    assert diagnose(block, code) == ()


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_transcript_says_what_pat_says(code: str) -> None:
    """Where a page quotes a message of pat, it is one that the code's class can give."""
    template = re.escape(PROBLEMS[code].message)
    pattern = re.sub(r"\\\{\w+\\\}", ".+", template)
    for block in blocks(code):
        for severity, quoted, message in SAID.findall(block.code):
            assert quoted == code
            assert severity == PROBLEMS[code].severity.value
            assert re.fullmatch(pattern, message), (message, pattern)
