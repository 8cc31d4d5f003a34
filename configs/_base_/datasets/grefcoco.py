# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""gRefCOCO (unc), expressions that mean several objects or none, in the layout of the `refer` API.

Else as `refcoco.py`; scored by gIoU, cIoU, N-acc, T-acc and Pr@X.
"""

_base_ = './refcoco.py'

# testA and testB are in later releases of the file only
generalized = dict(
    type='GeneralizedReferringDataset',
    ann_file='grefcoco/instances.json',
    refs_file='grefcoco/grefs(unc).json',
    dataset_name='grefcoco',
)

train_dataloader = dict(dataset=generalized)
val_dataloader = dict(dataset=generalized)
test_dataloader = dict(dataset=generalized)

# of a model without a no-target answer, fewer than 50 pixels say "no target" (our choice)
val_evaluator = dict(_delete_=True, type='GeneralizedReferringMetric', min_target_pixels=50)
test_evaluator = val_evaluator
