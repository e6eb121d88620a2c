"""How the products of a network are best made: by what the processor and the network do."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from pattern_lang.estimate.evaluate import Rows, chunks_of
from pattern_lang.estimate.kernels import SWIFT_TERMS, suits, swift_is_exact
from pattern_lang.estimate.network import Network
from pattern_lang.estimate.token_losses import chunked_losses

# Below these, bfloat16 costs more than it saves: the length of inner products, as results have to
# be made and converted, and the terms that one product sums, as each has to be called.
_LENGTH, _TERMS = 64, 2_000_000
# Which operand of a product has the summed dimension last.
_PRODUCTS = {
    torch.nn.functional.linear: 0,
    torch.mm: 0,
    torch.bmm: 0,
    torch.matmul: 0,
    torch.Tensor.matmul: 0,
    torch.Tensor.__matmul__: 0,
    torch.addmm: 1,
    torch.baddbmm: 1,
}


def choose_kernels(network: Network, rows: Rows) -> None:
    """Let a network choose the kernels of its linear maps, where that pays."""
    network.swift = False
    if suits(network.theta) and swift_is_exact():
        network.swift = _products_of(network, rows).large > 0


def narrow_pays(network: Network, rows: Rows) -> bool:
    """Return whether losses of these rows are faster from products in bfloat16.

    Enough of the work has to be long products, of float32, on a processor that has the other.
    """
    if not suits(network.theta) or not _supported():
        return False
    products = _products_of(network, rows)
    enough = products.large > 0 and products.terms >= _TERMS * products.calls
    return enough and products.terms >= _LENGTH * products.results


def _products_of(network: Network, rows: Rows) -> "_Products":
    network.reset()
    products = _Products()
    with torch.no_grad(), products:
        network.unit_loss(dict(chunks_of(rows)[0].batch))
    return products


class _Products(TorchFunctionMode):
    """Counts matrix products: calls, large ones, results, and the terms summed in all results."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.large, self.results, self.terms = 0, 0, 0, 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is chunked_losses:
            states, weight, rows = args[0], args[1], args[4]
            for part in states.split(rows):
                self._count(len(part) * len(weight), states.shape[-1])
        place = _PRODUCTS.get(func)
        if place is not None and len(args) > place:
            self._count(out.numel(), args[place].shape[-1])
        return out

    def _count(self, results: int, length: int) -> None:
        """Count a product by its results, and the length of its sums."""
        self.calls += 1
        self.large += results * length >= SWIFT_TERMS
        self.results += results
        self.terms += results * length


def _supported() -> bool:
    abilities = torch.cpu._is_avx512_bf16_supported(), torch.cpu._is_amx_tile_supported()
    return any(abilities)
