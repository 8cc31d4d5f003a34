# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# VLT, small enough to train on two CPU cores in minutes, on the generated RefShapes data. The
# parts of vlt_darknet53_refcoco.py but for the image encoder, whose widths are fixed; every size
# is our choice.
_base_ = [
    './_base_/models/vlt_darknet53.py',
    './_base_/visual/resnet18_tiny.py',
    './_base_/datasets/refshapes_letterboxed-words.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=(96, 96)),  # strides 8, 16 and 32 fit
    backbone=dict(
        visual=_base_.resnet18_tiny,
        text=dict(
            vocabulary_size=54,  # magnet_mm/datasets/vocabularies/refshapes
            channels=64,
            dropout=0.0,
            word_vectors=dict(channels=64, vectors=None, vocabulary=None),
        ),
    ),
    decode_head=dict(
        grid=(6, 6),  # 96 / 16
        channels=48,
        num_queries=8,
        transformer=dict(num_heads=4, dropout=0.0),
    ),
)
