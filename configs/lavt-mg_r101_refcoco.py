# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT (ResNet-101) with Mask Grounding beside its own losses, RefCOCO (unc).
_base_ = ['./lavt_r101_refcoco.py', './_base_/plugins/mask_grounding.py']

model = dict(auxiliary_head=[_base_.mask_grounding_head])
