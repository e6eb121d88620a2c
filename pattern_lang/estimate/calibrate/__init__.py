"""`pat calibrate`: settings of a sampler that are sound for every posterior of a pattern.

`service` is the whole way. `terrain` measures curvature, noise and costs at the checkpoint;
`pilot` runs short chains; `judge` says what they show, by the rules of a whole run; `sweep` is the
search; `plan` makes a whole run of the winner; `statement` writes it down. `merge` joins patterns
that can share one setting.
"""

from pattern_lang.estimate.calibrate.merge import merged
from pattern_lang.estimate.calibrate.plan import longer, rehearsal
from pattern_lang.estimate.calibrate.service import calibrate
from pattern_lang.estimate.calibrate.statement import statement

__all__ = ["calibrate", "longer", "merged", "rehearsal", "statement"]
