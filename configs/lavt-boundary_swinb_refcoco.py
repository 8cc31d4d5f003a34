# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT (Swin-B) with supervised edges beside its own loss, RefCOCO (unc).
_base_ = ['./lavt_swinb_refcoco.py', './_base_/plugins/boundary.py']

model = dict(auxiliary_head=[_base_.boundary_head])
