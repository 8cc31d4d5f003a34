# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small CoupAlign with 50 masks: table 3 on RefShapes.
_base_ = '../coupalign_tiny_refshapes.py'

model = dict(decode_head=dict(mask_generator=dict(num_queries=50)))
