"""Which parameters a component consists of: whole ones, and blocks of fused ones."""

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor

Range = tuple[int, int, int]


@frozen
class Piece:
    """A block of a parameter: for each (axis, start, stop) only those indices; none is the whole.

    `name` is the first of the parameter's names, by which tied ones are one.
    """

    name: str
    ranges: tuple[Range, ...] = ()

    def of(self, tensor: "Tensor") -> "Tensor":
        """Return the block as a view of the parameter's tensor."""
        for axis, start, stop in self.ranges:
            tensor = tensor.narrow(axis, start, stop - start)
        return tensor


Selection = tuple[Piece, ...]


def whole(*names: str) -> Selection:
    """Return whole parameters."""
    return tuple(Piece(name) for name in names)


def selection_document(selection: Selection) -> list[Any]:
    """Return a selection as JSON types."""
    return [[piece.name, [list(item) for item in piece.ranges]] for piece in selection]


def read_selection(document: list[Any]) -> Selection:
    """Return the selection that `selection_document` wrote."""
    return tuple(
        Piece(name, tuple((axis, start, stop) for axis, start, stop in ranges))
        for name, ranges in document
    )
