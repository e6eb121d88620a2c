# SPDX-License-Identifier: Apache-2.0
"""What `curve.py` looks at: agreement of halves, principal directions, areas under ROC curves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def standardised(chi: Array) -> Array:
    """Rows centred, with root mean square 1."""
    rows = chi - chi.mean(1, keepdims=True)
    found: Array = rows / np.sqrt((rows**2).mean(1, keepdims=True))
    return found


def unshared(chi: Array) -> Array:
    """Standardised rows without their mean over the heads."""
    rows = standardised(chi)
    found: Array = rows - rows.mean(0)
    return found


def correlation(one: Array, other: Array) -> float:
    """Correlation of all entries of two matrices."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def signed_area(scores: Array, positive: Flags) -> float:
    """Area under the ROC curve: how often a positive one scores above another one."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    ones = positive.sum()
    found = (ranks[positive].sum() - ones * (ones - 1) / 2) / (ones * (len(scores) - ones))
    return float(found)


def area(scores: Array, positive: Flags) -> float:
    """Area under the ROC curve, of the better sign."""
    found = signed_area(scores, positive)
    return max(found, 1 - found)


def area_at_equal_loss(scores: Array, positive: Flags, losses: Array) -> float:
    """Area within tenths of the tokens by their loss, averaged by their pairs; better sign.

    Tokens that induction predicts have small losses, so a direction may find them by that alone:
    this is what is left of the area then.
    """
    tenth = np.argsort(np.argsort(losses, kind="stable")) * 10 // len(losses)
    parts = [(scores[tenth == k], positive[tenth == k]) for k in range(10)]
    mixed = [(x, p) for x, p in parts if 0 < p.sum() < len(p)]
    pairs = [p.sum() * (~p).sum() for _, p in mixed]
    found = float(np.average([signed_area(x, p) for x, p in mixed], weights=pairs))
    return max(found, 1 - found)


def look(parts: list[Array], positive: Flags, losses: Array, rows: int) -> dict[str, object]:
    """Return the figures of an estimate that independent parts (8, n) make up.

    The first half of the parts is compared with the second; directions are those of all parts.
    Intervals are 2.5 and 97.5 % quantiles over resampled rows of text, directions kept.
    """
    half = len(parts) // 2
    one, other = (unshared(np.mean(p, axis=0)) for p in (parts[:half], parts[half:]))
    left, values, right = np.linalg.svd(standardised(np.mean(parts, axis=0)), full_matrices=False)
    areas = [area(row, positive) for row in right[:4]]
    best = int(np.argmax(areas))
    by_row = np.arange(one.shape[1]).reshape(rows, -1)
    return {
        "split": correlation(one, other),
        "split_interval": interval(lambda i: correlation(one[:, i], other[:, i]), by_row),
        "split_rows": [correlation(a[None], b[None]) for a, b in zip(one, other, strict=True)],
        "areas": areas,
        "best": best + 1,
        "area": areas[best],
        "area_interval": interval(lambda i: area(right[best][i], positive[i]), by_row),
        "area_at_equal_loss": area_at_equal_loss(right[best], positive, losses),
        "area_of_loss": area(losses, positive),
        "loadings": left[:, best].tolist(),
        "shares": (values**2 / (values**2).sum())[:4].tolist(),
    }


def interval(
    figure: Callable[[NDArray[np.int64]], float], by_row: NDArray[np.int64]
) -> list[float]:
    """Return the 95 % interval of a figure over 200 resamples of the rows of text."""
    rng = np.random.default_rng(0)
    found = [figure(by_row[rng.integers(0, len(by_row), len(by_row))].ravel()) for _ in range(200)]
    return np.quantile(found, [0.025, 0.975]).tolist()
