# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Runner hooks: safe and fitting checkpoints, exact resuming, pictures, memory."""

from magnet_mm.engine.hooks.activation_checkpoint_hook import ActivationCheckpointHook
from magnet_mm.engine.hooks.checkpoint_fit_hook import CheckpointFitHook
from magnet_mm.engine.hooks.epoch_seed_hook import EpochSeedHook
from magnet_mm.engine.hooks.referring_visualization_hook import ReferringVisualizationHook
from magnet_mm.engine.hooks.safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'ActivationCheckpointHook',
    'CheckpointFitHook',
    'EpochSeedHook',
    'ReferringVisualizationHook',
    'SafeCheckpointHook',
]
