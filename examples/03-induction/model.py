# SPDX-License-Identifier: Apache-2.0
"""A small causal transformer of attention alone, with a learned bias for each distance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pattern_lang.losses import next_token_losses

VOCABULARY = 512
CONTEXT = 64


class Attention(nn.Module):
    """Heads whose scores get a learned number for each distance, (heads, 64)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.distance = nn.Parameter(torch.zeros(heads, CONTEXT))

    def forward(self, x: Tensor) -> Tensor:
        """What the heads add to the stream (rows, N, width)."""
        pattern, value = self.pattern(x)
        return self.o_proj((pattern @ value).transpose(1, 2).flatten(2))

    def pattern(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Attention (rows, heads, N, N) from each position to those up to it, and the values."""
        x = self.norm(x)
        query, key, value = (
            linear(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for linear in (self.q_proj, self.k_proj, self.v_proj)
        )
        place = torch.arange(x.shape[1])
        apart = place[:, None] - place
        bias = self.distance[:, apart.clamp(min=0)].masked_fill(apart < 0, -torch.inf)
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
        return (scores + bias).softmax(3), value


class LanguageModel(nn.Module):
    """Embedding, two layers of attention, and the output matrix."""

    def __init__(self, layers: int, heads: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.layers = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.lm_head = nn.Linear(width, VOCABULARY, bias=False)

    def hidden(self, tokens: Tensor) -> Tensor:
        """The last states (rows, N, width) of tokens (rows, N)."""
        x = self.embed(tokens)
        for layer in self.layers:
            x = x + layer(x)
        out: Tensor = self.norm(x)
        return out

    def patterns(self, tokens: Tensor) -> list[Tensor]:
        """The attention of every layer, (rows, heads, N, N) each."""
        x, found = self.embed(tokens), []
        for layer in self.layers:
            assert isinstance(layer, Attention)
            found.append(layer.pattern(x)[0])
            x = x + layer(x)
        return found

    def unit_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of the next token in nats, (rows, N): field ``input_ids``."""
        tokens = batch["input_ids"]
        return next_token_losses(self.hidden(tokens), self.lm_head.weight, tokens)


def build(layers: int = 2, heads: int = 4, width: int = 64) -> LanguageModel:
    """The transformer with a small random initialisation, from the global random state."""
    model = LanguageModel(layers, heads, width)
    with torch.no_grad():
        model.embed.weight.mul_(0.3)
    return model
