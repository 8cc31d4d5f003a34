# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Contrast of foreground and background pixels (CoupAlign, NeurIPS 2022), a plug-in for any method
# whose decode head has a pixel embedding. Established is the contrast [P], not its formula: every
# value is our choice. In a leaf, as in mask_grounding.py:
#   model = dict(auxiliary_head=[_base_.pixel_contrast_head])
pixel_contrast_head = dict(
    type='PixelContrastHead',
    channels=128,
    temperature=0.1,  # MagNet's tau_1
    max_foreground=1024,
    max_background=1024,
    loss_weight=0.1,
)
