"""Finding the files that a spec names, and keeping code inside the folders it may come from."""

from pathlib import Path, PurePath

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import CodeOutsideFolder, MissingFile
from pattern_lang.estimate.journal import Journal
from pattern_lang.ir.sources import FileRef


def locate(ref: FileRef, journal: Journal, span: Span | None = None) -> Path:
    """Return the first candidate that exists; raise MissingFile with every place tried."""
    for candidate in ref.candidates:
        path = Path(candidate)
        if path.is_file():
            return path
        journal.missed(candidate)
    raise PatternError([MissingFile(span=ref.origin or span, text=ref.text, tried=ref.candidates)])


def locate_within(ref: FileRef, name: str, journal: Journal, span: Span | None = None) -> Path:
    """Return the file that is meant, or the file `name` of the folder that is meant.

    Raises MissingFile as `locate` does.
    """
    for candidate in ref.candidates:
        for path in (Path(candidate), Path(candidate) / name):
            if path.is_file():
                return path
        journal.missed(candidate)
    raise PatternError([MissingFile(span=ref.origin or span, text=ref.text, tried=ref.candidates)])


def locate_code(ref: FileRef, journal: Journal, span: Span | None = None) -> tuple[Path, Path]:
    """Return (file, folder of the spec or of `-I`) of user code.

    Raises CodeOutsideFolder for a path that is absolute, climbs with `..`, or leads out of the
    folder through a symbolic link: nothing else may run.
    """
    where = ref.origin or span
    written = PurePath(ref.text)
    if written.is_absolute() or ".." in written.parts:
        folder = "the spec's folder"
        raise PatternError([CodeOutsideFolder(span=where, text=ref.text, folder=folder)])
    path = locate(ref, journal, span)
    root = Path(path).absolute()
    for _ in written.parts:
        root = root.parent
    if not path.resolve().is_relative_to(root.resolve()):
        raise PatternError([CodeOutsideFolder(span=where, text=ref.text, folder=str(root))])
    journal.root(root)
    return path.absolute(), root
