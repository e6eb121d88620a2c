"""The catalogue: every kind of mistake is complete, and its templates fit its fields."""

import string

import attrs
import pytest

from pattern_lang.diagnostics import Problem, Severity
from pattern_lang.diagnostics.catalogue import all_problems

PROBLEMS = all_problems()
RANGES = {
    "PAT0": "syntax",
    "PAT1": "names",
    "PAT2": "types",
    "PAT3": "goals",
    "PAT4": "estimates, inputs, components, tokens",
    "PAT5": "verdicts",
    "PAT6": "emission",
    "PAT7": "training",
    "PAT9": "internal",
    "PATL": "lints",
}


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_kind_of_mistake_is_complete(problem: type[Problem]) -> None:
    assert problem.__doc__
    assert problem.title
    assert problem.title == problem.title.strip()
    assert "{" not in problem.title
    assert problem.message
    fields = {field.name for field in attrs.fields(problem)}  # type: ignore[arg-type]
    for template in (problem.message, problem.label, problem.help):
        assert placeholders(template) <= fields


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_kind_of_mistake_stands_in_its_room(problem: type[Problem]) -> None:
    assert problem.__module__.rpartition(".")[2] in RANGES[problem.code[:4]].split(", ")


def test_lints_are_warnings_and_bugs_have_a_status_of_their_own() -> None:
    lints = [problem for code, problem in PROBLEMS.items() if code.startswith("PATL")]
    assert {problem.severity for problem in lints} == {Severity.WARNING}
    assert PROBLEMS["PAT9001"].exit_status == 70
    assert {p.exit_status for c, p in PROBLEMS.items() if c[:4] in ("PAT0", "PAT1", "PAT2")} == {1}
