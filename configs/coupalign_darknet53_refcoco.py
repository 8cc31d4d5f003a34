# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign, Darknet-53 + BERT-base, RefCOCO (unc); everything else as with Swin-B.
# Not comparable as it stands: the weights have seen the test images (darknet53.py).
_base_ = ['./coupalign_swinb_refcoco.py', './_base_/visual/darknet53.py']

model = _base_.darknet53
