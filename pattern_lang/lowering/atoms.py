"""Atoms of the weight program: from `mean(w)`, `norm(w - 1)` and the like to their symbols.

Mass is conserved in every pattern (mean(w) == 1), which lets sums and means of an affine
expression in w be written with one atom and no knowledge of n.
"""

from collections.abc import Callable, Mapping

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.goals import AtomArgument
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.sources import RowField
from pattern_lang.lowering.naming import named_as_written
from pattern_lang.lowering.predicates import predicate
from pattern_lang.lowering.values import LoweringError, Value, Weighted
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

Values = Mapping[str, Value]
Written = Mapping[str, ast.Expression]
Atom = Callable[[Values, Written, Span], Weighted]


def vector(value: Value) -> tuple[float, float] | None:
    """Return (scale, offset) of an expression `scale·w + offset`, or None for another."""
    if not isinstance(value, Weighted):
        return None
    scale, offset = 0.0, value.expression.constant
    for coefficient, atom in value.expression.terms:
        if isinstance(atom, ir.Entries):
            scale += coefficient
        elif isinstance(atom, ir.Mean):
            offset += coefficient
        else:
            return None
    return scale, offset


def _affine(name: str, values: Values, written: Written) -> tuple[float, float]:
    found = vector(values["of"])
    if found is None:
        raise LoweringError(
            AtomArgument(
                span=written["of"].span,
                fact=f"`{name}` takes the weights times a number plus a number",
                short="more than that",
                advice=f"write `{name}(w)`, or such as `{name}(2 * w - 1)`",
            )
        )
    return found


def _only_weights(name: str, values: Values, written: Written) -> None:
    if vector(values["weights"]) != (1.0, 0.0):
        raise LoweringError(
            AtomArgument(
                span=written["weights"].span,
                fact=f"`{name}` takes the weights as they are",
                short="not the weights themselves",
                advice=f"write `{name}(w)`",
            )
        )


def _one(atom: ir.Atom, unit: Unit = Unit.ONE) -> Weighted:
    return Weighted(ir.Expression(((1.0, atom),)), unit)


def _mean(values: Values, written: Written, span: Span) -> Weighted:
    scale, offset = _affine("mean", values, written)
    return Weighted(ir.Expression(((scale, ir.Mean()),), offset))


def _sum(values: Values, written: Written, span: Span) -> Weighted:
    scale, offset = _affine("sum", values, written)
    return Weighted(ir.Expression(((scale + offset, ir.Total()),)))


def _extreme(name: str) -> Atom:
    def evaluate(values: Values, written: Written, span: Span) -> Weighted:
        scale, offset = _affine(name, values, written)
        largest = (name == "max") == (scale >= 0)
        atom = ir.Maximum() if largest else ir.Minimum()
        return Weighted(ir.Expression(((scale, atom),), offset))

    return evaluate


def _convex(name: str, atom: Callable[[float, float], ir.Atom]) -> Atom:
    def evaluate(values: Values, written: Written, span: Span) -> Weighted:
        return _one(atom(*_affine(name, values, written)))

    return evaluate


def _of_weights(name: str, atom: ir.Atom, unit: Unit = Unit.ONE) -> Atom:
    def evaluate(values: Values, written: Written, span: Span) -> Weighted:
        _only_weights(name, values, written)
        return _one(atom, unit)

    return evaluate


def _mass(values: Values, written: Written, span: Span) -> Weighted:
    _only_weights("mass", values, written)
    across, of = values.get("across"), values.get("of")
    if (across is None) == (of is None):
        both = across is not None
        raise LoweringError(
            AtomArgument(
                span=span,
                fact="`mass` takes either `across:`, for each group, or `of:`, for some rows",
                short="has both" if both else "has neither",
                advice="write `mass(w, across: row.FIELD)` or `mass(w, of: row.FIELD == VALUE)`",
            )
        )
    if of is not None:
        return _one(ir.ShareMass(predicate(of)))
    assert isinstance(across, RowField)
    return _one(ir.GroupMass(across.name))


def _of_observable(atom: Callable[[str, Unit], ir.Atom]) -> Atom:
    def evaluate(values: Values, written: Written, span: Span) -> Weighted:
        observable = values["o"]
        assert isinstance(observable, Observable)
        observable = named_as_written(observable, written["o"])
        made = atom(observable.name, observable.unit)
        return Weighted(ir.Expression(((1.0, made),)), observable.unit, (observable,))

    return evaluate


WEIGHT_ATOMS: Mapping[str, Atom] = {
    "mean": _mean,
    "sum": _sum,
    "mass": _mass,
    "predicted": _of_observable(ir.Predicted),
    "risk": _of_observable(ir.Risk),
    "sum_squares": _convex("sum_squares", ir.SumSquares),
    "norm": _convex("norm", ir.Norm),
    "l1": _convex("l1", ir.L1),
    "max": _extreme("max"),
    "min": _extreme("min"),
    "kl": _of_weights("kl", ir.KL(), Unit.NATS),
    "chi2": _of_weights("chi2", ir.Chi2()),
    "ess": _of_weights("ess", ir.EffectiveSampleSize()),
}
