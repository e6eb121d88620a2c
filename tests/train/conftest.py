"""A small project, compiled once: linear regression, whose steps can be computed by hand."""

import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import pattern_lang as pl

MODEL = """
    import torch

    class Line(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.slope = torch.nn.Parameter(0.1 * torch.randn(width, dtype=torch.float64))
            self.noise = torch.nn.Dropout(0.1)

        def unit_loss(self, batch):
            residual = self.noise(batch["x"]) @ self.slope - batch["y"]
            return residual**2 / 2

    def build(width=3):
        return Line(width)
"""
DATA = """
    import numpy as np

    def rows(seed=0, count=40):
        random = np.random.default_rng(seed)
        x = random.normal(size=(count, 3))
        y = x @ [1.0, -2.0, 0.5] + 0.3 * random.normal(size=count)
        kinds = ["odd" if i % 2 else "even" for i in range(count)]
        return [{"x": a, "y": float(b), "kind": k} for a, b, k in zip(x, y, kinds)]
"""
METRICS = """
    import torch

    def largest(module):
        return module.slope.abs().max()

    def residuals(module, batch):
        return batch["x"] @ module.slope - batch["y"]

    def nothing(module):
        return None

    def plain(module, lr):
        return torch.optim.SGD(module.parameters(), lr=lr)

    def forgotten(module, lr):
        torch.optim.SGD(module.parameters(), lr=lr)
"""
SPEC = """
edition 2026
param size: Real = 1

model line = torch("model.py:build", weights: "best.safetensors")
data rows = python("data.py:rows")
data odd = rows where row.kind == "odd"

observable error = loss(line, on: odd)

pattern steer {
  reweight rows per sample as w
  lower    error by size * 0.0005 nats
  require  0 <= w <= 4
  estimate laplace(nbeta: 4000, localization: 10)
}

study one {
  arms     base, steer
  seeds    0..2
  using    sgd(lr: 0.05, momentum: 0.9, steps: 60, batch: 8)
  measure  error, python("metrics.py:largest") every 20 steps
}
"""


def write(folder: Path) -> Path:
    """Write the project with the network at its optimum, and return its spec."""
    files = {"model.py": MODEL, "data.py": DATA, "metrics.py": METRICS}
    for name, text in files.items():
        (folder / name).write_text(dedent(text))
    scope: dict[str, Any] = {}
    exec(dedent(DATA), scope)  # noqa: S102 - our own text, above
    rows = scope["rows"]()
    x, y = np.array([row["x"] for row in rows]), np.array([row["y"] for row in rows])
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    save_file({"slope": best}, folder / "best.safetensors")
    spec = folder / "spec.pat"
    spec.write_text(SPEC)
    return spec


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "project"
    folder.mkdir()
    pl.load(write(folder)).compile("steer", out=folder / "build")
    return folder


@pytest.fixture
def project(compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the compiled project, which is the working folder."""
    folder = tmp_path / "project"
    shutil.copytree(compiled, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pat(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line here; return its exit status and what it said."""
    from pattern_lang.cli.app import run

    def call(*arguments: object) -> tuple[int, str]:
        status = run([str(item) for item in arguments])
        told = capsys.readouterr()
        return status, told.out + told.err

    return call
