"""What every plot of the report shares: matplotlib, loaded late and set the same way each time."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from markupsafe import Markup

from pattern_lang.emit.report.svg import INK, MUTED, inline_svg


def plots_available() -> bool:
    """Tell whether matplotlib can be imported."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def plots_expected() -> bool:
    """Tell whether matplotlib is installed, without the third of a second that loading it takes."""
    try:
        return find_spec("matplotlib") is not None
    except ValueError:  # something stands in its place that is not a module
        return False


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with matplotlib's own defaults, whatever the user's settings, and the same each time."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # The browser has glyphs that matplotlib's own font lacks.
        warnings.simplefilter("ignore", UserWarning)
        mpl.rcParams.update(mpl.rcParamsDefault)
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "pattern-lang",
                "text.parse_math": False,
                "axes.unicode_minus": True,
                "font.size": 9.5,
                "axes.edgecolor": MUTED,
                "axes.labelcolor": MUTED,
                "axes.linewidth": 0.8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "text.color": INK,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "xtick.labelcolor": MUTED,
                "ytick.labelcolor": MUTED,
                "path.simplify": True,
            }
        )
        yield


def new_axes(width: float, height: float, margins: tuple[float, float, float, float]) -> Any:
    """Return axes in a figure of some inches; margins are left, right, bottom, top in inches."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    left, right, bottom, top = margins
    box = (left / width, bottom / height)
    size = (1 - (left + right) / width, 1 - (bottom + top) / height)
    axes = figure.add_axes((*box, *size))
    axes.patch.set_visible(False)
    return axes


def name_y(axes: Any, text: str, inches: float, points: float = 8) -> None:
    """Write the name of the y axis above it, where it reads without turning the head."""
    axes.annotate(
        text,
        (0, 1),
        (-72 * inches, points),
        xycoords="axes fraction",
        textcoords="offset points",
        color=MUTED,
    )


def finished(axes: Any, name: str, label: str) -> Markup:
    """Return the figure of some axes as an element of a page."""
    buffer = io.StringIO()
    axes.figure.patch.set_visible(False)
    axes.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return inline_svg(buffer.getvalue(), name, label)
