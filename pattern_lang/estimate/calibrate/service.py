"""A calibration, from queries to settings for a whole run."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import evolve

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import NothingToSweep
from pattern_lang.estimate.available import check_queries
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.calibration import Calibration
from pattern_lang.ir.queries import Queries, Sampler

if TYPE_CHECKING:
    from pattern_lang.estimate.calibrate.pilot import View

SWEPT = ("sgld", "rmsprop_sgld")
AFFORDABLE = 30.0
_NONE = Sampler("sgld", 1.0, 0.0, 0.0, batch=64, chains=4, draws=8, burn_in=0)
_ROWS = 64
_SMALLEST_BATCH, _HARDLY_MORE = 32, 1.4


def calibrate(
    queries: Queries, *, reporter: Reporter, affordable: float = AFFORDABLE
) -> Calibration:
    """Find one setting that is sound for every posterior of some queries.

    The kind of sampler, batch and chains are those of the queries where they have any; settings
    that are written there are tried as they are, beside others. A whole run of up to `affordable`
    seconds is worth its while however much shorter others would be.

    Raises PatternError: NothingToSweep for a sampler that has nothing to sweep, and all that
    `estimate` raises about files, user code, models and data.
    """
    written = queries.sampler if queries.sampler.kind != "default" else None
    start = written or _NONE
    queries = evolve(queries, sampler=start)
    _check(queries)
    from pattern_lang.estimate.calibrate import plan
    from pattern_lang.estimate.calibrate.sweep import Sweep
    from pattern_lang.estimate.tasks import one_thread

    started = perf_counter()
    code = UserCode(Journal())
    with one_thread():
        reporter.message("calibrating: loading the models and their data")
        views = _views(queries, code)
        batch = start.batch if written else _batch(views, code)
        start = evolve(start, batch=batch)
        sweep = Sweep(queries, views, code, reporter, start, affordable)
        winner = sweep.run()
    chosen = winner.sampler if winner else None
    return Calibration(
        trials=tuple(sweep.trials),
        chosen=chosen,
        seconds=plan.seconds(chosen, sweep.terrains) if chosen else 0.0,
        spent=perf_counter() - started,
    )


def _batch(views: "Sequence[View]", code: UserCode) -> int:
    """Return the largest batch that costs hardly more than half of it does: powers of two."""
    from pattern_lang.estimate.cost import step_seconds

    rows, batch = views[0].posterior.setting.rows.reweighted, _SMALLEST_BATCH

    def seconds(size: int) -> float:
        total = 0.0
        for view in views:
            setting = view.posterior.setting
            with view.posterior.running(code):
                sampler = evolve(setting.sampler, batch=size)
                total += step_seconds(evolve(setting, sampler=sampler))
        return total

    cost = seconds(batch)
    while 2 * batch <= rows and (double := seconds(2 * batch)) < _HARDLY_MORE * cost:
        batch, cost = 2 * batch, double
    return min(batch, rows)


def _check(queries: Queries) -> None:
    problems = check_queries(queries)
    if problems:
        raise PatternError(problems)
    kind = queries.sampler.kind
    if kind not in SWEPT:
        why = {
            "hmc": "finds its step by itself, in burn-in",
            "laplace": "takes no steps",
            "importance": "takes no steps",
        }
        raise PatternError(
            [NothingToSweep(span=queries.sampler.origin, sampler=kind, why=why[kind])]
        )


def _views(queries: Queries, code: UserCode) -> "list[View]":
    """Load everything, and choose the rows that short chains are looked at through."""
    from pattern_lang.estimate.calibrate.pilot import View, sampled_inputs
    from pattern_lang.estimate.inputs import load_inputs
    from pattern_lang.estimate.readout import read_out
    from pattern_lang.estimate.sampling import prepare_posteriors

    # Without an nβ yet, learning coefficients are followed at 1: how they mix is all that counts.
    followed = evolve(queries.sampler, nbeta=queries.sampler.nbeta or 1.0)
    queries = evolve(queries, sampler=followed)
    inputs = load_inputs(queries, code)
    whole = prepare_posteriors(queries, inputs, code)
    few = sampled_inputs(inputs, max(_ROWS, queries.sampler.batch))
    views = []
    for posterior, sample in zip(whole, prepare_posteriors(queries, few, code), strict=True):
        setting = sample.setting
        means = setting.averager.means(setting.anchor[None])[0].numpy()
        readout = read_out(queries, posterior.place, sample.layout, means)
        views.append(View(posterior, setting, readout.spread))
    return views
