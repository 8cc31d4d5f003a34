# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Own data in JSON lines (docs/data.md): data and metric only.

Files: `data/own/{train,val}.jsonl`; images and mask PNGs below `data/own`. One file with a "split"
in every line works, too: name it in both `ann_file`.
Environment: JSONL_ROOT moves the data, BERT_PATH names a local copy of bert-base-uncased.
"""

_base_ = './refcoco.py'

data_root = r"""{{$JSONL_ROOT:data/own}}"""
test_splits = ['val', 'val_shuffled', 'val_blank']  # the last two are controls

own_data = dict(
    _delete_=True,
    type='JsonLinesReferringDataset',
    data_root=data_root,
    dataset_name='own',
    data_prefix=dict(img_path='', mask_path=''),
    pipeline=_base_.train_pipeline,  # as for RefCOCO
)

train_dataloader = dict(dataset=dict(own_data, ann_file='train.jsonl', split='train'))
val_dataloader = dict(dataset=dict(own_data, ann_file='val.jsonl', split='val', test_mode=True))
test_dataloader = val_dataloader
