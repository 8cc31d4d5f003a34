# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT, Swin-B + BERT-base, RefCOCO+ (unc); else as lavt_swinb_refcoco.py.
#   tools/dist_train.sh configs/lavt_swinb_refcocoplus.py 4
_base_ = './lavt_swinb_refcoco.py'

test_splits = ['val', 'testA', 'testB']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcoco+/instances.json',
    refs_file='refcoco+/refs(unc).p',
    dataset_name='refcocoplus',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
