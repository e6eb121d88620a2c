"""From a solution to the files of its folder: every output as bytes, then one safe write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from pattern_lang.emit import targets
from pattern_lang.emit.canonical import canonical_json, digest, plain, portable_name
from pattern_lang.emit.content import Content
from pattern_lang.emit.documents import diagnostics_document, estimator_of, queries_document
from pattern_lang.emit.folder import FileSet
from pattern_lang.emit.matrices import susceptibility_content
from pattern_lang.emit.plan import plan_document
from pattern_lang.emit.previous import Previous
from pattern_lang.emit.report import ReportInput, render_report, report_fingerprint
from pattern_lang.emit.tables import weights_bytes
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate


@frozen
class Source:
    """The spec that a pattern comes from, and what else shaped it."""

    text: str
    name: str
    parents: Mapping[str, str]
    parameters: Mapping[str, Any]


def emit(
    pattern: WeightPattern,
    estimate: Estimate,
    solution: Solution,
    folder: Path,
    spec_text: str,
    spec_name: str,
    parents: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Write the outputs of a pattern into its folder and return their paths, the plan last.

    `parents` are the digests of the files that the spec uses, `parameters` the values that were
    set from outside; both go into the plan.

    What is there already with the right bytes is not touched. Without weights the weight files of
    an earlier run are removed. Raises `PatternError` when a target is not available, a path leaves
    the folder, or the operating system refuses to write.
    """
    source = Source(spec_text, spec_name, parents or {}, parameters or {})
    weight_paths = targets.weight_paths(pattern)
    previous = Previous.read(folder)
    files = _data_files(pattern, estimate, solution, source, weight_paths)
    plan = _plan(pattern, estimate, solution, source)
    digests = {name: digest(content) for name, content in files.items()}
    plan["files"] = dict(digests)
    subject = ReportInput(
        pattern, estimate, solution, source.text, portable_name(source.name), plan
    )
    plan["report_inputs"] = report_fingerprint(subject)
    report = previous.report(plan)
    if report is None:
        report = render_report(subject)
    files[targets.REPORT] = report
    digests[targets.REPORT] = digest(report)
    plan["files"] = dict(sorted(digests.items()))
    files[targets.PLAN] = canonical_json(plan)
    gone = () if solution.weights is not None else weight_paths
    stale = tuple(dict.fromkeys((*gone, *previous.orphans(files))))
    FileSet(folder, files, targets.PLAN, stale).write()
    return tuple(folder / name for name in files)


def _data_files(
    pattern: WeightPattern,
    estimate: Estimate,
    solution: Solution,
    source: Source,
    weight_paths: tuple[str, ...],
) -> dict[str, Content]:
    provenance = _provenance(estimate, source)
    files: dict[str, Content] = {}
    if solution.weights is not None:
        reweight = pattern.queries.reweight
        content = weights_bytes(solution.weights, estimate.units, reweight.group_field, provenance)
        files.update(dict.fromkeys(weight_paths, content))
    files[targets.SUSCEPTIBILITY] = susceptibility_content(
        estimate.susceptibility,
        estimate.units,
        _origins(estimate),
        tuple(estimator_of(observable) for observable in pattern.queries.observables),
    )
    files[targets.DIAGNOSTICS] = canonical_json(diagnostics_document(estimate))
    files[targets.QUERIES] = canonical_json(queries_document(pattern.queries))
    return files


def _origins(estimate: Estimate) -> dict[str, str]:
    """Return what χ depends on; goals and constraints are not among it."""
    digests = {f"{name}_digest": value for name, value in estimate.digests.items()}
    return {**digests, "tool": f"pattern-lang {tool_version()}"}


def _provenance(estimate: Estimate, source: Source) -> dict[str, str]:
    return {
        "spec_digest": digest(source.text.encode("utf-8", "replace")),
        "data_digest": estimate.digests.get("data", ""),
        "tool": f"pattern-lang {tool_version()}",
    }


def _plan(
    pattern: WeightPattern, estimate: Estimate, solution: Solution, source: Source
) -> dict[str, Any]:
    provenance = _provenance(estimate, source)
    digests = {
        "spec": provenance["spec_digest"],
        "data": provenance["data_digest"],
        "queries": estimate.digests.get("queries", ""),
        "models": {
            name.removeprefix("model:"): value
            for name, value in estimate.digests.items()
            if name.startswith("model:")
        },
        "parents": {portable_name(name): value for name, value in source.parents.items()},
    }
    facts = {
        "spec": portable_name(source.name),
        "parameters": source.parameters,
        "tool": provenance["tool"],
    }
    document: dict[str, Any] = plain(plan_document(pattern, estimate, solution, digests, facts))
    return document


def tool_version() -> str:
    """Return the version of the package."""
    # The package's own module builds on every stage, so it is looked up when it is needed.
    from pattern_lang import __version__

    return __version__
