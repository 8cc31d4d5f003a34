# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LTS-style (CVPR 2021), model only: our reading (docs/methods/lts.md). Image encoder, sentence and
# fusion are VLT's; nothing of this is established but that the parts exist.
_base_ = './vlt_darknet53.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='LTSHead',
        channels=256,  # our choice
        locate='filter',  # or 'transformer'; the paper has both
        location_weight=1.0,  # our choice
        threshold=0.5,  # our choice
        norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01),  # as VLT
    )
)
