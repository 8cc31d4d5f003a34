# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO (unc): data and metric only, in the layout of the `refer` API (`data/refer`).

For mmdetection's layout (`data/coco`) inherit from `refcoco_mmdet-layout.py` instead.
Environment: REFER_ROOT moves the data, BERT_PATH names a local copy of bert-base-uncased.
"""

dataset_type = 'ReferringDataset'
data_root = r"""{{$REFER_ROOT:data/refer}}"""
test_splits = ['val', 'testA', 'testB']  # splits of the refs file that can be scored [docs/data.md]

# Identical for training and testing: no augmentation [P MagNet supp.; C LAVT]. No flips: they break
# "left" and "right". The mask is resized too: IoU is measured at input resolution [C LAVT, MagNet].
train_pipeline = [
    # our choice: Pillow, which unlike OpenCV refuses a truncated file; no EXIF rotation
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    # 480x480, aspect not kept [P]; Pillow's antialiased bilinear and its nearest [C LAVT]
    dict(type='Resize', scale=(480, 480), keep_ratio=False, backend='pillow'),
    # 20 tokens of bert-base-uncased [C LAVT, MagNet]
    dict(
        type='TokenizeExpression',
        tokenizer=r"""{{$BERT_PATH:bert-base-uncased}}""",
        max_tokens=20,
    ),
    dict(type='PackReferringInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=4,  # per GPU: 32 over 8 GPUs [P MagNet supp.]
    num_workers=4,  # our choice, as mmseg
    persistent_workers=True,  # our choice, as mmseg
    drop_last=True,  # our choice: no small last batch
    sampler=dict(type='EpochSampler', shuffle=True),  # a new sentence in every epoch
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='refcoco/instances.json',
        refs_file='refcoco/refs(unc).p',
        dataset_name='refcoco',
        data_prefix=dict(img_path='images/mscoco/images/train2014'),
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,  # our choice: scores are per item, the batch changes nothing
    num_workers=4,  # our choice, as mmseg
    persistent_workers=True,  # our choice, as mmseg
    sampler=dict(type='ImageSampler'),  # our choice: an image is read and encoded once
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='refcoco/instances.json',
        refs_file='refcoco/refs(unc).p',
        dataset_name='refcoco',
        data_prefix=dict(img_path='images/mscoco/images/train2014'),
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader  # tools/test.py --splits chooses others of `test_splits`

val_evaluator = dict(type='ReferringMetric')  # oIoU, mIoU, P@X at input resolution [C LAVT]
test_evaluator = val_evaluator
