# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Small LAVT with supervised edges beside its own loss, RefShapes.
_base_ = ['./lavt_tiny_refshapes.py', './_base_/plugins/boundary.py']

model = dict(auxiliary_head=[_base_.boundary_head])
