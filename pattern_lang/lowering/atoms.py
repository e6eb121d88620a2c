"""Atoms of the weight program: from `mean(w)`, `norm(w - 1)` and the like to their symbols.

Mass is conserved in every pattern (mean(w) == 1), which lets sums and means of an affine
expression in w be written with one atom and no knowledge of n.
"""

from collections.abc import Callable, Mapping

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.goals import AtomArgument
from pattern_lang.diagnostics.catalogue.types import ValueOutOfRange
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.sources import RowField
from pattern_lang.lowering import arithmetic
from pattern_lang.lowering.naming import named_as_written
from pattern_lang.lowering.predicates import predicate
from pattern_lang.lowering.values import LoweringError, Num, Value, Weighted
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

Values = Mapping[str, Value]
Written = Mapping[str, ast.Expression]
Atom = Callable[[Values, Written, Span], Weighted]

_COSTS = frozenset({"weighted", "up", "down"})


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
        if isinstance(values["of"], tuple):
            sign = 1.0 if name == "max" else -1.0
            return _joined("largest", values["of"], written["of"].span, sign)
        scale, offset = _affine(name, values, written)
        largest = (name == "max") == (scale >= 0)
        atom = ir.Maximum() if largest else ir.Minimum()
        return Weighted(ir.Expression(((scale, atom),), offset))

    return evaluate


def _convex(name: str, atom: Callable[[float, float], ir.Atom], kind: str) -> Atom:
    """Return an atom of the entries, or of a list of numbers, which it joins by `kind`."""

    def evaluate(values: Values, written: Written, span: Span) -> Weighted:
        if isinstance(values["of"], tuple):
            _refuse_costs(name, values, written)
            return _joined(kind, values["of"], written["of"].span)
        plain = _one(atom(*_affine(name, values, written)))
        return _unit_cost(kind, values, written) if _COSTS & set(values) else plain

    return evaluate


def _huber(values: Values, written: Written, span: Span) -> Weighted:
    scale, offset = _affine("huber", values, written)
    at = _number(values, "at")
    if at <= 0:
        raise LoweringError(_out_of_range(written["at"].span, "at", "above 0", at))
    return _one(ir.UnitCost("huber", scale, offset, at=at))


def _unit_cost(kind: str, values: Values, written: Written) -> Weighted:
    scale, offset = _affine("sum_squares" if kind == "squares" else "l1", values, written)
    up, down = _number(values, "up"), _number(values, "down")
    for name, number in (("up", up), ("down", down)):
        if number < 0:
            raise LoweringError(_out_of_range(written[name].span, name, "at least 0", number))
    weighted = arithmetic.row_value(values["weighted"]) if "weighted" in values else None
    return _one(ir.UnitCost(kind, scale, offset, weighted, up, down))


def _number(values: Values, name: str) -> float:
    value = values.get(name, Num(1))
    assert isinstance(value, Num)
    return value.real


def _out_of_range(span: Span, name: str, condition: str, value: float) -> ValueOutOfRange:
    return ValueOutOfRange(
        span=span, name=f"`{name}`", condition=condition, value=f"{value:g}", advice="change it"
    )


def _refuse_costs(name: str, values: Values, written: Written) -> None:
    for option in sorted(_COSTS & set(values)):
        raise LoweringError(
            AtomArgument(
                span=written[option].span,
                fact=f"`{option}` is for the weights of units, and `{name}` has a list here",
                short="not with a list",
                advice=f"write it for the weights, such as `{name}(w - 1, {option}: …)`",
            )
        )


def _joined(kind: str, parts: tuple[Value, ...], span: Span, sign: float = 1.0) -> Weighted:
    """Return one number from several, all in the unit of the first."""
    if not parts:
        fact = "a list with nothing in it has no number"
        advice = "put at least one number in w into it, such as `predicted(O)`"
        raise LoweringError(AtomArgument(span=span, fact=fact, short="empty", advice=advice))
    if any(isinstance(part, Weighted) and part.unit is Unit.SD for part in parts):
        parts = tuple(arithmetic.in_sd(part) for part in parts)
    items = [part for part in parts if isinstance(part, Weighted)]
    expressions = tuple(_times(sign, item.expression) for item in items)
    about = tuple(observable for item in items for observable in item.about)
    unit = Unit.ONE if kind == "squares" else items[0].unit
    return Weighted(ir.Expression(((sign, ir.Joined(kind, expressions)),)), unit, about)


def _times(factor: float, expression: ir.Expression) -> ir.Expression:
    terms = tuple((factor * c, atom) for c, atom in expression.terms)
    return ir.Expression(terms, factor * expression.constant)


def _of_number(kind: str) -> Atom:
    def evaluate(values: Values, written: Written, span: Span) -> Weighted:
        return _joined(kind, (values["of"],), span)

    return evaluate


def _quantile(values: Values, written: Written, span: Span) -> Weighted:
    """`predicted(O) + z risk(O)`, with z the normal quantile."""
    from statistics import NormalDist  # not wanted when a spec without quantiles is checked

    at = _number(values, "at")
    if not 0 < at < 1:
        condition = "between 0 % and 100 %, both excluded"
        raise LoweringError(_out_of_range(written["at"].span, "at", condition, at))
    observable = values["o"]
    assert isinstance(observable, Observable)
    observable = named_as_written(observable, written["o"])
    name, unit = observable.name, observable.unit
    terms = ((1.0, ir.Predicted(name, unit)), (NormalDist().inv_cdf(at), ir.Risk(name, unit)))
    kept = tuple(term for term in terms if term[0])
    return Weighted(ir.Expression(kept), unit, (observable,))


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
    "quantile": _quantile,
    "sum_squares": _convex("sum_squares", ir.SumSquares, "squares"),
    "norm": _convex("norm", ir.Norm, "norm"),
    "l1": _convex("l1", ir.L1, "magnitudes"),
    "huber": _huber,
    "square": _of_number("squares"),
    "abs": _of_number("magnitudes"),
    "max": _extreme("max"),
    "min": _extreme("min"),
    "kl": _of_weights("kl", ir.KL(), Unit.NATS),
    "chi2": _of_weights("chi2", ir.Chi2()),
    "ess": _of_weights("ess", ir.EffectiveSampleSize()),
}
