# SPDX-License-Identifier: Apache-2.0
"""Six features of which one is on at a time, at twenty strengths each: 120 rows.

A row has ``x`` (6,) float32, zero but for one entry, ``feature`` int, which one, ``strength``
float, how much, in (0, 1], and ``note``, a line for people. The strengths are the midpoints of
twenty equal parts of [0, 1], so that all features are alike: nothing in the data says which of them
a network should leave out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEATURES = 6
STRENGTHS = 20

Row = dict[str, str | int | float | NDArray[np.float32]]


def rows() -> list[Row]:
    """All rows, feature by feature."""
    found: list[Row] = []
    for feature in range(FEATURES):
        for step in range(STRENGTHS):
            strength = (step + 0.5) / STRENGTHS
            x = np.zeros(FEATURES, np.float32)
            x[feature] = strength
            note = f"feature {feature} at {strength:.3f}"
            found.append({"x": x, "feature": feature, "strength": strength, "note": note})
    return found
