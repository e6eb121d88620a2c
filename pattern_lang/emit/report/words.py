"""Numbers and foreign text, made fit for a reader."""

import math
import unicodedata
from typing import Any

import numpy as np
from attrs import frozen
from markupsafe import Markup, escape

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3, signed: bool = False) -> str:
    """Return a number with some significant digits, or a dash for none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent >= 6:
        mantissa, _, power = f"{abs(value):.{digits - 1}e}".partition("e")
        text = f"{_short(mantissa)} × 10{str(int(power)).translate(_SUPERSCRIPT)}"
    else:
        text = _short(f"{abs(value):.{max(0, digits - 1 - exponent)}f}")
    return _sign(value, signed) + text


def with_error(value: float | None, error: float | None, signed: bool = True) -> str:
    """Return `value ± error`, both to the second significant digit of the error."""
    if value is None or error is None or not math.isfinite(error) or error <= 0:
        return number(value, signed=signed)
    exponent = math.floor(math.log10(error))
    if not -6 <= exponent <= 4 or not math.isfinite(value):
        return f"{number(value, signed=signed)} ± {number(error, 2)}"
    places = max(0, 1 - exponent)
    return f"{_sign(value, signed)}{abs(value):.{places}f} ± {error:.{places}f}"


def fixed(value: float | None, places: int = 2, signed: bool = False) -> str:
    """Return a number with a fixed count of decimals."""
    if value is None or not math.isfinite(value):
        return NONE
    return _sign(round(value, places), signed) + f"{abs(value):.{places}f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage of two or three digits."""
    if share is None or not math.isfinite(share):
        return NONE
    value = 100 * share
    places = 0 if abs(value) >= 10 or value == round(value) else 1 if abs(value) >= 0.1 else 2
    return f"{value:.{places}f} %"


def count(value: int) -> str:
    """Return an integer with its thousands set apart."""
    return f"{value:,}".replace(",", " ")


def line(text: str, limit: int = 240) -> str:
    """Return foreign text as one line of bounded length."""
    return clip(text, limit, limit + 1).text


def coded(text: str) -> Markup:
    """Return escaped text in which what stands between backticks is code."""
    parts = [escape(part) for part in text.split("`")]
    joined = (f"<code>{part}</code>" if i % 2 else str(part) for i, part in enumerate(parts))
    return Markup("".join(joined))  # noqa: S704 - every part is escaped


def quoted(text: str, limit: int = 60) -> str:
    """Return foreign text between backticks, for `coded`."""
    return "`" + clip(text, limit).text.replace("`", "'") + "`"


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sign(value: float, signed: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if signed and value > 0 else ""


@frozen
class Clipped:
    """Text that fits, and the longer text where something was left out."""

    text: str
    title: str | None = None


def visible(text: str) -> str:
    """Return text without characters that a page cannot show or that would reorder it."""
    return "".join(char if _harmless(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _harmless(char: str) -> bool:
    return char >= " " and unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Cn", "Co"}


def clip(value: Any, limit: int = 72, title_limit: int = 480) -> Clipped:
    """Return any value as one short line; only the first part of a very long text is read."""
    if isinstance(value, float | np.floating):
        return Clipped(number(float(value), 4))
    text = value if isinstance(value, str) else str(value)
    whole = len(text) <= title_limit
    start = visible(" ".join(text[:title_limit].split()))
    if whole and len(start) <= limit:
        return Clipped(start)
    title = start if whole else f"{start}… ({count(len(text))} characters)"
    return Clipped(start[: limit - 1].rstrip() + "…", title)
