"""`pat status`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from pattern_lang.cli.output import Output, format_option
from pattern_lang.driver import CACHE

SCHEMA = "pattern-lang/status/1"
_STATES = ("finished", "running", "interrupted", "missing")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(), default="build")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@format_option
def status(folder: str, as_json: bool, format_: str) -> int:
    """Say what is finished, running and missing in an output folder. Changes nothing."""
    document = describe(Path(folder))
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True))
    else:
        click.echo("\n".join(_lines(document)))
    Output(format_).diagnostics([])
    return 0


def describe(folder: Path) -> dict[str, Any]:
    """Return what an output folder holds and lacks, as plain values; raises PatternError."""
    from pattern_lang.diagnostics import PatternError
    from pattern_lang.diagnostics.catalogue.emission import OutputMissing
    from pattern_lang.emit.wanted import wanted
    from pattern_lang.estimate.running import look

    pending = wanted(folder / CACHE)
    names = sorted({path.parent.name for path in folder.glob("*/plan.json")} | set(pending))
    posteriors = [_posterior(item) for item in look(folder / CACHE)]
    if not names and not posteriors:
        reason = "nothing was compiled into it" if folder.is_dir() else "there is no such folder"
        raise PatternError([OutputMissing(path=str(folder), reason=reason)])
    patterns = [_pattern(folder, name, name in pending) for name in names]
    return {
        "schema": SCHEMA,
        "folder": str(folder),
        "patterns": patterns,
        "posteriors": posteriors,
    }


def _pattern(folder: Path, name: str, pending: bool) -> dict[str, Any]:
    from pattern_lang.emit.read import read_plan

    if pending:
        return {"pattern": name, "state": "missing"}
    return {"pattern": name, "state": "finished", "status": read_plan(folder / name)["status"]}


def _posterior(item: Any) -> dict[str, Any]:
    chains = [
        {"chain": number, "state": _state(*facts), "done": facts[0], "steps": item.steps}
        for number, facts in enumerate(zip(item.done, item.finished, item.owned, strict=True))
    ]
    return {"posterior": item.posterior, "chains": chains}


def _state(done: int, finished: bool, owned: bool) -> str:
    if finished:
        return "finished"
    if owned:
        return "running"
    return "interrupted" if done else "missing"


def _lines(document: dict[str, Any]) -> list[str]:
    patterns, posteriors = document["patterns"], document["posteriors"]
    lines = [f"{document['folder']}: {_counts(patterns, 'pattern')}"]
    for item in patterns:
        verdict = f" ({item['status']})" if "status" in item else ""
        lines.append(f"  {item['pattern']}: {item['state']}{verdict}")
    for item in posteriors:
        chains = item["chains"]
        share = sum(c["done"] for c in chains) / max(sum(c["steps"] for c in chains), 1)
        lines.append(
            f"posterior of {item['posterior']}: {_counts(chains, 'chain')}; "
            f"{share:.0%} of the steps done"
        )
        lines += [
            f"  chain {chain['chain']}: {chain['state']}, {chain['done']:,} of "
            f"{chain['steps']:,} steps"
            for chain in chains
            if chain["state"] != "finished"
        ]
    return lines


def _counts(items: list[dict[str, Any]], noun: str) -> str:
    counts = Counter(item["state"] for item in items)
    parts = [f"{counts[state]} {state}" for state in _STATES if counts[state]]
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}, " + ", ".join(parts)
