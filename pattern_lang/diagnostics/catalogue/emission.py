"""Mistakes around the output folder: targets, paths, writing and reading back (PAT6xxx)."""

from typing import ClassVar

from attrs import field

from pattern_lang.diagnostics.model import Problem, problem


@problem
class UnavailableTarget(Problem):
    """An `emit` target that this version cannot write."""

    code: ClassVar[str] = "PAT6001"
    title: ClassVar[str] = "emit target not available"
    message: ClassVar[str] = "this version cannot write the target `{target}`"
    label: ClassVar[str] = "not available"
    help: ClassVar[str] = "remove the line, or use one of: {available}"

    target: str
    available: str


@problem
class PathLeavesFolder(Problem):
    """A path of `emit` that is absolute or climbs out of the output folder."""

    code: ClassVar[str] = "PAT6002"
    title: ClassVar[str] = "path leaves the output folder"
    message: ClassVar[str] = "`{path}` does not lie in the pattern's output folder"
    label: ClassVar[str] = "{reason}"
    help: ClassVar[str] = "name a file relative to the output folder, such as `weights.parquet`"

    path: str
    reason: str


@problem
class ReservedPath(Problem):
    """A path of `emit` that is the place of another output."""

    code: ClassVar[str] = "PAT6003"
    title: ClassVar[str] = "path is taken"
    message: ClassVar[str] = "`{path}` is the place of `{taken}`, which this pattern writes too"
    label: ClassVar[str] = "taken"
    help: ClassVar[str] = "choose another name"

    path: str
    taken: str


@problem
class WrongFormat(Problem):
    """A `weights(…)` path whose suffix promises another format than Parquet."""

    code: ClassVar[str] = "PAT6004"
    title: ClassVar[str] = "weights are written as Parquet"
    message: ClassVar[str] = "`{path}` promises another format than the Parquet that is written"
    label: ClassVar[str] = "not a Parquet name"
    help: ClassVar[str] = "end the name in `.parquet`"

    path: str


@problem
class CannotWrite(Problem):
    """The operating system refused to write an output."""

    code: ClassVar[str] = "PAT6005"
    title: ClassVar[str] = "cannot write the output"
    message: ClassVar[str] = "cannot write `{path}`: {reason}"
    help: ClassVar[str] = "make the folder writable, or choose another with `-o DIR`"

    path: str
    reason: str
    kept: bool = field(default=False)

    def notes(self) -> tuple[str, ...]:
        """Say what became of an earlier output."""
        return ("the earlier output in the folder is unchanged",) if self.kept else ()


@problem
class NoSpace(CannotWrite):
    """The disk, a quota or a file size limit is exhausted."""

    code: ClassVar[str] = "PAT6006"
    title: ClassVar[str] = "no space for the output"
    message: ClassVar[str] = "no space to write `{path}`: {reason}"
    help: ClassVar[str] = "free some space, or choose another folder with `-o DIR`"


@problem
class OutputMissing(Problem):
    """An output folder without a plan, or without a file that was asked for."""

    code: ClassVar[str] = "PAT6007"
    title: ClassVar[str] = "no complete output"
    message: ClassVar[str] = "`{path}` cannot be read: {reason}"
    help: ClassVar[str] = "run `pat compile` to write it"

    path: str
    reason: str


@problem
class UnknownSchema(Problem):
    """A file of a schema, or of a major version of it, that this version does not read."""

    code: ClassVar[str] = "PAT6008"
    title: ClassVar[str] = "unknown file schema"
    message: ClassVar[str] = "`{path}` has the schema `{found}`; this version reads `{known}`"
    help: ClassVar[str] = "use the version of pat that wrote it, or run `pat compile` again"

    path: str
    found: str
    known: str


@problem
class DamagedOutput(Problem):
    """An output file that is not what the plan says, or cannot be parsed."""

    code: ClassVar[str] = "PAT6009"
    title: ClassVar[str] = "damaged output"
    message: ClassVar[str] = "`{path}` is damaged: {reason}"
    help: ClassVar[str] = "run `pat compile` to write it again"

    path: str
    reason: str
