"""`results.parquet`, `verdicts.json` and `report.html` of a study, written together."""

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from pattern_lang.emit.canonical import canonical_json, compact_json, plain
from pattern_lang.emit.folder import FileSet
from pattern_lang.emit.plan import requested_number
from pattern_lang.emit.study.page import render_study
from pattern_lang.ir.findings import Line, StudyFindings, Verdict

VERDICTS_SCHEMA = "pattern-lang/verdicts/1"
RESULTS_SCHEMA = "pattern-lang/results/1"
RESULTS, VERDICTS, REPORT = "results.parquet", "verdicts.json", "report.html"


def emit_study(findings: StudyFindings, folder: Path) -> tuple[Path, ...]:
    """Write what a study found into its folder and return the paths, the verdicts last.

    Equal findings give equal bytes. Raises PatternError when the operating system refuses.
    """
    document = verdicts_document(findings)
    files = {
        RESULTS: results_bytes(findings),
        REPORT: render_study(findings),
        VERDICTS: canonical_json(document),
    }
    FileSet(folder, files, VERDICTS).write()
    return tuple(folder / name for name in files)


def verdicts_document(findings: StudyFindings) -> dict[str, Any]:
    """Return `verdicts.json`."""
    document: dict[str, Any] = plain(
        {
            "schema": VERDICTS_SCHEMA,
            "study": findings.name,
            "registration": findings.registration,
            "verdicts": [_verdict(verdict) for verdict in findings.verdicts],
            "diverged": [attrs.asdict(item) for item in findings.diverged],
            "measures": [attrs.asdict(item) for item in findings.comparisons],
            "predicted_against_realised": [_line(line) for line in findings.lines],
        }
    )
    return document


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict with the one number that was asked for, as plans have it."""
    number = requested_number(verdict.kind, verdict.lower, verdict.upper)
    return {**attrs.asdict(verdict), "requested": number}


def _line(line: Line) -> dict[str, Any]:
    points = [
        {"arm": arm, "predicted": predicted, "realised": attrs.asdict(realised)}
        for arm, predicted, realised in line.points
    ]
    slope = None if line.slope is None else attrs.asdict(line.slope)
    return {"observable": line.observable, "unit": line.unit, "points": points, "slope": slope}


def results_bytes(findings: StudyFindings) -> bytes:
    """Return the Parquet file of everything that was measured, one row for each value."""
    pa = import_module("pyarrow")
    points = findings.points
    table = pa.table(
        {
            "arm": pa.array([point.arm for point in points], pa.string()),
            "seed": pa.array([point.seed for point in points], pa.int64()),
            "step": pa.array([point.step for point in points], pa.int64()),
            "measure": pa.array([point.measure for point in points], pa.string()),
            "value": pa.array([point.value for point in points], pa.float64()),
        }
    )
    registered = compact_json(findings.registration)
    metadata = {"schema": RESULTS_SCHEMA, "study": findings.name, "registration": registered}
    sink = io.BytesIO()
    table = table.replace_schema_metadata(metadata)
    import_module("pyarrow.parquet").write_table(table, sink, compression="zstd")
    return sink.getvalue()
