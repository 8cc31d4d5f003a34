# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT, Swin-B + BERT-base, G-Ref (umd); else as lavt_swinb_refcoco.py.
#   tools/dist_train.sh configs/lavt_swinb_refcocog-umd.py 4
_base_ = './lavt_swinb_refcoco.py'

test_splits = ['val', 'test']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(umd).p',
    dataset_name='refcocog-umd',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
