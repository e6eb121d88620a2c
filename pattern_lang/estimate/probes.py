"""Observables of the user's own: functions of the network and all rows of a data set.

The protocol: `function(module, batch, **arguments)`, where `batch` holds every row of the data in
one dict of tensors, as the loss gets them. It returns a number, or one number for each row, whose
mean is taken. It is called at each draw, without gradients, with the draw in the module. Where the
data pick positions of rows of tokens, `batch["where"]`, bool (rows, positions), says which.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.components import WrongObservable
from pattern_lang.estimate.network import Network
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.sources import Arguments

WHERE = "where"


@frozen(eq=False)
class Probe:
    """One observable of the user's own, with the rows that it looks at."""

    function: UserFunction
    arguments: Arguments
    batch: Mapping[str, Tensor]

    def value(self, module: nn.Module) -> float:
        """Return the observable for the parameters in the module. Raises what user code raises."""
        with torch.no_grad():
            return float(_mean(self._call(module)))

    def _call(self, module: nn.Module) -> Any:
        call: Callable[..., Any] = self.function.call
        return call(module, dict(self.batch), **dict(self.arguments))

    def checked(self, network: Network, code: UserCode, span: Span | None) -> float:
        """Return the value at the checkpoint. Raises UserCodeFailed and WrongObservable."""
        name, where = self.function.name, self.function
        network.reset()
        with code.guarded(f"observable `{name}`", where.file, where.root, span), torch.no_grad():
            result = self._call(network.module)
        rows = len(next(iter(self.batch.values())))
        if not _fits(result, rows):
            problem = WrongObservable(span=span, function=name, found=_kind(result), rows=rows)
            raise PatternError([problem])
        value = float(_mean(result))
        if value - value != 0:
            problem = WrongObservable(
                span=span, function=name, found=f"{value} at the checkpoint", rows=rows
            )
            raise PatternError([problem])
        return value


def _fits(result: Any, rows: int) -> bool:
    if not isinstance(result, Tensor):
        return isinstance(result, int | float)
    return result.shape in ((), (rows,)) and not result.is_complex()


def _mean(result: Any) -> Any:
    return result.to(torch.float64).mean() if isinstance(result, Tensor) else result


def _kind(result: Any) -> str:
    if not isinstance(result, Tensor):
        return f"a {type(result).__name__}" if result is not None else "nothing"
    return f"a tensor of shape {tuple(result.shape)} and type {str(result.dtype)[6:]}"
