"""What may stand in a study."""

from pattern_lang.semantics.calls import report_incomplete
from pattern_lang.semantics.context import Context
from pattern_lang.semantics.scope import Scope
from pattern_lang.semantics.statements import report_repeats
from pattern_lang.semantics.types import (
    ARM,
    INT,
    OPTIMIZER,
    RANGE,
    ListType,
    NumberType,
    ObservableType,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

_MEASURES = tuple(ObservableType(None, family=count) for count in (0, 1))
_SEEDS = (RANGE, INT, ListType(INT))
_SINGLE = {word: f"`{word}`" for word in ("arms", "seeds", "using")}


def check_study(context: Context, node: ast.Study, scope: Scope) -> None:
    """Check the items of a study."""
    report_repeats(context, "a study", node.body, _SINGLE)
    for item in node.body:
        match item.keyword:
            case "arms":
                for arm in item.expressions:
                    context.check(arm, scope, ARM, place="each arm")
                    _complete(context, arm, scope)
            case "seeds":
                context.check(item.expressions[0], scope, *_SEEDS, place="what `seeds` takes")
            case "using":
                context.check(item.expressions[0], scope, OPTIMIZER, place="what `using` takes")
            case "measure":
                for measure in item.expressions:
                    context.check(measure, scope, *_MEASURES, place="what `measure` takes")
                if item.every is not None:
                    steps = NumberType(Unit.STEPS)
                    context.check(item.every, scope, steps, INT, place="what `every` takes")


def _complete(context: Context, arm: ast.Expression, scope: Scope) -> None:
    """Report patterns that still need arguments: only a complete one can be trained."""
    if isinstance(arm, ast.Call):
        for given in arm.arguments:
            _complete(context, given.value if isinstance(given, ast.Named) else given, scope)
        return
    report_incomplete(context, arm, scope)
