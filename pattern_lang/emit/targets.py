"""Which files a pattern asks for: the targets that exist, and places that are free."""

import posixpath
from pathlib import PurePosixPath

from pattern_lang.diagnostics import PatternError, Problem
from pattern_lang.diagnostics.catalogue.emission import (
    PathLeavesFolder,
    ReservedPath,
    UnavailableTarget,
    WrongFormat,
)
from pattern_lang.files import misplaced
from pattern_lang.ir.program import EmitTarget, WeightPattern

WEIGHTS = "weights.parquet"
SUSCEPTIBILITY = "susceptibility.safetensors"
DIAGNOSTICS = "diagnostics.json"
QUERIES = "queries.json"
REPORT = "report.html"
PLAN = "plan.json"

RESERVED = (SUSCEPTIBILITY, DIAGNOSTICS, QUERIES, REPORT, PLAN)
AVAILABLE = ("weights",)
OTHER_FORMATS = frozenset(
    {
        *{".arrow", ".csv", ".feather", ".html", ".json", ".jsonl", ".npy", ".npz", ".pickle"},
        *{".pkl", ".pt", ".pth", ".safetensors", ".tsv", ".txt", ".yaml", ".yml"},
    }
)


def weight_paths(pattern: WeightPattern) -> tuple[str, ...]:
    """Return where the weights go, `weights.parquet` first; refuse what cannot be written.

    Raises `PatternError` with one diagnostic per target that is unknown or misplaced.
    """
    problems: list[Problem] = []
    paths = [WEIGHTS]
    for target in pattern.targets:
        problem, path = _resolve(target, paths)
        if problem is not None:
            problems.append(problem)
        elif path not in paths:
            paths.append(path)
    if problems:
        raise PatternError(problems)
    return tuple(paths)


def _resolve(target: EmitTarget, taken: list[str]) -> tuple[Problem | None, str]:
    if target.kind not in AVAILABLE:
        available = ", ".join(f"`{kind}`" for kind in AVAILABLE)
        return UnavailableTarget(target=target.kind, available=available, span=target.origin), ""
    text = target.path or WEIGHTS
    if reason := misplaced(text):
        return PathLeavesFolder(path=text, reason=reason, span=target.origin), ""
    path = posixpath.normpath(text)
    if clash := _clash(path, taken):
        return ReservedPath(path=text, taken=clash, span=target.origin), ""
    if PurePosixPath(path).suffix.lower() in OTHER_FORMATS:
        return WrongFormat(path=text, span=target.origin), ""
    return None, path


def _clash(path: str, taken: list[str]) -> str | None:
    """Return the output whose place a path takes; the same weights path twice is one file."""
    for other in (*RESERVED, *(name for name in taken if name != path)):
        mine, theirs = path.casefold(), other.casefold()
        if mine == theirs or mine.startswith(theirs + "/") or theirs.startswith(mine + "/"):
            return other
    return None
