# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pictures: overlays with the referring expression."""

from magnet_mm.visualization.panels import contact_sheet, draw_panels, overlay_mask, printable
from magnet_mm.visualization.referring_visualizer import ReferringVisualizer
from magnet_mm.visualization.sentence_overlays import heat_map, overlay_sentences, sentence_color

__all__ = [
    'ReferringVisualizer',
    'contact_sheet',
    'draw_panels',
    'heat_map',
    'overlay_mask',
    'overlay_sentences',
    'printable',
    'sentence_color',
]
