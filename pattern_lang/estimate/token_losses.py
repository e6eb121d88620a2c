"""Cross-entropy of tokens from hidden states, without ever holding all logits.

The output matrix is most of the work of a small language model. Logits are made a chunk of tokens
at a time, small enough to stay in memory that is reused; where gradients are wanted, the chunk's
part of them is taken while its probabilities are there, so that the product is not made twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import handle_torch_function, has_torch_function

from pattern_lang.estimate.kernels import swift_products
from pattern_lang.estimate.token_logits import buffers_of, losses_alone, probabilities

CHUNK_BYTES = 4 * 2**20  # fits the cache; beyond 32 MiB memory is mapped afresh at each use
IGNORED = -100


def token_losses(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    *,
    ignore_index: int = IGNORED,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Return the cross-entropy of each target, in nats: NaN where it is `ignore_index`.

    hidden: (…, d) floating. weight: (V, d), bias: (V,) of the same type: logits are
    `hidden @ weight.T + bias`. targets: (…) int64 in 0..V-1 or `ignore_index`, the token that each
    hidden state predicts. The result has the shape of `targets`.

    Gradients flow to hidden, weight and bias, once: there are no second derivatives. Logits are
    made in chunks of at most `chunk_bytes`. Where no gradient is wanted, products are rounded
    inside torch.autocast to bfloat16, though not the target's own logit. Raises ValueError for
    shapes that do not fit, and IndexError for a target outside the vocabulary.
    """
    _check(hidden, weight, targets, bias)
    flat = targets.reshape(-1)
    kept = (flat != ignore_index).nonzero()[:, 0]
    whole = len(kept) == len(flat)
    states = hidden.reshape(-1, hidden.shape[-1])
    wanted = flat
    if not whole:
        states, wanted = states.index_select(0, kept), flat.index_select(0, kept)
    if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < len(weight):
        raise IndexError(f"a target is outside the vocabulary of {len(weight)}")
    rows = max(1, chunk_bytes // (len(weight) * weight.element_size()))
    found = chunked_losses(states, weight, bias, wanted, rows)
    if whole:
        return found.reshape(targets.shape)
    losses = found.new_full((len(flat),), torch.nan).index_copy(0, kept, found)
    return losses.reshape(targets.shape)


def chunked_losses(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, rows: int
) -> Tensor:
    """Return the losses (M,) of states (M, d), `rows` at a time.

    It is one call for those who watch calls: its parts are many, and small.
    """
    operands = (states, weight) if bias is None else (states, weight, bias)
    if has_torch_function(operands):
        arguments = states, weight, bias, targets, rows
        return handle_torch_function(chunked_losses, operands, *arguments)
    with swift_products(min(rows, len(states)) * weight.numel(), states):
        if torch.is_grad_enabled() and any(operand.requires_grad for operand in operands):
            found: Tensor = _TokenLosses.apply(states, weight, bias, targets, rows)  # type: ignore[no-untyped-call]
            return found
        return losses_alone(states, weight, bias, targets, rows)


def next_token_losses(
    hidden: Tensor,
    weight: Tensor,
    tokens: Tensor,
    bias: Tensor | None = None,
    *,
    ignore_index: int = IGNORED,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Return the loss at each position of each row: that of predicting the NEXT token.

    hidden: (rows, N, d), the state at each position. tokens: (rows, N), the tokens themselves,
    `ignore_index` where there is none (the field `labels` of rows read with a tokenizer). The
    result is (rows, N): entry t is the loss of token t + 1; the last one is NaN, as is every entry
    whose next token is `ignore_index`. Otherwise as `token_losses`.
    """
    targets = torch.full_like(tokens, ignore_index)
    targets[:, :-1] = tokens[:, 1:]
    return token_losses(
        hidden, weight, targets, bias, ignore_index=ignore_index, chunk_bytes=chunk_bytes
    )


def _check(hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None) -> None:
    if hidden.shape[:-1] != targets.shape:
        raise ValueError(
            f"hidden states {tuple(hidden.shape)} do not fit targets {tuple(targets.shape)}"
        )
    if weight.ndim != 2 or weight.shape[1] != hidden.shape[-1]:
        raise ValueError(
            f"the output matrix {tuple(weight.shape)} does not fit hidden states of width "
            f"{hidden.shape[-1]}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"the bias {tuple(bias.shape)} does not fit a vocabulary of {len(weight)}")


class _TokenLosses(torch.autograd.Function):
    """Losses (M,) of states (M, d), with the gradient pieces of equal shares.

    With p the probabilities and e the target, a loss has the gradients `W.T (p - e)` in its state
    and `(p - e) xᵀ` in W. The first is kept for each state, whatever its share turns out to be; the
    second is summed as if all shares were 1, which is right up to a factor for a mean of losses.
    Backward makes it anew where shares differ.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        rows: int,
    ) -> Tensor:
        of_states, of_weight, of_bias = ctx.needs_input_grad[:3]
        losses = states.new_empty(len(states))
        d_states = torch.empty_like(states) if of_states else None
        d_weight = torch.zeros_like(weight) if of_weight else None
        d_bias = torch.zeros_like(bias) if bias is not None and of_bias else None
        buffers = buffers_of(states, weight, rows)
        for start in range(0, len(states), rows):
            part = slice(start, start + rows)
            x, y = states[part], targets[part]
            p = probabilities(x, weight, bias, y, losses[part], buffers)
            if d_states is not None:
                torch.mm(p, weight, out=d_states[part])
                d_states[part].sub_(weight.index_select(0, y))
            _add_pieces(d_weight, d_bias, p, x, y, None)
        ctx.rows = rows
        ctx.save_for_backward(states, weight, bias, targets, d_states, d_weight, d_bias)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, share: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, targets, d_states, d_weight, d_bias = ctx.saved_tensors
        if d_states is not None:
            d_states = d_states * share[:, None]
        if d_weight is None and d_bias is None:
            return d_states, None, None, None, None
        if not len(share) or bool((share == share[0]).all()):
            factor = share[0] if len(share) else 0.0
            d_weight = None if d_weight is None else d_weight * factor
            d_bias = None if d_bias is None else d_bias * factor
            return d_states, d_weight, d_bias, None, None
        d_weight = None if d_weight is None else torch.zeros_like(weight)
        d_bias = None if d_bias is None else torch.zeros_like(bias)
        buffers = buffers_of(states, weight, ctx.rows)
        unused = torch.empty_like(share)
        for start in range(0, len(states), ctx.rows):
            part = slice(start, start + ctx.rows)
            x, y, g = states[part], targets[part], share[part, None]
            p = probabilities(x, weight, bias, y, unused[part], buffers)
            _add_pieces(d_weight, d_bias, p, x, y, g)
        return d_states, d_weight, d_bias, None, None


def _add_pieces(
    d_weight: Tensor | None,
    d_bias: Tensor | None,
    p: Tensor,
    x: Tensor,
    y: Tensor,
    share: Tensor | None,
) -> None:
    """Add a chunk's part of the gradients in W and the bias; `share` None is a share of 1 each."""
    shared = x if share is None else x * share
    if d_weight is not None:
        d_weight.addmm_(p.T, shared)
        d_weight.index_add_(0, y, shared, alpha=-1)
    if d_bias is not None:
        ones = torch.ones_like(x[:, :1]) if share is None else share
        d_bias.addmv_(p.T, ones[:, 0])
        d_bias.index_add_(0, y, ones[:, 0], alpha=-1)
