"""Everything that `pat compile` writes: weights, χ, plan, queries, diagnostics and the report.

`emit` writes a pattern's folder, `read` reads it back, `check_targets` refuses at once what
`emit` would refuse after the work is done.
"""

from pattern_lang.emit.emission import emit
from pattern_lang.emit.targets import weight_paths as check_targets

__all__ = ["check_targets", "emit"]
