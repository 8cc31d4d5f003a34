# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet on gRefCOCO with an answer of its own to "is nothing meant?" (docs/no_target.md).
_base_ = ['./magnet_swinb_grefcoco.py', './_base_/plugins/no_target.py']

model = dict(no_target_head=_base_.no_target_head)
