# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCLEF (ReferIt), unc split: data and metric only; else as `refcoco.py`.

Files: `data/refer/{refclef,images/saiapr_tc-12}` as published. Tried on a fixture only.
"""

_base_ = './refcoco.py'

test_splits = ['val', 'testA', 'testB', 'testC']  # splits of the refs file that can be scored
benchmark = dict(
    ann_file='refclef/instances.json',
    refs_file='refclef/refs(unc).p',
    dataset_name='refclef-unc',
    data_prefix=dict(img_path='images/saiapr_tc-12'),
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
