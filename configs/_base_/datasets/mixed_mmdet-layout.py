# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The mixed training data in mmdetection's layout (`data/coco`); else as `mixed.py`."""

_base_ = './mixed.py'

data_root = r"""{{$REFER_ROOT:data/coco}}"""
coco_layout = dict(data_root=data_root, data_prefix=dict(img_path='train2014'))  # [docs/data.md]

train_dataloader = dict(
    dataset=dict(
        datasets=[dict(one, **coco_layout) for one in _base_.train_dataloader.dataset.datasets],
        exclude=[dict(data_root=data_root, refs_file='refcocog/refs(google).p')],
    )
)
val_dataloader = dict(dataset=coco_layout)
test_dataloader = dict(dataset=coco_layout)
