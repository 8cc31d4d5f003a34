# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO+ (unc) in mmdetection's layout.

Files: `data/coco/{train2014,refcoco+}`. Else as `refcocoplus.py`.
"""

_base_ = './refcocoplus.py'

data_root = r"""{{$REFER_ROOT:data/coco}}"""
coco_layout = dict(data_root=data_root, data_prefix=dict(img_path='train2014'))  # [docs/data.md]

train_dataloader = dict(dataset=coco_layout)
val_dataloader = dict(dataset=coco_layout)
test_dataloader = dict(dataset=coco_layout)
