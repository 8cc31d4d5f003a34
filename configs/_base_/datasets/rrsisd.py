# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RRSIS-D, remote sensing (Liu et al., CVPR 2024): data and metric only; else as `refcoco.py`.

Files: `data/refer/{rrsisd,images/rrsisd/JPEGImages}` as published. Tried on a fixture only.
"""

_base_ = './refcoco.py'

test_splits = ['val', 'test']  # splits of the refs file that can be scored [docs/data.md]
# some images have a row more or less than their masks [docs/data.md]
train_pipeline = [
    dict(step, size_tolerance=1) if step['type'].startswith('LoadReferring') else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline
benchmark = dict(
    ann_file='rrsisd/instances.json',
    refs_file='rrsisd/refs(unc).p',
    dataset_name='rrsisd',
    data_prefix=dict(img_path='images/rrsisd/JPEGImages'),
    pipeline=train_pipeline,
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
