"""Rows of tokens, and which tokens a predicate of `std.tokens` picks: numpy and nothing else.

A predicate on tokens is about the token that is PREDICTED: at position t of a row it speaks of
token t + 1, as the loss at position t does.
"""

import re
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.sources import LibraryPredicate

Flags = NDArray[np.bool_]
Ints = NDArray[np.integer[Any]]


class TokenPredicateError(ValueError):
    """A predicate that cannot be evaluated on these tokens; the text says why."""


@frozen(eq=False)
class TokenRows:
    """Rows of tokens.

    ids: (r, N) integers. lengths: (r,) how many stand in each row; what follows is padding. rows:
    (r,) the number of each row in its data. texts: (V,) the text of each id, or None where no
    tokenizer is known. digest: of the tokenizer's file, empty without one.
    """

    ids: Ints
    lengths: NDArray[np.int64]
    rows: NDArray[np.int64]
    texts: NDArray[Any] | None = None
    digest: str = ""

    @property
    def predicted(self) -> Flags:
        """Return where a next token stands: (r, N), position t is about token t + 1."""
        after = np.arange(1, self.ids.shape[1] + 1)
        found: Flags = after < self.lengths[:, None]
        return found

    def holds(self, predicate: LibraryPredicate) -> Flags:
        """Return where a predicate holds of the predicted token, (r, N); False where there is none.

        Raises TokenPredicateError for arguments that make no sense, and for texts that are not
        known.
        """
        name, arguments = predicate.function.rpartition(".")[2], dict(predicate.arguments)
        if name == "repeats":
            about = self._repeats(arguments["length"])
        elif name == "matches":
            about = self._matches(arguments["regex"])
        else:
            raise TokenPredicateError(f"`{predicate.function}` is no predicate on tokens")
        found = np.zeros_like(about)
        found[:, :-1] = about[:, 1:]
        return found

    def _real(self) -> Flags:
        found: Flags = np.arange(self.ids.shape[1]) < self.lengths[:, None]
        return found

    def _matches(self, regex: object) -> Flags:
        if self.texts is None:
            raise TokenPredicateError("`matches` reads the text of tokens: give a `tokenizer`")
        try:
            pattern = re.compile(str(regex))
        except re.error as error:
            raise TokenPredicateError(f"`{regex}` is no regular expression: {error}") from error
        used, inverse = np.unique(self.ids, return_inverse=True)
        hits = np.array([pattern.search(text) is not None for text in self.text_of(used)], bool)
        return hits[inverse].reshape(self.ids.shape) & self._real()

    def _repeats(self, length: object) -> Flags:
        """Return which tokens end a run of `length` that ended at an earlier token of the row too.

        Runs are numbered one token longer at a time, so that a run is one number however long.
        """
        if not isinstance(length, int) or length < 1:
            raise TokenPredicateError(f"`repeats` takes a length of 1 or more, not {length}")
        single = _numbered(self.ids)
        many, run = int(single.max(initial=0)) + 1, single
        for _ in range(length - 1):
            joined = np.zeros_like(run)
            joined[:, 1:] = _numbered(run[:, :-1] * many + single[:, 1:])
            run = joined
        ends = self._real() & (np.arange(run.shape[1]) >= length - 1)
        row, column = np.nonzero(ends)
        _, first = np.unique(row * (int(run.max(initial=0)) + 1) + run[ends], return_index=True)
        ends[row[first], column[first]] = False
        return ends

    def text_of(self, ids: Ints) -> list[str]:
        """Return the texts of some ids; of an id beyond the tokenizer's vocabulary, its number."""
        known = () if self.texts is None else self.texts
        return [str(known[i]) if i < len(known) else f"<{i}>" for i in ids.tolist()]

    def taken(self, rows: NDArray[np.int64]) -> "TokenRows":
        """Return some rows alone, by their index here, with the texts of their own tokens alone.

        Ids are numbered anew, by their texts; without texts they stay as they are.
        """
        ids, lengths = np.asarray(self.ids[rows]), self.lengths[rows]
        numbers = self.rows[rows]
        if self.texts is None:
            return TokenRows(ids.astype(np.int64), lengths, numbers, None, self.digest)
        used, inverse = np.unique(ids, return_inverse=True)
        texts = np.array(self.text_of(used), dtype=object)
        codes = inverse.reshape(ids.shape).astype(np.int32)
        return TokenRows(codes, lengths, numbers, texts, self.digest)


def _numbered(values: Ints) -> NDArray[np.int64]:
    """Return equal numbers for equal values, from 0."""
    _, inverse = np.unique(values, return_inverse=True)
    return inverse.reshape(values.shape).astype(np.int64)
