"""The estimator, from queries to susceptibility: look, load, look again, sample, keep.

Nothing here imports torch until user code or a network has to be loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate.available import check_queries
from pattern_lang.estimate.cache import Cache
from pattern_lang.estimate.cost import CostEstimate, nothing_to_do
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.ranks import ALONE, Rank
from pattern_lang.estimate.reporter import Reporter, SilentReporter
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate

if TYPE_CHECKING:
    from pattern_lang.estimate.inputs import Inputs
    from pattern_lang.estimate.tasks import Posterior


def estimate(
    queries: Queries,
    folder: Path,
    *,
    reporter: Reporter,
    fresh: bool = False,
    workers: int | None = None,
    rank: Rank = ALONE,
) -> Estimate:
    """Return the susceptibility that a pattern asks for, from the cache below `folder` if there.

    `fresh` samples again, whatever is stored; otherwise an interrupted run goes on. `workers` is
    the number of processes; None chooses. `rank` is that of this process among several which help
    with `help_estimate`; it has to be the first. The numbers depend on neither. An estimate that
    finished but cannot be trusted is returned, and its diagnostics say so.

    Raises PatternError with every independent mistake: of the queries, before anything is loaded;
    of files, user code, models and data; Diverged (exit status 4) when a chain diverges.
    """
    _check(queries)
    cache = Cache(folder, reporter)
    found = None if fresh else cache.find_request(queries)
    if found is not None:
        return found
    return _estimate(queries, cache, reporter, fresh, workers, rank)


def plan_cost(
    queries: Queries,
    folder: Path | None = None,
    *,
    reporter: Reporter | None = None,
    workers: int | None = None,
) -> CostEstimate:
    """Return what `estimate` would do, without sampling: loads the inputs and times a few steps.

    `folder` is where stored estimates are looked for. Raises PatternError as `estimate` does.
    """
    _check(queries)
    cache = Cache(folder, reporter or SilentReporter()) if folder else None
    if cache is not None and cache.find_request(queries) is not None:
        return nothing_to_do(queries.sampler)
    from pattern_lang.estimate.crew import posteriors_cost
    from pattern_lang.estimate.tasks import one_thread

    code = UserCode(Journal())
    with one_thread():
        _, posteriors = _load(queries, code)
        return posteriors_cost(posteriors, code, workers)


def help_estimate(
    queries: Queries,
    folder: Path,
    rank: Rank,
    *,
    reporter: Reporter,
    workers: int | None = None,
) -> None:
    """Run chains of an estimate that another process waits for, in the same `folder`.

    Returns when every chain is finished or in other hands. Raises PatternError as `estimate` does.
    """
    _check(queries)
    cache = Cache(folder, reporter)
    if cache.find_request(queries) is not None:
        return
    from pattern_lang.estimate.chain_store import ChainStore
    from pattern_lang.estimate.crew import Means
    from pattern_lang.estimate.fingerprints import fingerprint
    from pattern_lang.estimate.sampling import help_out
    from pattern_lang.estimate.tasks import one_thread

    code = UserCode(Journal())
    with one_thread():
        inputs, posteriors = _load(queries, code)
        digests = fingerprint(queries, inputs, code)
        if cache.find(digests.content, queries) is None:
            means = Means(ChainStore(folder, reporter), code, reporter, workers, rank)
            help_out(queries, posteriors, digests, means)


def _check(queries: Queries) -> None:
    problems = check_queries(queries)
    if problems:
        raise PatternError(problems)


def _estimate(
    queries: Queries,
    cache: Cache,
    reporter: Reporter,
    fresh: bool,
    workers: int | None,
    rank: Rank,
) -> Estimate:
    from pattern_lang.estimate.chain_store import ChainStore
    from pattern_lang.estimate.crew import Means
    from pattern_lang.estimate.fingerprints import fingerprint
    from pattern_lang.estimate.sampling import sample
    from pattern_lang.estimate.tasks import one_thread

    code = UserCode(Journal())
    with one_thread():
        inputs, posteriors = _load(queries, code)
        digests = fingerprint(queries, inputs, code)
        files = code.journal.stamps()
        result = None if fresh else cache.find(digests.content, queries)
        if result is None:
            store = ChainStore(cache.folder, reporter, fresh)
            means = Means(store, code, reporter, workers, rank)
            result = sample(queries, inputs, posteriors, digests, means)
            cache.keep(result)
        cache.keep_request(queries, files, code.journal.absent, digests.content)
    return result


def _load(queries: Queries, code: UserCode) -> "tuple[Inputs, list[Posterior]]":
    from pattern_lang.estimate.inputs import load_inputs
    from pattern_lang.estimate.sampling import prepare_posteriors

    inputs = load_inputs(queries, code)
    return inputs, prepare_posteriors(queries, inputs, code)
