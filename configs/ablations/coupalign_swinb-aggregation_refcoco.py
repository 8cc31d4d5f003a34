# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CoupAlign with the other reading of its sentence-mask alignment (reading B, our name): the masks
# carry their embeddings back to the pixels, instead of being added up.
_base_ = '../coupalign_swinb_refcoco.py'

model = dict(decode_head=dict(alignment=dict(type='SentencePixelAggregation')))
