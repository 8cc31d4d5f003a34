# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT, Swin-B + BERT-base, G-Ref (google); else as lavt_swinb_refcoco.py.
#   tools/dist_train.sh configs/lavt_swinb_refcocog-google.py 4
_base_ = './lavt_swinb_refcoco.py'

test_splits = ['val']  # splits of the refs file that can be scored [docs/data.md]
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(google).p',
    dataset_name='refcocog-google',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
