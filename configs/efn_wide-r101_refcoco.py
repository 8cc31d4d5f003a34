# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN as released: wide ResNet-101, RefCOCO (unc), one GPU x 16, 320x320 [C].
#   python tools/dataset_tools/build_vocabulary.py configs/efn_wide-r101_refcoco.py
#   python tools/train.py configs/efn_wide-r101_refcoco.py
# The batch norms see one GPU; with fewer than 6 images there, the released code freezes them all.
_base_ = [
    './_base_/models/efn_wide-r101.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_efn.py',
    './_base_/default_runtime.py',
]

# No augmentation [C].
train_pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    # cv2's INTER_AREA, the mask's INTER_NEAREST, aspect not kept [C]
    dict(type='Resize', scale=(320, 320), keep_ratio=False, interpolation='area', backend='cv2'),
    dict(
        type='TokenizeExpression',
        tokenizer=dict(
            type='WordTokenizer',
            vocabulary='data/vocabularies/efn_refcoco.txt',
            rule='efn',
            padding='end',  # the network works with padding behind the words alone [C]
        ),
        max_tokens=20,  # [C]
    ),
    dict(type='PackReferringInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=16,  # [C]
    dataset=dict(pipeline=train_pipeline, per_sentence=True),  # an item is a sentence [C]
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
