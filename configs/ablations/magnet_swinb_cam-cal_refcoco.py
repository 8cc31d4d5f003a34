# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet with CAM and the alignment loss (CAL), without Mask Grounding; RefCOCO (unc).
_base_ = '../magnet_swinb_refcoco.py'

model = dict(auxiliary_head=[_base_.alignment_loss])
