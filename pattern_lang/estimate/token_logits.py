"""Logits of a chunk of tokens, and what is made of them while they are in cache."""

import torch
from torch import Tensor

_SMALLEST = 1e-30  # of the probability of a target: below it, its logarithm is taken otherwise


def buffers_of(states: Tensor, weight: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Return room for the logits of a chunk, and for what is made of them, (rows, V) each."""
    shape = min(rows, len(states)), len(weight)
    return states.new_empty(shape), states.new_empty(shape)


def probabilities(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    y: Tensor,
    losses: Tensor,
    buffers: tuple[Tensor, Tensor],
) -> Tensor:
    """Write the losses of a chunk, (m,), and return its probabilities, (m, V).

    One pass of softmax is cheaper than its parts. Its logarithm is the loss, except where the
    probability of the target is too small for its type.
    """
    logits = _logits(x, weight, bias, buffers[0])
    p = torch.softmax(logits, 1, out=buffers[1][: len(x)])
    of_target = p.gather(1, y[:, None])[:, 0]
    torch.neg(of_target.log(), out=losses)
    small = (~(of_target > _SMALLEST)).nonzero()[:, 0]
    if len(small):
        picked = torch.log_softmax(logits.index_select(0, small), 1)
        losses[small] = -picked.gather(1, y[small, None])[:, 0]
    return p


def losses_alone(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, rows: int
) -> Tensor:
    """Return the losses (M,) of states (M, d), without autograd, `rows` at a time."""
    rounded = _rounds(weight)
    exact = states.detach().to(weight.dtype)
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    losses = exact.new_empty(len(exact))
    narrow = _Narrow(exact, weight, rows) if rounded else None
    logits, found = buffers_of(exact, weight, rows)
    for start in range(0, len(exact), rows):
        part = slice(start, start + rows)
        x, y = exact[part], targets[part, None]
        if narrow is None:
            _logits(x, weight, bias, logits)
        else:
            narrow.logits(part, bias, y, logits[: len(x)])
        spread = torch.log_softmax(logits[: len(x)], 1, out=found[: len(x)])
        torch.neg(spread.gather(1, y)[:, 0], out=losses[part])
    return losses


class _Narrow:
    """Products in bfloat16, accumulated in float32 and rounded once more.

    The rounding of the logits averages out over the vocabulary, but not that of the target's, which
    is therefore made anew: d operations a token.
    """

    def __init__(self, states: Tensor, weight: Tensor, rows: int) -> None:
        self.exact, self.weight = states, weight
        self.states, self.transposed = states.bfloat16(), weight.bfloat16().T
        shape = min(rows, len(states)), len(weight)
        self.buffer = torch.empty(shape, dtype=torch.bfloat16, device=states.device)

    def logits(self, part: slice, bias: Tensor | None, y: Tensor, out: Tensor) -> None:
        out.copy_(torch.mm(self.states[part], self.transposed, out=self.buffer[: len(out)]))
        of_target = (self.exact[part] * self.weight.index_select(0, y[:, 0])).sum(1, keepdim=True)
        out.scatter_(1, y, of_target)
        if bias is not None:
            out.add_(bias)


def _rounds(weight: Tensor) -> bool:
    """Return whether products are to be made in bfloat16: inside torch.autocast."""
    device = weight.device.type
    return (
        weight.dtype == torch.float32
        and torch.is_autocast_enabled(device)
        and torch.get_autocast_dtype(device) == torch.bfloat16
    )


def _logits(x: Tensor, weight: Tensor, bias: Tensor | None, buffer: Tensor) -> Tensor:
    logits = buffer[: len(x)]
    if bias is None:
        return torch.mm(x, weight.T, out=logits)
    return torch.addmm(bias, x, weight.T, out=logits)
