# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""G-Ref (RefCOCOg), umd split: data and metric only; else as `refcoco.py`.

For mmdetection's layout (`data/coco`) inherit from `refcocog-umd_mmdet-layout.py` instead.
"""

_base_ = './refcoco.py'

test_splits = ['val', 'test']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(umd).p',
    dataset_name='refcocog-umd',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
