# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet exactly as released, to load its published checkpoints and repeat their masks: the text
# branch is given BERT's additive mask where a 0/1 mask is meant (docs/methods/magnet.md). To train,
# use magnet_swinb_refcoco.py.
#   python tools/model_converters/magnet2mm.py PUBLISHED.pth magnet.pth
#   python tools/test.py configs/magnet_swinb_refcoco_released.py magnet.pth \
#       --splits val testA testB
_base_ = './magnet_swinb_refcoco.py'

model = dict(backbone=dict(fusion=dict(text_mask='additive')))  # [C]
