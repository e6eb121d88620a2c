"""Whether the losses at the draws may be made from products in bfloat16.

Processors with bfloat16 products make them four to eight times as fast as in float32. What is
rounded at θ* is rounded in much the same way at a draw, and only the difference counts; how much is
left is looked at on a short walk from θ*. Gradients and the losses at θ* are never rounded so.
"""

from collections.abc import Callable, Iterator
from math import inf, isfinite, sqrt

import torch
from attrs import define, evolve, field, frozen
from torch import Generator, Tensor

from pattern_lang.estimate.chain import Setting, batches
from pattern_lang.estimate.evaluate import Rows, chunks_of, evaluator
from pattern_lang.estimate.network import Network
from pattern_lang.estimate.products import narrow_pays
from pattern_lang.estimate.steps import stepper

Evaluate = Callable[[Tensor, Tensor], None]

_POINTS, _BETWEEN = 5, 2  # points of the walk that are compared, and steps between them
_FEWEST_POINTS, _PLAINLY = 2, 0.5  # points that are enough, and below which share of the limit
_ENTRIES = 1024  # losses that are compared, of each block
_SHARE = 0.5  # of a standard error, that rounding may amount to
_FEWEST_DRAWS = 32  # below, there is too little to win


@frozen
class Rounding:
    """What bfloat16 products would do to the losses at the draws.

    losses: the root mean square of their error as a share of the losses' standard deviation over
    the walk, means: the same of the mean losses, the largest over the blocks of rows.
    """

    losses: float
    means: float

    def below(self, draws: float) -> bool:
        """Return whether it stays below the standard error that so many draws have at best.

        A covariance of n draws has a standard error of 1/√n of the two deviations; were all of the
        rounding correlated with the loss, it would move the covariance by its share of them.
        """
        return max(self.losses, self.means) < _SHARE / sqrt(draws)


@define(eq=False)
class Shared:
    """What posteriors that share rows share here too, by the identity of the rows.

    pays: whether bfloat16 products are faster. rounded: the rows with what these add at θ*.
    """

    pays: dict[int, bool] = field(factory=dict)
    rounded: dict[int, Rows] = field(factory=dict)


def settled(setting: Setting, shared: Shared) -> tuple[Setting, Rounding | None]:
    """Return the setting with losses at its draws in bfloat16 if that is faster and fine enough.

    The answer depends on the processor's abilities, the network and the sampler, not on timing. The
    rounding comes with it where it was accepted. Pathwise derivatives are differences of losses at
    points far too close for it. What does not depend on which parameters move is looked at once.
    """
    sampler, rows = setting.sampler, setting.rows
    draws = sampler.chains * sampler.draws
    langevin = sampler.kind in ("sgld", "rmsprop_sgld")
    if not langevin or sampler.is_pathwise or draws < _FEWEST_DRAWS:
        return setting, None
    if id(rows) not in shared.pays:
        shared.pays[id(rows)] = narrow_pays(setting.network, rows)
    if not shared.pays[id(rows)]:
        return setting, None
    try:
        rounding = measure(setting)
    except (RuntimeError, TypeError):  # the network's code does not take bfloat16
        return setting, None
    if not rounding.below(draws):
        return setting, None
    if id(rows) not in shared.rounded:
        shared.rounded[id(rows)] = rounded(setting)
    return evolve(setting, rows=shared.rounded[id(rows)]), rounding


def rounded(setting: Setting) -> Rows:
    """Return the rows with what bfloat16 products add to their losses at θ*."""
    rows = evolve(setting.rows, rounding=torch.zeros_like(setting.anchor))
    shift = torch.zeros_like(setting.anchor)
    setting.network.reset()
    evaluator(setting.network, rows)(shift, setting.anchor)
    return evolve(rows, rounding=shift)


def measure(setting: Setting) -> Rounding:
    """Compare the losses of some rows, in both precisions, at a few points of a walk from θ*.

    It ends early where rounding is far below what is allowed: moves only grow on the way.
    """
    network, few = setting.network, _some(setting.rows)
    draws = setting.sampler.chains * setting.sampler.draws
    wide, narrow = evaluator(network, few), _rounding_evaluator(network, few)
    walk = _walk(setting)
    at_anchor = _both(wide, narrow, few.width)
    moves, errors = [], []
    for count in range(1, _POINTS + 1):
        next(walk)
        exact, other = _both(wide, narrow, few.width)
        moves.append(exact - at_anchor[0])
        errors.append(other - at_anchor[1] - moves[-1])
        if count == _FEWEST_POINTS and _compared(few, moves, errors).below(draws / _PLAINLY**2):
            break
    network.reset()
    return _compared(few, moves, errors)


def _compared(few: Rows, moves: list[Tensor], errors: list[Tensor]) -> Rounding:
    moved, wrong = torch.stack(moves), torch.stack(errors)
    means, start = [], 0
    for chunk in chunks_of(few):  # one chunk for each block
        part = slice(start, start := chunk.columns.stop)
        means.append(_share(wrong[:, part].mean(1), moved[:, part].mean(1)))
    return Rounding(_share(wrong, moved), max(means))


def _share(wrong: Tensor, moved: Tensor) -> float:
    spread, error = moved.var(0).mean().sqrt().item(), wrong.square().mean().sqrt().item()
    return error / spread if spread > 0 and isfinite(error) and isfinite(spread) else inf


def _walk(setting: Setting) -> Iterator[None]:
    """Go from θ* by the sampler's own steps, from a fixed seed."""
    network, random = setting.network, Generator().manual_seed(0)
    network.reset()
    supply, move = batches(setting, random), stepper(network, setting.sampler, random)
    while True:
        for _ in range(_BETWEEN):
            network.gradient(next(supply))
            move()
        yield


def _both(wide: Evaluate, narrow: Evaluate, width: int) -> tuple[Tensor, Tensor]:
    found = torch.empty(2, width, dtype=torch.float64)
    zero = torch.zeros(width, dtype=torch.float64)
    wide(found[0], zero)
    narrow(found[1], zero)
    return found[0], found[1]


def _rounding_evaluator(network: Network, few: Rows) -> Evaluate:
    return evaluator(network, evolve(few, rounding=torch.zeros(few.width, dtype=torch.float64)))


def _some(rows: Rows) -> Rows:
    """Return a few rows of each block, spread over it, one chunk each."""
    blocks, present = [], []
    for block, here in zip(rows.blocks, rows.present, strict=True):
        length = len(next(iter(block.values())))
        entries = 1 if here is None else here.shape[1]
        count = min(length, max(1, _ENTRIES // entries))
        chosen = torch.arange(count) * length // count
        blocks.append({name: tensor.index_select(0, chosen) for name, tensor in block.items()})
        present.append(None if here is None else here.index_select(0, chosen))
    chunks = tuple(len(next(iter(block.values()))) for block in blocks)
    return Rows(tuple(blocks), chunks, tuple(present), None, rows.reweighted)
