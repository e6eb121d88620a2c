"""The page on an error code: what it means, a wrong and a corrected example, what to do."""

from inspect import cleandoc

from pattern_lang.diagnostics.catalogue import all_problems
from pattern_lang.resources import explain_file


def explanation(code: str) -> str:
    """Return the page on a code as Markdown. Raises KeyError for a code that does not exist."""
    problem = all_problems()[code]
    page = explain_file(code)
    if page.is_file():
        return page.read_text(encoding="utf-8")
    return f"# {code}: {problem.title}\n\n{cleandoc(problem.__doc__ or '')}\n"
