# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign, ResNet-101 + BERT-base, RefCOCO (unc); everything else as with Swin-B.
_base_ = ['./coupalign_swinb_refcoco.py', './_base_/visual/resnet101.py']

model = _base_.resnet101
