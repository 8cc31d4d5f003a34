# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Diagrams: valid SVG with the colours of the page, right numbers, escaped names."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from magnet_mm.analysis import score_plots as plots

IOUS = np.array([0.0, 0.05, 0.5, 0.5, 0.95, 1.0])
BARS = [plots.GroupBar('left', 1234, 50.0, 40.0, 60.0), plots.GroupBar('x', 1, 100.0, 100, 100)]


def texts(svg):
    return [''.join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if
            element.tag.endswith('}text')]  # fmt: skip


@pytest.mark.parametrize(
    'svg',
    [
        plots.iou_histogram([IOUS, IOUS[::-1]]),
        plots.precision_curve([IOUS]),
        plots.group_bars([BARS, BARS], [55, 45]),
        plots.iou_scatter(IOUS, IOUS[::-1]),
        plots.gain_histogram(IOUS - 0.5),
    ],
)
def test_takes_the_colours_of_the_page(svg):
    ElementTree.fromstring(svg)
    assert 'currentColor' in svg
    assert plots._INK not in svg
    assert 'background' not in svg and '#ffffff' not in svg


def test_axes_have_units():
    assert 'IoU of an item (%)' in texts(plots.iou_histogram([IOUS]))
    assert 'share of items (%)' in texts(plots.iou_histogram([IOUS]))
    assert 'threshold X (% IoU)' in texts(plots.precision_curve([IOUS]))
    assert any('oIoU (%)' in text for text in texts(plots.group_bars([BARS], [50])))
    assert '1,234' in texts(plots.group_bars([BARS], [50]))


def test_counts_of_the_change_per_item():
    gains = np.array([0.0, 0.049, -0.049, 0.5, 0.52, -1.0])
    labels = texts(plots.gain_histogram(gains))
    assert [label for label in labels if label in '123'] == ['1', '3', '2']


def test_same_numbers_give_the_same_file():
    assert plots.iou_histogram([IOUS]) == plots.iou_histogram([IOUS])


def test_names_are_text():
    name = '<script>$\\frac{1}{0}$&'
    svg = plots.group_bars([[plots.GroupBar(name, 1, 1, 1, 1)]], [1])
    assert '<script>' not in svg
    assert name in texts(svg)
