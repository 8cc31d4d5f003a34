# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""R-RefCOCO, RefCOCO with sentences that mean nothing (Wu et al., TIP 2024): data and metric only.

Files: `data/refer/rrefcoco` as published. For R-RefCOCO+ and R-RefCOCOg inherit and set `ann_file`,
`refs_file` and `dataset_name` of the three datasets. Else as `refcoco.py`. Tried on a fixture only.
"""

_base_ = './refcoco.py'

test_splits = ['val', 'testA', 'testB']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    type='GeneralizedReferringDataset',
    ann_file='rrefcoco/instances.json',
    refs_file='rrefcoco/refs(unc).p',
    dataset_name='rrefcoco',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)

# oIoU, mIoU, rIoU and mRR; a negative sentence is recognised if no pixel is predicted [C]
val_evaluator = dict(
    _delete_=True,
    type='GeneralizedReferringMetric',
    min_target_pixels=1,
    count_ignored=False,
    protocol='r-refcoco',
)
test_evaluator = val_evaluator
