"""`report.html`: one self-contained page that says what was asked, what is predicted and why."""

from pattern_lang.emit.report.page import ReportInput, render_report, report_fingerprint

__all__ = ["ReportInput", "render_report", "report_fingerprint"]
