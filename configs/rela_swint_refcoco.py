# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# ReLA with Swin-T on RefCOCO (unc).
_base_ = ['./rela_swinb_refcoco.py', './_base_/visual/swint.py']

model = _base_.swint
