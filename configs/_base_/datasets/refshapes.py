# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefShapes, the generated default data (tools/dataset_tools/make_refshapes.py): data and metric.

The tokenizer is the vocabulary shipped with the package, so nothing is downloaded.
Environment: REFSHAPES_ROOT moves the data.
"""

dataset_type = 'ReferringDataset'
data_root = r"""{{$REFSHAPES_ROOT:data/refshapes}}"""
test_splits = ['val', 'testA', 'testB', 'val_shuffled', 'val_blank']  # the last two are controls

# As for RefCOCO (refcoco.py), at a size that two CPU cores can train.
train_pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    dict(type='Resize', scale=(80, 80), keep_ratio=False, backend='pillow'),  # our choice
    # 20 tokens as for RefCOCO; the vocabulary of the generator's words
    dict(type='TokenizeExpression', tokenizer='magnet_mm://refshapes', max_tokens=20),
    dict(type='PackReferringInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=16,  # our choice
    num_workers=1,  # our choice: enough, and the two cores of the demo have other work
    persistent_workers=True,  # our choice, as mmseg
    drop_last=True,  # our choice: no small last batch
    # our choice: the sentences of an image in one batch, each image encoded once
    sampler=dict(type='ImageWiseSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='refshapes/instances.json',
        refs_file='refshapes/refs(unc).p',
        dataset_name='refshapes',
        data_prefix=dict(img_path='images/mscoco/images/train2014'),
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,  # our choice: scores are per item, the batch changes nothing
    num_workers=2,  # our choice
    persistent_workers=True,  # our choice, as mmseg
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='refshapes/instances.json',
        refs_file='refshapes/refs(unc).p',
        dataset_name='refshapes',
        data_prefix=dict(img_path='images/mscoco/images/train2014'),
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader  # tools/test.py --splits chooses others of `test_splits`

val_evaluator = dict(type='ReferringMetric')  # oIoU, mIoU, P@X at input resolution [C LAVT]
test_evaluator = val_evaluator

# What tools/test.py --splits takes from other files of RefShapes (docs/no_target.md)
special_splits = dict(
    val_pairs=dict(
        dataset=dict(type=dataset_type, refs_file='refshapes/refs(pairs).p'),
        evaluator=dict(type='PairReferringMetric'),
    ),
    val_absent=dict(
        dataset=dict(type='GeneralizedReferringDataset', refs_file='refshapes/grefs(unc).json'),
        # of a model without an answer, fewer than 50 of 80 x 80 pixels say "no target" (our choice)
        evaluator=dict(type='GeneralizedReferringMetric', min_target_pixels=50),
    ),
)
