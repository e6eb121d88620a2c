"""docs/architecture.md says what is there: files, rooms, layers, owners, codes."""

import re
import runpy

import pytest

from pattern_lang.diagnostics.catalogue import all_problems
from tests.test_structure.rooms import (
    EXCEPTIONS,
    ORDER,
    OWNERS,
    PACKAGE,
    ROOT,
    SHARED,
    modules,
    relative,
)

SCRIPT = ROOT / "scripts" / "architecture.py"
STALE = "the page is behind the code: run `python scripts/architecture.py`"


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def part(page: str, heading: str) -> str:
    """Return the text of one section."""
    _, _, rest = page.partition(f"\n{heading}\n")
    assert rest, f"no section {heading}"
    level = heading.split(" ")[0]
    return re.split(rf"\n{level} ", rest)[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_the_list_of_files_is_current(page: str) -> None:
    assert runpy.run_path(str(SCRIPT))["updated"](page) == page, STALE


def test_every_module_is_listed_in_its_room(page: str) -> None:
    top = first_cells(part(page, "### `pattern_lang/`"))
    for path in modules():
        name = relative(path)
        room, _, rest = name.partition("/")
        if not rest:
            assert name in top, STALE
        elif rest != "__init__.py":
            assert rest in first_cells(part(page, f"### `pattern_lang/{room}/`")), STALE


def test_everything_named_exists(page: str) -> None:
    by_hand = page.partition("\n## Every file\n")[0]
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", by_hand)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_stages_are_rooms(page: str) -> None:
    stages = re.findall(r"^\| \d \| [^|]+\| `(\w+)` \|", part(page, "## The way through"), re.M)
    assert stages == ["syntax", "semantics", "lowering", "estimate", "solve", "emit", "train"]
    assert all((PACKAGE / room / "__init__.py").is_file() for room in stages)


def test_the_layers_are_those_of_the_tests(page: str) -> None:
    (line,) = re.findall(r"^`diagnostics` < .*$", part(page, "## Layers"), re.MULTILINE)
    layers = tuple(tuple(re.findall(r"`(\w+)`", layer)) for layer in line.split("<"))
    assert layers == ORDER
    assert all(f"`pattern_lang/{name}.py`" in part(page, "## Layers") for name in SHARED)


def test_the_owners_are_those_of_the_tests(page: str) -> None:
    pattern = r"^\| `([\w.]+)` \| (`\w+`(?:, `\w+`)*) \|$"
    rows = re.findall(pattern, part(page, "## Layers"), re.MULTILINE)
    assert {library: tuple(re.findall(r"\w+", rooms)) for library, rooms in rows} == OWNERS
    assert all(f"`pattern_lang/{file}`" in page for file, _ in EXCEPTIONS)


def test_the_codes_are_those_of_the_catalogue(page: str) -> None:
    listed = re.findall(r"^\| (PAT\w)xxx \|", part(page, "## Errors"), re.MULTILINE)
    assert sorted(listed) == sorted({code[:4] for code in all_problems()})
