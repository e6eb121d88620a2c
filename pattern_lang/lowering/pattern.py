"""One pattern: from its statements to a weight pattern."""

from collections.abc import Iterator

from attrs import define, evolve, field

from pattern_lang.diagnostics import Label, Problem, Span
from pattern_lang.diagnostics.catalogue.goals import NotTheReweightedData, RepeatedStatement
from pattern_lang.ir import observables as ob
from pattern_lang.ir import program as ir
from pattern_lang.ir.queries import PosteriorQuery, Queries, Reason, Reweight, Sampler
from pattern_lang.ir.sources import Component, DataSource, ModelSource, RowField
from pattern_lang.lowering.constraints import (
    DEFAULT_OBJECTIVE,
    constraints,
    implied,
    objective,
)
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.goals import Asked, contradictions, goals, move
from pattern_lang.lowering.naming import renamed, statement_text
from pattern_lang.lowering.settings import default_sampler
from pattern_lang.lowering.values import Body, Environment, LoweringError, Weighted
from pattern_lang.semantics.scope import Local
from pattern_lang.semantics.types import SAMPLER, SCHEDULE, TARGET, WEIGHTS
from pattern_lang.syntax import ast

_WEIGHTS = Weighted(ir.Expression(((1.0, ir.Entries()),)))


@define
class _Collected:
    """What the statements of one pattern add up to."""

    asked: Asked = field(factory=Asked)
    goals: list[ir.Goal | ir.Move] = field(factory=list)
    constraints: list[ir.Constraint] = field(factory=list)
    objective: ir.Objective = DEFAULT_OBJECTIVE
    sampler: Sampler = field(factory=default_sampler)
    schedule: ir.Schedule = field(factory=lambda: ir.Schedule("once"))
    targets: list[ir.EmitTarget] = field(factory=list)
    reliable: ir.Reliable | None = None
    problems: list[Problem] = field(factory=list)
    whole: bool = True
    single: dict[str, Span] = field(factory=dict)

    def only_one(self, what: str, statement: ast.Clause) -> None:
        """Refuse a second statement of a kind that stands once, rules included."""
        first = self.single.setdefault(what, statement.span)
        if first != statement.span:
            raise LoweringError(
                RepeatedStatement(span=statement.span, owner="a pattern", what=what, first=first)
            )


def lower_pattern(
    evaluator: Evaluator, body: Body
) -> tuple[ir.WeightPattern | None, tuple[Problem, ...]]:
    """Lower one pattern whose parameters all have values; None when it has errors."""
    declaration = body.symbol.declaration
    assert isinstance(declaration, ast.Pattern)
    collected = _Collected()
    reweight: Reweight | None = None
    env = body.environment
    node = next((item for item in declaration.body if isinstance(item, ast.Reweight)), None)
    if node is None:
        return None, ()
    try:
        reweight = None if evaluator.is_broken(node.span) else _reweight(evaluator, node, env)
    except LoweringError as error:
        collected.problems.extend(error.problems)
    scope = env.scope.with_locals(Local(node.name.name, WEIGHTS))
    env = Environment(scope, {**env.values, node.name.name: _WEIGHTS})
    _statements(evaluator, declaration.body, env, collected)
    collected.problems.extend(contradictions(collected.goals))
    if reweight is not None:
        collected.problems.extend(_free_energies(collected.asked, reweight))
    if collected.problems or reweight is None or not collected.whole:
        return None, _reached_through(body, collected.problems)
    return _assemble(body, reweight, collected), ()


def _reached_through(body: Body, problems: list[Problem]) -> tuple[Problem, ...]:
    """Say of problems in a body with arguments where these are given."""
    if body.origin is None:
        return tuple(problems)
    label = Label(body.origin, "with the arguments given here")
    return tuple(problem.reached(label) for problem in problems)


def _reweight(evaluator: Evaluator, node: ast.Reweight, env: Environment) -> Reweight:
    data = evaluator(node.data, env)
    assert isinstance(data, DataSource)
    group = evaluator(node.group, env) if node.group is not None else None
    field_name = group.name if isinstance(group, RowField) else None
    return Reweight(data, node.unit.name, field_name, node.name.name, node.span)


def _statements(
    evaluator: Evaluator, body: tuple[ast.Statement, ...], env: Environment, out: _Collected
) -> None:
    for statement in body:
        if evaluator.is_broken(statement.span):
            out.whole = False
            continue
        try:
            _statement(evaluator, statement, env, out)
        except LoweringError as error:
            out.whole = False
            out.problems.extend(error.problems)


def _statement(
    evaluator: Evaluator, statement: ast.Statement, env: Environment, out: _Collected
) -> None:
    match statement:
        case ast.Goal():
            out.goals.extend(goals(evaluator, statement, env, out.asked))
        case ast.Move():
            out.goals.append(move(evaluator, statement, env, out.asked))
        case ast.Clause(keyword="apply", expression=expression):
            rules = evaluator(expression, env)
            assert isinstance(rules, Body)
            assert isinstance(rules.symbol.declaration, ast.Rules)
            before = len(out.problems)
            with evaluator.inside(expression.span):
                _statements(evaluator, rules.symbol.declaration.body, rules.environment, out)
            out.problems[before:] = _reached_through(rules, out.problems[before:])
        case ast.Clause(keyword="require", expression=ast.Call() as call):
            out.only_one("`reliable`", statement)
            asked = evaluator(call, env)
            assert isinstance(asked, ir.Reliable)
            text = statement_text(statement.span)
            out.reliable = evolve(asked, source=text, origin=statement.span)
        case ast.Clause(keyword="require"):
            found, about = constraints(evaluator, statement, env)
            names = _ask(out.asked, about, statement)
            out.constraints.extend(
                evolve(item, expression=renamed(item.expression, names)) for item in found
            )
        case ast.Clause(keyword="minimize" | "maximize"):
            out.only_one("objective", statement)
            made, about = objective(evaluator, statement, env)
            names = _ask(out.asked, about, statement)
            out.objective = evolve(made, expression=renamed(made.expression, names))
        case ast.Clause():
            _setting(evaluator, statement, env, out)


def _ask(asked: Asked, about: tuple[ob.Observable, ...], statement: ast.Clause) -> dict[str, str]:
    """Ask for what a statement is about; return the names that it got in the pattern."""
    return {observable.name: asked.add(observable, statement.span) for observable in about}


def _setting(
    evaluator: Evaluator, statement: ast.Clause, env: Environment, out: _Collected
) -> None:
    wanted = {"estimate": SAMPLER, "schedule": SCHEDULE, "emit": TARGET}[statement.keyword]
    if statement.keyword != "emit":
        out.only_one(f"`{statement.keyword}`", statement)
    value = evaluator(statement.expression, env, wanted)
    match value:
        case Sampler():
            out.sampler = value
        case ir.Schedule():
            out.schedule = value
        case ir.EmitTarget():
            out.targets.append(evolve(value, origin=statement.span))


def _free_energies(asked: Asked, reweight: Reweight) -> Iterator[Problem]:
    """Refuse the free energy of data that the weights do not touch."""
    for observable in asked.observables.values():
        for _, primitive in observable.terms:
            inner = primitive.primitive if isinstance(primitive, ob.Restricted) else primitive
            if isinstance(inner, ob.FreeEnergy) and inner.on != reweight.data:
                yield NotTheReweightedData(span=observable.origin, data=reweight.data.name)


def _assemble(body: Body, reweight: Reweight, out: _Collected) -> ir.WeightPattern:
    queries = Queries(
        reweight=reweight,
        sampler=out.sampler,
        observables=tuple(out.asked.observables.values()),
        posteriors=_posteriors(out.asked),
    )
    declaration = body.symbol.declaration
    return ir.WeightPattern(
        name=body.name,
        queries=queries,
        goals=tuple(out.goals),
        constraints=(*out.constraints, *implied(out.constraints)),
        objective=out.objective,
        schedule=out.schedule,
        targets=tuple(out.targets),
        origin=declaration.span,
        reliable=out.reliable,
    )


def _posteriors(asked: Asked) -> tuple[PosteriorQuery, ...]:
    """Merge what the observables need: one posterior for each model and moving component."""
    needed: dict[
        tuple[ModelSource, Component | None], tuple[dict[str, None], dict[Reason, None]]
    ] = {}
    for name, observable in asked.observables.items():
        for key in _places(observable):
            names, reasons = needed.setdefault(key, ({}, {}))
            names[name] = None
            reasons.update(asked.reasons[name])
    return tuple(
        PosteriorQuery(model, component, tuple(names), tuple(reasons))
        for (model, component), (names, reasons) in needed.items()
    )


def _places(
    observable: ob.Observable,
) -> Iterator[tuple[ModelSource, Component | None]]:
    for _, primitive in observable.terms:
        match primitive:
            case ob.PrincipalDirection(family=family):
                for member in family:
                    yield from _places(member)
            case ob.Restricted(primitive=inner, component=component, posterior=posterior):
                model = getattr(inner, "model", None)
                if model is not None:
                    yield model, component
                    if posterior != "component" and not isinstance(inner, ob.FreeEnergy):
                        yield model, None
            case _:
                if primitive.model is not None:
                    yield primitive.model, None
