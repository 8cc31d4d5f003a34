# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What every run shares. "our choice" marks values that no paper prescribes."""

_base_ = './tta.py'

default_scope = 'mmseg'
custom_imports = dict(imports=['magnet_mm'], allow_failed_imports=False)

env_cfg = dict(
    cudnn_benchmark=True,  # our choice: all inputs have one size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),  # as mmseg
    dist_cfg=dict(backend='nccl'),  # as mmseg; without an accelerator the tools start gloo
)

# Hooks that must not be lost stand here: a leaf's dict is merged into this one, while a leaf's
# custom_hooks would replace the list.
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=True),  # as mmseg
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='DurableCheckpointHook',  # a crash or a full disk leaves the last good one
        by_epoch=True,
        interval=1,  # our choice
        max_keep_ckpts=2,  # our choice: Swin-B, BERT-base and AdamW state take 3.6 GB a file
        save_best='oIoU',  # [C] LAVT: best oIoU on val
        rule='greater',  # mmengine cannot tell the direction of oIoU from its name
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),  # the epoch of EpochSampler
    # val_samples.png after every validation; draws tests with tools/test.py --show-dir
    visualization=dict(type='ReferringVisualizationHook', val_samples=8),  # our choice
    epoch_seed=dict(type='EpochSeedHook'),  # a resumed run continues with the same losses
    safe_checkpoint=dict(type='SafeCheckpointHook'),  # files load with weights_only=True
    checkpoint_fit=dict(type='CheckpointFitHook'),  # no test of partly random weights
    no_target=dict(type='NoTargetThresholdHook'),  # the threshold that a checkpoint carries
    resume=dict(type='ResumeHook'),  # passes over damaged files, repeats a cut-off validation
    finite_loss=dict(type='FiniteLossHook'),  # NaN stops before the weights are touched
    worker_timeout=dict(type='WorkerTimeoutHook', seconds=600),  # our choice
    recipe=dict(type='RecipeHook'),  # batch and schedule are those that the learning rate is for
    busy_processor=dict(type='BusyProcessorHook'),  # on a CPU: one thread where two spin
    image_sizes=dict(type='ImageSizesHook'),  # a batch of unequal images: what to change
    score_record=dict(type='ScoreRecordHook'),  # scores.json after every evaluation
)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='ReferringVisualizer', vis_backends=vis_backends, name='visualizer')

log_processor = dict(type='MemoryLogProcessor', by_epoch=True)  # memory without CUDA too
log_level = 'INFO'
load_from = None
resume = False
# our choice: any fixed seed; without one the order of the data would change at a resume
randomness = dict(seed=0)
