# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# "Nothing in this picture is meant" (docs/no_target.md), a plug-in for any method whose decode head
# does not answer that itself (ReLA's does). In a leaf:
#   _base_ = ['./magnet_swinb_grefcoco.py', './_base_/plugins/no_target.py']
#   model = dict(no_target_head=_base_.no_target_head)
# The data must hold sentences that mean nothing: gRefCOCO, RefShapes' grefs, own JSON lines.
no_target_head = dict(
    type='NoTargetHead',
    channels=256,  # our choice
    loss_weight=1.0,  # our choice
)
