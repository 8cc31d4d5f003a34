# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CrossVLT, Swin-B, RefCOCO+ (unc); everything else as for RefCOCO.
_base_ = './crossvlt_swinb_refcoco.py'

test_splits = ['val', 'testA', 'testB']
benchmark = dict(
    ann_file='refcoco+/instances.json',
    refs_file='refcoco+/refs(unc).p',
    dataset_name='refcocoplus',
)
train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
