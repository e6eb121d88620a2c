"""The numbers of an estimate as the solver needs them, checked once."""

from functools import cached_property

import numpy as np
from attrs import define, field

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.verdicts import UnknownSpread, UnusableResponse
from pattern_lang.ir.program import Amount
from pattern_lang.ir.susceptibility import Estimate, Susceptibility, UnitTable
from pattern_lang.semantics.units import Unit
from pattern_lang.solve.normal import Spread, Vector
from pattern_lang.solve.response import Response, RowOf

LARGE = "β, or what it is the sum of squares of"


@define(frozen=True, slots=False, eq=False)
class Estimated:
    """An estimate, read as rows of the response `R = β χ` (so that `R (w - 1)` are shifts).

    χ is taken exactly as the float32 numbers of the susceptibility file, in float64 arithmetic.
    """

    estimate: Estimate = field(repr=False)

    @property
    def susceptibility(self) -> Susceptibility:
        """Return χ and its noise."""
        return self.estimate.susceptibility

    @property
    def units(self) -> UnitTable:
        """Return the units."""
        return self.estimate.units

    @property
    def n(self) -> int:
        """Return the number of units."""
        return int(self.susceptibility.chi.shape[1])

    @cached_property
    def sizes(self) -> Vector:
        """Return how many rows or tokens each unit stands for, (n,)."""
        return np.asarray(self.units.size, dtype=np.float64)

    def index(self, observable: str) -> int:
        """Return the row of an observable; raises PatternError when χ has none."""
        try:
            return self.susceptibility.row(observable)
        except ValueError:
            what = f"the estimate has no row for `{observable}`"
            raise PatternError([UnusableResponse(what=what)]) from None

    @cached_property
    def response(self) -> Response:
        """Return χ as the rows of a response."""
        return Response.of(self.susceptibility.chi)

    def row(self, observable: str) -> RowOf:
        """Return β χ of an observable, for n units; raises PatternError when it is not finite."""
        index, beta = self.index(observable), self.susceptibility.beta
        if not (np.isfinite(self.response.survey()[index]) and np.isfinite(beta)):
            bad = np.flatnonzero(~np.isfinite(self.susceptibility.chi[index]))
            where = f"{bad.size} of {self.n} units, first at unit {bad[0]}" if bad.size else LARGE
            what = f"the susceptibility of `{observable}` is not finite ({where})"
            raise PatternError([UnusableResponse(what=what)])
        return RowOf(self.response, index, beta)

    def spread(self, observable: str) -> Spread:
        """Return the standard error of the shift as a norm of w - 1.

        Raises PatternError without two finite replicates.
        """
        noise, row = self.susceptibility.noise, self.index(observable)
        if noise.count < 2 or not (
            np.all(np.isfinite(noise.loadings[:, row])) and np.all(np.isfinite(noise.basis))
        ):
            what = f"`risk({observable})` needs at least two finite replicates of χ"
            raise PatternError([UnusableResponse(what=what)])
        beta = self.susceptibility.beta
        residual = noise.residual
        return Spread(
            beta * noise.factor(row),
            noise.basis,
            None if residual is None else beta**2 * residual.row(row),
        )

    def stderr(self, coefficients: dict[str, float], w: Vector) -> float | None:
        """Return the standard error of `Σ coefficient · shift` at w (n,), None without noise."""
        chosen = np.zeros(len(self.susceptibility.observables))
        for observable, coefficient in coefficients.items():
            chosen[self.index(observable)] += coefficient
        value = abs(self.susceptibility.beta) * self.susceptibility.noise.stderr(chosen, w - 1.0)
        return value if np.isfinite(value) else None

    def sd(self, observable: str) -> float | None:
        """Return the posterior standard deviation of an observable, None when it has none."""
        value = float(self.susceptibility.sd[self.index(observable)])
        return value if np.isfinite(value) and value > 0 else None

    def unit(self, observable: str) -> str:
        """Return the unit of an observable."""
        return self.susceptibility.observable_units[self.index(observable)]

    def factor(self, unit: Unit, observable: str, span: Span | None) -> float:
        """Return how much one of `unit` is in the observable's own unit; raises PatternError."""
        if unit is not Unit.SD:
            return 1.0
        sd = self.sd(observable)
        if sd is None:
            shown = f"{float(self.susceptibility.sd[self.index(observable)]):g}"
            problem = UnknownSpread(
                span=span, observable=observable, sd=shown, unit=self.unit(observable)
            )
            raise PatternError([problem])
        return sd

    def native(self, amount: Amount, observable: str, span: Span | None) -> float:
        """Return an amount in the observable's own unit; raises PatternError."""
        return amount.value * self.factor(amount.unit, observable, span)
