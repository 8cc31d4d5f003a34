# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What surrounds the Runner: hooks, safe loading of checkpoints, set-up of a run."""

from magnet_mm.engine.checkpointing.safe_loading import register_safe_loaders, weights_only_loading
from magnet_mm.engine.diagnostics.memory_log_processor import MemoryLogProcessor
from magnet_mm.engine.hooks import (
    ActivationCheckpointHook,
    BusyProcessorHook,
    CheckpointFitHook,
    CompileHook,
    DurableCheckpointHook,
    EpochSeedHook,
    FiniteLossHook,
    ImageSizesHook,
    NoTargetThresholdHook,
    RecipeHook,
    ReferringVisualizationHook,
    ResumeHook,
    SafeCheckpointHook,
    WorkerTimeoutHook,
)
from magnet_mm.engine.optimizers.grouped_optim_constructor import GroupedOptimWrapperConstructor

__all__ = [
    'ActivationCheckpointHook',
    'BusyProcessorHook',
    'CheckpointFitHook',
    'CompileHook',
    'DurableCheckpointHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'GroupedOptimWrapperConstructor',
    'ImageSizesHook',
    'MemoryLogProcessor',
    'NoTargetThresholdHook',
    'RecipeHook',
    'ReferringVisualizationHook',
    'ResumeHook',
    'SafeCheckpointHook',
    'WorkerTimeoutHook',
    'register_safe_loaders',
    'weights_only_loading',
]
