# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet with Mask Grounding and CAM, without the alignment loss (CAL); RefCOCO (unc).
_base_ = '../magnet_swinb_refcoco.py'

model = dict(auxiliary_head=[_base_.mask_grounding_head])
