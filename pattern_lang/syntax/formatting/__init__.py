"""`pat fmt`: one canonical layout.

`pieces` cuts a text into statements with their comments, `groups` nests a statement's tokens by
brackets, `layout` breaks them into lines, `form` writes the file and proves that nothing is lost.
"""

from pattern_lang.syntax.formatting.form import Unproven, format_source

__all__ = ["Unproven", "format_source"]
