# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""PhraseCut (Wu et al., CVPR 2020), phrases on Visual Genome: data and metric only.

Files: `data/refer/phrasecut` as `magnet-mm prepare-data` writes it, with Visual Genome's images in
`phrasecut/images`. Else as `jsonl.py`. Tried on a fixture only.
"""

_base_ = './jsonl.py'

data_root = r"""{{$REFER_ROOT:data/refer}}/phrasecut"""
test_splits = ['val', 'test', 'miniv']  # a file each
benchmark = dict(data_root=data_root, dataset_name='phrasecut', data_prefix=dict(img_path='images'))
special_splits = {name: dict(dataset=dict(ann_file=f'{name}.jsonl')) for name in test_splits}

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=dict(benchmark, ann_file='test.jsonl', split='test'))

# mIoU, cumulative IoU (oIoU), accuracy at IoU > 0.3, 0.5, 0.7, 0.9 (P@X) at the image's size [C]
val_evaluator = dict(type='ReferringMetric', rule='phrasecut')
test_evaluator = val_evaluator
