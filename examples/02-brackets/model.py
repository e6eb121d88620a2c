# SPDX-License-Identifier: Apache-2.0
"""A causal pre-norm transformer that judges a bracket string at its end token.

Learned positions, GELU, two classes. Only the end token is read, so the last block computes its
queries and its feed-forward layer for that token alone: the same numbers for about half the work.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCABULARY = 5
CONTEXT = 42
CLASSES = 2


class Block(nn.Module):
    """Attention, then a feed-forward layer four times as wide, each on a normalised copy."""

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def _split(self, x: Tensor) -> Tensor:
        """(rows, positions, width) to (rows, heads, positions, width / heads)."""
        rows, positions, width = x.shape
        return x.reshape(rows, positions, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, end: Tensor | None = None) -> Tensor:
        """The stream (rows, positions, width) after this block.

        With ``end`` (rows,), the stream of that position alone, (rows, 1, width).
        """
        context = self.attention_norm(x)
        key, value = self._split(self.key(context)), self._split(self.value(context))
        if end is None:
            query = self._split(self.query(context))
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            at_end = end[:, None, None].expand(-1, 1, x.shape[-1])
            x, context = x.gather(1, at_end), context.gather(1, at_end)
            query = self._split(self.query(context))
            past = torch.arange(key.shape[2], device=end.device) <= end[:, None]
            seen = F.scaled_dot_product_attention(query, key, value, past[:, None, None])
        x = x + self.attention_out(seen.transpose(1, 2).flatten(2))
        return x + self._feed_forward(self.mlp_norm(x))

    def _feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mlp_out(F.gelu(self.mlp_in(x)))
        return out


class BracketJudge(nn.Module):
    """Embedding, blocks, and the two classes' logits at the end token."""

    def __init__(self, layers: int, heads: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(heads, width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.classes = nn.Linear(width, CLASSES)

    def forward(self, tokens: Tensor, end: Tensor) -> Tensor:
        """Logits (rows, 2) for tokens (rows, positions) whose end token is at ``end`` (rows,)."""
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        *early, last = self.blocks
        for block in early:
            x = block(x)
        logits: Tensor = self.classes(self.norm(last(x, end)[:, 0]))
        return logits

    def unit_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of each row in nats, (rows,): fields ``tokens``, ``end``, ``label``."""
        logits = self(batch["tokens"], batch["end"])
        return F.cross_entropy(logits, batch["label"], reduction="none")


def build(layers: int = 2, heads: int = 4, width: int = 32) -> BracketJudge:
    """The transformer with PyTorch's default initialisation, from the global random state."""
    return BracketJudge(layers, heads, width)
