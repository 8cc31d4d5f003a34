# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Diagrams of per-item scores as SVG text that takes the colours of the page around it.

Text, axes and grid are ``currentColor``, backgrounds are transparent: the diagrams are readable on
light and dark pages. Run A is blue, run B orange (Okabe-Ito). Sizes and colours are our choice.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

RUN_COLORS = ('#2f86c9', '#e69f00')  # Okabe-Ito blue, lightened for dark pages, and orange
RUN_NAMES = ('A', 'B')
_INK = '#010203'  # becomes currentColor
_WIDTH = 6.2  # inches
_TALL = 4.6
_METADATA = ('Creator', 'Date', 'Format', 'Type')  # matplotlib's, left out
_STYLE = {
    'axes.edgecolor': _INK,
    'axes.labelcolor': _INK,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.titlesize': 'medium',
    'font.family': ['sans-serif'],
    'font.size': 10,
    'legend.frameon': False,
    'svg.fonttype': 'none',
    'svg.hashsalt': 'magnet_mm',  # the same file for the same numbers
    'text.color': _INK,
    'text.parse_math': False,
    'xtick.color': _INK,
    'ytick.color': _INK,
}


@dataclass(frozen=True)
class GroupBar:
    """A group of items: its oIoU in percent, its interval, the number of items."""

    name: str
    count: int
    score: float
    low: float
    high: float


def iou_histogram(runs: Sequence[np.ndarray]) -> str:
    """Share of the items per IoU bin of 5 points, one outline per run; IoUs 0 to 1."""
    with _diagram() as (figure, axes):
        edges = np.linspace(0, 1, 21)
        for place, ious in enumerate(runs):
            # the last bin holds IoU 1; 1e-9 keeps 0.05, 0.1 ... in the bin that begins there
            shares = 100 * np.histogram(np.minimum(ious + 1e-9, 1), edges)[0] / len(ious)
            color = RUN_COLORS[place]
            fill = 0.75 if len(runs) == 1 else 0.3
            axes.stairs(shares, 100 * edges, fill=True, color=color, alpha=fill)
            axes.stairs(shares, 100 * edges, color=color, linewidth=1.5, label=RUN_NAMES[place])
        axes.set(xlabel='IoU of an item (%)', ylabel='share of items (%)', xlim=(0, 100))
        axes.xaxis.set_major_locator(MultipleLocator(10))
        _legend(axes, len(runs))
        return _svg(figure)


def precision_curve(runs: Sequence[np.ndarray]) -> str:
    """P@X over X, the five published points marked; the area below is the mIoU."""
    with _diagram() as (figure, axes):
        thresholds = np.linspace(0, 1, 201)
        for place, ious in enumerate(runs):
            ordered = np.sort(ious)
            below = np.searchsorted(ordered, thresholds - 1e-9)
            share = 100 * (1 - below / len(ious))
            color = RUN_COLORS[place]
            axes.plot(100 * thresholds, share, color=color, label=RUN_NAMES[place])
            marks = [100, 120, 140, 160, 180]
            axes.plot(100 * thresholds[marks], share[marks], 'o', color=color, markersize=5)
        axes.set(xlabel='threshold X (% IoU)', ylabel='P@X: items with IoU of X or more (%)')
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.xaxis.set_major_locator(MultipleLocator(10))
        axes.yaxis.set_major_locator(MultipleLocator(20))
        _legend(axes, len(runs))
        return _svg(figure)


def group_bars(runs: Sequence[Sequence[GroupBar]], overall: Sequence[float]) -> str:
    """oIoU per group with 95 % intervals; a dashed line is the oIoU over all items.

    Args:
        runs: For each run its groups; the runs have the same groups in the same order.
        overall: oIoU of each run in percent.
    """
    groups = len(runs[0])
    height = 0.9 + groups * (0.3 if len(runs) == 1 else 0.44)
    with _diagram(height) as (figure, axes):
        thickness = 0.72 / len(runs)
        for place, bars in enumerate(runs):
            rows = np.arange(groups) + (place - (len(runs) - 1) / 2) * thickness
            scores = np.array([bar.score for bar in bars])
            errors = np.array([[bar.score - bar.low, bar.high - bar.score] for bar in bars]).T
            color = RUN_COLORS[place]
            axes.barh(rows, scores, 0.92 * thickness, color=color, label=RUN_NAMES[place])
            axes.errorbar(
                *(scores, rows),
                xerr=np.maximum(errors, 0),
                fmt='none',
                ecolor=_INK,
                elinewidth=1,
                capsize=2,
            )
            axes.axvline(overall[place], color=color, linestyle='--', linewidth=1.2, zorder=0)
        for row, bar in enumerate(runs[0]):
            axes.text(101, row, f'{bar.count:,}', va='center', ha='left', fontsize=9)
        axes.text(101, -0.85, 'items', va='center', ha='left', fontsize=9)
        axes.set_yticks(range(groups), [bar.name for bar in runs[0]])
        axes.set(xlabel='oIoU (%), line: 95 % interval, dashed: all items')
        axes.set(xlim=(0, 100), ylim=(groups - 0.4, -0.6))
        axes.tick_params(axis='y', length=0)
        _legend(axes, len(runs), outside=True)
        return _svg(figure)


def loss_bars(bars: Sequence[GroupBar], label: str) -> str:
    """Score of each group with its 95 % interval, on an axis that reaches as far as these do.

    Args:
        bars: The groups; scores may be negative.
        label: What the axis shows.
    """
    with _diagram(0.9 + 0.3 * len(bars)) as (figure, axes):
        rows = np.arange(len(bars))
        scores = np.array([bar.score for bar in bars])
        errors = np.array([[bar.score - bar.low, bar.high - bar.score] for bar in bars]).T
        axes.barh(rows, scores, 0.66, color=RUN_COLORS[0])
        errors = dict(xerr=np.maximum(errors, 0), elinewidth=1, capsize=2)
        axes.errorbar(scores, rows, fmt='none', ecolor=_INK, **errors)
        axes.axvline(0, color=_INK, linewidth=0.8)
        for row, bar in enumerate(bars):
            axes.annotate(
                f'{bar.count:,}',
                (1.01, row),
                xycoords=('axes fraction', 'data'),
                va='center',
                fontsize=9,
                annotation_clip=False,
            )
        axes.annotate(
            'number',
            (1.01, -0.85),
            xycoords=('axes fraction', 'data'),
            va='center',
            fontsize=9,
            annotation_clip=False,
        )
        axes.set_yticks(rows, [bar.name for bar in bars])
        axes.set(xlabel=f'{label}, line: 95 % interval', ylim=(len(bars) - 0.4, -0.6))
        axes.tick_params(axis='y', length=0)
        return _svg(figure)


def iou_scatter(first: np.ndarray, second: np.ndarray) -> str:
    """IoU of every item under run A (x) and run B (y)."""
    with _diagram(_TALL) as (figure, axes):
        axes.plot([0, 100], [0, 100], color=_INK, linewidth=0.8, linestyle='--')
        better = second > first
        # dots as one picture inside the SVG: thousands of them would make the page slow
        for chosen, color in ((~better, RUN_COLORS[0]), (better, RUN_COLORS[1])):
            axes.scatter(
                *(100 * first[chosen], 100 * second[chosen]),
                s=9,
                color=color,
                alpha=0.45,
                linewidths=0,
                rasterized=True,
            )
        axes.set(xlabel='IoU of A (%)', ylabel='IoU of B (%)', xlim=(-1, 101), ylim=(-1, 101))
        axes.set_aspect('equal')
        axes.text(3, 97, 'B better', va='top')
        axes.text(97, 3, 'A better', ha='right')
        return _svg(figure)


def gain_histogram(gains: np.ndarray) -> str:
    """Return the number of items per change of IoU, bins of 10 points, the middle one -5 to 5."""
    with _diagram(_TALL) as (figure, axes):
        edges = np.linspace(-105, 105, 22)
        counts, _ = np.histogram(100 * gains, edges)
        centres = (edges[:-1] + edges[1:]) / 2
        colors = [_INK if abs(c) < 5 else RUN_COLORS[int(c > 0)] for c in centres]
        bars = axes.bar(centres, counts, width=9, color=colors)
        axes.bar_label(bars, [f'{n:,}' if n else '' for n in counts], fontsize=8, padding=2)
        axes.set(xlabel='change of IoU, B minus A (points)', ylabel='items', xlim=(-105, 105))
        axes.xaxis.set_major_locator(MultipleLocator(20))
        axes.margins(y=0.1)
        return _svg(figure)


@contextmanager
def _diagram(height: float = 3.1) -> Iterator[tuple[Figure, Axes]]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout='constrained', facecolor='none')
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.set_facecolor('none')
        axes.set_axisbelow(True)
        axes.grid(color=_INK, alpha=0.15, linewidth=0.8)
        yield figure, axes


def _legend(axes: Axes, runs: int, outside: bool = False) -> None:
    if runs > 1:
        place = dict(loc='lower left', bbox_to_anchor=(0, 1), ncols=2) if outside else {}
        axes.legend(labelcolor=_INK, **place)


def _svg(figure: Figure) -> str:
    """Return the figure as an ``<svg>`` element for an HTML page."""
    file = io.StringIO()
    figure.savefig(file, format='svg', dpi=150, metadata=dict.fromkeys(_METADATA))
    text = file.getvalue()
    return text[text.index('<svg') :].replace(_INK, 'currentColor')
