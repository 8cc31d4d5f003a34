# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Cross-modal alignment loss (CAL; MagNet, CVPR 2024), a plug-in for any method whose decode head
# has a pixel embedding. In a leaf, as in mask_grounding.py:
#   model = dict(auxiliary_head=[_base_.alignment_loss])
alignment_loss = dict(
    type='AlignmentLoss',
    pixel_temperature=0.1,  # tau_1 [P supp. sec. 3]
    text_temperature=0.3,  # tau_2 [P supp. sec. 3]
    max_foreground=1024,  # our choice
    max_background=4096,  # our choice
    loss_weight=1.0,  # our choice
)
