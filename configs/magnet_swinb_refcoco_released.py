# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# MagNet exactly as released, to load its published checkpoints and repeat their masks: the text
# branch is given BERT's additive mask where a 0/1 mask is meant (docs/methods/magnet.md). To train,
# use magnet_swinb_refcoco.py.
#   python tools/model_converters/magnet2mm.py PUBLISHED.pth magnet.pth
#   python tools/test.py configs/magnet_swinb_refcoco_released.py magnet.pth \
#       --splits val testA testB
_base_ = './magnet_swinb_refcoco.py'

model = dict(backbone=dict(fusion=dict(text_mask='additive')))  # [C]

# A sentence of more than 20 tokens is cut with its [SEP], as LAVT does (docs/fidelity.md).
train_pipeline = [
    dict(step, keep_sep=False) if step['type'] == 'TokenizeExpression' else step
    for step in _base_.train_pipeline
]
test_pipeline = train_pipeline

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
