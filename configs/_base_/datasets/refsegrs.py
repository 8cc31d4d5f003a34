# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefSegRS, remote sensing (Yuan et al., TGRS 2024): data and metric only; else as `jsonl.py`.

Files: `data/refer/refsegrs` as `magnet-mm prepare-data` writes it. Tried on a fixture only.
"""

_base_ = './jsonl.py'

data_root = r"""{{$REFER_ROOT:data/refer}}/refsegrs"""
test_splits = ['val', 'test']  # a file each
benchmark = dict(data_root=data_root, dataset_name='refsegrs', data_prefix=dict(img_path='images'))
special_splits = {name: dict(dataset=dict(ann_file=f'{name}.jsonl')) for name in test_splits}

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=dict(benchmark, ann_file='test.jsonl', split='test'))
