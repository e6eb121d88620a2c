"""A network at its checkpoint, with all moving parameters in one vector.

One module may serve several networks: one that moves every parameter, and one for each component.
Each has tensors of its own, and the module holds those of the network that was used last: a
parameter's values are a view into a network's `theta`, into the anchor where it is frozen, or a
copy of its own where a component is only a block of it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import torch
from attrs import define, field, frozen
from torch import Tensor, nn

from pattern_lang.estimate.attention import SwiftProducts
from pattern_lang.estimate.heads import Portion, Portions, known_by
from pattern_lang.estimate.recall import Memory, Room
from pattern_lang.estimate.recall_rows import ROWS
from pattern_lang.estimate.selection import Selection

Batch = Mapping[str, Tensor]
UnitLoss = Callable[[Batch], Tensor]

# A column of our own in batches of rows whose losses are per position, (rows, P): the share of each
# position in the mean loss, 0 where it has none.
SHARES = "<shares>"
_OURS = (SHARES, ROWS)


@define(eq=False)
class Seat:
    """Which network a module's parameters belong to at present, and what is kept of its passes."""

    holder: "Network | None" = None
    room: Room = field(factory=Room)


@frozen(eq=False)
class Binding:
    """Where a parameter's values and gradient live for one network; frozen without a gradient."""

    parameter: nn.Parameter
    values: Tensor
    grad: Tensor | None


@frozen(eq=False)
class Block:
    """A moving block of a parameter that is frozen elsewhere.

    inner, inner_grad: views of the parameter's tensors. outer, outer_grad: of theta and grad.
    """

    inner: Tensor
    inner_grad: Tensor
    outer: Tensor
    outer_grad: Tensor


@define(eq=False)
class Network:
    """A module whose moving parameters are in `theta`, and their gradients in `grad`.

    theta, grad, anchor: (d,) of the module's dtype; `anchor` is θ*. `unit_loss` maps a batch to
    the loss of each row, (rows,), or of each position, (rows, P) with NaN where there is none; in
    nats, at `theta`. `seat` says which network the module's parameters belong to at present.
    `swift` tells whether its products are worth a choice of kernels. `portions` are the parameters
    that are frozen in part. `latest`: what `unit_loss` returned for the last gradient, without
    autograd.
    """

    module: nn.Module
    raw_loss: UnitLoss
    theta: Tensor
    grad: Tensor
    anchor: Tensor
    seat: Seat
    bindings: tuple[Binding, ...]
    blocks: tuple[Block, ...] = ()
    swift: bool = False
    portions: Portions = field(factory=dict)
    latest: Tensor = field(factory=lambda: torch.empty(0), init=False, repr=False)
    _even: Tensor = field(factory=lambda: torch.empty(0), init=False, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        """Return the floating type that the network computes in."""
        return self.theta.dtype

    def unit_loss(self, batch: Batch, memory: Memory | None = None) -> Tensor:
        """Return the loss of each row at `theta`, (rows,), or of each position, (rows, P).

        With a memory, what frozen parameters alone decide is not computed again.
        """
        self.show()
        with SwiftProducts() if self.swift else nullcontext():
            if memory is None:
                return self.raw_loss(batch)
            return memory.losses(self.raw_loss, batch, self.portions)

    @property
    def moving(self) -> frozenset[int]:
        """Return the identities of the parameters that move, in whole or in part."""
        return frozenset(id(b.parameter) for b in self.bindings if b.grad is not None)

    @property
    def is_whole(self) -> bool:
        """Return whether all parameters of the module move, be it in part."""
        moving = self.moving
        return all(id(parameter) in moving for parameter in self.module.parameters())

    def memory(self, key: object, make: Callable[[nn.Module, Room], Memory]) -> Memory | None:
        """Return the memory of some rows, which networks share in which the same parameters move.

        None where all parameters move. `key` tells the memories of one module apart.
        """
        if self.is_whole:
            return None
        room = self.seat.room
        return room.memory(self.moving, key, lambda: make(self.module, room))

    def row_losses(self, batch: Batch, memory: Memory | None = None) -> Tensor:
        """Return one number for each row, (rows,), whose mean over all rows is the mean loss.

        Where losses are per position, a row's is their sum by the shares of the positions, so that
        the mean over a minibatch is an unbiased estimate of the mean over all positions.
        """
        return _by_row(self.unit_loss(batch, memory), batch)

    def gradient(self, batch: Batch, memory: Memory | None = None) -> Tensor:
        """Set `grad` to the gradient of the batch's mean loss; return its rows' losses, (rows,).

        The mean is taken by the weights that backward starts from, which spares two operations.
        """
        self.clear()
        found = self.unit_loss(batch, memory)
        self.latest = found.detach()
        losses = _by_row(found, batch)
        if len(self._even) != len(losses):
            self._even = torch.full_like(losses, 1 / len(losses), requires_grad=False)
        self.add_gradient(losses, self._even)
        return losses.detach()

    def clear(self) -> None:
        """Set `grad` to zero."""
        self.grad.zero_()
        for block in self.blocks:
            block.inner_grad.zero_()

    def add_gradient(self, losses: Tensor, weights: Tensor) -> None:
        """Add the gradient of `weights · losses` to `grad`."""
        losses.backward(weights)  # type: ignore[no-untyped-call]
        for block in self.blocks:
            block.outer_grad.copy_(block.inner_grad)

    def reset(self) -> None:
        """Go back to the checkpoint, and put it into the module."""
        self.theta.copy_(self.anchor)
        self.show()

    def show(self) -> None:
        """Put `theta` into the module, whichever network the module belonged to."""
        if self.seat.holder is not self:
            for binding in self.bindings:
                binding.parameter.data = binding.values
                binding.parameter.grad = binding.grad
                binding.parameter.requires_grad_(binding.grad is not None)
            self.seat.holder = self
        for block in self.blocks:
            block.inner.copy_(block.outer)


def _by_row(losses: Tensor, batch: Batch) -> Tensor:
    """Return the losses of rows, (rows,), from those of their positions where a batch has these."""
    shares = batch.get(SHARES)
    if shares is None:
        return losses
    shares = shares.to(losses.dtype)
    return torch.where(shares > 0, losses * shares, 0.0).sum(dim=1)


def moving_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters with requires_grad, tied ones once."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def flatten(module: nn.Module, unit_loss: UnitLoss) -> Network:
    """Put the moving parameters of a module into one vector.

    The module is set to evaluation (no dropout, fixed batch statistics) and to one floating type:
    float64 if any moving parameter has it, otherwise float32.
    """
    moving = moving_parameters(module)
    wide = any(parameter.dtype == torch.float64 for parameter in moving)
    module.to(torch.float64 if wide else torch.float32).eval()
    moving = moving_parameters(module)
    theta = torch.cat([parameter.detach().reshape(-1) for parameter in moving])
    grad = torch.zeros_like(theta)
    shapes = [parameter.shape for parameter in moving]
    views = zip(_cut(theta, shapes), _cut(grad, shapes), strict=True)
    bindings = tuple(Binding(p, *pair) for p, pair in zip(moving, views, strict=True))
    network = Network(
        module, _without_shares(unit_loss), theta, grad, theta.clone(), Seat(), bindings
    )
    network.show()
    return network


def restricted(network: Network, selection: Selection) -> Network:
    """Return a network of the same module in which only the pieces of a selection move.

    `theta` holds the pieces in their order. Pieces of one parameter do not overlap. The checkpoint
    is that of `network`, which has to be the one that `flatten` made.
    """
    places = {id(binding.parameter): number for number, binding in enumerate(network.bindings)}
    names = dict(network.module.named_parameters())
    anchors = _cut(network.anchor, [binding.parameter.shape for binding in network.bindings])
    owners = [places[id(names[piece.name])] for piece in selection]
    targets = [piece.of(anchors[owner]) for piece, owner in zip(selection, owners, strict=True)]
    theta = torch.cat([target.reshape(-1) for target in targets])
    grad = torch.zeros_like(theta)
    shapes = [target.shape for target in targets]
    values: dict[int, tuple[Tensor, Tensor]] = {}
    blocks = []
    views = zip(_cut(theta, shapes), _cut(grad, shapes), strict=True)
    for piece, owner, (outer, outer_grad) in zip(selection, owners, views, strict=True):
        if not piece.ranges:
            values[owner] = outer, outer_grad
            continue
        own = values.setdefault(owner, (anchors[owner].clone(), torch.zeros_like(anchors[owner])))
        blocks.append(Block(piece.of(own[0]), piece.of(own[1]), outer, outer_grad))
    masks = {owner: torch.zeros_like(anchors[owner], dtype=torch.bool) for owner in values}
    for piece, owner in zip(selection, owners, strict=True):
        piece.of(masks[owner]).fill_(True)
    parameters = [binding.parameter for binding in network.bindings]
    portions = {
        known_by(parameters[owner]): Portion(parameters[owner], anchors[owner], mask)
        for owner, mask in masks.items()
        if not mask.all()
    }
    # A frozen parameter shows the anchor itself: nothing writes to what has no gradient.
    bindings = tuple(
        Binding(binding.parameter, *values.get(number, (anchors[number], None)))
        for number, binding in enumerate(network.bindings)
    )
    return Network(
        network.module,
        network.raw_loss,
        theta,
        grad,
        theta.clone(),
        network.seat,
        bindings,
        tuple(blocks),
        network.swift,
        portions,
    )


def _cut(vector: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Return views of consecutive parts of a vector, in these shapes."""
    parts, start = [], 0
    for shape in shapes:
        parts.append(vector[start : start + shape.numel()].view(shape))
        start += shape.numel()
    return parts


def _without_shares(unit_loss: UnitLoss) -> UnitLoss:
    """Return a loss that is not shown the columns of our own."""

    def of_fields(batch: Batch) -> Tensor:
        return unit_loss({name: tensor for name, tensor in batch.items() if name not in _OURS})

    return of_fields
