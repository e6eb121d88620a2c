# SPDX-License-Identifier: Apache-2.0
"""Write the text and its tokenizer, train the network on it, and say what its heads do.

    python train.py

Muon 0.04 on the attention matrices, AdamW 0.01 on the rest, constant rates, batches of 32. One
thread and fixed seeds, so that the same machine writes the same bytes again. Writes
`tokenizer.json`, `text.jsonl` (the rows that a spec re-weights) and `base.safetensors`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

import numpy as np
import torch
from data import CONTEXT, VOCABULARY, chunks, plant, predictable, texts, tokenizer_of, write_rows
from model import LanguageModel, build
from safetensors.torch import save_file
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
BATCH = 32
MATRIX_RATE, OTHER_RATE = 0.04, 0.01
MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are orthogonal matrices (Jordan et al., 2024)."""

    def __init__(self, matrices: list[nn.Parameter], rate: float) -> None:
        super().__init__(matrices, {"lr": rate})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for matrix in group["params"]:
                kept = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                kept.lerp_(matrix.grad, 1 - MOMENTUM)
                matrix.sub_(orthogonal(matrix.grad.lerp(kept, MOMENTUM)), alpha=group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """Roughly the orthogonal factor of a matrix, by five Newton-Schulz steps of fifth order."""
    x = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def fit(rows: Tensor, steps: int, seed: int) -> LanguageModel:
    """Train a network from scratch on rows (R, 64)."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    model = build()
    matrices = [p for name, p in model.named_parameters() if "proj" in name]
    others = [p for name, p in model.named_parameters() if "proj" not in name]
    optimizers = Muon(matrices, MATRIX_RATE), torch.optim.AdamW(others, OTHER_RATE)
    for _ in range(steps):
        batch = rows[torch.randint(len(rows), (BATCH,), generator=random)]
        loss = model.unit_loss({"input_ids": batch})[:, :-1].mean()
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
    return model.eval()


@torch.no_grad()
def prefix_matching(model: LanguageModel, rows: int = 64, seed: int = 1) -> Tensor:
    """How much each head looks back to what followed the same token, (layers, heads).

    On random tokens, repeated: the attention from each token of the second half to the one after
    its first occurrence.
    """
    tokens, half = repeated(rows, seed), CONTEXT // 2
    place = torch.arange(half, CONTEXT)
    found = [pattern[:, :, place, place - half + 1] for pattern in model.patterns(tokens)]
    return torch.stack([attention.mean((0, 2)) for attention in found])


@torch.no_grad()
def repeat_gain(model: LanguageModel, rows: int = 64, seed: int = 1) -> float:
    """Loss on the second half of repeated random tokens, minus that on the first, in nats."""
    losses = model.unit_loss({"input_ids": repeated(rows, seed)})[:, :-1]
    half = CONTEXT // 2
    return float(losses[:, half:].mean() - losses[:, : half - 1].mean())


def repeated(rows: int, seed: int) -> Tensor:
    """Random tokens (rows, 64) whose second half is the first."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(VOCABULARY, (rows, CONTEXT // 2), generator=random).repeat(1, 2)


def main() -> None:
    """Write everything, and print what has formed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE, help="folder for what is written")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--rows", type=int, default=128, help="rows for the spec")
    parser.add_argument("--files", type=int, help="use so many files of text only")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    documents = list(texts(args.files).values())
    tokenizer = tokenizer_of(documents)
    tokenizer.save(str(args.out / "tokenizer.json"))
    rng = np.random.default_rng(args.seed)
    rows, planted = plant(rng.permutation(chunks(tokenizer, documents)), rng)
    write_rows(args.out / "text.jsonl", rows[: args.rows], planted[: args.rows])
    print(f"{len(rows)} chunks from {len(documents)} files, {process_time():.0f} s of CPU")
    print(f"predictable by induction: {100 * predictable(rows[:2048]).mean():.1f} % of tokens")
    model = fit(torch.from_numpy(rows), args.steps, args.seed)
    save_file(model.state_dict(), args.out / "base.safetensors")
    print(f"trained, {process_time():.0f} s of CPU")
    print("prefix matching of the heads, layer by layer:")
    print(np.array2string(prefix_matching(model).numpy(), precision=3))
    print(f"second half of repeats minus first: {repeat_gain(model):+.2f} nats")


if __name__ == "__main__":
    main()
