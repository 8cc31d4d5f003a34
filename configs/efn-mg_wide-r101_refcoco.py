# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# EFN with Mask Grounding. Its vocabulary has no mask token: a hidden word becomes an unknown one.
_base_ = ['./efn_wide-r101_refcoco.py', './_base_/plugins/mask_grounding.py']

model = dict(
    auxiliary_head=[
        dict(_base_.mask_grounding_head, mask_token_id=3, num_heads=8, ffn_channels=2048)
    ]
)
