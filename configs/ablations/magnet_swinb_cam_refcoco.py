# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet with CAM, without Mask Grounding and the alignment loss (CAL); RefCOCO (unc).
_base_ = '../magnet_swinb_refcoco.py'

model = dict(auxiliary_head=[])
