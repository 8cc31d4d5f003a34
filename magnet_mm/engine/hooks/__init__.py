# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Runner hooks: safe and fitting checkpoints, exact resuming, pictures, memory."""

from magnet_mm.engine.hooks.activation_checkpoint_hook import ActivationCheckpointHook
from magnet_mm.engine.hooks.busy_processor_hook import BusyProcessorHook
from magnet_mm.engine.hooks.checkpoint_fit_hook import CheckpointFitHook
from magnet_mm.engine.hooks.compile_hook import CompileHook
from magnet_mm.engine.hooks.durable_checkpoint_hook import DurableCheckpointHook
from magnet_mm.engine.hooks.epoch_seed_hook import EpochSeedHook
from magnet_mm.engine.hooks.finite_loss_hook import FiniteLossHook
from magnet_mm.engine.hooks.image_sizes_hook import ImageSizesHook
from magnet_mm.engine.hooks.no_target_threshold_hook import NoTargetThresholdHook
from magnet_mm.engine.hooks.recipe_hook import RecipeHook
from magnet_mm.engine.hooks.referring_visualization_hook import ReferringVisualizationHook
from magnet_mm.engine.hooks.resume_hook import ResumeHook
from magnet_mm.engine.hooks.safe_checkpoint_hook import SafeCheckpointHook
from magnet_mm.engine.hooks.score_record_hook import ScoreRecordHook
from magnet_mm.engine.hooks.worker_timeout_hook import WorkerTimeoutHook

__all__ = [
    'ActivationCheckpointHook',
    'BusyProcessorHook',
    'CheckpointFitHook',
    'CompileHook',
    'DurableCheckpointHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'ImageSizesHook',
    'NoTargetThresholdHook',
    'RecipeHook',
    'ReferringVisualizationHook',
    'ResumeHook',
    'SafeCheckpointHook',
    'ScoreRecordHook',
    'WorkerTimeoutHook',
]
