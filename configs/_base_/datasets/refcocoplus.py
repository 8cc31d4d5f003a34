# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO+ (unc): data and metric only; else as `refcoco.py`.

For mmdetection's layout (`data/coco`) inherit from `refcocoplus_mmdet-layout.py` instead.
"""

_base_ = './refcoco.py'

test_splits = ['val', 'testA', 'testB']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcoco+/instances.json',
    refs_file='refcoco+/refs(unc).p',
    dataset_name='refcocoplus',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
