"""Write the list of files in docs/architecture.md, from the first line of each module's docstring.

    python scripts/architecture.py

A test fails when the page is behind the code; this brings it up to date.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pattern_lang"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- files: written by scripts/architecture.py -->", "<!-- end of files -->"
LAYERS = re.compile(r"^`diagnostics` < .*$", re.MULTILINE)


def summary(path: Path) -> str:
    """Return what a module says of itself: the first paragraph of its docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.sub(r"\s+", " ", text.split("\n\n")[0]).strip()


def room_of(path: Path) -> str:
    """Return the room of a module."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def section(room: str, paths: list[Path]) -> list[str]:
    """Return the lines on one room: what it says of itself, then its files."""
    if not (PACKAGE / room).is_dir():
        return []
    head = summary(PACKAGE / room / "__init__.py")
    rest = [path for path in paths if path != PACKAGE / room / "__init__.py"]
    rows = [f"| `{p.relative_to(PACKAGE / room).as_posix()}` | {_cell(p)} |" for p in rest]
    return [f"### `pattern_lang/{room}/`", "", head, "", "| file | owns |", "|---|---|", *rows, ""]


def _cell(path: Path) -> str:
    return summary(path).replace("|", "\\|")


def listing(order: list[str]) -> str:
    """Return the list of files as Markdown: the top of the package, then its rooms in order."""
    by_room: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        by_room.setdefault(room_of(path), []).append(path)
    lines = ["### `pattern_lang/`", "", summary(PACKAGE / "__init__.py"), ""]
    lines += ["| file | owns |", "|---|---|"]
    lines += [f"| `{path.name}` | {_cell(path)} |" for path in sorted(PACKAGE.glob("*.py"))] + [""]
    for room in sorted(by_room, key=lambda r: (order.index(r) if r in order else len(order), r)):
        lines += section(room, by_room[room])
    return "\n".join(lines).rstrip() + "\n"


def updated(page: str) -> str:
    """Return the page with the list of files as it has to be now."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    layers = LAYERS.search(before)
    order = re.findall(r"`(\w+)`", layers[0]) if layers else []
    return f"{before}{BEGIN}\n\n{listing(order)}\n{END}{after}"


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
