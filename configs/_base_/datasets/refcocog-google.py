# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""G-Ref (RefCOCOg), google split: data and metric only; else as `refcoco.py`.

This split has no test part, and its train and val parts share images.
For mmdetection's layout (`data/coco`) inherit from `refcocog-google_mmdet-layout.py` instead.
"""

_base_ = './refcoco.py'

test_splits = ['val']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(google).p',
    dataset_name='refcocog-google',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
