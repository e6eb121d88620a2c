"""Data sets of the `datasets` package: from a folder, or by the name of one on the hub."""

from pathlib import Path
from typing import Any

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.inputs import UnreadableData
from pattern_lang.estimate.huggingface.packages import first_line, load_package
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.sources import DataSource

_SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` leaves in a folder


def read_dataset(source: DataSource, code: UserCode) -> Any:
    """Return the rows of a data set as an Arrow table.

    A folder that `save_to_disk` wrote is loaded from there, another folder as files of data, and a
    name that is no folder is asked of the hub. Without a `split` there has to be only one. No code
    of a data set is run. Raises MissingPackage and UnreadableData.
    """
    package = load_package("datasets", "an `hf_dataset`", source.origin)
    assert source.file is not None
    folder = next((Path(c) for c in source.file.candidates if Path(c).is_dir()), None)
    name = source.file.text
    try:
        found = _load(package, folder, name)
        rows = _split(package, found, dict(source.arguments).get("split"))
        # The rows may be a choice among those of the files; made whole, they are one table.
        return rows.flatten_indices().with_format("arrow")[:]
    except Exception as error:  # the package raises what its many backends raise
        problem = UnreadableData(span=source.origin, place=f"`{name}`", reason=first_line(error))
        raise PatternError([problem]) from error
    finally:
        for path in sorted(folder.rglob("*")) if folder else ():
            if path.is_file():
                code.journal.read(path)


def _load(package: Any, folder: Path | None, name: str) -> Any:
    if folder is None:
        return package.load_dataset(name)
    if any((folder / file).is_file() for file in _SAVED):
        return package.load_from_disk(str(folder))
    return package.load_dataset(str(folder))


def _split(package: Any, found: Any, split: object) -> Any:
    if not isinstance(found, package.DatasetDict):
        if split is not None:
            raise ValueError(f"it has no splits, so there is no `{split}`")
        return found
    names = ", ".join(f"`{name}`" for name in found)
    if split is None:
        if len(found) != 1:
            raise ValueError(f"it has the splits {names}: give one with `split:`")
        return next(iter(found.values()))
    if split not in found:
        raise ValueError(f"it has no split `{split}`; there are {names}")
    return found[split]
