"""Estimates that were made before, found at two levels. Nothing here imports torch.

`estimates/DIGEST/` holds an estimate by its content digest, which takes loaded inputs to compute.
`requests/DIGEST.json` says, for queries with their paths, which files were read and what content
digest came out: when none of those files changed, the answer is known without loading anything.
"""

import json
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import attrs

from pattern_lang.estimate.digests import ESTIMATOR_VERSION, digest_of, document
from pattern_lang.estimate.journal import FileStamp
from pattern_lang.estimate.needs import places
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.store import EntryError, read_entry, relabel, write_entry, write_json
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate

_PACKAGES = ("torch", "numpy", "safetensors", "pyarrow", "transformers", "datasets", "tokenizers")


class Cache:
    """The estimates below one folder."""

    def __init__(self, folder: Path, reporter: Reporter) -> None:
        self.folder = folder
        self.reporter = reporter

    def find_request(self, queries: Queries) -> Estimate | None:
        """Return the estimate for queries whose files are all as they were, or None."""
        try:
            record = json.loads(self._request(queries).read_text(encoding="utf-8"))
            stamps = [FileStamp(**stamp) for stamp in record["files"]]
            absent, content = [Path(path) for path in record["absent"]], str(record["content"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if any(path.exists() for path in absent) or not all(s.unchanged() for s in stamps):
            return None
        return self.find(content, queries)

    def find(self, content: str, queries: Queries) -> Estimate | None:
        """Return the estimate with a content digest, named as the queries name things, or None.

        An entry that cannot be read is reported, and then as good as absent.
        """
        folder = self._entry(content)
        if not folder.exists():
            return None
        try:
            found = read_entry(folder)
            if found.digests.get("queries") != content:
                raise EntryError("it belongs to other queries")
            return relabel(
                found,
                tuple(observable.name for observable in queries.observables),
                tuple(o.unit.canonical.value for o in queries.observables),
                tuple(place.name for place in places(queries)),
            )
        except (EntryError, ValueError) as error:
            self.reporter.message(f"ignoring the stored estimate {folder.name[:12]}: {error}")
            return None

    def keep(self, estimate: Estimate) -> None:
        """Store an estimate under its content digest; a folder that cannot be written is told."""
        try:
            write_entry(self._entry(estimate.digests["queries"]), estimate)
        except OSError as error:
            self.reporter.message(f"the estimate could not be stored: {error}")

    def keep_request(
        self, queries: Queries, files: tuple[FileStamp, ...], absent: set[str], content: str
    ) -> None:
        """Remember which files led to a content digest, and which were looked for in vain."""
        path = self._request(queries)
        stamps = [attrs.asdict(stamp) for stamp in files]
        record = {"content": content, "files": stamps, "absent": sorted(absent)}
        with suppress(OSError):  # without it the inputs are loaded again, no more
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, record)

    def _entry(self, content: str) -> Path:
        return self.folder / "estimates" / content.removeprefix("sha256:")

    def _request(self, queries: Queries) -> Path:
        key = digest_of([document(queries), _versions()])
        return self.folder / "requests" / f"{key.removeprefix('sha256:')}.json"


def _versions() -> dict[str, str]:
    found = {"python": sys.version, "estimator": str(ESTIMATOR_VERSION)}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found
