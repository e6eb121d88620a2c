"""Train the checkpoint that the spec starts from: `python train.py`."""

from pathlib import Path

import numpy as np
import torch
from data import train
from model import build
from safetensors.torch import save_file


def main() -> None:
    """Train with Adam and write base.safetensors."""
    network = build()
    rows = train()
    batch = {
        "x": torch.from_numpy(np.stack([np.asarray(row["x"]) for row in rows])),
        "label": torch.tensor([row["label"] for row in rows]),
    }
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, weight_decay=1e-3)
    for _ in range(400):
        optimizer.zero_grad()
        loss = network.unit_loss(batch).mean()
        loss.backward()
        optimizer.step()
    save_file(network.state_dict(), Path(__file__).parent / "base.safetensors")
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
