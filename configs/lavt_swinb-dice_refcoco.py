# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LAVT with the "multi-class Dice" loss of its README's better results, RefCOCO (unc). The loss was
# never released; MultiClassDiceLoss is our reading of it.
#   tools/dist_train.sh configs/lavt_swinb-dice_refcoco.py 4
_base_ = './lavt_swinb_refcoco.py'

model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type='MultiClassDiceLoss',
            smooth=1.0,  # our choice
            loss_weight=1.0,
        )
    )
)  # our choice; no cross-entropy beside it
