# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Small MagNet with supervised edges beside its own losses, RefShapes.
_base_ = ['./magnet_tiny_refshapes.py', './_base_/plugins/boundary.py']

model = dict(auxiliary_head=_base_.model.auxiliary_head + [_base_.boundary_head])
