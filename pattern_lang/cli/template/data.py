"""The rows of the spec: a sequence of mappings. Numbers go to the model, every field to `row.`."""

import numpy as np

Row = dict[str, object]


def rows(count: int, agreeing: float, seed: int) -> list[Row]:
    """Draw rows with four noisy features and a clean shortcut that is right in a share of them."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, count)
    agrees = (random.random(count) < agreeing).astype(np.int64)
    sign = 2.0 * label - 1
    features = 0.6 * sign[:, None] + random.normal(size=(count, 4))
    shortcut = np.where(agrees == 1, sign, -sign)
    x = np.column_stack([features, shortcut, random.normal(size=count)]).astype(np.float32)
    return [{"x": x[i], "label": int(label[i]), "agrees": int(agrees[i])} for i in range(count)]


def train() -> list[Row]:
    """Return the training rows: the shortcut is right in nine of ten."""
    return rows(400, 0.9, seed=1)


def probe() -> list[Row]:
    """Return the rows that the observables are measured on: the shortcut is a coin flip."""
    return rows(300, 0.5, seed=2)
