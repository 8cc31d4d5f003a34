# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LSCM (ECCV 2020), model only: as CMPC but for the head and the vocabulary (docs/methods/lscm.md).
_base_ = './cmpc_r101.py'

model = dict(
    backbone=dict(text=dict(vocabulary_size=21692)),  # spaCy's tokens [C]
    decode_head=dict(type='LSCMHead'),  # grid as CMPC [C]
)
