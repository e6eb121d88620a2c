"""Where a run lives: its checkpoint, its events, and what it leaves when it is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import OtherRun
from pattern_lang.emit.canonical import canonical_json, digest
from pattern_lang.emit.folder import FileSet
from pattern_lang.estimate.checkpoint import CheckpointError
from pattern_lang.estimate.keeping import checkpoint_seconds
from pattern_lang.train.loop import Run, line_of
from pattern_lang.train.present import tensors_file
from pattern_lang.train.state import RunState, read_state, write_state

RUN_SCHEMA = "pattern-lang/run/1"
MANIFEST, MODEL, EVENTS, STATE = (
    "run.json",
    "model.safetensors",
    "events.jsonl",
    "state.safetensors",
)
ROUNDS = "rounds"
_SHARE = 0.02  # of the time that checkpoints may take


class Keeper:
    """The folder of one run. `lines` are its events so far, each as JSON."""

    def __init__(self, folder: Path, identity: str, trouble: Callable[[str], None]) -> None:
        self.folder, self.identity, self.trouble = folder, identity, trouble
        self.lines: tuple[str, ...] = ()
        self.every = checkpoint_seconds()
        self.next = monotonic() + self.every
        self.keeps = True

    @property
    def rounds(self) -> Path:
        """Return the folder of what a run decides on its way."""
        return self.folder / ROUNDS

    def finished(self) -> dict[str, Any] | None:
        """Return the manifest of a run that is done, None where there is none.

        A run whose files are not those of its manifest is none, and the caller told. Raises
        OtherRun for a run that is not this one, finished or not.
        """
        found = _manifest(self.folder / MANIFEST)
        if found is not None and found.get("identity") != self.identity:
            if "diverged" in found:
                return None  # nothing is lost with it
            raise PatternError([self._other("with other settings, weights or data, which is done")])
        damaged = _damaged(self.folder, found) if found is not None else None
        if damaged is not None:
            self.trouble(f"{self.folder / damaged} is damaged, and the run is trained again")
            return None
        return found

    def read(self, run: Run) -> RunState | None:
        """Take up the run where it was left, None at the beginning.

        A damaged checkpoint is left out, and the caller told. Raises OtherRun for one of another
        run.
        """
        path = self.folder / STATE
        state = None
        try:
            state = read_state(path, self.identity, run.trained.module, run.optimizer)
        except CheckpointError as error:
            if "another run" in str(error):
                what = "with other settings, weights or data, which is not done"
                raise PatternError([self._other(what)]) from error
            self.trouble(f"{path} is left out, and the run starts over: {error}")
        self.lines = state.events if state is not None else ()
        self._write_events("w", self.lines)
        return state

    def event(self, event: Mapping[str, Any]) -> None:
        """Report something: it goes to the end of the file of events."""
        line = line_of(event)
        self.lines = (*self.lines, line)
        self._write_events("a", (line,))

    def _write_events(self, mode: str, lines: tuple[str, ...]) -> None:
        try:
            with (self.folder / EVENTS).open(mode, encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            self._give_up(error)

    @property
    def due(self) -> bool:
        """Tell whether it is time for a checkpoint."""
        return self.keeps and monotonic() >= self.next

    def keep(self, state: RunState, run: Run) -> None:
        """Keep a run; the next checkpoint is due when this one has paid."""
        start = monotonic()
        try:
            write_state(
                self.folder / STATE, self.identity, state, run.trained.module, run.optimizer
            )
        except (OSError, TypeError) as error:
            self._give_up(error)
        now = monotonic()
        self.next = now + max(self.every, (now - start) / _SHARE)

    def _give_up(self, error: Exception) -> None:
        if self.keeps:
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self.trouble(f"the run goes on without checkpoints in {self.folder}: {reason}")
        self.keeps = False

    def finish(self, run: Run, facts: Mapping[str, Any]) -> None:
        """Leave the trained network, the events, and a manifest that comes last.

        Raises PatternError when the operating system refuses.
        """
        self._leave({MODEL: tensors_file(run.trained.module)}, facts, (STATE,))

    def give_up(self, facts: Mapping[str, Any]) -> None:
        """Leave the events and a manifest of a run that cannot end: it would fail again.

        Raises PatternError when the operating system refuses.
        """
        self._leave({}, facts, (STATE, MODEL))

    def _leave(
        self, files: Mapping[str, bytes], facts: Mapping[str, Any], stale: tuple[str, ...]
    ) -> None:
        whole = {**files, EVENTS: "".join(f"{line}\n" for line in self.lines).encode()}
        manifest = {
            "schema": RUN_SCHEMA,
            "identity": self.identity,
            **facts,
            "files": {name: digest(content) for name, content in whole.items()},
        }
        whole[MANIFEST] = canonical_json(manifest)
        FileSet(self.folder, whole, MANIFEST, stale).write()

    def clear(self) -> None:
        """Forget what is there; raises OSError."""
        for name in (MANIFEST, STATE, MODEL, EVENTS):
            (self.folder / name).unlink(missing_ok=True)
        if self.rounds.is_dir():
            shutil.rmtree(self.rounds)

    def _other(self, what: str) -> OtherRun:
        return OtherRun(path=str(self.folder), what=what)


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == RUN_SCHEMA else None


def _damaged(folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """Return the first file that is not what a manifest says, None where all are."""
    files = manifest.get("files")
    if not isinstance(files, Mapping):
        return MANIFEST
    for name, wanted in files.items():
        try:
            found = digest((folder / name).read_bytes())
        except OSError:
            found = None
        if found != wanted:
            return str(name)
    return None


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a finished run, None where there is none."""
    return _manifest(folder / MANIFEST)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Return the events of a run, in order; a line that was cut off is left out."""
    found = []
    try:
        text = (folder / EVENTS).read_text(encoding="utf-8")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
