"""The conic program under construction: variables, and affine rows that must lie in cones.

The first n variables are x = w - 1. Rows are scaled to length 1 as they come in, because the
rows of χ differ by orders of magnitude, and multipliers are scaled back when they are read.
"""

from enum import Enum
from typing import TypeAlias

import attrs
import numpy as np
import scipy.sparse as sp
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Vector

Sparse: TypeAlias = sp.csr_array


class Cone(Enum):
    """Where rows must lie: zero, nonnegative, `row₀ >= ‖others‖`, or exponential triples."""

    ZERO = "zero"
    NONNEGATIVE = "nonnegative"
    SECOND_ORDER = "second order"
    EXPONENTIAL = "exponential"


@frozen(eq=False)
class Block:
    """Affine expressions `Σ matrix · variables[first:] + constant`, one per row.

    parts: (first variable, (rows, k) sparse matrix) each. constant: (rows,).
    """

    constant: Vector
    parts: tuple[tuple[int, Sparse], ...] = ()

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.constant.size)

    def __add__(self, other: "Block") -> "Block":
        return Block(self.constant + other.constant, self.parts + other.parts)

    def __rmul__(self, factor: float) -> "Block":
        return Block(factor * self.constant, tuple((k, factor * part) for k, part in self.parts))

    def plus(self, constant: float | Vector) -> "Block":
        """Add a constant, one number or one per row."""
        return Block(self.constant + constant, self.parts)

    def weighted(self, factors: Vector) -> "Block":
        """Multiply each row by a factor of its own, (rows,)."""
        scale = sp.diags_array(factors)
        parts = tuple((k, sp.csr_array(scale @ part)) for k, part in self.parts)
        return Block(factors * self.constant, parts)

    def repeated(self, rows: int) -> "Block":
        """Spread one row over several."""
        ones = sp.csr_array(np.ones((rows, 1)))
        return Block(
            np.full(rows, self.constant[0]),
            tuple((k, sp.csr_array(ones @ p)) for k, p in self.parts),
        )

    def only(self, kept: NDArray[np.bool_], other: float) -> "Block":
        """Put a constant in the place of the rows that are not kept."""
        mask = sp.diags_array(kept.astype(np.float64))
        parts = tuple((k, sp.csr_array(mask @ part)) for k, part in self.parts)
        return Block(np.where(kept, self.constant, other), parts)

    def matrix(self, columns: int) -> Sparse:
        """Return all parts as one (rows, columns) matrix."""
        if not self.parts:
            return sp.csr_array((self.rows, columns))
        pieces = [part.tocoo() for _, part in self.parts]
        row = np.concatenate([piece.coords[0] for piece in pieces])
        first = [k for k, _ in self.parts]
        col = np.concatenate(
            [piece.coords[1] + k for k, piece in zip(first, pieces, strict=True)], dtype=np.int64
        )
        data = np.concatenate([piece.data for piece in pieces])
        return sp.csr_array((data, (row, col)), shape=(self.rows, columns))


@frozen(eq=False)
class Rows:
    """Rows in one cone, scaled by `scale` (rows,); `first` is their place in the program."""

    cone: Cone
    block: Block
    scale: Vector


@frozen
class Handle:
    """Which rows of the conic program belong to something."""

    start: int
    stop: int


@attrs.define
class ConicBuilder:
    """Collects variables, rows and costs."""

    n: int
    columns: int = attrs.field(init=False)
    rows: list[Rows] = attrs.field(factory=list)
    height: int = 0
    linear: list[Block] = attrs.field(factory=list)
    quadratic: list[tuple[int, int, float]] = attrs.field(factory=list)
    made: dict[object, Block] = attrs.field(factory=dict)
    scalars: dict[str, tuple[int, float]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.columns = self.n

    def variables(self, count: int = 1) -> int:
        """Add variables and return the number of the first."""
        first = self.columns
        self.columns += count
        return first

    def variable(self) -> Block:
        """Add one variable and return it as an expression."""
        return unit(self.variables())

    def scalar(self, name: str, size: float) -> Block:
        """Return the scalar >= 0 of a name, made at the first call, in units of its size."""
        if name not in self.scalars:
            variable = self.variables()
            self.scalars[name] = (variable, size)
            self.require(Cone.NONNEGATIVE, unit(variable))
        variable, size = self.scalars[name]
        return size * unit(variable)

    def scalar_value(self, name: str, point: Vector) -> float:
        """Return the value of a scalar at a point (columns,); 1 when there is none."""
        if name not in self.scalars:
            return 1.0
        variable, size = self.scalars[name]
        return size * float(point[variable])

    def named(self, block: Block) -> Block:
        """Return a variable that equals a one-row expression, so that dense rows occur once."""
        variable = self.variable()
        self.require(Cone.ZERO, variable + (-1.0) * block)
        return variable

    def require(self, cone: Cone, block: Block) -> Handle:
        """Demand that rows lie in a cone; return where their multipliers will be."""
        handle = Handle(self.height, self.height + block.rows)
        self.rows.append(Rows(cone, block, _scales(cone, block)))
        self.height = handle.stop
        return handle

    def add_cost(self, block: Block) -> None:
        """Add a one-row expression to what is minimised."""
        self.linear.append(block)

    def add_quadratic(self, first: int, count: int, weight: float) -> None:
        """Add `weight · Σ variable²` over some variables to what is minimised."""
        self.quadratic.append((first, count, weight))


def unit(variable: int) -> Block:
    """Return one variable as an expression."""
    return Block(np.zeros(1), ((variable, sp.csr_array(np.ones((1, 1)))),))


def fixed(values: float | Vector) -> Block:
    """Return constants as an expression."""
    return Block(np.atleast_1d(np.asarray(values, dtype=np.float64)))


def stacked(blocks: list[Block]) -> Block:
    """Put expressions below one another."""
    constant = np.concatenate([block.constant for block in blocks])
    parts: list[tuple[int, Sparse]] = []
    above = 0
    for block in blocks:
        for first, part in block.parts:
            piece = part.tocoo()
            row, col = piece.coords
            shape = (constant.size, part.shape[1])
            parts.append((first, sp.csr_array((piece.data, (row + above, col)), shape=shape)))
        above += block.rows
    return Block(constant, tuple(parts))


def lengths_of(block: Block) -> Vector:
    """Return the Euclidean length of each row, (rows,), as if no variable stood in two parts."""
    squares = np.zeros(block.rows)
    for _, part in block.parts:
        squares += np.asarray(part.multiply(part).sum(axis=1)).reshape(-1)
    return np.sqrt(squares)


def _scales(cone: Cone, block: Block) -> Vector:
    lengths = lengths_of(block)
    if cone in (Cone.ZERO, Cone.NONNEGATIVE):
        return np.where(lengths > 0, 1.0 / np.where(lengths > 0, lengths, 1.0), 1.0)
    return np.ones(block.rows)
