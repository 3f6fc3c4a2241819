"""What every figure shares: sizes, colours, signs, letters, and the way to SVG. Imports nothing of the package.

Sizes are those of print (millimetres), colours those of Okabe and Ito (2008), and no line is told from another by
colour alone.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

SINGLE_COLUMN_MM: Final = 88.0
DOUBLE_COLUMN_MM: Final = 180.0
REFERENCE_COLOUR: Final = "#000000"
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINES: Final = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)))
_MARKERS: Final = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")  # 11 and 6 colours: 66 pairs
GREY: Final = "#767676"

PRINT: Final[Any] = {
    "font.family": "sans-serif",
    # the first comes with matplotlib, so bytes do not depend on the machine; where a reader lacks it, the others are
    # as wide or narrower, so that no label grows into its neighbour
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "svg.hashsalt": "taper-sim",
    "text.parse_math": False,  # a dollar sign in a protocol's name is a dollar sign
}


@dataclass(frozen=True)
class Style:
    """Colour, line and marker of a protocol, the same in every figure."""

    colour: str
    line: Any
    marker: str


def styles_of(protocols: Sequence[str], reference: str) -> dict[str, Style]:
    """A style for each protocol, no two alike in colour and marker up to 67; the reference is black."""
    others = [name for name in protocols if name != reference]
    styles = {
        name: Style(_COLOURS[k % len(_COLOURS)], _LINES[k % len(_LINES)], _MARKERS[k % len(_MARKERS)])
        for k, name in enumerate(others)
    }
    return {reference: Style(REFERENCE_COLOUR, "-", "o"), **styles}


def wrapped(name: str, width: int, lines: int = 3) -> str:
    """A protocol's name in a few short lines; the whole name stands in the CSV."""
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return "\n".join(textwrap.wrap(plain, width, max_lines=lines, placeholder=" …")) or "?"


def empty_figure(width_mm: float, height_mm: float, *, fitted: bool) -> Figure:
    """A figure of a size; where ``fitted``, room is made for its texts when it is drawn, which takes most of the time.

    A figure whose texts have sizes known beforehand says where its axes stand (:func:`inset`, :func:`place`).
    """
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained" if fitted else None)


def inset(figure: Figure, left: float, right: float, top: float, bottom: float) -> dict[str, float]:
    """Margins in millimetres as the sides of a grid, shares of the figure."""
    width, height = (25.4 * inches for inches in figure.get_size_inches())
    return {"left": left / width, "right": 1.0 - right / width, "top": 1.0 - top / height, "bottom": bottom / height}


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose frame stands ``left`` and ``top`` millimetres from that corner, sizes in millimetres too."""
    whole_width, whole_height = (25.4 * inches for inches in figure.get_size_inches())
    sides = (left / whole_width, 1.0 - (top + height) / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(sides)


def key_of(style: Style, name: str, width: int, *, line: bool = False, filled: bool = True) -> Line2D:
    """The entry of a protocol in a legend, its name in at most two lines of ``width`` letters."""
    return Line2D(
        [],
        [],
        color=style.colour,
        linestyle=style.line if line else "none",
        linewidth=1.1,
        marker=style.marker,
        markersize=3.5,
        markerfacecolor=style.colour if filled else "white",
        label=wrapped(name, width, 2),
    )


def svg(figure: Figure, title: str) -> str:
    """The figure as SVG, the same text every time."""
    with mpl.rc_context(PRINT):
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return out.getvalue().decode()
