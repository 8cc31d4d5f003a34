# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Mask Grounding (MagNet, CVPR 2024), a plug-in for any method (MagNet supplement, section 5). In a
# leaf:
#   _base_ = ['./lavt_swinb_refcoco.py', './_base_/plugins/mask_grounding.py']
#   model = dict(auxiliary_head=[_base_.mask_grounding_head])
# or, where there are auxiliary heads already (lists are replaced, not joined):
#   model = dict(auxiliary_head=_base_.model.auxiliary_head + [_base_.mask_grounding_head])
mask_grounding_head = dict(
    type='MaskGroundingHead',
    mask_token_id=103,  # [MASK] of bert-base-uncased
    corruption=0.15,  # [P supp. sec. 3]
    masked_share=0.9,  # the author points at ovr-cnn's 0.9 / 0 / 0.1 [S]
    num_layers=8,  # [P supp. sec. 3]
    num_heads=12,  # our choice: BERT-base
    ffn_channels=3072,  # our choice: BERT-base
    loss_weight=1.0,  # our choice
)
