"""From `require`, `minimize` and `maximize` to symbolic constraints and objectives."""

from collections.abc import Callable

from attrs import evolve, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.goals import NeverHolds, WrongCurvature
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.sources import Both, Predicate
from pattern_lang.lowering import arithmetic, predicates
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.naming import statement_text
from pattern_lang.lowering.values import Environment, LoweringError, Num, Weighted
from pattern_lang.syntax import ast

_CONVEX = (
    *(ir.SumSquares, ir.Norm, ir.L1, ir.Maximum, ir.KL, ir.Chi2, ir.Risk),
    *(ir.UnitCost, ir.Joined),
)
_CONCAVE = (ir.Minimum, ir.EffectiveSampleSize)

IMPLIED_MASS = ir.Constraint(
    ir.Expression(((1.0, ir.Mean()),), -1.0), "==", "mean(w) == 1", implied=True
)
"""Training divides by the total weight, so the weights are given with mean 1 in every pattern."""

IMPLIED_SIGN = ir.Constraint(ir.Expression(((-1.0, ir.Entries()),)), "<=", "w >= 0", implied=True)
"""No weight is negative unless the pattern sets a lower bound of its own."""

DEFAULT_OBJECTIVE = ir.Objective(
    "minimize", ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),)), "minimize sum_squares(w - 1)"
)


def constraints(
    evaluator: Evaluator, node: ast.Clause, env: Environment
) -> tuple[tuple[ir.Constraint, ...], tuple[Observable, ...]]:
    """Return the constraints of a `require`, one for each comparison of its chain."""
    compare, only = _without_where(evaluator, node.expression, env)
    source = statement_text(node.span)
    found, about = [], list[Observable]()
    left_node, left = compare.first, evaluator(compare.first, env)
    for operator, right_node in compare.rest:
        right = evaluator(right_node, env)
        small, large = (right, left) if operator == ">=" else (left, right)
        difference = arithmetic.binary("-", small, large, right_node.span)
        span = left_node.span.to(right_node.span)
        if isinstance(difference, Num):
            _refuse_false(operator, difference, span)
        if isinstance(difference, Weighted):
            about.extend(difference.about)
            relation = "==" if operator == "==" else "<="
            terms = tuple(term for term in difference.expression.terms if term[0])
            expression = ir.Expression(terms, difference.expression.constant)
            made = ir.Constraint(expression, relation, source, only=only, origin=node.span)
            _verify(made, span, lambda: _bent(evaluator, compare, env))
            if terms:
                found.append(made)
        left_node, left = right_node, right
    return tuple(found), tuple(about)


def _without_where(
    evaluator: Evaluator, node: ast.Expression, env: Environment
) -> tuple[ast.Compare, Predicate | None]:
    """Return the comparison of a `require` and the predicate of the units that it is for."""
    if not isinstance(node, ast.Where):
        assert isinstance(node, ast.Compare)
        return node, None
    assert isinstance(node.base, ast.Compare)
    picked = [predicates.predicate(evaluator(item, env)) for item in node.predicates]
    only = picked[0]
    for other in picked[1:]:
        only = Both(only, other)
    return node.base, only


def implied(found: list[ir.Constraint]) -> tuple[ir.Constraint, ...]:
    """Return the constraints that hold in every pattern and that no statement has given."""
    whole = [(c.relation, _without_limits(c.expression)) for c in found if c.only is None]
    single = [(relation, *terms[0]) for relation, terms in whole if len(terms) == 1]
    mass = any(relation == "==" and atom == ir.Mean() for relation, _, atom in single)
    sign = any(
        atom in (ir.Entries(), ir.Minimum()) and (coefficient < 0 or relation == "==")
        for relation, coefficient, atom in single
    )
    return (*(() if mass else (IMPLIED_MASS,)), *(() if sign else (IMPLIED_SIGN,)))


def _without_limits(expression: ir.Expression) -> tuple[tuple[float, ir.Atom], ...]:
    """Return the terms that depend on w: `w >= row.low` is a lower bound as `w >= -1` is."""
    return tuple(term for term in expression.terms if not isinstance(term[1], ir.UnitNumber))


def objective(
    evaluator: Evaluator, node: ast.Clause, env: Environment
) -> tuple[ir.Objective, tuple[Observable, ...]]:
    """Return the objective of a `minimize` or `maximize`.

    To maximise the effective sample size is to minimise the sum of squares.
    """
    value = evaluator(node.expression, env)
    source = statement_text(node.span)
    if not isinstance(value, Weighted):
        return evolve(DEFAULT_OBJECTIVE, source=source, origin=node.span), ()
    sign = 1.0 if node.keyword == "minimize" else -1.0
    span, factors = node.expression.span, lambda: _bent(evaluator, node.expression, env)
    _require_convex(value.expression, sign, span, factors)
    if any(isinstance(atom, ir.EffectiveSampleSize) for _, atom in value.expression.terms):
        return evolve(DEFAULT_OBJECTIVE, source=source, origin=node.span), ()
    return ir.Objective(node.keyword, value.expression, source, node.span), value.about


@frozen
class Bent:
    """Why values turn the curvature of an expression round, what it is, and what to do."""

    fact: str
    curvature: str = "turned round by a negative factor"
    advice: str = "check the sign of the factor, or turn the statement round with it"


def _bent(evaluator: Evaluator, node: ast.Expression, env: Environment) -> Bent:
    """Say what gave an expression its curvature: quantiles, or named numbers below zero."""
    found: dict[str, None] = {}
    pending = [node]
    while pending:
        match pending.pop():
            case ast.Compare(first=first, rest=rest) | ast.Chain(first=first, rest=rest):
                pending += [first, *(operand for _, operand in rest)]
            case ast.Signed(operand=operand):
                pending.append(operand)
            case ast.Call(function=ast.Name(name="quantile")) as part:
                fact = f"`{part.span.text}` is concave below 50 % and convex above"
                advice = "bound a quantile below 50 % from below, and one above 50 % from above"
                return Bent(fact, "bends the wrong way", advice)
            case ast.Name() | ast.Call() | ast.Attribute() as part:
                value = evaluator(part, env)
                if isinstance(value, Num) and value.value < 0:
                    found[f"`{part.span.text}` is {value.real:g}"] = None
    return Bent(" and ".join(found) or "a factor is negative")


def _verify(constraint: ir.Constraint, span: Span, why: Callable[[], Bent]) -> None:
    """Check curvature with the values known, and refuse what can never hold."""
    if constraint.relation == "<=":
        _require_convex(constraint.expression, 1.0, span, why)
    _refuse_impossible(constraint, span)


def _refuse_false(operator: str, difference: Num, span: Span) -> None:
    """Raise for a comparison of two numbers, in a chain with weights, that is false."""
    value = difference.value
    if (operator == "==" and value) or (operator != "==" and value > 0):
        advice = "check the order of the bounds"
        raise LoweringError(NeverHolds(span=span, fact=f"`{span.text}` is false", advice=advice))


def _require_convex(
    expression: ir.Expression, sign: float, span: Span, why: Callable[[], Bent]
) -> None:
    """Raise when a coefficient whose sign only its value shows bends the wrong way."""
    for coefficient, atom in expression.terms:
        bent = isinstance(atom, _CONVEX) and sign * coefficient < 0
        if bent or (isinstance(atom, _CONCAVE) and sign * coefficient > 0):
            bend = why()
            fact = f"{bend.fact}, so this describes no convex program"
            raise LoweringError(
                WrongCurvature(span=span, fact=fact, curvature=bend.curvature, advice=bend.advice)
            )


def _refuse_impossible(constraint: ir.Constraint, span: Span) -> None:
    """Raise for a single atom against a number that it can never meet."""
    if constraint.only is not None:
        return
    terms, constant = constraint.expression.terms, constraint.expression.constant
    equality = constraint.relation == "=="
    if not terms and (constant > 0 or (equality and constant)):
        fact = "the weights cancel out of this, and what is left is false"
        raise LoweringError(NeverHolds(span=span, fact=fact, advice="check the expression"))
    if len(terms) != 1:
        return
    ((coefficient, atom),) = terms
    limit = -constant / coefficient
    upper, lower = coefficient > 0 or equality, coefficient < 0 or equality
    reason = _impossible(atom, limit, upper=upper, lower=lower)
    if reason is not None:
        raise LoweringError(NeverHolds(span=span, fact=reason[0], advice=reason[1]))


def _impossible(atom: ir.Atom, limit: float, *, upper: bool, lower: bool) -> tuple[str, str] | None:
    shown = f"{limit:g}"
    match atom:
        case ir.Mean() if limit != 1.0 and ((upper and limit < 1) or (lower and limit > 1)):
            return (
                "weights have mean 1 in every pattern: training divides by their total",
                "write `mean(w) == 1`, or leave it out",
            )
        case ir.Total() if upper and limit <= 0:
            return (
                "weights have mean 1 in every pattern, so their sum is the number of units",
                "ask for a positive sum, or leave it out",
            )
        case ir.Entries() if (upper and limit < 1) or (lower and limit > 1):
            side = "at most" if upper and limit < 1 else "at least"
            return (
                f"weights that are all {side} {shown} cannot have mean 1",
                "leave room for 1, the weight of the data as they stand",
            )
        case ir.Maximum() if upper and limit < 1:
            return f"the largest of weights with mean 1 is never below 1, so not {shown}", _ROOM
        case ir.Minimum() if lower and limit > 1:
            return f"the smallest of weights with mean 1 is never above 1, so not {shown}", _ROOM
        case ir.EffectiveSampleSize() if lower and limit > 1:
            return (
                f"the effective sample size is never more than 100 %, so not {100 * limit:g} %",
                "ask for a share up to 100 %",
            )
        case _ if type(atom) in _NAMES and upper and limit < 0:
            return f"{_NAMES[type(atom)]} is never below zero, so not {shown}", _ABOVE_ZERO
        case ir.GroupMass() if (upper and limit < 1) or (lower and limit > 1):
            side = "at most" if upper and limit < 1 else "at least"
            return (
                f"the shares of all groups cannot all be {side} {shown} times what they were",
                "leave room for 1, the share as it stands",
            )
    return None


_ABOVE_ZERO = "ask for a limit above zero"
_NAMES = {
    ir.SumSquares: "a sum of squares",
    ir.Norm: "a norm",
    ir.L1: "a sum of magnitudes",
    ir.KL: "a divergence",
    ir.Chi2: "a divergence",
    ir.Risk: "a standard error",
    ir.UnitCost: "a sum of costs",
}
_ROOM = "leave room for 1, the weight of the data as they stand"
