"""From the runs of a study to a verdict on each goal of each arm."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from pattern_lang.ir.findings import Comparison, Line, Spread, Verdict
from pattern_lang.ir.training import Arm, Base, Dosed, Shuffled, Steered
from pattern_lang.train.statistics import LEVEL, Interval, holm, interval, slope

DIVERGED = "diverged"
Finals = Mapping[str, Mapping[int, Mapping[str, float]]]
"""The measures at the end of each run: by arm, by seed, by name."""


@frozen(eq=False)
class Expected:
    """The goals of a pattern, and what χ predicts of each observable for each arm.

    goals: those of `plan.json`. shifts: by arm and observable, averaged over seeds; stderr: of the
    arms whose weights are the pattern's own, or a multiple. sound: whether the estimate is.
    """

    goals: Sequence[Mapping[str, Any]]
    shifts: Mapping[str, Mapping[str, float]]
    sound: bool = True


def verdicts(
    arms: Sequence[Arm],
    base: str,
    expected: Mapping[str, Expected],
    finals: Finals,
    lost: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Verdict, ...]:
    """Judge every goal for every arm with weights, p-values corrected for their number.

    expected: by pattern. lost: by arm the seeds on which it diverged; such an arm is not judged,
    since the seeds that are left are those that went well.
    """
    lost = lost or {}
    found: list[Verdict] = []
    for arm in arms:
        pattern = arm.pattern
        if pattern is None:
            continue
        own = expected[pattern.name]
        control = _shuffled_of(arm, arms)
        for goal in own.goals:
            found.append(_verdict(arm, goal, own, base, control, finals))
    judged = [None if verdict.arm in lost else verdict.p for verdict in found]
    return tuple(
        evolve(verdict, p=p, verdict=_word(verdict, p), remarks=_remarks(verdict, base, lost))
        if verdict.arm not in lost
        else evolve(verdict, p=None, verdict=DIVERGED, remarks=_remarks(verdict, base, lost))
        for verdict, p in zip(found, holm(judged), strict=True)
    )


def _remarks(verdict: Verdict, base: str, lost: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Return what is to be known beside a verdict."""
    found = list(verdict.remarks)
    for arm, who in ((verdict.arm, "diverged"), (base, "base diverged")):
        if arm in lost:
            found.append(f"{who} on {seeds_text(lost[arm])}")
    return tuple(found)


def seeds_text(seeds: Sequence[int]) -> str:
    """Return `seed 3`, or `seeds 3, 5`."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _shuffled_of(arm: Arm, arms: Sequence[Arm]) -> str | None:
    """Return the shuffled control of an arm, by the name of that."""
    for other in arms:
        kind = other.kind
        if isinstance(kind, Shuffled) and kind.among is None and _same(kind.arm, arm.kind):
            return other.name
    return None


def _same(one: object, other: object) -> bool:
    if isinstance(one, Steered) and isinstance(other, Steered):
        return one.pattern.name == other.pattern.name
    if isinstance(one, Dosed) and isinstance(other, Dosed):
        return one.dose == other.dose and _same(one.arm, other.arm)
    return False


def _verdict(
    arm: Arm,
    goal: Mapping[str, Any],
    expected: Expected,
    base: str,
    control: str | None,
    finals: Finals,
) -> Verdict:
    name = str(goal["observable"])
    moved = paired(finals, arm.name, base, name)
    beside = paired(finals, arm.name, control, name) if control is not None else []
    realised = interval(moved) if moved else None
    dose = _dose(arm)
    lower, upper = _scaled(goal, 1.0 if dose is None else dose)
    return Verdict(
        arm=arm.name,
        goal=str(goal["source"]),
        kind=str(goal["kind"]),
        observable=name,
        unit=str(goal["unit"]),
        lower=lower,
        upper=upper,
        predicted=expected.shifts.get(arm.name, {}).get(name),
        stderr=None if dose is None or goal["stderr"] is None else abs(dose) * goal["stderr"],
        realised=spread(realised),
        over_shuffled=spread(interval(beside)) if beside else None,
        p=realised.p if realised is not None else None,
        verdict="",
        control=dose is None,
        remarks=() if expected.sound else ("unsound estimate",),
    )


def _scaled(goal: Mapping[str, Any], dose: float) -> tuple[float | None, float | None]:
    """Return the range that a goal asks for at a dose; a negative one asks for the opposite."""
    ends = [None if goal[end] is None else dose * goal[end] for end in ("lower", "upper")]
    return (ends[1], ends[0]) if dose < 0 else (ends[0], ends[1])


def _dose(arm: Arm) -> float | None:
    """Return which multiple of a pattern's change an arm makes, None for other weights."""
    match arm.kind:
        case Steered():
            return 1.0
        case Dosed(arm=Steered(), dose=dose):
            return dose
    return None


def _word(verdict: Verdict, p: float | None) -> str:
    realised = verdict.realised
    if realised is None:
        return "not measurable"
    if realised.low is None or realised.high is None or p is None:
        return "one seed"
    if verdict.kind == "hold":
        return _held(verdict, realised.low, realised.high)
    wanted = _direction(verdict)
    if p > 1 - LEVEL or wanted == 0:
        return "within noise"
    return "moved as asked" if realised.mean * wanted > 0 else "moved the wrong way"


def _held(verdict: Verdict, low: float, high: float) -> str:
    bottom = -np.inf if verdict.lower is None else verdict.lower
    top = np.inf if verdict.upper is None else verdict.upper
    if bottom <= low and high <= top:
        return "held"
    return "not held" if high < bottom or low > top else "within noise"


def _direction(verdict: Verdict) -> int:
    """Return the sign of the shift that a goal asks for."""
    for end in (verdict.lower, verdict.upper):
        if end:
            return 1 if end > 0 else -1
    return 0


def comparisons(arms: Sequence[Arm], base: str, finals: Finals) -> tuple[Comparison, ...]:
    """Return each measure at the end of each arm, and its difference to the base arm."""
    found = []
    for arm in arms:
        runs = finals.get(arm.name, {})
        for name in dict.fromkeys(name for run in runs.values() for name in run):
            values = [run[name] for run in runs.values() if name in run]
            differences = paired(finals, arm.name, base, name)
            beside = arm.name != base and differences
            mean = spread(interval(values))
            assert mean is not None  # there are values
            over = spread(interval(differences)) if beside else None
            found.append(Comparison(arm.name, name, mean, over))
    return tuple(found)


def lines(
    arms: Sequence[Arm],
    base: str,
    expected: Mapping[str, Expected],
    finals: Finals,
    lost: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Line, ...]:
    """Return realised against predicted shifts for each observable of a goal.

    Over all arms with weights, but those that diverged on a seed.
    """
    known: dict[str, str] = {
        str(goal["observable"]): str(goal["unit"])
        for own in expected.values()
        for goal in own.goals
    }
    found = []
    for name, unit in known.items():
        points, realised = [], []
        for arm in arms:
            if isinstance(arm.kind, Base) or arm.pattern is None or arm.name in (lost or {}):
                continue
            predicted = expected[arm.pattern.name].shifts.get(arm.name, {}).get(name)
            moved = paired(finals, arm.name, base, name)
            if predicted is None or not moved:
                continue
            mean = spread(interval(moved))
            assert mean is not None
            points.append((arm.name, predicted, mean))
            realised.append(moved)
        if points and len({len(row) for row in realised}) == 1:
            line = slope([point[1] for point in points], np.array(realised))
            found.append(Line(name, unit, tuple(points), spread(line)))
    return tuple(found)


def paired(finals: Finals, arm: str, other: str | None, measure: str) -> list[float]:
    """Return the differences of a measure between two arms, for the seeds that both have."""
    if other is None:
        return []
    mine, theirs = finals.get(arm, {}), finals.get(other, {})
    return [
        mine[seed][measure] - theirs[seed][measure]
        for seed in mine
        if seed in theirs and measure in mine[seed] and measure in theirs[seed]
    ]


def spread(found: Interval | None) -> Spread | None:
    """Return an interval as a plain value."""
    return None if found is None else Spread(found.mean, found.low, found.high, found.seeds)
