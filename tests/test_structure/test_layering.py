"""Lower rooms never import higher ones, and each heavy library has one owner."""

from collections.abc import Iterator

import pytest

from tests.test_structure.rooms import (
    EXCEPTIONS,
    FACES,
    ORDER,
    OWNERS,
    SHARED,
    Import,
    imports,
    modules,
    rooms,
)

LEVEL = {room: level for level, line in enumerate(ORDER) for room in line}
ABOUT = "pattern_lang.__version__"  # the one thing that every room may know of the whole


@pytest.fixture(scope="module")
def found() -> list[Import]:
    return [item for path in modules() for item in imports(path)]


def test_every_room_has_its_place() -> None:
    assert rooms() == {*LEVEL, *FACES, *SHARED}


def test_imports_are_absolute(found: list[Import]) -> None:
    assert [str(item) for item in found if item.name.startswith(".")] == []


def may_import(room: str, target: str) -> bool:
    if room in FACES:
        return target in FACES[room]
    if room == target:
        return True
    if room in SHARED:
        return False
    return target in SHARED or LEVEL.get(target, len(ORDER)) < LEVEL[room]


def test_lower_rooms_do_not_import_higher_ones(found: list[Import]) -> None:
    inside = [item for item in found if item.target is not None and item.name != ABOUT]
    assert len(inside) > 100, "the imports are no longer being found"
    wrong = [item for item in inside if not may_import(item.room, item.target or "")]
    assert [str(item) for item in wrong] == []


def strangers(found: list[Import]) -> Iterator[tuple[Import, str]]:
    """Yield the uses of a library outside the rooms that own it."""
    for item in found:
        for library, owners in OWNERS.items():
            if item.is_below(library) and item.room not in owners:
                yield item, library


def test_each_library_stays_with_its_owners(found: list[Import]) -> None:
    wrong = [item for item, name in strangers(found) if (item.file, name) not in EXCEPTIONS]
    assert [str(item) for item in wrong] == []


def test_every_exception_is_still_needed(found: list[Import]) -> None:
    used = {(item.file, name) for item, name in strangers(found)}
    assert set(EXCEPTIONS) - used == set()


def test_every_owner_uses_its_library(found: list[Import]) -> None:
    # scipy.optimize is kept from the others; the solver may come to need it.
    for library, owners in OWNERS.items():
        users = {item.room for item in found if item.is_below(library)}
        idle = set(owners) - users
        assert not idle or library == "scipy.optimize", f"{idle} do not use {library}"


def test_the_rule_itself() -> None:
    assert may_import("estimate", "ir")
    assert may_import("emit", "resources")
    assert not may_import("ir", "estimate")
    assert not may_import("estimate", "solve")
    assert not may_import("solve", "estimate")
    assert not may_import("resources", "diagnostics")
    assert not may_import("driver", "cli")
    assert not may_import("syntax", "unheard_of")
