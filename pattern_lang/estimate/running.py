"""Chains under way, in a folder that any number of processes and machines share.

`running/DIGEST/` belongs to one posterior. `chain-N.safetensors` is what chain N goes on from, or
what it left when it finished. Whoever works on a chain holds the lock on `chain-N.lock`, which
the operating system releases when its owner dies; so a chain has one owner at a time, and none is
lost with it. What chains leave depends on their seeds alone, so where locks are not to be had, two
owners of one chain cost time and nothing else. The folder goes when all chains are stored together.

Nothing here imports torch.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from pattern_lang.estimate.chain_store import PosteriorKey
from pattern_lang.estimate.checkpoint import CheckpointError, read_facts
from pattern_lang.estimate.digests import digest_of
from pattern_lang.estimate.store import write_json

RUNNING = "running"
_RECORD = "posterior.json"
_TAKEN = frozenset({errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK})


@frozen
class Running:
    """The chains of one posterior that are not stored yet; `folder` None keeps nothing."""

    folder: Path | None
    key: str

    @classmethod
    def of(cls, cache: Path | None, key: PosteriorKey) -> "Running":
        """Return the place of a posterior's chains below the cache."""
        digest = digest_of([key.family, list(key.data)]).removeprefix("sha256:")
        return cls(None if cache is None else cache / RUNNING / digest, digest)

    def begin(self, name: str, chains: int, steps: int) -> None:
        """Make the folder, and say in it what it is about; raises OSError."""
        if self.folder is not None and not (self.folder / _RECORD).exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            record = {"posterior": name, "chains": chains, "steps": steps}
            write_json(self.folder / _RECORD, record)

    def path(self, chain: int) -> Path | None:
        """Return the file of a chain."""
        return None if self.folder is None else self.folder / f"chain-{chain}.safetensors"

    def progress(self, chain: int) -> tuple[int, bool]:
        """Return the steps that a chain can go on from, and whether it finished."""
        path = self.path(chain)
        if path is None:
            return 0, False
        try:
            facts = read_facts(path)
            return int(facts["done"]), facts["finished"] == "yes"
        except (OSError, CheckpointError, KeyError, ValueError):
            return 0, False

    @contextmanager
    def claim(self, chain: int) -> Iterator[bool]:
        """Own a chain while the context is open; False when another process does."""
        if self.folder is None:
            yield True
            return
        with held(self.folder / f"chain-{chain}.lock") as mine:
            yield mine

    @property
    def is_gone(self) -> bool:
        """Tell whether the folder was removed, as it is when all chains are stored."""
        return self.folder is not None and not (self.folder / _RECORD).exists()

    def is_owned(self, chain: int) -> bool:
        """Tell whether a process works on a chain at present."""
        if self.folder is None or not (self.folder / f"chain-{chain}.lock").exists():
            return False
        with self.claim(chain) as mine:
            return not mine

    def sweep(self, chain: int) -> None:
        """Remove what a killed process left half-written of a chain that is ours."""
        if self.folder is not None:
            for draft in self.folder.glob(f".draft-chain-{chain}.*"):
                with suppress(OSError):
                    draft.unlink()

    def forget(self, chain: int) -> None:
        """Let a chain that is ours start again."""
        path = self.path(chain)
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def discard(self, chains: int) -> None:
        """Remove what is of no use, where nobody else works on it."""
        owned = False
        for chain in range(chains):
            with self.claim(chain) as mine:
                owned |= not mine
                if mine:
                    self.forget(chain)
        if not owned:
            self.clear()

    def clear(self) -> None:
        """Remove the folder, when what it held is stored elsewhere or of no use."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@frozen
class RunningPosterior:
    """What a folder of running chains says: the chains finished, those owned, steps of each."""

    posterior: str
    steps: int
    done: tuple[int, ...]
    finished: tuple[bool, ...]
    owned: tuple[bool, ...]


def look(cache: Path) -> list[RunningPosterior]:
    """Return what is under way below a cache, in the order of names."""
    found = []
    for record in (cache / RUNNING).glob(f"*/{_RECORD}"):
        try:
            said = json.loads(record.read_text(encoding="utf-8"))
            name, count, steps = str(said["posterior"]), int(said["chains"]), int(said["steps"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        running = Running(record.parent, record.parent.name)
        progress = [running.progress(chain) for chain in range(count)]
        done, finished = zip(*progress, strict=True) if progress else ((), ())
        owned = tuple(running.is_owned(chain) for chain in range(count))
        found.append(RunningPosterior(name, steps, done, finished, owned))
    return sorted(found, key=lambda item: (item.posterior, item.steps, item.done))


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the lock on a file; False when it is taken. Without locks, everyone may have it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:  # the folder is gone, and so there is nothing to do in it
        yield False
        return
    except OSError:
        yield True
        return
    try:
        yield _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
