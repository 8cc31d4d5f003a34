# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT (Swin-B) with CoupAlign's pixel contrast beside its own losses, RefCOCO (unc).
_base_ = ['./lavt_swinb_refcoco.py', './_base_/plugins/pixel_contrast.py']

model = dict(auxiliary_head=[_base_.pixel_contrast_head])
