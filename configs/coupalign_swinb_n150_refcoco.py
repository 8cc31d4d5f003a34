# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign with N = 150 masks (supplement, table 3).
_base_ = './coupalign_swinb_refcoco.py'

model = dict(decode_head=dict(mask_generator=dict(num_queries=150)))
