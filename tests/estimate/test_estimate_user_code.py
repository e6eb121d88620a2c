"""Modules of user code: separate, fresh, and gone afterwards."""

import os
import sys
from pathlib import Path
from types import ModuleType

import attrs
import pytest
from estimate_samples import ROWS, World, classifier, run

from pattern_lang.estimate.dependencies import sources_of
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.user_code import UserCode


def call(world: World, text: str = "a.py:f", code: UserCode | None = None) -> object:
    code = code or UserCode(Journal())
    function = code.function(world.function(text), None)
    with code.running("calling", function.file, function.root, None):
        return function.call()


def test_helpers_beside_the_file(world: World) -> None:
    world.write("a.py", "import helper\nimport pack.inner\ndef f(): return helper.X, pack.inner.Y")
    world.write("helper.py", "X = 1")
    world.write("pack/__init__.py", "")
    world.write("pack/inner.py", "from . import other\nY = other.Z")
    world.write("pack/other.py", "Z = 2")
    before = set(sys.modules), list(sys.path), list(sys.meta_path)
    assert call(world) == (1, 2)
    assert (set(sys.modules), list(sys.path), list(sys.meta_path)) == before
    assert not list(world.folder.rglob("__pycache__"))


def test_imports_inside_functions(world: World) -> None:
    world.write("a.py", "def f():\n    from helper import X\n    return X")
    world.write("helper.py", "X = 1")
    assert call(world) == 1


def test_a_changed_helper_is_read_again(world: World) -> None:
    """At once, with the same size and the same time stamp."""
    world.write("a.py", "import helper\ndef f(): return helper.X")
    for value in (1, 2, 3):
        path = world.write("helper.py", f"X = {value}")
        os.utime(path, (1000, 1000))
        assert call(world) == value


def test_folders_do_not_meet(tmp_path: Path) -> None:
    worlds = [World(tmp_path / name) for name in ("one", "two")]
    code = UserCode(Journal())
    for number, world in enumerate(worlds):
        world.write("a.py", "import helper\ndef f(): return helper.X")
        world.write("helper.py", f"X = {number}")
    assert [call(world, code=code) for world in worlds * 2] == [0, 1, 0, 1]


def test_a_module_of_the_caller_is_neither_used_nor_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ModuleType("helper")
    monkeypatch.setitem(sys.modules, "helper", mine)
    world.write("a.py", "import helper\ndef f(): return helper.X")
    world.write("helper.py", "X = 5")
    assert call(world) == 5
    assert sys.modules["helper"] is mine


def test_a_file_named_like_the_standard_library_hides_nothing(world: World) -> None:
    world.write("json.py", "raise RuntimeError")
    world.write("a.py", "import json\ndef f(): return json.dumps(1)")
    assert call(world) == "1"


def test_dataclasses_and_annotations(world: World) -> None:
    world.write(
        "a.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Row:
            x: list[int]

        def f():
            return Row([1]).x
        """,
    )
    assert call(world) == [1]


def test_a_folder_from_the_search_path(world: World) -> None:
    other = World(world.folder / "library")
    other.write("data.py", ROWS)
    queries = classifier(world)
    (world.folder / "data.py").unlink()
    function = queries.reweight.data.function
    assert function is not None
    places = tuple(str(folder / "data.py") for folder in (world.folder, other.folder))
    moved = attrs.evolve(function, file=attrs.evolve(function.file, candidates=places))
    train = attrs.evolve(queries.reweight.data, function=moved)
    code = UserCode(Journal())
    assert len(code.function(moved, None).call()) == 24
    assert train.function == moved


def test_sources_of_a_file(world: World) -> None:
    model = world.write("model.py", "import layers\nfrom shared import one")
    data = world.write("data.py", "def f():\n    import rows\nfrom shared import two")
    files = {name: world.write(f"{name}.py", "") for name in ("layers", "rows", "shared", "odd")}
    assert sources_of(model, [model, data], files) == sorted(
        [model, files["layers"], files["shared"], files["odd"]]
    )
    assert sources_of(data, [model, data], files) == sorted(
        [data, files["rows"], files["shared"], files["odd"]]
    )


def test_nothing_of_the_user_stays(world: World) -> None:
    before = set(sys.modules)
    run(world, classifier(world))
    left = {name for name in set(sys.modules) - before if not name.startswith("pattern_lang")}
    assert not [name for name in left if name in ("data", "model") or name.startswith("_pattern")]
