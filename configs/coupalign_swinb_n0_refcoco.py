# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign without mask generator and sentence-mask alignment: N = 0 of its supplement's table 3.
# What is left of the head is LAVT's: a 1x1 convolution to two classes on the decoder's map.
_base_ = './coupalign_swinb_refcoco.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='LAVTHead',
        norm_cfg=_base_.model.decode_head.norm_cfg,
        loss_decode=_base_.model.decode_head.loss_decode,
    )
)
