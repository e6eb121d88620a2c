"""How much of what the goals ask for is signal: their directions, and what the weights follow."""

from attrs import frozen

from pattern_lang.emit.report.words import Clipped, clip, fixed, percent, quoted
from pattern_lang.ir.solution import Direction, Solution

_SHOWN = 12
_LOADINGS = 4
_LEAST = 0.1


@frozen
class DirectionRow:
    """One direction: its reliability as text and as the length of a bar, and what it is made of."""

    reliability: str
    bar: float
    tone: str
    parts: tuple[tuple[str, Clipped], ...]
    state: str


@frozen
class NoiseView:
    """The section on noise. verdict: about softened directions, empty where there are none."""

    rows: tuple[DirectionRow, ...]
    left_out: int
    verdict: str
    states: bool


def noise_view(solution: Solution) -> NoiseView | None:
    """Return the directions of the goals, None where their noise is not known."""
    softening = solution.softening
    directions = solution.directions if softening is None else softening.directions
    if not directions:
        return None
    kept = len(directions) - (softening.count if softening is not None else 0)
    rest = "kept" if softening is None else softening.rest
    rows = [
        _row(direction, "kept" if place < kept else rest)
        for place, direction in enumerate(directions)
    ]
    # The least reliable ones are what a reader has to know.
    shown = rows if len(rows) <= _SHOWN else [*rows[:2], *rows[2 - _SHOWN :]]
    return NoiseView(
        tuple(shown), len(rows) - len(shown), softened(solution), softening is not None
    )


def _row(direction: Direction, state: str) -> DirectionRow:
    pairs = sorted(
        zip(direction.observables, direction.loadings, strict=True), key=lambda p: -abs(p[1])
    )
    sign = 1.0 if pairs[0][1] > 0 else -1.0
    parts = tuple(
        (fixed(sign * loading, 2, signed=True), clip(name, 32))
        for name, loading in pairs[:_LOADINGS]
        if abs(loading) >= _LEAST
    )
    share = direction.reliability
    tone = "good" if share >= 0.8 else "warn" if share >= 0.5 else "bad"
    return DirectionRow(percent(share), 100.0 * share, tone, parts, state)


def softened(solution: Solution) -> str:
    """Return which directions the weights do not follow, as a sentence; empty for none."""
    softening = solution.softening
    if softening is None:
        return ""
    which = "softened" if softening.rest == "soft" else "dropped"
    why = "as the spec asks"
    if not softening.asked:
        below = list(dict.fromkeys(goal.observable or goal.source for goal in softening.below))
        named = ", ".join(quoted(name) for name in below[:3])
        why = f"as {named} would lie below the noise otherwise"
    one = softening.count == 1
    return (
        f"{softening.count} of {len(softening.directions)} directions of the goals "
        f"{'was' if one else 'were'} {which}, {why}: less than {percent(softening.at)} of "
        f"{'it' if one else 'each'} is signal. Goals that need {'it' if one else 'them'} are "
        "missed on purpose."
    )
