# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small CoupAlign without mask generator and sentence-mask alignment (N = 0).
_base_ = '../coupalign_tiny_refshapes.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='LAVTHead',
        channels=_base_.model.decode_head.channels,
        norm_cfg=_base_.model.decode_head.norm_cfg,
        loss_decode=_base_.model.decode_head.loss_decode,
    )
)
