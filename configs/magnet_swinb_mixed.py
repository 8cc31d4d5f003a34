# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet trained on RefCOCO, RefCOCO+ and G-Ref together, without any val or test image.
_base_ = [
    './_base_/models/magnet_swinb.py',
    './_base_/datasets/mixed.py',
    './_base_/schedules/schedule_40e.py',
    './_base_/default_runtime.py',
]
