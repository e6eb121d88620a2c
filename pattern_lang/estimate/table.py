"""Rows as columns: what a data set is once it is loaded."""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.tokens import TokenRows

Array = NDArray[Any]
_WIDEST_TEXT = 2**28  # bytes; a column of fixed-width text beyond it is kept as objects


@frozen(eq=False)
class Table:
    """Rows of a data set.

    numbers: what a model sees, each (rows, …) of bool, int64, float32 or float64. texts: string
    fields, each (rows,). tokens: the tokens of each row, where there are any.
    """

    name: str
    rows: int
    numbers: dict[str, Array]
    texts: dict[str, Array]
    tokens: TokenRows | None = None

    @property
    def scalars(self) -> dict[str, Array]:
        """Return every field with one number or text per row, by name."""
        flat = {name: column for name, column in self.numbers.items() if column.ndim == 1}
        return dict(sorted({**flat, **self.texts}.items()))


def text_column(values: list[str]) -> Array:
    """Return texts as an array (rows,) of fixed width, or of objects where that would be huge."""
    width = max(map(len, values), default=1)
    return np.array(values, dtype=object if width * len(values) * 4 > _WIDEST_TEXT else np.str_)
