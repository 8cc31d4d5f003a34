# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CrossVLT, Swin-B, G-Ref (umd); everything else as for RefCOCO.
_base_ = './crossvlt_swinb_refcoco.py'

test_splits = ['val', 'test']
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(umd).p',
    dataset_name='refcocog-umd',
)
train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
