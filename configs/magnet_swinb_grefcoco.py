# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet on gRefCOCO (several targets, or none). The MagNet paper does not train on it: the recipe
# is that of magnet_swinb_refcoco.py, and there is no published number to compare with.
_base_ = [
    './_base_/models/magnet_swinb.py',
    './_base_/datasets/grefcoco.py',
    './_base_/schedules/schedule_40e.py',
    './_base_/default_runtime.py',
]

# our choice: of the benchmark's metrics, the one that counts no-target expressions, too
default_hooks = dict(checkpoint=dict(save_best='gIoU'))
