"""Every kind of convex program of the reference can be written, and its mirror image is refused."""

import pytest

from tests.lowering.lowered import codes

P, Q = 'row.x == "p"', 'row.x == "q"'
E, F = "predicted(icl) / 1 sd", "predicted(complexity) / 1 sd"

PROGRAMS: dict[str, tuple[str, ...]] = {
    "ridge": ("minimize sum_squares(w - 1)",),
    "weighted ridge": ("minimize sum_squares(w - 1, weighted: row.price)",),
    "asymmetric cost": ("minimize sum_squares(w - 1, up: 1, down: 4)",),
    "asymmetric magnitudes": ("minimize l1(w - 1, up: 1, down: 4) + 0.1 * sum_squares(w - 1)",),
    "elastic net": ("minimize sum_squares(w - 1) + 0.1 * l1(w - 1)",),
    "magnitudes alone": ("minimize l1(w - 1)",),
    "entropy with a cap": ("minimize kl(w)", "require w <= 4"),
    "huber": ("minimize huber(w - 1, at: 0.5)",),
    "bounds": ("require 0 <= w <= 4",),
    "bounds of each unit": ("require row.low <= w <= row.high",),
    "freeze": (f"require w == 1 where {P}",),
    "drop": (f"require w == 0 where {P}",),
    "effective sample size": ("require ess(w) >= 50 %",),
    "budget of the norm": ("require norm(w - 1) <= 10",),
    "budget of entropy": ("require kl(w) <= 0.1 nats",),
    "budget of magnitudes": ("require l1(w - 1) <= 50",),
    "equality": ("shift icl by 0.1 nats",),
    "range": ("require 0.1 nats <= predicted(icl) <= 0.2 nats",),
    "one side": ("require predicted(icl) >= 0.1 sd",),
    "mass": (f"require mass(w, of: {P}) == 2",),
    "group ranges": ("require 0.9 <= mass(w, across: row.x) <= 1.1",),
    "ratio of shares": (f"require mass(w, of: {P}) == 2 * mass(w, of: {Q})",),
    "ratio of shifts": ("require predicted(icl) >= 2 * predicted(late_icl)",),
    "soft target": ("minimize sum_squares(w - 1) + 10 * square(predicted(icl) - 0.1 nats)",),
    "soft target in sd": (
        "minimize sum_squares(w - 1) + 10 * square((predicted(icl) - 1 sd) / 1 sd)",
    ),
    "absolute soft target": (f"minimize sum_squares(w - 1) + abs({E} - 1)",),
    "worst of several": (f"minimize sum_squares(w - 1) + max([abs({E} - 1), abs({F} - 2)])",),
    "most of a combination": (
        f"maximize 2 * {E} + {F}",
        "require ess(w) >= 50 %",
    ),
    "angle": (f"require norm([{E}, {F}]) <= 1.1 * (0.6 * {E} + 0.8 * {F})",),
    "risk": ("require risk(icl) <= 0.1 sd",),
    "chance": ("require quantile(icl, 5 %) >= 0.1 sd",),
    "chance by hand": ("require predicted(icl) - 1.645 * risk(icl) >= 0.1 sd",),
    "best worst case": ("maximize min([predicted(icl) / 1 sd, predicted(late_icl) / 1 sd])",),
}

REFUSED: dict[str, tuple[str, str]] = {
    "magnitude from below": ("require abs(predicted(icl)) >= 1 sd", "PAT3004"),
    "inequality of two values": ("require predicted(icl) != 1 sd", "PAT3005"),
    "product": ("require predicted(icl) * predicted(complexity) <= 1", "PAT2005"),
    "product with the weights": ("require w * w <= 1", "PAT2005"),
    "most of a norm": ("maximize norm(w - 1)", "PAT3004"),
    "budget the wrong way round": ("require norm(w - 1) >= 1", "PAT3004"),
    "entropy the wrong way round": ("require kl(w) >= 0.1 nats", "PAT3004"),
    "effective sample size from above": ("require ess(w) <= 50 %", "PAT3004"),
    "least effective sample size": ("minimize ess(w)", "PAT3004"),
    "chance below one half": ("require quantile(icl, 60 %) >= 0.1 sd", "PAT3004"),
    "difference of convex functions": ("minimize norm(w - 1) - l1(w - 1)", "PAT3003"),
    "risk from below": ("require risk(icl) >= 0.1 sd", "PAT3004"),
    "one or the other": ("require w == 0 or w == 1", "PAT3003"),
    "norm of a norm": ("require norm(norm(w)) <= 1", "PAT2001"),
    "square of the weights": ("require w ^ 2 <= 1", "PAT3003"),
    "ratio of norms": ("require norm(w) / norm(w - 1) <= 1", "PAT2005"),
}

HEAD = "observable late_icl = loss(lm, on: late)\n"


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_convex_program_can_be_written(name: str) -> None:
    assert codes("raise icl by 0.1 sd", *PROGRAMS[name], head=HEAD) == []


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_convex_is_refused(name: str) -> None:
    statement, code = REFUSED[name]
    assert codes("raise icl by 0.1 sd", statement, head=HEAD) == [code]
