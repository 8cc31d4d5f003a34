# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What per-item results say: intervals, paired tests, groups, reports, training curves."""

from magnet_mm.analysis.bootstrap import interval, resampled_scores
from magnet_mm.analysis.curves import TrainingScalars, plot_curves, read_scalars
from magnet_mm.analysis.item_source import ItemSource
from magnet_mm.analysis.paired_items import PairedItems, pair_items

__all__ = [
    'ItemSource',
    'PairedItems',
    'TrainingScalars',
    'interval',
    'pair_items',
    'plot_curves',
    'read_scalars',
    'resampled_scores',
]
