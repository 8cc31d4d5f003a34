# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# The small ReLA, which answers itself, on RefShapes with sentences that mean several objects or
# none (docs/no_target.md).
_base_ = ['./rela_tiny_refshapes.py', './_base_/datasets/grefshapes.py']

model = dict(
    # magnet_mm/datasets/vocabularies/grefshapes
    backbone=dict(text=dict(config=dict(vocab_size=66)))
)
train_dataloader = dict(dataset=_base_.grefshapes)
val_dataloader = dict(dataset=_base_.grefshapes)
test_dataloader = dict(dataset=_base_.grefshapes)
val_evaluator = _base_.grefshapes_evaluator
test_evaluator = _base_.grefshapes_evaluator
test_splits = _base_.grefshapes_splits
default_hooks = dict(checkpoint=dict(save_best='gIoU'))  # our choice: counts every kind of sentence
