"""Making a posterior ready to sample: rows as tensors, losses at θ*, chunk sizes, seeds."""

import hashlib
from collections.abc import Sequence

import torch
from attrs import evolve
from torch import Tensor

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import NonFiniteLoss
from pattern_lang.diagnostics.catalogue.tokens import NonFiniteGradient
from pattern_lang.estimate.chain import Setting
from pattern_lang.estimate.entries import PER_POSITION, PER_ROW, check_losses, wrong_loss
from pattern_lang.estimate.evaluate import Rows, chunk_rows, evaluator, to_tensor, to_tensors
from pattern_lang.estimate.layout import Layout
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.moments import Averager
from pattern_lang.estimate.network import Network
from pattern_lang.estimate.probes import Probe
from pattern_lang.estimate.products import choose_kernels
from pattern_lang.estimate.segments import pair_segments, segment_lengths
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Sampler


def prepare(
    model: LoadedModel,
    layout: Layout,
    sampler: Sampler,
    code: UserCode,
    probes: Sequence[tuple[Probe, Span | None]] = (),
    differentiated: tuple[int, ...] = (),
) -> Setting:
    """Evaluate a model at θ* on every row it needs, and the user's own observables there.

    Raises UserCodeFailed when its loss or an observable raises, WrongUnitLoss, NonFiniteGradient,
    NonFiniteLoss and WrongObservable.
    """
    model.network.reset()
    where, action = model.code, f"the loss of model `{model.source.name}`"
    guard = code.guarded(action, where.file, where.root, model.source.origin)
    with code.scope(*model.folders), guard:
        blocks = tuple(to_tensors(block, model.network.dtype) for block in layout.blocks)
        chunks = tuple(chunk_rows(model.network, block) for block in blocks)
        present = tuple(None if p is None else to_tensor(p) for p in layout.present)
        order = None if layout.order is None else to_tensor(layout.order)
        rows = Rows(blocks, chunks, present, order, layout.reweighted)
        _check_shapes(model, rows)
        choose_kernels(model.network, rows)
        _check_gradient(model, rows)
        anchor = torch.zeros(layout.width, dtype=torch.float64)
        evaluator(model.network, rows)(anchor, anchor.clone())
        values = [probe.checked(model.network, code, span) for probe, span in probes]
        rows = evolve(rows, probes=tuple(probe for probe, _ in probes))
    _check_finite(model, layout, anchor)
    anchor = torch.cat([anchor, torch.tensor(values, dtype=torch.float64)])
    averager = averager_of(layout, len(values))
    return setting_of(model.network, rows, averager, anchor, sampler, differentiated)


def setting_of(
    network: Network,
    rows: Rows,
    averager: Averager,
    anchor: Tensor,
    sampler: Sampler,
    differentiated: tuple[int, ...] = (),
) -> Setting:
    """Put the parts of a posterior together."""
    pairs = sampler.kind == "importance"
    cut = pair_segments if pairs else segment_lengths
    lengths = cut(sampler.chains, sampler.draws)
    return Setting(network, rows, averager, anchor, sampler, lengths, differentiated)


def averager_of(layout: Layout, probes: int = 0) -> Averager:
    """Return the layout's averages as tensors; values of probes are followed as they are."""
    units, width = layout.unit_of_row, layout.width
    own = (torch.tensor([width + number]) for number in range(probes))
    return Averager(
        (*(to_tensor(members) for members in layout.members), *own),
        to_tensor(layout.parts),
        None if units is None else to_tensor(units),
        layout.units,
        width + probes,
    )


def chain_seed(digest: str, chain: int) -> int:
    """Return the seed of a chain, which depends on what is sampled and on nothing else."""
    text = f"{digest}/{chain}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def _check_shapes(model: LoadedModel, rows: Rows) -> None:
    """Look at the losses of a few rows of each block; positions are as many as before."""
    for block, present in zip(rows.blocks, rows.present, strict=True):
        few = {name: tensor[:4] for name, tensor in block.items()}
        with torch.no_grad():
            losses = model.network.unit_loss(few)
        count = len(next(iter(few.values())))
        found = check_losses(model, losses, count, PER_ROW if present is None else PER_POSITION)
        if present is not None and found.shape[1] != present.shape[1]:
            expected = f"floats of ({count}, {present.shape[1]}), as for other rows"
            raise PatternError([wrong_loss(model, found, count, expected)])


def _check_gradient(model: LoadedModel, rows: Rows) -> None:
    """Look for NaN in the gradient of a few rows whose losses are per position."""
    if rows.present[0] is None:
        return
    count = min(rows.reweighted, 4)
    few = {name: tensor[:count] for name, tensor in rows.blocks[0].items()}
    losses = model.network.gradient(few)
    bad = bool(losses.isfinite().all()) and not bool(model.network.grad.isfinite().all())
    model.network.grad.zero_()
    if bad:
        problem = NonFiniteGradient(span=model.source.origin, model=model.source.name)
        raise PatternError([problem])


def _check_finite(model: LoadedModel, layout: Layout, anchor: Tensor) -> None:
    bad = torch.nonzero(~torch.isfinite(anchor))
    if not len(bad):
        return
    column = int(bad[0])
    data = next(d for d, own in zip(layout.data, layout.members, strict=True) if column in own)
    raise PatternError(
        [
            NonFiniteLoss(
                span=model.source.origin,
                model=model.source.name,
                data=data.name,
                row=int(layout.origins[column]),
                value=str(anchor[column].item()),
            )
        ]
    )
