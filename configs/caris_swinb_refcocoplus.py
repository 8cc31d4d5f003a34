# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CARIS, Swin-B (window 7) + BERT-base, RefCOCO+ (unc); else as caris_swinb_refcoco.py.
#   tools/dist_train.sh configs/caris_swinb_refcocoplus.py 2 --amp
_base_ = './caris_swinb_refcoco.py'

test_splits = ['val', 'testA', 'testB']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcoco+/instances.json',
    refs_file='refcoco+/refs(unc).p',
    dataset_name='refcocoplus',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
