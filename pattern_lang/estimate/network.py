"""A network at its checkpoint, with all moving parameters in one vector."""

from collections.abc import Callable, Mapping

import torch
from attrs import define, field
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
UnitLoss = Callable[[Batch], Tensor]

# A column of our own in batches of rows whose losses are per position, (rows, P): the share of each
# position in the mean loss, 0 where it has none.
SHARES = "<shares>"


@define(eq=False)
class Network:
    """A module whose trainable parameters are views into `theta`, and their gradients into `grad`.

    theta, grad, anchor: (d,) of the module's dtype; `anchor` is θ*. `unit_loss` maps a batch to
    the loss of each row, (rows,), or of each position, (rows, P) with NaN where there is none; in
    nats.
    """

    module: nn.Module
    unit_loss: UnitLoss
    theta: Tensor
    grad: Tensor
    anchor: Tensor
    _even: Tensor = field(factory=lambda: torch.empty(0), init=False, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        """Return the floating type that the network computes in."""
        return self.theta.dtype

    def row_losses(self, batch: Batch) -> Tensor:
        """Return one number for each row, (rows,), whose mean over all rows is the mean loss.

        Where losses are per position, a row's is their sum by the shares of the positions, so that
        the mean over a minibatch is an unbiased estimate of the mean over all positions.
        """
        losses, shares = self.unit_loss(batch), batch.get(SHARES)
        if shares is None:
            return losses
        shares = shares.to(losses.dtype)
        return torch.where(shares > 0, losses * shares, 0.0).sum(dim=1)

    def gradient(self, batch: Batch) -> Tensor:
        """Set `grad` to the gradient of the batch's mean loss; return its rows' losses, (rows,).

        The mean is taken by the weights that backward starts from, which spares two operations.
        """
        self.grad.zero_()
        losses = self.row_losses(batch)
        if len(self._even) != len(losses):
            self._even = torch.full_like(losses, 1 / len(losses), requires_grad=False)
        losses.backward(self._even)  # type: ignore[no-untyped-call]
        return losses.detach()

    def reset(self) -> None:
        """Go back to the checkpoint."""
        self.theta.copy_(self.anchor)


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
    offset = 0
    for parameter in moving:
        part = slice(offset, offset + parameter.numel())
        parameter.data = theta[part].view(parameter.shape)
        parameter.grad = grad[part].view(parameter.shape)
        offset = part.stop
    return Network(module, _without_shares(unit_loss), theta, grad, theta.clone())


def _without_shares(unit_loss: UnitLoss) -> UnitLoss:
    """Return a loss that is not shown the column of our own."""

    def of_fields(batch: Batch) -> Tensor:
        if SHARES in batch:
            batch = {name: tensor for name, tensor in batch.items() if name != SHARES}
        return unit_loss(batch)

    return of_fields
