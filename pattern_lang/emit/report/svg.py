"""A matplotlib SVG made fit to stand inside a page: no ids that clash, colours that follow it."""

import html
import re

from markupsafe import Markup

# The plots are drawn in these colours, and each becomes what the page says it is.
INK = "#1b1f25"
MUTED = "#6b737d"
LINE = "#d8dce1"
UP = "#b4540b"
DOWN = "#1e62a7"
ACCENT = "#0c6b6d"
CHAINS = ("#3b6ea1", "#c0702a", "#3c8a5c", "#9a4fa3", "#a8842b", "#2f8f93", "#b34e66", "#6a6f3a")

_VARIABLES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    UP: "var(--up)",
    DOWN: "var(--down)",
    ACCENT: "var(--accent)",
    **{colour: f"var(--chain-{index})" for index, colour in enumerate(CHAINS)},
}

_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_OPENING = re.compile(r"<svg\b[^>]*>")
_VIEW_BOX = re.compile(r'viewBox="([^"]*)"')
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")
_FAMILY = re.compile(r"font-family: [^;\"]*;?\s*")
_REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')


def inline_svg(text: str, name: str, label: str) -> Markup:
    """Return an SVG document as an element; `name` makes its ids unique, `label` describes it."""
    text = _PROLOGUE.sub("", text, count=1)
    for pattern in (_METADATA, _STYLE, _COMMENT):
        text = pattern.sub("", text)
    text = _FONT.sub(r"font-size: \1px", text)
    text = _FAMILY.sub("", text)
    text = _REFERENCE.sub(rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    box = _VIEW_BOX.search(text)
    view = box[1] if box else "0 0 100 100"
    width, height = view.split()[2:4]
    opening = (
        f'<svg viewBox="{view}" width="{float(width) * 4 / 3:.0f}" '
        f'height="{float(height) * 4 / 3:.0f}" role="img" aria-label="{html.escape(label)}">'
    )
    return Markup(_OPENING.sub(lambda _: opening, text, count=1))  # noqa: S704 - drawn here
