"""A transformer that closes brackets, 150 thousand parameters, with a loss function of its own."""

import torch
from torch import Tensor, nn
from torch.nn import functional

SYMBOLS, LENGTH, WIDTH, HEADS, LAYERS = 8, 48, 64, 4, 3


class Block(nn.Module):
    """Causal self-attention and a small network."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = HEADS
        self.norm, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return the states after this part, (rows, N, d)."""
        rows, length, width = x.shape
        shape = (rows, length, 3, HEADS, width // HEADS)
        q, k, v = self.qkv(self.norm(x)).view(shape).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(found.transpose(1, 2).reshape(x.shape))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Brackets(nn.Module):
    """Symbols 0 to 2 open, 3 to 5 close them, 6 begins and 7 fills the row."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols, self.positions = nn.Embedding(SYMBOLS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.readout = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, SYMBOLS)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits of all symbols, (rows, N, 8)."""
        x = self.symbols(ids) + self.positions.weight[: ids.shape[1]]
        return self.readout(self.norm(self.blocks(x)))


def token_losses(network: nn.Module, ids: Tensor) -> Tensor:
    """Return the loss at each position but the last, (rows, N - 1)."""
    logits = network(ids)[:, :-1]
    return functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")


def unit_loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Return the same, (rows, N), NaN at the last position."""
    return functional.pad(token_losses(network, batch["input_ids"]), (0, 1), value=torch.nan)


def build() -> Brackets:
    """Return a network with fresh weights."""
    return Brackets()
