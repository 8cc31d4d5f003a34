# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet (Swin-B) with supervised edges beside its own losses, RefCOCO (unc).
_base_ = ['./magnet_swinb_refcoco.py', './_base_/plugins/boundary.py']

model = dict(auxiliary_head=_base_.model.auxiliary_head + [_base_.boundary_head])
