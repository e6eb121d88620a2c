"""What `pat study` writes: results, verdicts, and a report with pictures."""

from pattern_lang.emit.study.files import emit_study

__all__ = ["emit_study"]
