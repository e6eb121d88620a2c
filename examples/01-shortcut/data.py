# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits with a shortcut: 64 noisy pixels and a one-hot cue that is usually right.

The images are scikit-learn's bundled digits (1797 of 8 x 8 pixels, scaled to [0, 1]) with Gaussian
pixel noise of standard deviation 0.3. One seeded permutation splits them into 900 training, 400
probe and 497 test images, so no image is in two sets. The ten cue entries follow the pixels, 2 at
the class that the cue names and 0 elsewhere:

- training: one row per image; the cue names the label on 95 % of the rows, and on the other 45
  rows a class drawn uniformly from the nine wrong ones;
- probe and test: three rows per image that differ in the cue alone. ``easy``: the cue names the
  label. ``normal``: no cue (ten zeros, which training never shows). ``hard``: the cue names a wrong
  class, drawn as in training.

A row has ``x`` (74,) float32, ``label`` int, ``cue_agrees`` int (1 when the cue names the label,
otherwise 0), ``kind`` (``agrees`` or ``disagrees`` in training) and ``note``, a line for people.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

CLASSES = 10
TRAIN_ROWS = 900
PROBE_IMAGES = 400
DISAGREEING = 45  # 5 % of the training rows
PIXEL_NOISE = 0.3
CUE = 2.0  # height of the cue; at 1 the network leans on it less (hard accuracy 55 % for 31 %)
SEED = 0

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Row = dict[str, str | int | Floats]


@cache
def _images(seed: int) -> tuple[Floats, Ints, Ints, Ints]:
    """All images in split order.

    Pixels (1797, 64), labels (1797,), a wrong class for each (1797,), and the image's index in
    scikit-learn's own order (1797,).
    """
    bunch = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(bunch.target))
    clean = bunch.data[order] / 16.0
    pixels = (clean + PIXEL_NOISE * rng.standard_normal(clean.shape)).astype(np.float32)
    labels = bunch.target[order].astype(np.int64)
    wrong = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    return pixels, labels, wrong, order.astype(np.int64)


def _row(pixels: Floats, label: int, cue: int | None, kind: str, name: str) -> Row:
    """One row; ``cue`` is the class that the cue names, or None for ten zeros."""
    hint = np.zeros(CLASSES, np.float32)
    if cue is not None:
        hint[cue] = CUE
    says = "no cue" if cue is None else f"cue says {cue}"
    return {
        "x": np.concatenate([pixels, hint]),
        "label": label,
        "cue_agrees": int(cue == label),
        "kind": kind,
        "note": f"{name}: a {label}, {says}",
    }


def train(seed: int = SEED) -> list[Row]:
    """The 900 training rows, 45 of them with a cue that points to a wrong class."""
    pixels, labels, wrong, source = _images(seed)
    rng = np.random.default_rng([seed, 1])
    misled = set(rng.choice(TRAIN_ROWS, DISAGREEING, replace=False).tolist())
    rows = []
    for i in range(TRAIN_ROWS):
        label = int(labels[i])
        cue, kind = (int(wrong[i]), "disagrees") if i in misled else (label, "agrees")
        rows.append(_row(pixels[i], label, cue, kind, f"digit {source[i]}"))
    return rows


def _three_ways(first: int, last: int, seed: int) -> list[Row]:
    """Images ``first`` to ``last`` (exclusive), each as an easy, a normal and a hard row."""
    pixels, labels, wrong, source = _images(seed)
    rows = []
    for i in range(first, last):
        label = int(labels[i])
        for kind, cue in (("easy", label), ("normal", None), ("hard", int(wrong[i]))):
            rows.append(_row(pixels[i], label, cue, kind, f"digit {source[i]}"))
    return rows


def probe(seed: int = SEED) -> list[Row]:
    """1200 rows: 400 images not in training, three ways each. The observables are read here."""
    return _three_ways(TRAIN_ROWS, TRAIN_ROWS + PROBE_IMAGES, seed)


def test(seed: int = SEED) -> list[Row]:
    """1491 rows: the other 497 images, three ways each. Only retraining is judged here."""
    return _three_ways(TRAIN_ROWS + PROBE_IMAGES, len(_images(seed)[1]), seed)
