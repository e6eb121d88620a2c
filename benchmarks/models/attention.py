"""A two-layer attention-only transformer over 5,000 tokens: 1.43 million parameters."""

from torch import Tensor, nn
from torch.nn import functional

from pattern_lang.losses import next_token_losses

VOCABULARY, LENGTH, WIDTH, HEADS, LAYERS = 5_000, 128, 128, 8, 2


class Attention(nn.Module):
    """Causal self-attention that reads and writes the residual stream."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the states after this part, (rows, N, d)."""
        rows, length, width = x.shape
        shape = (rows, length, 3, self.num_heads, width // self.num_heads)
        q, k, v = self.qkv(self.norm(x)).view(shape).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(found.transpose(1, 2).reshape(x.shape))


class LanguageModel(nn.Module):
    """Embeddings, layers of attention, logits."""

    def __init__(self, layers: int = LAYERS, heads: int = HEADS) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        self.layers = nn.ModuleList(Attention(WIDTH, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.unembed = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for table in (self.tokens, self.positions):
            nn.init.normal_(table.weight, std=0.02)

    def hidden(self, ids: Tensor) -> Tensor:
        """Return the states before the output matrix, (rows, N, d)."""
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits of all tokens, (rows, N, V)."""
        return self.unembed(self.hidden(ids))

    def unit_loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each position, (rows, N), NaN at the last."""
        hidden = self.hidden(batch["input_ids"])
        return next_token_losses(hidden, self.unembed.weight, batch["input_ids"])


def build(layers: int = LAYERS, heads: int = HEADS) -> LanguageModel:
    """Return a network with fresh weights."""
    return LanguageModel(layers, heads)
