# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO-M: RefCOCO (unc) val with other masks, a benchmark of its own; trained on RefCOCO.

Files: those of RefCOCO, and `data/refer/refcoco-m` as `magnet-mm prepare-data` writes it, with its
own images. Its scores do not compare with RefCOCO's val. Tried on a fixture only.
"""

_base_ = './refcoco.py'

test_splits = ['val']  # nothing else is in it
benchmark = dict(
    ann_file='refcoco-m/instances.json',
    refs_file='refcoco-m/refs(unc).p',
    dataset_name='refcoco-m',
    data_prefix=dict(img_path='refcoco-m/images'),
)

val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
