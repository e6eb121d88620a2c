# SPDX-License-Identifier: Apache-2.0
"""Strings of brackets, balanced or not: data that two algorithms solve equally well.

The data of arXiv 2507.06445. Lengths are 2 + 2 Binomial(19, 1/2), so at most 40. A TRUE string is a
uniform Dyck word. A FALSE string in training is uniform among those whose counts of ``(`` and ``)``
differ, so counting solves training as well as checking the nesting does. The held-out strings tell
the two apart: equal counts, not balanced, so that nesting rejects them and counting accepts them.

A row has ``tokens`` (42,) int (0 start, 1 pad, 2 end, 3 ``(``, 4 ``)``), ``end``, the position of
the end token, ``label`` (1 balanced, 0 not), ``length``, ``depth`` (the greatest elevation),
``excess`` (how much the counts of ``(`` and ``)`` differ) and ``text``, the string itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

START, PAD, END, OPEN, CLOSE = range(5)
MAX_LENGTH = 40
CONTEXT = MAX_LENGTH + 2

Ints = NDArray[np.int64]
Row = dict[str, str | int | Ints]


def lengths(rows: int, rng: np.random.Generator) -> Ints:
    """String lengths (rows,), even, 2 to 40."""
    return 2 + 2 * rng.binomial(19, 0.5, rows).astype(np.int64)


def dyck(length: Ints, rng: np.random.Generator) -> Ints:
    """Uniform balanced strings as steps +1, -1 and trailing zeros, (rows, 40).

    The elevation rule: at elevation r with k characters left (this one included), close with
    probability ``r (k + r + 2) / (2 k (r + 1))``, the share of balanced completions that close now.
    """
    steps = np.zeros((len(length), MAX_LENGTH), np.int64)
    elevation = np.zeros(len(length), np.int64)
    for position in range(MAX_LENGTH):
        left = length - position
        k = np.maximum(left, 1)
        closes = elevation * (k + elevation + 2) / (2 * k * (elevation + 1))
        step = np.where(rng.random(len(length)) < closes, -1, 1) * (left > 0)
        steps[:, position] = step
        elevation += step
    return steps


def uneven(length: Ints, rng: np.random.Generator) -> Ints:
    """Uniform strings whose counts differ, as :func:`dyck` returns them, by rejection."""
    steps = np.zeros((len(length), MAX_LENGTH), np.int64)
    todo = np.arange(len(length))
    while len(todo):
        drawn = rng.choice(np.array([-1, 1]), (len(todo), MAX_LENGTH))
        steps[todo] = drawn * (np.arange(MAX_LENGTH) < length[todo, None])
        todo = todo[steps[todo].sum(1) == 0]
    return steps


def even_unbalanced(length: Ints, rng: np.random.Generator) -> Ints:
    """Shuffled equal halves that are not balanced, as :func:`dyck` returns them, by rejection."""
    place = np.arange(MAX_LENGTH)
    steps = np.zeros((len(length), MAX_LENGTH), np.int64)
    todo = np.arange(len(length))
    while len(todo):
        keys = rng.random((len(todo), MAX_LENGTH))
        keys[place >= length[todo, None]] = 2.0  # ranks after every real character
        rank = keys.argsort(1).argsort(1)
        drawn = np.where(rank < length[todo, None] // 2, 1, -1) * (place < length[todo, None])
        steps[todo] = drawn
        todo = todo[drawn.cumsum(1).min(1) >= 0]
    return steps


def encode(steps: Ints, length: Ints) -> Ints:
    """Tokens (rows, 42): start, the string, end, padding."""
    tokens = np.full((len(steps), CONTEXT), PAD, np.int64)
    tokens[:, 0] = START
    tokens[:, 1:-1] = np.where(steps > 0, OPEN, np.where(steps < 0, CLOSE, PAD))
    tokens[np.arange(len(steps)), length + 1] = END
    return tokens


def draw(rows: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Training strings, TRUE and FALSE alternating: steps (rows, 40), lengths, labels (rows,)."""
    length = lengths(rows, rng)
    labels = 1 - np.arange(rows, dtype=np.int64) % 2
    steps = np.zeros((rows, MAX_LENGTH), np.int64)
    steps[labels == 1] = dyck(length[labels == 1], rng)
    steps[labels == 0] = uneven(length[labels == 0], rng)
    return steps, length, labels


def _rows(steps: Ints, length: Ints, labels: Ints) -> list[Row]:
    """Rows with every field that the module's docstring lists."""
    tokens = encode(steps, length)
    depth = np.maximum(steps.cumsum(1).max(1), 0)
    excess = np.abs(steps.sum(1))
    return [
        {
            "tokens": tokens[i],
            "end": int(length[i]) + 1,
            "label": int(labels[i]),
            "length": int(length[i]),
            "depth": int(depth[i]),
            "excess": int(excess[i]),
            "text": "".join("(" if step > 0 else ")" for step in steps[i, : length[i]]),
        }
        for i in range(len(steps))
    ]


def train(rows: int = 1000, seed: int = 0) -> list[Row]:
    """A sample of the training distribution: the units that get weights."""
    return _rows(*draw(rows, np.random.default_rng([seed, 1])))


def in_distribution(rows: int = 1000, seed: int = 0) -> list[Row]:
    """Another sample of the training distribution, to measure accuracy on."""
    return _rows(*draw(rows, np.random.default_rng([seed, 2])))


def held_out(rows: int = 1000, seed: int = 0) -> list[Row]:
    """Equal counts, never balanced: 0 % for a network that counts, 100 % for one that nests."""
    rng = np.random.default_rng([seed, 3])
    length = lengths(rows, rng)
    return _rows(even_unbalanced(length, rng), length, np.zeros(rows, np.int64))
