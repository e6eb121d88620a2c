"""What no file of the project may be or hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_structure.rooms import ROOT, imports, modules, relative, tree

LARGEST = 1_000_000
LARGE: dict[str, str] = {}  # path: why it may be larger

NOT_OURS = {"__pycache__", "build", "dist", "node_modules"}
TEXT = {".css", ".j2", ".lark", ".md", ".pat", ".py", ".sh", ".toml", ".yaml", ".yml"}

# These run whatever a file tells them to.
UNSAFE = ("cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve")
UNSAFE_CALLS = {"np.load", "torch.load", "yaml.load"}  # without weights_only=True

DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKERS = {"list", "dict", "set", "defaultdict", "OrderedDict", "Counter", "deque", "bytearray"}
MUTATORS = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop"}
MUTATORS |= {"popitem", "popleft", "remove", "reverse", "setdefault", "sort", "update"}
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*|__all__")


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Yield the files of the project, without what is hidden, built or cached."""
    for path in sorted(folder.iterdir()):
        if path.name in NOT_OURS or (path.name.startswith(".") and path.name != ".ci"):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_test(path: Path) -> bool:
    return path.is_relative_to(ROOT / "tests")


def test_no_file_is_large() -> None:
    sizes = {name_of(path): path.stat().st_size for path in files()}
    large = {name for name, size in sizes.items() if size > LARGEST}
    assert large == set(LARGE)


def test_text_is_clean_utf8() -> None:
    wrong = []
    for path in files():
        is_bait = is_test(path) and path.suffix != ".py"  # inputs of tests may be anything
        if path.suffix in TEXT and not is_bait:
            text = path.read_bytes().decode("utf-8")
            if "\r" in text or "\t" in text or (text and not text.endswith("\n")):
                wrong.append(name_of(path))
    assert wrong == [], "tabs, carriage returns, or no newline at the end"


def test_no_paths_of_one_machine() -> None:
    machine = re.compile(r"(?<![\w.])/(?:work|root|tmp|home/\w|Users/\w)")
    texts = [path for path in files() if path.suffix in TEXT and not is_test(path)]
    assert [name_of(p) for p in texts if machine.search(p.read_text(encoding="utf-8"))] == []


def test_nothing_is_unpickled() -> None:
    found = [item for path in modules() for item in imports(path)]
    assert [str(i) for i in found if any(i.is_below(name) for name in UNSAFE)] == []
    calls = [
        f"{relative(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and is_unsafe(node)
    ]
    assert calls == []


def is_unsafe(call: ast.Call) -> bool:
    safe = any(word.arg == "weights_only" and is_true(word.value) for word in call.keywords)
    return ast.unparse(call.func) in UNSAFE_CALLS and not safe


def is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


# ---- state of modules --------------------------------------------------------------------------


def assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr, int]]:
    """Yield the names that a module binds at its top, with their values."""
    for node in module.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names = [name]
            case _:
                continue
        yield from ((name, value, node.lineno) for name in names)


def is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1] in MAKERS
    return isinstance(value, DISPLAYS)


def changed(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names that are changed in place somewhere in a module, as far as one can see."""
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                if attr in MUTATORS:
                    yield name, node.lineno
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name, node.lineno
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name, node.lineno


@pytest.mark.parametrize("path", modules(), ids=relative)
def test_no_state_in_modules(path: Path) -> None:
    module = tree(path)
    mutable = {name: line for name, value, line in assigned(module) if is_mutable(value)}
    loose = {name for name in mutable if not CONSTANT.fullmatch(name)}
    assert loose == set(), "a constant is UPPER_CASE; other state belongs into an object"
    constants = {name for name, _, _ in assigned(module) if CONSTANT.fullmatch(name)}
    assert [(name, line) for name, line in changed(module) if name in constants] == []
    assert [n.lineno for n in ast.walk(module) if isinstance(n, ast.Global)] == []


def test_changes_are_seen() -> None:
    module = ast.parse("A: list[int] = []\nb = {}\nA.append(1)\nb[1] = 2\ndel b[1]\nA += [1]")
    assert [name for name, value, _ in assigned(module) if is_mutable(value)] == ["A", "b"]
    assert sorted(changed(module)) == [("A", 3), ("A", 6), ("b", 4), ("b", 5)]
