"""Common elements of all figures: sizes, colours, markers, fonts, output as SVG. Imports nothing of the package.

Sizes are in millimetres of print. Lines differ in more than their colour.
"""

import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

SINGLE_COLUMN_MM: Final = 88.0
DOUBLE_COLUMN_MM: Final = 180.0
PAGE_COLUMN_MM: Final = 120.0
"""A figure that a page shows whole on a telephone too, with readable texts."""
REFERENCE_COLOUR: Final = "#000000"
BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREEN: Final = "#00805C"
PURPLE: Final = "#B0478F"
OLIVE: Final = "#7A5C00"
SKY: Final = "#2A9BC4"
PALETTE: Final = (BLUE, ORANGE, GREEN, PURPLE, OLIVE, SKY)
"""Colours of lines and points. Each has a contrast of 3 and more on white (WCAG 2.2, 1.4.11); the hues are those of
Okabe and Ito (2008), with the four lightest made darker. Pairs differ for people with protanopia and deuteranopia."""
_LINES: Final = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)))
_MARKERS: Final = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")  # 11 and 6 colours: 66 pairs
GREY: Final = "#767676"
LABELS_MM: Final = 19.0
"""Left margin of a frame: a label of two lines and numbers such as 0.0025."""
LETTER_MM: Final = 1.4
"""Width of a letter of a name, an upper estimate."""
_LINE_MM: Final = 2.7  # height of a line of a name

PRINT: Final[Any] = {
    "font.family": "sans-serif",
    # matplotlib includes the first font, so the bytes do not depend on the machine; the other fonts are as wide or
    # narrower, so labels do not overlap for a reader without the first
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
    "svg.fonttype": "none",  # text stays text, for search and screen readers
    "svg.hashsalt": "taper-sim",
    "text.parse_math": False,  # protocol names may contain a dollar sign
}
PAGE: Final[Any] = PRINT | {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
}
"""Settings of a figure of :data:`PAGE_COLUMN_MM`."""


@dataclass(frozen=True)
class Style:
    """Colour, line and marker of a protocol, the same in every figure."""

    colour: str
    line: Any
    marker: str


def styles_of(protocols: Sequence[str], reference: str) -> dict[str, Style]:
    """A style for each protocol; up to 67 protocols differ in colour or marker; the reference is black."""
    others = [name for name in protocols if name != reference]
    styles = {
        name: Style(PALETTE[k % len(PALETTE)], _LINES[k % len(_LINES)], _MARKERS[k % len(_MARKERS)])
        for k, name in enumerate(others)
    }
    return {reference: Style(REFERENCE_COLOUR, "-", "o"), **styles}


def wrapped(name: str, width: int, lines: int = 3) -> str:
    """A protocol's name in short lines; the CSV has the whole name."""
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return "\n".join(textwrap.wrap(plain, width, max_lines=lines, placeholder=" …")) or "?"


def empty_figure(width_mm: float, height_mm: float, *, fitted: bool) -> Figure:
    """An empty figure; ``fitted`` computes the margins from the texts at drawing time, which is slow.

    A figure with texts of known sizes sets the positions of its axes itself (:func:`inset`, :func:`place`).
    """
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained" if fitted else None)


def inset(figure: Figure, left: float, right: float, top: float, bottom: float) -> dict[str, float]:
    """Positions of a grid's sides, as shares of the figure, from margins in millimetres."""
    width, height = (25.4 * inches for inches in figure.get_size_inches())
    return {"left": left / width, "right": 1.0 - right / width, "top": 1.0 - top / height, "bottom": bottom / height}


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes with a frame ``left`` and ``top`` millimetres from the upper left corner; sizes are in millimetres."""
    whole_width, whole_height = (25.4 * inches for inches in figure.get_size_inches())
    sides = (left / whole_width, 1.0 - (top + height) / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(sides)


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Places of labels beside values, in the order of the values, at least ``gap`` apart and as near as possible."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    groups: list[tuple[float, int]] = []  # middle and number of labels that touch
    for k in order:
        middle, n = float(values[k]), 1
        while groups and middle - groups[-1][0] < gap * (n + groups[-1][1]) / 2.0:
            below, m = groups.pop()
            middle, n = (middle * n + below * m) / (n + m), n + m
        groups.append((middle, n))
    at = [middle + gap * (j - (n - 1) / 2.0) for middle, n in groups for j in range(n)]
    places = [0.0] * len(values)
    for k, place_of_label in zip(order, at, strict=True):
        places[k] = place_of_label
    return places


def longest_line(texts: Iterable[str]) -> int:
    """Letters of the longest line of some texts."""
    return max(len(line) for text in texts for line in text.split("\n"))


def most_lines(texts: Iterable[str]) -> int:
    """Lines of the text with most lines."""
    return max(text.count("\n") + 1 for text in texts)


def label_line_ends(axes: Axes, ends: Sequence[tuple[str, float, str]], height_mm: float) -> None:
    """Write the name of each line at its right end, moved apart where names would overlap.

    Parameters
    ----------
    axes : Axes
        Its limits are final.
    ends : sequence of (str, float, str)
        Name, last value and colour of each line.
    height_mm : float
        Height of the axes.
    """
    low, high = axes.get_ylim()
    labels = sorted(((value - low) / (high - low), name, colour) for name, value, colour in ends)
    clumps = [[(place_, _LINE_MM * most_lines([name]) / height_mm, name, colour)] for place_, name, colour in labels]
    k = 1
    while k < len(clumps):  # labels that overlap join a clump, which is centred on its lines
        if _middle(clumps[k - 1]) + _size(clumps[k - 1]) / 2 > _middle(clumps[k]) - _size(clumps[k]) / 2:
            clumps[k - 1 : k + 1] = [clumps[k - 1] + clumps[k]]
            k = max(1, k - 1)
        else:
            k += 1
    for clump in clumps:
        bottom = max(_middle(clump) - _size(clump) / 2, 0.0)
        for _, size, name, colour in clump:
            text = axes.text(1.015, bottom + size / 2, name, color=colour, transform=axes.transAxes, va="center")
            text.set(fontsize=6.5, linespacing=1.0)
            bottom += size


_Label = tuple[float, float, str, str]  # height of the line, height of the text, as shares of the axes; name, colour


def _middle(clump: Sequence[_Label]) -> float:
    return sum(label[0] for label in clump) / len(clump)


def _size(clump: Sequence[_Label]) -> float:
    return sum(label[1] for label in clump)


def legend_entry(style: Style, name: str, width: int, *, line: bool = False, filled: bool = True) -> Line2D:
    """The legend entry of a protocol, with its name in at most two lines of ``width`` letters."""
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
    """The figure as SVG; the same figure gives the same text."""
    with mpl.rc_context(PRINT):
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return out.getvalue().decode()
