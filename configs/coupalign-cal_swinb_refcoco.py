# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign (Swin-B) with MagNet's cross-modal alignment loss beside its own losses, RefCOCO (unc).
_base_ = ['./coupalign_swinb_refcoco.py', './_base_/plugins/alignment_loss.py']

model = dict(auxiliary_head=_base_.model.auxiliary_head + [_base_.alignment_loss])
