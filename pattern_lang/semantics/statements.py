"""What may stand in a pattern and in rules."""

from collections.abc import Iterable, Mapping

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
from pattern_lang.diagnostics.catalogue.names import DuplicateName
from pattern_lang.diagnostics.catalogue.syntax import StatementOutOfPlace
from pattern_lang.diagnostics.catalogue.types import TypeMismatch, UnitMismatch
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.calls import report_incomplete
from pattern_lang.semantics.context import Context, advice_for, clause
from pattern_lang.semantics.scope import Local, Scope
from pattern_lang.semantics.types import (
    CONSTRAINT,
    DATA,
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
    fits,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

UNITS_OF_DATA = ("token", "sample", "group")
_OBJECTIVE = ("minimize", "maximize")
_SINGLE = {
    "reweight": "`reweight`",
    "estimate": "`estimate`",
    "schedule": "`schedule`",
    "minimize": "objective",
    "maximize": "objective",
}
_USUAL_NAME = "w"
_UNITS_OF_DATA = "write `per sample`, `per token` or `per group row.FIELD`"
OBSERVABLE = ObservableType(None)
_DIRECTIONS = (ListType(REAL), ListType(NumberType(Unit.SD)), ListType(NumberType(Unit.NATS)))


def check_body(
    context: Context,
    owner: ast.Pattern | ast.Rules,
    body: tuple[ast.Statement, ...],
    scope: Scope,
) -> None:
    """Check the statements of a pattern or of rules."""
    # What seems to be missing where a statement could not be read may be just that statement.
    whole = not any(owner.span.encloses(gap) for gap in scope.module.file.gaps)
    if isinstance(owner, ast.Pattern):
        scope = _with_weights(context, owner, scope, whole)
        if whole and not _asks_for_something(body):
            context.report(NoGoals(span=owner.name.span, name=owner.name.name))
    report_repeats(context, f"a {owner_word(owner)}", body, _SINGLE)
    _check_open_moves(context, body)
    for statement in body:
        _statement(context, statement, scope, owner)


def _with_weights(context: Context, owner: ast.Pattern, scope: Scope, whole: bool) -> Scope:
    """Return the scope with the name of the weights, which a `reweight` gives."""
    reweights = [item for item in owner.body if isinstance(item, ast.Reweight)]
    if not reweights:
        if whole:
            context.report(MissingReweight(span=owner.name.span, name=owner.name.name))
        return scope.with_locals(Local(_USUAL_NAME, WEIGHTS))
    parameters = {parameter.name.name: parameter.name.span for parameter in owner.parameters}
    for item in reweights:
        name = item.name.name
        where = "pattern" if name in parameters else "file"
        taken = parameters.get(name, scope.module.places.get(name))
        if taken is not None:
            context.report(DuplicateName(span=item.name.span, name=name, where=where, first=taken))
        scope = scope.with_locals(Local(name, WEIGHTS if taken is None else UNKNOWN))
    return scope


def _asks_for_something(body: tuple[ast.Statement, ...]) -> bool:
    """Tell whether any weights but 1 can be the answer: a goal, an objective, a share to keep."""
    for item in body:
        if isinstance(item, (ast.Goal, ast.Move)):
            return True
        if isinstance(item, ast.Clause) and item.keyword in ("apply", *_OBJECTIVE):
            return True
        if isinstance(item, ast.Clause) and item.keyword == "require":
            words = item.span.text
            if any(f"{atom}(" in words for atom in ("predicted", "mass")):
                return True
    return False


def owner_word(owner: ast.Declaration) -> str:
    """Return what the owner of a body is called in messages."""
    return {ast.Rules: "set of rules", ast.Study: "study"}.get(type(owner), "pattern")


def report_repeats(
    context: Context, owner: str, body: Iterable[ast.Statement], single: Mapping[str, str]
) -> None:
    """Report the statements that stand twice; `single` names what may stand once, by keyword."""
    first: dict[str, Span] = {}
    for statement in body:
        what = single.get(keyword_of(statement))
        if what is None:
            continue
        if what in first:
            context.report(
                RepeatedStatement(span=statement.span, owner=owner, what=what, first=first[what])
            )
        first.setdefault(what, statement.span)


def keyword_of(statement: ast.Statement) -> str:
    """Return the word that a statement begins with."""
    match statement:
        case ast.Goal(keyword=keyword) | ast.Clause(keyword=keyword):
            return keyword
        case ast.StudyItem(keyword=keyword):
            return keyword
        case ast.Move():
            return "move"
    return "reweight"


def _check_open_moves(context: Context, body: tuple[ast.Statement, ...]) -> None:
    moves = [item for item in body if isinstance(item, ast.Move) and item.amount is None]
    for move in moves[1:]:
        context.report(TooManyMoves(span=move.span, first=moves[0].span))


def _statement(
    context: Context, statement: ast.Statement, scope: Scope, owner: ast.Declaration
) -> None:
    match statement:
        case ast.Reweight():
            if isinstance(owner, ast.Rules):
                _refuse_reweight(context, statement)
            _reweight(context, statement, scope)
        case ast.Goal():
            _goal(context, statement, scope)
        case ast.Move():
            _move(context, statement, scope)
        case ast.Clause():
            _clause(context, statement, scope)


def _refuse_reweight(context: Context, node: ast.Reweight) -> None:
    span = Span(node.span.source, node.span.start, node.span.start + len("reweight"))
    context.report(
        StatementOutOfPlace(
            span=span,
            keyword="reweight",
            where="rules are about the weights of the pattern that applies them",
            advice="move it to that pattern, and give the weights to the rules as a parameter",
        )
    )


def _reweight(context: Context, node: ast.Reweight, scope: Scope) -> None:
    context.check(node.data, scope, DATA, place="what is re-weighted")
    unit = node.unit
    if unit.name not in UNITS_OF_DATA:
        fact = f"`{unit.name}` is not a unit of data"
        advice = closest(unit.name, UNITS_OF_DATA, _UNITS_OF_DATA)
        context.report(WrongUnitOfData(span=unit.span, fact=fact, advice=advice))
    elif unit.name == "group" and node.group is None:
        fact = "a group needs the row field that tells the groups apart"
        context.report(WrongUnitOfData(span=unit.span, fact=fact, advice=_UNITS_OF_DATA))
    elif unit.name != "group" and node.group is not None:
        fact = f"`per {unit.name}` takes no field"
        context.report(WrongUnitOfData(span=node.group.span, fact=fact, advice=_UNITS_OF_DATA))
    elif node.group is not None:
        context.check(node.group, scope, ROW_VALUE, place="what tells the groups apart")


def _goal(context: Context, node: ast.Goal, scope: Scope) -> None:
    found = context.infer(node.observable, scope, OBSERVABLE)
    unit: Unit | None = None
    if isinstance(found, ObservableType):
        unit = found.unit
    elif found != UNKNOWN:
        verb = "keeps in place" if node.keyword == "hold" else "moves"
        context.report(
            TypeMismatch(
                span=node.observable.span,
                place=f"what `{node.keyword}` {verb}",
                wanted="an Observable",
                found=clause(found),
                advice=advice_for(node.observable.span, found, OBSERVABLE),
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
                found=clause(found),
            )
        )
    elif unit and found.unit is not Unit.SD and not found.unit.converts_to(unit):
        context.report(_wrong_amount(amount, found.unit, unit, of))


def _wrong_amount(amount: ast.Expression, found: Unit, wanted: Unit, of: Span) -> UnitMismatch:
    given = f"an amount {found.words}"
    example = "`1 sd`"
    if found is Unit.ONE and isinstance(amount, ast.Number):
        example = f"`{amount.text} {wanted.value}` or `{amount.text} sd`"
    elif wanted is not Unit.ONE:
        example = f"`1 {wanted.value}` or `1 sd`"
    return UnitMismatch(
        span=amount.span,
        fact=f"`{of.text}` is measured {wanted.words}, so it cannot move by {given}",
        left=wanted.words,
        right=found.words,
        other=of,
        advice=f"write the amount as {example}",
    )


def _move(context: Context, node: ast.Move, scope: Scope) -> None:
    found = context.infer(node.observables, scope, ListType(OBSERVABLE))
    items = found.element if isinstance(found, ListType) else found
    if items not in (None, UNKNOWN) and not isinstance(items, ObservableType):
        context.report(
            TypeMismatch(
                span=node.observables.span,
                place="what `move` moves",
                wanted="a list of observables or a family",
                found=clause(found),
            )
        )
    direction = _direction(context, node, scope)
    if node.amount is None:
        return
    along = direction.element if isinstance(direction, ListType) else None
    if isinstance(along, NumberType) and along.unit.canonical is not Unit.ONE:
        _plain_dose(context, node, scope, along)
        return
    unit = items.unit if isinstance(items, ObservableType) else None
    _amount(context, node.amount, scope, unit, node.observables.span)


def _direction(context: Context, node: ast.Move, scope: Scope) -> Type:
    found = context.infer(node.direction, scope, ListType(REAL))
    if any(fits(found, kind) for kind in _DIRECTIONS):
        return found
    return context.report(
        TypeMismatch(
            span=node.direction.span,
            place="the direction of a `move`",
            wanted="a list of numbers, such as `[1, -1]`",
            found=clause(found),
        )
    )


def _plain_dose(context: Context, node: ast.Move, scope: Scope, along: NumberType) -> None:
    """Check the amount of a move whose direction has units already."""
    assert node.amount is not None
    found = context.infer(node.amount, scope, REAL)
    if isinstance(found, NumberType) and found.unit.canonical is not Unit.ONE:
        context.report(
            UnitMismatch(
                span=node.amount.span,
                fact="a `move` is measured by its direction or by its amount, not by both",
                left=along.unit.words,
                right=found.unit.words,
                other=node.direction.span,
                advice="write one of the two with plain numbers",
            )
        )
    else:
        context.check(node.amount, scope, REAL, place="the amount of a `move`")


def _clause(context: Context, node: ast.Clause, scope: Scope) -> None:
    expression = node.expression
    match node.keyword:
        case "require":
            found = context.infer(expression, scope, CONSTRAINT)
            if not fits(found, CONSTRAINT):
                context.report(NotAConstraint(span=expression.span, found=clause(found)))
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
            report_incomplete(context, expression, scope)


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
                found=clause(found),
            )
        )
        return
    minimize = node.keyword == "minimize"
    allowed = {Curvature.CONVEX} if minimize else {Curvature.CONCAVE, Curvature.QUASI}
    if found.curvature in allowed | {Curvature.AFFINE, Curvature.OPEN}:
        return
    other, text = "maximize" if minimize else "minimize", node.expression.span.text
    bound = f"require {text} {'>=' if minimize else '<='} LIMIT"
    context.report(
        WrongCurvature(
            span=node.expression.span,
            fact=f"`{text}` is {found.curvature.value} in w, and `{node.keyword}` takes what is "
            f"{'convex' if minimize else 'concave'}",
            curvature=found.curvature.value,
            advice=f"`{other}` it, or bound it: `{bound}`",
        )
    )
