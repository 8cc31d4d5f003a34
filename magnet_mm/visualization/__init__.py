# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Pictures: overlays with the referring expression, and training curves."""

from .curves import TrainingScalars, plot_curves, read_scalars
from .item_source import ItemSource
from .panels import contact_sheet, draw_panels, overlay_mask, printable
from .referring_visualizer import ReferringVisualizer
from .sentence_overlays import heat_map, overlay_sentences, sentence_color

__all__ = [
    'ItemSource',
    'ReferringVisualizer',
    'TrainingScalars',
    'contact_sheet',
    'draw_panels',
    'heat_map',
    'overlay_mask',
    'overlay_sentences',
    'plot_curves',
    'printable',
    'read_scalars',
    'sentence_color',
]
