"""The rule that weights follow: weights for units that were not in the program, from their χ.

Each weight depends on the column of χ of its unit alone, through as many prices as the program has
rows. Passes over the data find these prices; a small program, solved another way, is solved by
passes once more for them, and its rule has to give its weights.
"""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.verdicts import NoRule
from pattern_lang.ir import program as ir
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve.assemble import TOLERANCE, answer_of
from pattern_lang.solve.crossfit import policy_of
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.optimize import Answer
from pattern_lang.solve.resolve import codes_of
from pattern_lang.solve.structured.engine import solve_structured
from pattern_lang.solve.structured.proof import Rule
from pattern_lang.solve.threads import one_thread_each

FIRST = 4096
# A rule gives the weights of the program's own units to this, relative to the largest change.
SAME = 1e-5


@frozen(eq=False)
class WeightRule:
    """Weights as a function of χ.

    rows: how many rows of χ there are. groups: labels of the program's groups in the order of the
    rule's codes; None where no group counts.
    """

    rule: Rule
    rows: int
    groups: tuple[Any, ...] | None = None

    def weights(self, chi: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return weights (k,) of units with columns chi (m, k); raises PatternError.

        groups: (k,) labels, needed where the program limits the mass of groups. A unit of a group
        that the program had not seen gets what its χ says.
        """
        columns = np.asarray(chi, dtype=np.float64)
        if columns.ndim != 2 or columns.shape[0] != self.rows:
            raise _refused(f"χ has shape {columns.shape}, not ({self.rows}, units)")
        codes = None
        if self.groups is not None:
            if groups is None or np.shape(groups) != (columns.shape[1],):
                raise _refused(f"the pattern has groups: give the {columns.shape[1]} labels too")
            places = {label: code for code, label in enumerate(self.groups)}
            codes = np.array([places.get(label, -1) for label in np.asarray(groups).tolist()])
        return np.asarray(self.rule.weights(columns, codes))


def rule_of(pattern: WeightPattern, estimate: Estimate, solution: Solution) -> WeightRule:
    """Return the rule of a solution; raises PatternError where it has none."""
    if solution.weights is None:
        raise _refused("there are no weights")
    with one_thread_each():
        data = Estimated(estimate)
        rule = prices_of(answer_of(pattern, data, policy_of(pattern, solution)))
    if rule is None:
        raise _refused("units are coupled by more than sums over rows of χ")
    field = _grouping(pattern)
    column = None if field is None else np.asarray(data.units.fields[field])
    labels = None if rule.groups is None or column is None else codes_of(column)[1]
    made = WeightRule(rule, data.susceptibility.chi.shape[0], labels)
    if not _gives(made, data, column, solution.weights):
        raise _refused("they depend on numbers that only the units of the program have")
    return made


def prices_of(answer: Answer) -> Rule | None:
    """Return the rule of an answer, None where none gives its weights."""
    result = answer.result
    if answer.w is None or result is None:
        return None
    if result.proof is not None:
        rule: Rule = result.proof.rule
        return rule
    found = solve_structured(answer.program, answer.box, TOLERANCE)
    if found is None or found.proof is None:
        return None
    size = max(float(np.max(np.abs(answer.w - 1.0))), SAME)
    same = float(np.max(np.abs(found.w - answer.w))) <= SAME * size
    rule = found.proof.rule
    return rule if same else None


def _gives(
    rule: WeightRule, data: Estimated, column: NDArray[Any] | None, weights: NDArray[Any]
) -> bool:
    """Tell whether a rule gives the weights of the first units of the program."""
    if rule.rule.dense.size != rule.rule.rows.size + 1 or rule.rule.link.varies:
        return False
    first = slice(0, FIRST)
    groups = None if rule.groups is None or column is None else column[first]
    found = rule.weights(data.susceptibility.chi[:, first], groups)
    return bool(np.max(np.abs(found - weights[first])) <= 2.0 * SAME * max(1.0, np.max(weights)))


def _grouping(pattern: WeightPattern) -> str | None:
    """Return the field of the groups whose mass the pattern limits."""
    for constraint in pattern.constraints:
        for _, atom in constraint.expression.terms:
            if isinstance(atom, ir.GroupMass):
                return atom.field
    return None


def _refused(why: str) -> PatternError:
    return PatternError([NoRule(why=why)])
