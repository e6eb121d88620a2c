"""Where specs come from: files or memory. Passes read through a bundle, never from the disk."""

from collections.abc import Mapping
from os.path import normpath
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.syntax import UnreadableText


class NotTextError(PatternError):
    """A file that is not UTF-8 text."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__([UnreadableText(path=path, reason=reason)])
        self.reason = reason


class Bundle(Protocol):
    """A set of texts by path."""

    @property
    def search(self) -> tuple[str, ...]:
        """Return the folders of `-I`, in order."""
        ...

    def read(self, path: str) -> str | None:
        """Return the text at a path, or None where there is none."""
        ...


@frozen
class FileBundle:
    """Texts on disk."""

    search: tuple[str, ...] = ()

    def read(self, path: str) -> str | None:
        """Return the text of a file, or None where there is none.

        Raises NotTextError (PAT0012) when the file is not UTF-8.
        """
        try:
            return Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            reason = f"byte {error.start} is not valid"
            raise NotTextError(path, reason) from None
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
            return None


@frozen
class MemoryBundle:
    """Texts in memory, by path."""

    texts: Mapping[str, str] = field(factory=dict)
    search: tuple[str, ...] = ()

    def read(self, path: str) -> str | None:
        """Return the text at a path, or None where there is none."""
        return self.texts.get(path)


def places(folder: str, name: str, bundle: Bundle) -> tuple[str, ...]:
    """Return where a file named in a spec may be: beside the spec, then in the `-I` folders."""
    return tuple(normpath(str(Path(base) / name)) for base in (folder, *bundle.search))
