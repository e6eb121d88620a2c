# SPDX-License-Identifier: Apache-2.0
"""Python's own standard library as text, cut into chunks of 64 tokens, half of them with a copy.

The text is the source of the modules of the Python that runs this, so no corpus is needed; another
version of Python gives another text. A byte-pair tokenizer of 512 tokens is trained on it. Half the
chunks get one planted copy: a run of 8 to 32 tokens from earlier in the chunk is written again
later in it. A token is predictable by induction where its pair with the token before it stood
earlier in the chunk: `text where repeats(2)` in a spec.

A row of `text.jsonl` has ``ids`` (64 token numbers) and ``planted`` (1 or 0).
"""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 512
CONTEXT = 64
SHORTEST, LONGEST = 8, 32
APART = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "__pycache__"}

Ints = NDArray[np.int64]


def sources() -> list[Path]:
    """Files of the standard library, in an order that depends on their names alone."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found = [path.relative_to(root) for path in root.rglob("*.py")]
    kept = sorted(path.as_posix() for path in found if not APART & set(path.parts))
    return [root / path for path in kept]


def texts(most: int | None = None) -> dict[str, str]:
    """The text of each file, by its name; `most` files, evenly spaced."""
    paths = sources()
    if most is not None:
        paths = paths[:: max(1, len(paths) // most)][:most]
    found = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in paths}
    return {name: text for name, text in found.items() if text.strip()}


def tokenizer_of(documents: list[str]) -> Tokenizer:
    """A byte-level byte-pair tokenizer of 512 tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(documents, trainer)
    return made


def chunks(tokenizer: Tokenizer, documents: list[str]) -> Ints:
    """Full chunks of each document, (chunks, 64); what fills no chunk is left out."""
    found = []
    for document in documents:
        ids = np.array(tokenizer.encode(document).ids, dtype=np.int64)
        found.append(ids[: len(ids) // CONTEXT * CONTEXT].reshape(-1, CONTEXT))
    return np.concatenate(found)


def plant(rows: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Rows with a copy in every other one, and which they are, (rows,) of 0 and 1."""
    rows = rows.copy()
    planted = np.arange(len(rows)) % 2
    rows[planted == 1] = np.array([with_copy(row, rng) for row in rows[planted == 1]])
    return rows, planted


def with_copy(row: Ints, rng: np.random.Generator) -> Ints:
    """A row in which a run of 8 to 32 tokens stands once more, later in it."""
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    first = int(rng.integers(0, CONTEXT - 2 * length + 1))
    second = int(rng.integers(first + length, CONTEXT - length + 1))
    row = row.copy()
    row[second : second + length] = row[first : first + length]
    return row


def predictable(rows: Ints) -> NDArray[np.bool_]:
    """Which tokens complete a pair that stood earlier in their row, (rows, 64)."""
    pairs = rows[:, :-1] * VOCABULARY + rows[:, 1:]
    same = pairs[:, :, None] == pairs[:, None, :]
    earlier = np.tril(np.ones(same.shape[1:], bool), -1)
    found = np.zeros(rows.shape, bool)
    found[:, 1:] = (same & earlier).any(2)
    return found


def write_rows(path: Path, rows: Ints, planted: Ints) -> None:
    """Write rows as JSON lines."""
    lines = (
        json.dumps({"ids": row, "planted": flag})
        for row, flag in zip(rows.tolist(), planted.tolist(), strict=True)
    )
    path.write_text("\n".join(lines) + "\n")
