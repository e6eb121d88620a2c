"""What may stand in a pattern, in rules and in a study."""

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.goals import (
    MissingReweight,
    NotAConstraint,
    RepeatedStatement,
    TooManyMoves,
    WrongCurvature,
    WrongUnitOfData,
)
from pattern_lang.diagnostics.catalogue.lints import NoGoals
from pattern_lang.diagnostics.catalogue.types import TypeMismatch, UnitMismatch
from pattern_lang.semantics.context import Context, article
from pattern_lang.semantics.operators import unit_words
from pattern_lang.semantics.scope import Local, Scope
from pattern_lang.semantics.types import (
    ARM,
    CONSTRAINT,
    DATA,
    INT,
    OPTIMIZER,
    RANGE,
    REAL,
    ROW_VALUE,
    RULES,
    SAMPLER,
    SCHEDULE,
    TARGET,
    UNKNOWN,
    WEIGHTS,
    Curvature,
    ListType,
    NumberType,
    ObservableType,
    Shape,
    Type,
    WeightType,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

UNITS_OF_DATA = ("token", "sample", "group")
_ONCE = ("reweight", "estimate", "schedule")
_OBJECTIVE = ("minimize", "maximize")
_GOALS = (ast.Goal, ast.Move)


def check_body(
    context: Context,
    owner: ast.Pattern | ast.Rules,
    body: tuple[ast.Statement, ...],
    scope: Scope,
) -> None:
    """Check the statements of a pattern or of rules."""
    reweights = [item for item in body if isinstance(item, ast.Reweight)]
    for item in reweights:
        scope = scope.with_locals(Local(item.name.name, WEIGHTS))
    if isinstance(owner, ast.Pattern):
        if not reweights:
            name = owner.name
            context.report(MissingReweight(span=name.span, name=name.name))
        applies = [s for s in body if isinstance(s, ast.Clause) and s.keyword == "apply"]
        if not applies and not any(isinstance(item, _GOALS) for item in body):
            context.report(NoGoals(span=owner.name.span, name=owner.name.name))
    _check_repeats(context, body)
    for statement in body:
        _statement(context, statement, scope)


def _check_repeats(context: Context, body: tuple[ast.Statement, ...]) -> None:
    first: dict[str, Span] = {}
    for statement in body:
        keyword = statement.span.text.split(None, 1)[0]
        if isinstance(statement, ast.Move) and statement.amount is None:
            if "open move" in first:
                context.report(TooManyMoves(span=statement.span, first=first["open move"]))
            first.setdefault("open move", statement.span)
            continue
        kind = "minimize" if keyword in _OBJECTIVE else keyword
        if kind not in (*_ONCE, "minimize"):
            continue
        if kind in first:
            context.report(
                RepeatedStatement(span=statement.span, keyword=keyword, first=first[kind])
            )
        first.setdefault(kind, statement.span)


def _statement(context: Context, statement: ast.Statement, scope: Scope) -> None:
    match statement:
        case ast.Reweight():
            _reweight(context, statement, scope)
        case ast.Goal():
            _goal(context, statement, scope)
        case ast.Move():
            _move(context, statement, scope)
        case ast.Clause():
            _clause(context, statement, scope)


def _reweight(context: Context, node: ast.Reweight, scope: Scope) -> None:
    context.check(node.data, scope, DATA, place="what is re-weighted")
    unit = node.unit
    if unit.name not in UNITS_OF_DATA:
        fact = f"`{unit.name}` is not a unit of data"
        context.report(WrongUnitOfData(span=unit.span, fact=fact))
    elif unit.name == "group" and node.group is None:
        fact = "a group needs the row field that tells the groups apart"
        context.report(WrongUnitOfData(span=unit.span, fact=fact))
    elif unit.name != "group" and node.group is not None:
        fact = f"`per {unit.name}` takes no field"
        context.report(WrongUnitOfData(span=node.group.span, fact=fact))
    elif node.group is not None:
        context.check(node.group, scope, ROW_VALUE, place="what tells the groups apart")


def _goal(context: Context, node: ast.Goal, scope: Scope) -> None:
    wanted = ObservableType(None)
    found = context.infer(node.observable, scope, wanted)
    place = f"what `{node.keyword}` {'keeps in place' if node.keyword == 'hold' else 'moves'}"
    unit: Unit | None = None
    if isinstance(found, ObservableType):
        unit = found.unit
    elif found != UNKNOWN:
        context.report(
            TypeMismatch(
                span=node.observable.span,
                place=place,
                wanted="an Observable",
                found=article(found),
            )
        )
    _amount(context, node.amount, scope, unit, node.observable.span)


def _amount(
    context: Context, amount: ast.Expression, scope: Scope, unit: Unit | None, of: Span
) -> None:
    found = context.infer(amount, scope, NumberType(Unit.SD))
    if found == UNKNOWN:
        return
    if not isinstance(found, NumberType):
        context.report(
            TypeMismatch(
                span=amount.span,
                place="the amount of a shift",
                wanted="a quantity",
                found=article(found),
            )
        )
    elif unit and found.unit is not Unit.SD and not found.unit.converts_to(unit):
        shown = unit_words(unit)
        example = f"{amount.span.text} {unit.value}" if found.unit is Unit.ONE else "1 sd"
        context.report(
            UnitMismatch(
                span=amount.span,
                action="shift by an amount between",
                left=shown,
                right=unit_words(found.unit),
                other=of,
                advice=f"write the amount in {shown} or in sd, such as `{example}`",
            )
        )


def _move(context: Context, node: ast.Move, scope: Scope) -> None:
    wanted = ListType(ObservableType(None))
    found = context.infer(node.observables, scope, wanted)
    if found != UNKNOWN and not (
        isinstance(found, ListType) and isinstance(found.element, (ObservableType, type(None)))
    ):
        context.report(
            TypeMismatch(
                span=node.observables.span,
                place="what `move` moves",
                wanted="a list of observables",
                found=article(found),
            )
        )
    direction = context.infer(node.direction, scope, ListType(REAL))
    if direction != UNKNOWN and not (
        isinstance(direction, ListType) and isinstance(direction.element, (NumberType, type(None)))
    ):
        context.report(
            TypeMismatch(
                span=node.direction.span,
                place="the direction of a `move`",
                wanted="a list of numbers",
                found=article(direction),
            )
        )
    if node.amount is not None:
        _amount(context, node.amount, scope, None, node.observables.span)


def _clause(context: Context, node: ast.Clause, scope: Scope) -> None:
    expression = node.expression
    match node.keyword:
        case "require":
            found = context.infer(expression, scope, CONSTRAINT)
            if found not in (CONSTRAINT, UNKNOWN):
                context.report(NotAConstraint(span=expression.span, found=article(found)))
        case "minimize" | "maximize":
            _objective(context, node, scope)
        case "estimate":
            context.check(expression, scope, SAMPLER, place="what `estimate` takes")
        case "schedule":
            context.check(expression, scope, SCHEDULE, place="what `schedule` takes")
        case "emit":
            context.check(expression, scope, TARGET, place="what `emit` takes")
        case "apply":
            context.check(expression, scope, RULES, place="what `apply` takes")


def _objective(context: Context, node: ast.Clause, scope: Scope) -> None:
    found = context.infer(node.expression, scope, WEIGHTS)
    if found == UNKNOWN or isinstance(found, NumberType):
        return
    if not isinstance(found, WeightType) or found.shape is not Shape.SCALAR:
        context.report(
            TypeMismatch(
                span=node.expression.span,
                place=f"what `{node.keyword}` takes",
                wanted="one number that depends on w, such as `sum_squares(w - 1)`",
                found=article(found),
            )
        )
        return
    minimize = node.keyword == "minimize"
    allowed = {Curvature.CONVEX} if minimize else {Curvature.CONCAVE, Curvature.QUASI}
    if found.curvature in allowed | {Curvature.AFFINE}:
        return
    other = "maximize" if minimize else "minimize"
    context.report(
        WrongCurvature(
            span=node.expression.span,
            place=f"what `{node.keyword}` takes",
            needed="convex" if minimize else "concave",
            curvature=found.curvature.value,
            advice=f"`{other}` it, or bound it with `require`",
        )
    )


def check_study(context: Context, node: ast.Study, scope: Scope) -> None:
    """Check the items of a study."""
    for item in node.body:
        match item.keyword:
            case "arms":
                for arm in item.expressions:
                    context.check(arm, scope, ARM, place="an arm")
            case "seeds":
                wanted: tuple[Type, ...] = (RANGE, INT, ListType(INT))
                context.check(item.expressions[0], scope, *wanted, place="what `seeds` takes")
            case "using":
                context.check(item.expressions[0], scope, OPTIMIZER, place="what `using` takes")
            case "measure":
                for measure in item.expressions:
                    context.check(
                        measure,
                        scope,
                        ObservableType(None),
                        ObservableType(None, family=1),
                        ObservableType(None, family=2),
                        place="what `measure` takes",
                    )
                if item.every is not None:
                    context.check(item.every, scope, NumberType(Unit.STEPS), INT, place="`every`")
