# SPDX-License-Identifier: Apache-2.0
"""How much CPU time until the heads' χ tells heads apart, and finds induction: one curve a method.

    python curve.py --seeds 8 --out build

Each method is estimated with several seeds. Halves of the seeds give the split-half correlation of
the part of χ that heads do not share; all of them together give the principal directions, and how
well each of them separates the tokens that induction predicts (area under the ROC curve, of the
better sign). Parts are kept in the folder, so that a run that was stopped goes on; take another
folder after training anew. Writes `curve.json`; `plot.py` draws it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import torch
from attrs import evolve, frozen
from data import predictable
from figures import Array, look
from independent import VARIANTS, Head, covariance, learning_coefficient, plain_covariance
from model import LanguageModel, build
from numpy.typing import NDArray
from safetensors.torch import load_file

from pattern_lang.diagnostics import SourceFile
from pattern_lang.driver import read_spec
from pattern_lang.estimate import SilentReporter, estimate
from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.syntax.bundle import FileBundle

HERE = Path(__file__).resolve().parent
Parts = dict[str, Array]

TWO, COVARIANCE, LLC = "two chain sets", "covariance", "learning coefficient"
FAMILIES = {
    TWO: "loss(lm, on: text), to: transformer.head(lm, l, h)",
    COVARIANCE: 'loss(lm, on: text), to: transformer.head(lm, l, h), posterior: "component"',
    LLC: ('llc(lm, on: text), to: transformer.head(lm, l, h), posterior: "component"'),
}
SPEC = """edition 2026
use std.transformer
model lm = torch("model.py:build", weights: "{folder}/base.safetensors")
data text = jsonl("{folder}/text.jsonl", field: "ids", context: 64)
observable {name}[l in 0..2, h in 0..4] = restrict({body})
pattern look {{
  reweight text per token as w
  hold {name} within 1 sd
  estimate {sampler}
}}
"""


@frozen
class Method:
    """A sampler, and the families that are read off its chains."""

    sampler: str
    families: tuple[str, ...]


PUBLISHED = (
    "sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64, chains: 2, draws: 18, burn_in: 18)"
)
WIDE = (
    "sgld(step: 0.1, nbeta: 10, localization: 3, batch: 16, chains: 2, draws: 12, burn_in: 24,"
    " thin: 4)"
)
PAIRS = "importance(nbeta: {}, localization: {}, chains: 1, draws: 32)"
METHODS = {
    "published": Method(PUBLISHED, tuple(FAMILIES)),
    "wide": Method(WIDE, (COVARIANCE, LLC)),
    "pairs": Method(PAIRS.format(10, 3), (LLC,)),
    "control": Method(PAIRS.format(0, 3), (LLC,)),
    "narrow": Method(PAIRS.format(10, 300), (LLC,)),
}


GAMMA, NBETA = 3.0, 10.0
INDEPENDENT = ("products", "identity", *VARIANTS)


def queries_of(family: str, sampler: str, trained: Path = HERE) -> Queries:
    """Return what the compiler would sample for a family."""
    text = SPEC.format(name="head", body=FAMILIES[family], sampler=sampler, folder=trained)
    read = read_spec(SourceFile(str(HERE / "<curve>"), text), FileBundle(), {})
    assert not read.has_errors, read.diagnostics
    return read.lowered.patterns["look"].queries


def all_families(method: Method, trained: Path) -> Queries:
    """Return one set of queries for all families of a method: they share their chains."""
    found = [queries_of(family, method.sampler, trained) for family in method.families]
    observables = tuple(
        evolve(observable, name=f"{family} {observable.name}")
        for family, queries in zip(method.families, found, strict=True)
        for observable in queries.observables
    )
    return evolve(found[0], observables=observables, posteriors=())


def chi_of(method: Method, seed: int, trained: Path) -> tuple[Parts, float]:
    """Return χ (8, n) of each family, and the CPU seconds that it took."""
    queries = all_families(method, trained)
    sampler: Sampler = evolve(queries.sampler, seed=seed)
    started = process_time()
    with TemporaryDirectory() as folder:
        found = estimate(
            evolve(queries, sampler=sampler), Path(folder), reporter=SilentReporter(), workers=1
        )
    seconds = process_time() - started
    chi = found.susceptibility.chi.astype(np.float64)
    return dict(zip(method.families, np.split(chi, len(method.families)), strict=True)), seconds


def chi_of_independent(kind: str, seed: int, trained: Path) -> tuple[Parts, float]:
    """Return the same from independent draws around the checkpoint, by `independent.py`."""
    model, tokens = checkpoint(trained), torch.from_numpy(rows_of_text(trained))
    started = process_time()
    found = []
    for number in range(8):
        head, own = Head(model, tokens, *divmod(number, 4)), 8 * seed + number
        if kind in VARIANTS:
            found.append(learning_coefficient(head, GAMMA, NBETA, 32, own, VARIANTS[kind]))
        elif kind == "identity":
            found.append(-covariance(head, GAMMA, pairs=4, seed=own))
        else:
            found.append(-plain_covariance(head, GAMMA, draws=16, seed=own))
    family = LLC if kind in VARIANTS else COVARIANCE
    return {family: np.stack(found)}, process_time() - started


def checkpoint(trained: Path = HERE) -> LanguageModel:
    """Return the trained network."""
    model = build()
    model.load_state_dict(load_file(trained / "base.safetensors"))
    return model.eval().requires_grad_(False)


def rows_of_text(trained: Path = HERE) -> NDArray[np.int64]:
    """Return the rows that the spec re-weights, (rows, 64)."""
    lines = (trained / "text.jsonl").read_text().splitlines()
    return np.array([json.loads(line)["ids"] for line in lines])


def sampled(name: str, seed: int, kept: Path, trained: Path) -> tuple[Parts, float]:
    """Return a part of a method, from disk if it was made before."""
    path = kept / f"{name}-{seed}.npz"
    if not path.exists():
        if name in METHODS:
            parts, seconds = chi_of(METHODS[name], seed, trained)
        else:
            parts, seconds = chi_of_independent(name, seed, trained)
        np.savez(path, seconds=seconds, **parts)
    with np.load(path) as stored:
        found = {key: stored[key] for key in stored.files}
    return found, float(found.pop("seconds"))


def curve(name: str, seeds: int, kept: Path, trained: Path = HERE) -> list[dict[str, object]]:
    """Return the figures of a method after 2, 4, 8, … parts."""
    rows = rows_of_text(trained)
    positive = predictable(rows)[:, 1:].ravel()
    tokens = torch.from_numpy(rows)
    losses = checkpoint(trained).unit_loss({"input_ids": tokens})[:, :-1].flatten().double().numpy()
    found: list[dict[str, object]] = []
    parts: dict[str, list[Array]] = {}
    spent = 0.0
    for seed in range(seeds):
        own, seconds = sampled(name, seed, kept, trained)
        spent += seconds
        for family, chi in own.items():
            parts.setdefault(family, []).append(chi)
        count = seed + 1
        if count < 2 or count & (count - 1):
            continue
        for family, chis in parts.items():
            figures = look(chis, positive, losses, len(rows))
            found.append({"method": name, "family": family, "cpu": spent, **figures})
            print(line(found[-1]), flush=True)
    return found


def line(point: dict[str, object]) -> str:
    """Return a point of a curve as a line of text."""
    split, area = point["split_interval"], point["area_interval"]
    return (
        f"{point['method']:10s} {point['family']:22s} {point['cpu']:6.0f} s"
        f"  split {point['split']:+.2f} [{split[0]:+.2f}, {split[1]:+.2f}]"
        f"  PC{point['best']} area {point['area']:.3f} [{area[0]:.3f}, {area[1]:.3f}]"
        f"  at equal loss {point['area_at_equal_loss']:.3f}"
    )


def main() -> None:
    """Estimate with every method, print the curves and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8, help="parts of each method")
    parser.add_argument("--only", nargs="*", default=[*METHODS, *INDEPENDENT])
    parser.add_argument("--trained", type=Path, default=HERE, help="folder that train.py wrote")
    parser.add_argument("--out", type=Path, default=HERE / "build")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    trained = args.trained.resolve()
    points = [point for name in args.only for point in curve(name, args.seeds, args.out, trained)]
    (args.out / "curve.json").write_text(json.dumps(points, indent=1) + "\n")


if __name__ == "__main__":
    main()
