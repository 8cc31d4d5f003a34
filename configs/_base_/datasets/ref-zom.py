# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Ref-ZOM, sentences that mean none, one or many objects (Hu et al., ICCV 2023): data and metric.

Files: `data/refer/ref-zom` as published, and COCO 2014 train and val images in one folder,
`data/refer/images/mscoco/images/trainval2014` (docs/data.md). Else as `refcoco.py`. Tried on a
fixture only.
"""

_base_ = './refcoco.py'

test_splits = ['test']  # train and test are all there is [docs/data.md]
benchmark = dict(
    type='GeneralizedReferringDataset',
    ann_file='ref-zom/instances.json',
    refs_file='ref-zom/refs(final).p',
    dataset_name='ref-zom',
    data_prefix=dict(img_path='images/mscoco/images/trainval2014'),
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=dict(benchmark, split='test'))
test_dataloader = val_dataloader

# oIoU, mIoU, P@X where something is meant; Acc where nothing is: no pixel predicted [C DMMI]
val_evaluator = dict(
    _delete_=True,
    type='GeneralizedReferringMetric',
    min_target_pixels=1,
    count_ignored=False,
    protocol='ref-zom',
)
test_evaluator = val_evaluator
