"""What an earlier run left in the folder: a report that is still right, files no one asks for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from pattern_lang.emit import targets
from pattern_lang.emit.canonical import digest
from pattern_lang.files import misplaced


@frozen
class Previous:
    """The plan of an earlier run, empty when there is none that can be read."""

    folder: Path
    plan: dict[str, Any] = field(factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Previous":
        """Read the plan in a folder; whatever is wrong with it, the next run replaces it."""
        try:
            plan = json.loads((folder / targets.PLAN).read_bytes())
        except (OSError, ValueError, RecursionError):
            return cls(folder)
        return cls(folder, plan) if isinstance(plan, dict) else cls(folder)

    @property
    def _files(self) -> dict[str, Any]:
        files = self.plan.get("files")
        return files if isinstance(files, dict) else {}

    def report(self, plan: Mapping[str, Any]) -> bytes | None:
        """Return the report that is there if it was made from the same inputs, else None.

        Rendering costs most of an emission, and nothing of it is needed when nothing changed.
        """
        if self.plan.get("report_inputs") != plan["report_inputs"]:
            return None
        return self._intact(targets.REPORT)

    def orphans(self, files: Mapping[str, object]) -> tuple[str, ...]:
        """Return weight files of the earlier plan, unchanged since, that are not written now."""
        return tuple(
            name
            for name in sorted(self._files)
            if name not in files
            and name not in targets.RESERVED
            and not misplaced(name)
            and self._intact(name) is not None
        )

    def _intact(self, name: str) -> bytes | None:
        try:
            content = (self.folder / name).read_bytes()
        except (OSError, ValueError):
            return None
        return content if digest(content) == self._files.get(name) else None
